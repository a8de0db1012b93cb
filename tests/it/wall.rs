//! The wall, from `cargo metadata`: every edge between our packages is in one table.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::Value;

/// Who names whom. An edge that is not here does not exist; test-only and optional edges count,
/// except that a package may name itself to switch its own test features on.
const ALLOWED: &str = "
    bauta-audit       :
    bauta-sandbox     :
    bauta-token       : bauta-audit
    bauta-agent       : bauta-token
    bauta-attestation : bauta-audit bauta-token
    bauta-proxy       : bauta-audit bauta-token
    bauta-sqlite      : bauta-attestation bauta-audit bauta-proxy bauta-token
    bauta-postgres    : bauta-attestation bauta-audit bauta-proxy bauta-token
    bauta-storage     : bauta-attestation bauta-audit bauta-postgres bauta-proxy bauta-sqlite
    bauta             : bauta-agent bauta-attestation bauta-audit bauta-proxy bauta-sandbox bauta-storage bauta-token
    bauta-tests       : bauta bauta-audit bauta-sandbox bauta-token
";

#[test]
fn no_package_knows_more_than_the_table_says() {
    let (allowed, found) = (table(), edges());

    let extra: Vec<_> = found.difference(&allowed).collect();
    assert!(extra.is_empty(), "edges outside the table: {extra:?}");
    let gone: Vec<_> = allowed.difference(&found).collect();
    assert!(gone.is_empty(), "edges only in the table: {gone:?}");
}

/// The cargo-deny list repeats the table for builds that have cargo-deny: both must say the same.
#[test]
fn the_deny_list_allows_no_parent_that_the_table_refuses() {
    let deny: toml::Table = fs::read_to_string(root().join(".cargo/deny.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let table = table();

    let guarded = deny["bans"]["deny"].as_array().unwrap();
    for entry in guarded.iter().filter(|e| e.get("wrappers").is_some()) {
        let to = entry["crate"].as_str().unwrap();
        let wrappers = entry["wrappers"].as_array().unwrap();
        let named: BTreeSet<_> = wrappers.iter().map(|w| w.as_str().unwrap()).collect();
        let parents: BTreeSet<_> = table
            .iter()
            .filter(|(_, child)| child == to)
            .map(|(parent, _)| parent.as_str())
            .collect();
        assert_eq!(named, parents, "{to}");
    }
    let covered: BTreeSet<_> = guarded.iter().filter_map(|e| e["crate"].as_str()).collect();
    for package in ["bauta-attestation", "bauta-proxy", "bauta-storage"] {
        assert!(covered.contains(package), "{package} is not guarded");
    }
}

/// What crosses the wall has no field that could hold a person.
#[test]
fn the_shared_vocabulary_has_no_field_for_a_person() {
    let mut fields = 0;
    for file in rust_files(&root().join("attestation/token/src")) {
        let text = fs::read_to_string(&file).unwrap();
        for line in text.lines() {
            let Some((name, kind)) = public_field(line) else {
                continue;
            };
            fields += 1;
            for person in ["email", "subject", "employee", "person", "member", "user"] {
                assert!(!name.contains(person), "{name} in {}", file.display());
            }
            assert!(
                name != "sub" || kind == "Pseudonym",
                "`sub` is a {kind} in {}",
                file.display()
            );
        }
    }
    assert!(fields > 20, "only {fields} fields were read");
}

fn public_field(line: &str) -> Option<(&str, &str)> {
    let (name, kind) = line.trim().strip_prefix("pub ")?.split_once(": ")?;
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    plain.then_some((name, kind.trim_end_matches(',')))
}

fn rust_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

fn table() -> BTreeSet<(String, String)> {
    ALLOWED
        .lines()
        .filter_map(|line| line.split_once(':'))
        .flat_map(|(from, to)| to.split_whitespace().map(move |to| (from.trim(), to)))
        .map(|(from, to)| (from.to_owned(), to.to_owned()))
        .collect()
}

fn edges() -> BTreeSet<(String, String)> {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let metadata: Value = serde_json::from_slice(&out.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let ours: BTreeSet<&str> = packages.iter().map(name).collect();
    packages
        .iter()
        .flat_map(|p| {
            let dependencies = p["dependencies"].as_array().unwrap();
            dependencies.iter().map(move |d| (name(p), name(d)))
        })
        .filter(|(from, to)| ours.contains(to) && from != to)
        .map(|(from, to)| (from.to_owned(), to.to_owned()))
        .collect()
}

fn name(package: &Value) -> &str {
    package["name"].as_str().unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
