//! The two schemas say the same, and `docs/DATA.md` says what they say.

use std::{collections::BTreeMap, fmt::Write, fs, path::PathBuf};

#[test]
fn both_backends_store_the_same_columns_under_the_same_meaning() {
    for plane in PLANES {
        let (sqlite, postgres) = (schema(plane, "sqlite"), schema(plane, "postgres"));

        let tables: Vec<_> = sqlite.keys().collect();
        assert_eq!(tables, postgres.keys().collect::<Vec<_>>(), "{plane}");
        for (table, columns) in &sqlite {
            let plain = |c: &Column| (c.name.clone(), meaning(&c.kind), c.required);
            let here: Vec<_> = columns.iter().map(plain).collect();
            let there: Vec<_> = postgres[table].iter().map(plain).collect();
            assert_eq!(here, there, "{plane}.{table}");
        }
    }
}

#[test]
fn every_column_says_what_it_holds() {
    for plane in PLANES {
        for backend in ["sqlite", "postgres"] {
            for (table, columns) in schema(plane, backend) {
                for column in columns {
                    let place = format!("{plane}.{table}.{} ({backend})", column.name);
                    assert!(column.comment.len() > 4, "{place} has no comment");
                }
            }
        }
    }
}

/// Run with `BAUTA_BLESS=1` to write the page anew.
#[test]
fn the_page_on_stored_data_matches_the_migrations() {
    let path = root().join("docs/DATA.md");
    let made = page();
    if std::env::var_os("BAUTA_BLESS").is_some() {
        fs::write(&path, &made).unwrap();
    }

    let kept = fs::read_to_string(&path).unwrap_or_default();

    assert!(
        kept == made,
        "docs/DATA.md is stale: BAUTA_BLESS=1 writes it anew"
    );
}

fn page() -> String {
    let mut out = String::from(
        "# What is stored\n\nEvery column of both databases, made from the comments in `migrations/`. \
         What is not on this page is not stored. On SQLite a row of the journal stands for half a \
         minute at most as a line of `gateway.db-spool-N` before it is in its table: the same values, and no others.\n",
    );
    for plane in PLANES {
        writeln!(out, "\n## The {plane} database").unwrap();
        for (table, columns) in schema(plane, "sqlite") {
            writeln!(
                out,
                "\n### {table}\n\n| column | holds | may be absent |\n|---|---|---|"
            )
            .unwrap();
            for column in columns {
                let absent = if column.required { "" } else { "yes" };
                let comment = column.comment.replace('|', "\\|");
                writeln!(out, "| `{}` | {comment} | {absent} |", column.name).unwrap();
            }
        }
    }
    out
}

struct Column {
    name: String,
    kind: String,
    required: bool,
    comment: String,
}

/// Table to columns, in order, from the migrations' text: one column a line, a comment at its end.
fn schema(plane: &str, backend: &str) -> BTreeMap<String, Vec<Column>> {
    let folder = root().join("migrations").join(plane).join(backend);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    let mut tables = BTreeMap::new();
    let mut table = None;
    for line in files.iter().flat_map(lines) {
        let words: Vec<_> = line.split_whitespace().collect();
        match words.as_slice() {
            ["CREATE", "TABLE", name, ..] => {
                table = Some((*name).to_owned());
                tables.insert((*name).to_owned(), Vec::new());
            }
            [first, ..] if first.starts_with(')') => table = None,
            ["ALTER", "TABLE", of, "ADD", "COLUMN", name, kind, ..] => {
                tables.get_mut(*of).unwrap().push(column(&line, name, kind));
            }
            [name, kind, ..] if is_column(name, kind) => {
                let columns: &mut Vec<Column> = tables.get_mut(table.as_ref().unwrap()).unwrap();
                columns.push(column(&line, name, kind));
            }
            _ => {}
        }
    }
    tables
}

fn column(line: &str, name: &str, kind: &str) -> Column {
    let (rule, comment) = line.split_once("--").unwrap_or((line, ""));
    Column {
        name: name.to_owned(),
        kind: kind.trim_end_matches([',', ';']).to_owned(),
        required: rule.contains("NOT NULL"),
        comment: comment.trim().to_owned(),
    }
}

fn is_column(name: &str, kind: &str) -> bool {
    let plain = name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    plain && KINDS.iter().any(|(k, _)| *k == kind.trim_end_matches(','))
}

fn meaning(kind: &str) -> &'static str {
    KINDS.iter().find(|(k, _)| *k == kind).unwrap().1
}

fn lines(file: &PathBuf) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

const PLANES: [&str; 2] = ["identity", "gateway"];

/// The palette: a flag is an INTEGER with a CHECK here and a BOOLEAN there.
const KINDS: [(&str, &str); 6] = [
    ("INTEGER", "number"),
    ("BIGINT", "number"),
    ("BOOLEAN", "number"),
    ("BLOB", "bytes"),
    ("BYTEA", "bytes"),
    ("TEXT", "text"),
];
