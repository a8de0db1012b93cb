//! `docs/THREATS.md` and the tests say the same: what the page names is there and runs, and a test
//! that is named after a threat is on the page.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use bauta_tests::root;

#[test]
fn every_test_on_the_page_is_in_the_file_that_the_page_names() {
    let tree = tree();
    let mut wrong = Vec::new();

    for row in page() {
        for (file, tests) in &row.proofs {
            let Some(there) = tree.get(file) else {
                wrong.push(format!("{}: there is no {file}", row.id));
                continue;
            };
            let gone = tests.iter().filter(|test| !there.contains(*test));
            wrong.extend(gone.map(|test| format!("{}: {file} has no test {test}", row.id)));
        }
    }

    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_test_named_after_a_threat_is_on_its_row() {
    let rows: BTreeMap<String, Row> = page().into_iter().map(|r| (r.id.clone(), r)).collect();
    let mut missing = Vec::new();
    let mut named = 0;

    for (file, tests) in tree() {
        for test in tests {
            for id in ids(&test) {
                named += 1;
                let row = rows.get(&id).and_then(|row| row.proofs.get(&file));
                if row.is_none_or(|tests| !tests.contains(&test)) {
                    missing.push(format!("{id} does not name {test} of {file}"));
                }
            }
        }
    }

    assert!(missing.is_empty(), "{missing:#?}");
    assert!(named > 200, "the reading finds only {named} such tests");
}

#[test]
fn every_id_stands_once_and_the_counts_are_right() {
    let rows = page();
    let (mut answered, mut partly, mut open) = (0, 0, 0);
    for row in &rows {
        match (row.proofs.is_empty(), &row.gap) {
            (false, None) => answered += 1,
            (false, Some(_)) => partly += 1,
            (true, Some(_)) => open += 1,
            (true, None) => panic!("{} has neither a test nor a gap", row.id),
        }
    }

    let ids: BTreeSet<_> = rows.iter().map(|row| &row.id).collect();
    assert_eq!(ids.len(), rows.len(), "an id stands twice");
    let counts = format!(
        "{} rows: {answered} answered by tests, {partly} in part, {open} open.",
        rows.len()
    );
    println!("{counts}");
    assert!(text().lines().any(|line| line == counts), "{counts}");
}

#[test]
fn a_row_is_read_in_each_of_its_forms() {
    let proved = read("**A-01** `x_y` is tried. → It fails. `a/b.rs`: `c_d`, `e_f`; `g.rs`: `h`.");
    let part = read("**A-02** It is tried. → It fails. `a.rs`: `c_d`. *Open: the rest of it.*");
    let open = read("**A-03** It is tried with `x_y`. *Open: comes later.*");

    let tests = |row: &Row| -> Vec<String> { row.proofs.values().flatten().cloned().collect() };
    assert_eq!(tests(&proved), ["c_d", "e_f", "h"]);
    assert_eq!((proved.proofs.len(), proved.gap), (2, None));
    assert_eq!(tests(&part), ["c_d"]);
    assert_eq!(part.gap.as_deref(), Some("the rest of it"));
    assert!(open.proofs.is_empty());
    assert_eq!((open.id.as_str(), open.gap.is_some()), ("A-03", true));
}

#[test]
fn only_what_runs_is_taken_for_a_test() {
    let found = tests_of(
        "#[test]\nfn plain() {}\n#[tokio::test(flavor = \"x\")]\nasync fn slow() {}\n\
         fn aid() {}\n#[test]\n#[ignore]\nfn asleep() {}\n\
         pub async fn promise<S>(s: S) {}\n    promise(fresh().await).await;\n",
    );
    let made = tests_of("fn $name() {\n    h1_01_x = \"H1-01\";\n    let y = \"z\";\n");

    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        ["plain", "promise", "slow"]
    );
    assert_eq!(made.into_iter().collect::<Vec<_>>(), ["h1_01_x"]);
    assert_eq!(ids("jwt_19_jwt_20_a_bad_one"), ["JWT-19", "JWT-20"]);
    assert!(ids("a_token_of_12_parts").is_empty() && ids("p1_no_byte").is_empty());
}

/// One line of the page.
struct Row {
    id: String,
    /// File to tests.
    proofs: BTreeMap<String, BTreeSet<String>>,
    /// What is missing.
    gap: Option<String>,
}

