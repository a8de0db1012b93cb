//! The verifier in Python and the one in Rust share no code, and say the same of every file.

use std::{
    fs,
    future::Future,
    io::Cursor,
    path::{Path, PathBuf},
    pin::pin,
    process::{Command, Output},
    task::{Context, Poll, Waker},
};

use bauta_audit::{
    canonical,
    export::{self, Durability, Filter, Options, Plane, Profile, Request, Window},
    note::{Checkpoint, Signer},
    store::{Entry, Head, Memory},
};
use serde_json::{Value, json};
use tempfile::TempDir;

#[test]
fn both_verifiers_accept_what_was_exported() {
    let folder = TempDir::new().unwrap();
    let files = [
        ("everything", bundle(&everything())),
        ("some", bundle(&some())),
        ("none", bundle(&nothing())),
    ];
    let kept = write(&folder, "kept.note", head().0.note.as_bytes());
    for (name, file) in files {
        let path = write(&folder, name, &file);
        let report = export::verify(Cursor::new(&file), &options()).unwrap();

        let output = python(&["--key", &signer().vkey()], &[&path]);

        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}");
        assert!(
            text.contains(&format!("{} shown", report.matched)),
            "{text}"
        );
        assert!(!text.contains("compare it with one you trust"), "{text}");
        let output = python(&[], &[&path]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}");
        assert!(text.contains("compare it with one you trust"), "{text}");
    }
    let some = folder.path().join("some");
    let output = python(&["--previous", kept.to_str().unwrap()], &[&some]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("continues the checkpoint you kept, of 3 leaves"),
        "{text}"
    );
}

#[test]
fn aud_01_both_verifiers_name_the_same_line_of_a_file_with_a_changed_byte() {
    let file = bundle(&some());
    let changed = (0..file.len()).step_by(STEP).map(|at| {
        let mut changed = file.clone();
        let bit = u32::try_from(at).unwrap();
        changed[at] ^= 1_u8.rotate_left(bit);
        changed
    });

    agree_to_refuse(&changed.collect::<Vec<_>>());
}

#[test]
fn aud_02_both_verifiers_name_the_same_line_of_a_file_that_was_cut_or_rearranged() {
    let file = bundle(&some());
    let lines: Vec<_> = file.split_inclusive(|byte| *byte == b'\n').collect();
    let other = bundle(&everything());
    let others: Vec<_> = other.split_inclusive(|byte| *byte == b'\n').collect();
    let mut changed: Vec<Vec<u8>> = Vec::new();
    for at in 0..lines.len() {
        let (before, from) = lines.split_at(at);
        changed.push(before.concat());
        changed.push([before, from.get(1..).unwrap()].concat().concat());
        changed.push([before, &from[..1], from].concat().concat());
        for place in 0..at {
            let mut swapped = lines.clone();
            swapped.swap(place, at);
            changed.push(swapped.concat());
        }
        let mut spliced = lines.clone();
        spliced[at] = others[at];
        changed.push(spliced.concat());
    }
    changed.extend(
        (0..file.len())
            .step_by(STEP)
            .map(|end| file[..end].to_vec()),
    );
    changed.push([&file[..], b"\n"].concat());
    changed.push([&file[..], b"{}\n"].concat());
    changed.push(vec![b'a'; 2 * 1024 * 1024]);
    // A line that both exports share makes no difference.
    changed.retain(|changed| *changed != file);

    agree_to_refuse(&changed);
}

#[test]
fn aud_04_both_verifiers_refuse_another_key() {
    let folder = TempDir::new().unwrap();
    let path = write(&folder, "some", &bundle(&some()));
    let other = Signer::new(ORIGIN, &[2; 32]).unwrap();

    let output = python(&["--key", &other.vkey()], &[&path]);

    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("line 1 (header): it names another key"),
        "{text}"
    );
}

#[test]
fn aud_03_both_verifiers_refuse_a_history_that_was_rewritten() {
    let folder = TempDir::new().unwrap();
    let path = write(&folder, "some", &bundle(&some()));
    let forks = [
        signer().checkpoint(3, &leaf()),
        signer().checkpoint(2, &leaf()),
        signer().checkpoint(9, &leaf()),
        signer().checkpoint(0, &leaf()),
        signer().checkpoint(8, &leaf()),
        "nothing\n".to_owned(),
    ];
    for fork in forks {
        let kept = write(&folder, "kept.note", fork.as_bytes());
        let mut with = options();
        with.previous = Some(fork);
        let error = export::verify(Cursor::new(bundle(&some())), &with).unwrap_err();
        assert_eq!(error.line(), None, "{error}");

        let output = python(&["--previous", kept.to_str().unwrap()], &[&path]);

        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("the checkpoint that was kept: "), "{text}");
    }
}

