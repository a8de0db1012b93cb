//! Reads the source of this package: no field can hold a person or a request.

use std::{collections::BTreeSet, fs, path::Path};

#[test]
fn no_field_that_crosses_the_wall_is_named_like_a_person_or_a_request() {
    let fields = all_fields();

    for Field { name, .. } in &fields {
        let mut words = name.split('_');
        assert!(!words.any(|word| PERSONAL.contains(&word)), "{name}");
    }
    assert!(fields.len() > 40, "the reading finds only {}", fields.len());
}

/// Free text could hold anything. Each field of it is named here, so that one more is a decision.
#[test]
fn free_text_crosses_the_wall_where_it_is_known_to() {
    let known = BTreeSet::from([
        "claims.rs aud",
        "claims.rs client_id",
        "claims.rs iss",
        "claims.rs jti",
        "jws.rs audience",
        "jws.rs issuer",
        "keys.rs x",
        "manifest.rs audience",
        "manifest.rs issuer",
        "notice.rs manifest",
        "notice.rs token",
    ]);
    // The rule for another's tokens is configuration, and a static text is ours.
    let crosses =
        |field: &&Field| !field.file.starts_with("jws/") && !field.kind.starts_with("&'static");
    let fields = all_fields();

    let found: BTreeSet<_> = fields
        .iter()
        .filter(crosses)
        .filter(|field| {
            ["String", "str", "Vec<u8>", "Value"]
                .iter()
                .any(|text| field.kind.contains(text))
        })
        .map(|field| format!("{} {}", field.file, field.name))
        .collect();

    assert_eq!(found, known.into_iter().map(str::to_owned).collect());
}

#[test]
fn the_reading_sees_fields_of_structs_and_of_variants() {
    let source = "/// A thing.\npub struct A {\n    /// Who.\n    pub email: String,\n    hidden: u8,\n}\n\
        \npub enum B {\n    /// One.\n    C {\n        /// Who.\n        member: Vec<u8>,\n    },\n}\n";

    let found: Vec<_> = fields("a.rs", source)
        .into_iter()
        .map(|field| field.name)
        .collect();

    assert_eq!(found, ["email", "member"]);
}

struct Field {
    file: String,
    name: String,
    kind: String,
}

fn all_fields() -> Vec<Field> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let file = path
                .strip_prefix(&root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            if file.contains("tests") || file == "wall.rs" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                found.extend(fields(&file, &fs::read_to_string(path).unwrap()));
            }
        }
    }
    found
}

/// Fields of structs that are `pub`, and all fields of variants of enums that are.
fn fields(file: &str, source: &str) -> Vec<Field> {
    let mut in_enum = false;
    let mut found = Vec::new();
    for line in source.lines() {
        if line == "}" || line.starts_with("pub struct") {
            in_enum = false;
        } else if line.starts_with("pub enum") {
            in_enum = true;
        }
        let place = if in_enum {
            line.strip_prefix("        ")
        } else {
            line.strip_prefix("    pub ")
        };
        let field = place.and_then(|text| text.strip_suffix(',')?.split_once(": "));
        let Some((name, kind)) = field else { continue };
        if name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        {
            found.push(Field {
                file: file.to_owned(),
                name: name.to_owned(),
                kind: kind.to_owned(),
            });
        }
    }
    found
}

const PERSONAL: &[&str] = &[
    "member",
    "members",
    "user",
    "person",
    "human",
    "subject",
    "email",
    "mail",
    "phone",
    "address",
    "surname",
    "given",
    "family",
    "birth",
    "birthday",
    "nationality",
    "document",
    "passport",
    "selfie",
    "portrait",
    "group",
    "groups",
    "role",
    "prompt",
    "prompts",
    "message",
    "messages",
    "body",
    "content",
    "completion",
    "answer",
    "request",
    "response",
    "ip",
    "agent",
    "path",
    "query",
];
