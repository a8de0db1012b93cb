use super::*;
use crate::tree::empty_root;

fn signer() -> Signer {
    Signer::new("log.example/identity", &[1; 32]).unwrap()
}

/// The example key and note of the Go module golang.org/x/mod/sumdb/note.
const GO_VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\
    \n\
    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

#[test]
fn a_note_signed_by_another_implementation_opens() {
    let verifier = Verifier::parse(GO_VKEY).unwrap();

    let text = verifier.open(GO_NOTE).unwrap();

    assert!(text.starts_with("If you think"));
    assert!(text.ends_with("problem is.\n"));
    assert_eq!(verifier.name(), "PeterNeumann");
    assert_eq!(verifier.id(), "c74f20a3");
}

#[test]
fn what_was_signed_opens() {
    let note = signer().sign("{\"a\":1}");
    let verifier = Verifier::parse(&signer().vkey()).unwrap();

    assert_eq!(verifier.open(&note), Ok("{\"a\":1}\n"));
    assert_eq!(verifier, *signer().verifier());
}

#[test]
fn a_text_with_blank_lines_opens() {
    let note = signer().sign("a\n\nb\n\n");

    assert_eq!(signer().verifier().open(&note), Ok("a\n\nb\n\n"));
}

#[test]
fn no_byte_of_a_note_can_change() {
    let note = signer().checkpoint(7, &empty_root());
    let verifier = signer().verifier().clone();
    for at in 0..note.len() {
        for bit in 0..8 {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let Ok(changed) = String::from_utf8(bytes) else {
                continue;
            };

            assert!(verifier.open(&changed).is_err(), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn unknown_signatures_are_ignored() {
    let other = Signer::new("witness.example", &[2; 32]).unwrap();
    let mut note = signer().sign("text\n");
    let cosignature = other.sign("text\n");
    note.push_str(cosignature.rsplit_once("\n\n").unwrap().1);

    assert_eq!(signer().verifier().open(&note), Ok("text\n"));
    assert_eq!(other.verifier().open(&note), Ok("text\n"));
}

#[test]
fn one_bad_signature_of_a_known_key_refuses_the_note() {
    let mut note = signer().sign("text\n");
    let elsewhere = signer().sign("other text\n");
    note.push_str(elsewhere.rsplit_once("\n\n").unwrap().1);

    assert_eq!(signer().verifier().open(&note), Err(NoteError::Signature));
}

#[test]
fn a_note_by_nobody_known_is_unsigned() {
    let other = Signer::new("log.example/identity", &[2; 32]).unwrap();

    let found = signer().verifier().open(&other.sign("text\n")).err();

    assert_eq!(found, Some(NoteError::Unsigned));
}

#[test]
fn sixteen_other_signatures_are_bearable_and_a_thousand_are_not() {
    let line = "\u{2014} w AAAAAAA=\n";
    let verifier = signer().verifier().clone();
    let note = signer().sign("text\n");

    assert!(verifier.open(&(note.clone() + &line.repeat(16))).is_ok());
    let found = verifier.open(&(note + &line.repeat(1000))).err();
    assert_eq!(found, Some(NoteError::Size));
}

#[test]
fn aud_06_a_control_character_is_no_note() {
    for text in ["a\rb\n", "a\u{1b}[2Jb\n", "a\tb\n", "a\0b\n"] {
        let note = signer().sign(text);

        assert_eq!(signer().verifier().open(&note), Err(NoteError::Note));
    }
}

#[test]
fn malformed_notes_are_refused() {
    let verifier = signer().verifier().clone();
    for note in [
        "",
        "\n",
        "text\n",
        "text\n\n",
        "text\n\nno dash\n",
        "text\n\n\u{2014} name\n",
        "text\n\n\u{2014} name ???\n",
        "text\n\n\u{2014} name AAAA\n",
        "text\n\n\u{2014}  AAAAAAA=\n",
        "text\n\n\u{2014} name AAAAAAA=",
    ] {
        assert_eq!(verifier.open(note), Err(NoteError::Note), "{note:?}");
    }
    let long = "a".repeat(MAX_NOTE + 1);
    assert_eq!(verifier.open(&long), Err(NoteError::Size));
}

#[test]
fn the_longest_text_opens() {
    let text = "a".repeat(MAX_TEXT - 1);
    let note = signer().sign(&text);

    assert!(signer().verifier().open(&note).is_ok());
}

#[test]
fn malformed_keys_are_refused() {
    let (name, rest) = GO_VKEY.split_once('+').unwrap();
    for vkey in [
        String::new(),
        name.to_owned(),
        format!("Other+{rest}"),
        format!("+{rest}"),
        GO_VKEY.to_uppercase(),
        format!("{GO_VKEY}\n"),
        format!("{GO_VKEY}AAAA"),
        GO_VKEY.replace("+ARpc", "+BBpc"),
        GO_VKEY.replace("c74f20a3", "c74f20a4"),
    ] {
        assert_eq!(Verifier::parse(&vkey), Err(NoteError::Key), "{vkey:?}");
    }
}

#[test]
fn a_name_that_would_break_a_line_names_no_key() {
    for name in [
        "",
        "a b",
        "a+b",
        "a\nb",
        "a\u{202e}b",
        "bücher.example",
        "{a",
        &"a".repeat(256),
    ] {
        assert!(Signer::new(name, &[1; 32]).is_none(), "{name:?}");
    }
    assert!(Signer::new("books.example/log", &[1; 32]).is_some());
}

#[test]
fn a_checkpoint_is_read_as_it_is_printed() {
    let root = empty_root();
    let note = signer().checkpoint(12, &root);

    let checkpoint = signer().verifier().checkpoint(&note).unwrap();

    assert_eq!(checkpoint.origin, "log.example/identity");
    assert_eq!((checkpoint.size, checkpoint.root), (12, root));
}

#[test]
fn malformed_checkpoints_are_refused() {
    let root = STANDARD.encode([0; 32]);
    for text in [
        String::new(),
        format!("o\n1\n{root}"),
        format!("\n1\n{root}\n"),
        format!("o\n01\n{root}\n"),
        format!("o\n+1\n{root}\n"),
        format!("o\n-1\n{root}\n"),
        format!("o\n18446744073709551616\n{root}\n"),
        "o\n1\nAAAA\n".to_owned(),
        "o\n1\n".to_owned(),
        format!("o\n1\n{root}\n\n"),
    ] {
        let found = Checkpoint::parse(&text);
        assert_eq!(found, Err(NoteError::Checkpoint), "{text:?}");
    }
    assert!(Checkpoint::parse(&format!("o\n1\n{root}\nextension\n")).is_ok());
}

#[test]
fn a_checkpoint_of_another_log_is_refused() {
    let other = Checkpoint {
        origin: "log.example/gateway".to_owned(),
        size: 1,
        root: empty_root(),
    };
    let note = signer().sign(&other.to_string());

    let found = signer().verifier().checkpoint(&note);

    assert_eq!(found, Err(NoteError::Origin));
}

#[test]
fn a_feed_page_is_never_a_checkpoint() {
    let note = signer().sign("{\"after\":0}\n");

    let found = signer().verifier().checkpoint(&note);

    assert_eq!(found, Err(NoteError::Checkpoint));
}