#[test]
fn python_spells_json_as_the_log_does() {
    let folder = TempDir::new().unwrap();
    let all: String = (0..=0x10_ffff)
        .step_by(7)
        .chain(0..0x3000)
        .filter_map(char::from_u32)
        .collect();
    let keys = ["", "a", "A", "\u{ff5e}", "\u{1f600}", "\"", "\\", "\u{7f}"];
    let members = keys
        .iter()
        .map(|key| ((*key).to_owned(), json!([i64::MIN, u64::MAX, null])));
    for (name, value) in [
        ("texts", Value::String(all.chars().take(100_000).collect())),
        ("object", Value::Object(members.collect())),
    ] {
        let path = write(
            &folder,
            name,
            canonical::to_string(&value).unwrap().as_bytes(),
        );
        let program = "import json,sys\n\
            data=open(sys.argv[1],'rb').read()\n\
            text=json.dumps(json.loads(data),sort_keys=True,separators=(',',':'),ensure_ascii=False)\n\
            sys.exit(text.encode()!=data)";

        let output = Command::new(interpreter())
            .args(["-c", program])
            .arg(path)
            .output();

        assert!(output.unwrap().status.success(), "{name}");
    }
}

/// Both refuse each of `files`, at the same line.
fn agree_to_refuse(files: &[Vec<u8>]) {
    let folder = TempDir::new().unwrap();
    let paths: Vec<_> = files
        .iter()
        .enumerate()
        .map(|(at, file)| write(&folder, &at.to_string(), file))
        .collect();
    let paths: Vec<_> = paths.iter().map(PathBuf::as_path).collect();

    let output = python(&["--key", &signer().vkey()], &paths);

    assert_eq!(output.status.code(), Some(1));
    let verdicts = String::from_utf8(output.stdout).unwrap();
    let verdicts: Vec<_> = verdicts.lines().collect();
    assert_eq!(verdicts.len(), files.len());
    for (file, verdict) in files.iter().zip(verdicts) {
        let error = export::verify(Cursor::new(file), &options()).unwrap_err();
        let error = error.to_string();
        let place = error.split_once(": ").unwrap().0;
        assert!(
            verdict.contains(&format!(": REFUSED: {place}: ")),
            "{verdict}\n{error}"
        );
    }
}

fn python(options: &[&str], files: &[&Path]) -> Output {
    let output = Command::new(interpreter())
        .arg(script())
        .args(options)
        .args(files)
        .env("PYTHONIOENCODING", "utf-8")
        .output()
        .expect("python3 runs");
    assert!(
        output.stderr.is_empty(),
        "python3 with the package `cryptography` is needed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

fn interpreter() -> String {
    std::env::var("BAUTA_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

fn script() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = here
        .ancestors()
        .map(|folder| folder.join("docs/verify-export.py"));
    script.into_iter().find(|path| path.exists()).unwrap()
}

fn write(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn signer() -> Signer {
    Signer::new(ORIGIN, &[1; 32]).unwrap()
}

fn options() -> Options {
    Options {
        key: Some(signer().verifier().clone()),
        previous: None,
    }
}

fn leaf() -> bauta_audit::tree::Hash {
    bauta_audit::tree::leaf_hash(None, b"another history")
}

/// A log of eight leaves, one of them erased, and its head when it had three.
fn head() -> (Head, Memory) {
    let log = Memory::new();
    let entries: Vec<_> = (0..8_u8).map(entry).collect();
    let (early, late) = entries.split_at(3);
    let head = log.append(&signer(), early);
    log.append(&signer(), late);
    assert!(log.erase(4));
    (head, log)
}

fn entry(minute: u8) -> Entry {
    let at = format!("2026-11-20T10:0{minute}:00.000Z");
    let (salt, event) = if minute.is_multiple_of(3) {
        (None, json!({"at": at, "type": "manifest", "v": minute}))
    } else {
        let event = json!({"at": at, "note": "ä\u{1b}\u{2028}\"", "type": "token.issued"});
        (Some([minute; 32]), event)
    };
    Entry {
        salt,
        event: canonical::to_string(&event).unwrap(),
    }
}

fn everything() -> Request {
    Request {
        plane: Plane::Identity,
        window: Window::new("2026-11-20T10:01:00.000Z", "2026-11-20T10:07:00.000Z").unwrap(),
        filter: Filter::everything(),
        profile: Profile::Auditor,
        durability: Durability::Fsync,
        previous: None,
    }
}

fn some() -> Request {
    let head = head().0;
    Request {
        plane: Plane::Identity,
        filter: Filter::everything().only("type", ["token.issued", "token.revoked"]),
        previous: Some(Checkpoint {
            origin: ORIGIN.to_owned(),
            size: head.size,
            root: head.root,
        }),
        ..everything()
    }
}

fn nothing() -> Request {
    Request {
        window: Window::new("2025-11-20T10:00:00.000Z", "2026-11-20T10:00:00.000Z").unwrap(),
        durability: Durability::Os,
        ..everything()
    }
}

fn bundle(request: &Request) -> Vec<u8> {
    let (_, log) = head();
    let mut file = Vec::new();
    ready(export::write(&log, &signer(), request, &mut file)).unwrap();
    file
}

/// The value of a future that never waits, as those over a log in memory are.
fn ready<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future waits for something"),
    }
}

const ORIGIN: &str = "log.example/identity";
/// Every third byte is tried; the unit tests of the crate try them all.
const STEP: usize = 3;
