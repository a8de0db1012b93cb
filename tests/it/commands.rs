//! What pages, refusals and documents tell people to run is a command that there is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use bauta_tests::root;

use crate::server::run;

/// What follows the word in prose: the mask, the program, the form of an export's signature.
const PROSE: [&str; 7] = ["was", "is", "made", "did", "has", "command", "export"];

/// What people read. Tests are not among it.
const READ: [&str; 12] = [
    "README.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "docs",
    "deploy",
    "attestation/templates",
    "attestation/src",
    "attestation/token/src",
    "proxy/src",
    "proxy/server/src",
    "proxy/agent/src",
    "storage",
];

#[test]
fn every_command_that_is_named_is_one_that_there_is() {
    let mut named: BTreeMap<Vec<String>, BTreeSet<PathBuf>> = BTreeMap::new();
    for place in READ {
        visit(&root().join(place), &mut |file, text| {
            for words in commands(text) {
                named.entry(words).or_default().insert(file.to_owned());
            }
        });
    }

    let wrong: Vec<_> = named.iter().filter(|(words, _)| !is_there(words)).collect();

    println!("{} commands are named", named.len());
    assert!(named.len() > 8, "nothing was read: {named:?}");
    assert!(wrong.is_empty(), "no such command: {wrong:#?}");
}

#[test]
fn a_command_that_is_not_there_is_found() {
    let text = "Your tokens are fetched by bauta agent. Try `bauta audit burn FILE`, or the bauta.";

    let found: Vec<_> = commands(text).collect();

    assert_eq!(found, [vec!["agent"], vec!["audit", "burn"]]);
    assert!(found.iter().all(|words| !is_there(words)));
    assert!(is_there(&["audit".to_owned(), "verify".to_owned()]));
}

/// `bauta X`, and `bauta X Y` where another word follows.
fn commands(text: &str) -> impl Iterator<Item = Vec<String>> {
    let after = text.match_indices("bauta ").filter(|(at, _)| {
        let before = text[..*at].chars().last();
        before.is_none_or(|c| !c.is_alphanumeric() && !"-_.".contains(c))
    });
    after.filter_map(|(at, word)| {
        let line = text[at + word.len()..].lines().next().unwrap_or_default();
        let mut words = Vec::new();
        for word in line.split(' ').take(2) {
            let plain: String = word.chars().take_while(char::is_ascii_lowercase).collect();
            let ends = plain.len() < word.len();
            if plain.is_empty() {
                break;
            }
            words.push(plain);
            if ends {
                break;
            }
        }
        let first = words.first()?;
        (!PROSE.contains(&first.as_str())).then_some(words)
    })
}

/// Asks the program itself. A second word is a command only where the first has commands.
fn is_there<S: AsRef<str>>(words: &[S]) -> bool {
    let words: Vec<_> = words.iter().map(AsRef::as_ref).collect();
    let Some(help) = words.get(..1).and_then(help) else {
        return false;
    };
    let has_commands = help.contains("<COMMAND>");
    !has_commands || words.len() == 1 || self::help(&words).is_some()
}

fn help(words: &[&str]) -> Option<String> {
    let done = run(&[words, &["--help"]].concat());
    let shown = String::from_utf8(done.stdout).unwrap();
    done.status.success().then_some(shown)
}

fn visit(place: &Path, see: &mut impl FnMut(&Path, &str)) {
    if place.is_dir() {
        for entry in fs::read_dir(place).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let is_test = name == "tests" || name == "tests.rs" || name.ends_with("_tests.rs");
            if !is_test && name != "target" {
                visit(&path, see);
            }
        }
    } else if let Ok(text) = fs::read_to_string(place) {
        see(place.strip_prefix(root()).unwrap(), &text);
    }
}