fn page() -> Vec<Row> {
    let text = text();
    let rows: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("- "))
        .map(read)
        .collect();
    assert!(
        rows.len() > 150,
        "the reading finds only {} rows",
        rows.len()
    );
    rows
}

fn text() -> String {
    fs::read_to_string(root().join("docs/THREATS.md")).unwrap()
}

/// `**ID** what is tried. → what answers it. `file`: `test`, `test`; `file`: `test`. *Open: gap.*`:
/// from the first code span that is a Rust file on, each span is a file or a test of it.
fn read(line: &str) -> Row {
    let (id, rest) = line
        .strip_prefix("**")
        .and_then(|line| line.split_once("** "))
        .unwrap_or_else(|| panic!("not a row: {line}"));
    let (told, gap) = match rest.split_once(" *Open: ") {
        Some((told, gap)) => (told, Some(gap.strip_suffix(".*").unwrap().to_owned())),
        None => (rest, None),
    };
    let mut proofs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut file = None;
    for span in told.split('`').skip(1).step_by(2) {
        if Path::new(span).extension().is_some_and(|kind| kind == "rs") {
            file = Some(span.to_owned());
            proofs.insert(span.to_owned(), BTreeSet::new());
        } else if let Some(file) = &file {
            let tests = proofs.get_mut(file).unwrap();
            assert!(tests.insert(span.to_owned()), "{id} names {span} twice");
        }
    }
    assert_eq!(
        told.contains(" → "),
        !proofs.is_empty(),
        "{id} answers without a proof"
    );
    for (file, tests) in &proofs {
        assert!(!tests.is_empty(), "{id} names {file} and no test in it");
    }
    assert!(
        gap.as_ref().is_none_or(|gap| gap.len() > 8),
        "{id} is open, and why?"
    );
    let id = id.to_owned();
    Row { id, proofs, gap }
}

/// Every file of ours that has tests, with their names.
fn tree() -> BTreeMap<String, BTreeSet<String>> {
    fn walk(folder: &Path, found: &mut BTreeMap<String, BTreeSet<String>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                walk(&path, found);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                let tests = tests_of(&fs::read_to_string(&path).unwrap());
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
                if !tests.is_empty() {
                    found.insert(name.to_owned(), tests);
                }
            }
        }
    }
    let mut found = BTreeMap::new();
    for folder in ["attestation", "proxy", "storage", "tests"] {
        walk(&root().join(folder), &mut found);
    }
    found
}

/// The tests in a file: functions that are marked as tests and not ignored, parts of a suite that
/// its runner calls on a fresh store, and lines of a macro that makes one test of each.
fn tests_of(text: &str) -> BTreeSet<String> {
    let makes_tests = text.contains("fn $name()");
    let (mut marked, mut ignored) = (false, false);
    let mut found = BTreeSet::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            marked = true;
        } else if line.starts_with("#[ignore") {
            ignored = true;
        } else if let Some(name) = function(line) {
            if marked && !ignored || text.contains(&format!("{name}(fresh()")) {
                found.insert(name.to_owned());
            }
            (marked, ignored) = (false, false);
        } else if makes_tests
            && let Some((name, value)) = line.split_once(" = \"")
            && name.bytes().all(is_of_a_name)
            && value.ends_with("\";")
        {
            found.insert(name.to_owned());
        }
    }
    found
}

/// The name, if `line` begins a function.
fn function(line: &str) -> Option<&str> {
    let line = ["pub ", "pub(crate) ", "pub(super) "]
        .iter()
        .find_map(|prefix| line.strip_prefix(prefix))
        .unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line);
    let rest = line.strip_prefix("fn ")?;
    let end = rest.bytes().position(|b| !is_of_a_name(b))?;
    rest.get(..end).filter(|name| !name.is_empty())
}

const fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The ids that a test is named after: `jwt_19_jwt_20_...` belongs to JWT-19 and JWT-20.
fn ids(test: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = test;
    while let Some((group, tail)) = rest.split_once('_')
        && let Some((number, tail)) = tail.split_once('_')
        && number.len() == 2
        && number.bytes().all(|b| b.is_ascii_digit())
    {
        found.push(format!("{}-{number}", group.to_uppercase()));
        rest = tail;
    }
    found
}
