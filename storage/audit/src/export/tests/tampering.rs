//! Whatever is done to a file, it is refused and the record is named (AUD-01 to AUD-05).

use super::*;

/// Every kind of line: shown with and without salt, withheld, erased, consistency.
fn fixture() -> Vec<u8> {
    let log = Memory::new();
    let head = log.append(&signer(), &[issued(0, "text"), manifest(1)]);
    let entries: Vec<_> = (2..7)
        .map(|minute| match minute {
            5 => manifest(minute),
            2 => issued(minute, "vision"),
            _ => issued(minute, "text"),
        })
        .collect();
    log.append(&signer(), &entries);
    assert!(log.erase(3));
    let mut asked = request(1, 6);
    asked.filter = Filter::everything().only("type", ["token.issued", "manifest"]);
    asked.filter = asked.filter.only("scope", ["text"]);
    asked.previous = Some(Checkpoint {
        origin: signer().verifier().name().to_owned(),
        size: head.size,
        root: head.root,
    });
    export(&log, &asked).unwrap()
}

fn lines(file: &[u8]) -> Vec<Vec<u8>> {
    let lines = file.split_inclusive(|byte| *byte == b'\n');
    lines.map(<[u8]>::to_vec).collect()
}

fn refused(file: &[u8]) -> VerifyError {
    check(file).expect_err("the file is not what was exported")
}

#[test]
#[expect(clippy::print_stdout, reason = "a proven promise prints its figure")]
fn aud_01_no_byte_can_change_and_its_line_is_named() {
    let file = fixture();
    check(&file).unwrap();
    let mut line = 1_u64;
    for at in 0..file.len() {
        for mask in [0x01, 0x20, 0x80] {
            let mut changed = file.clone();
            changed[at] ^= mask;
            let error = refused(&changed);

            assert_eq!(error.line(), Some(line), "byte {at}, mask {mask}: {error}");
        }
        line += u64::from(file[at] == b'\n');
    }
    println!(
        "{} bytes, each changed in 3 ways, each line named",
        file.len()
    );
}

#[test]
fn aud_01_no_byte_can_be_taken_out_or_put_in() {
    let file = fixture();
    for at in 0..file.len() {
        let mut shorter = file.clone();
        shorter.remove(at);
        refused(&shorter);
        for byte in [b' ', b'0', b'\n'] {
            let mut longer = file.clone();
            longer.insert(at, byte);
            refused(&longer);
        }
    }
    for byte in [b' ', b'\n', b'{', 0] {
        let mut longer = file.clone();
        longer.push(byte);
        refused(&longer);
    }
}

#[test]
fn aud_01_a_line_cannot_be_deleted_doubled_or_moved() {
    let lines = lines(&fixture());
    for at in 0..lines.len() {
        let mut fewer = lines.clone();
        fewer.remove(at);
        let error = refused(&fewer.concat());
        assert_eq!(
            error.line(),
            Some(at as u64 + 1),
            "without line {at}: {error}"
        );

        let mut more = lines.clone();
        more.insert(at, lines[at].clone());
        let error = refused(&more.concat());
        let named = if at + 1 == lines.len() { at } else { at + 1 };
        assert_eq!(
            error.line(),
            Some(named as u64 + 1),
            "line {at} twice: {error}"
        );

        for other in 0..at {
            let mut moved = lines.clone();
            moved.swap(at, other);
            let error = refused(&moved.concat());
            assert_eq!(
                error.line(),
                Some(other as u64 + 1),
                "{at} and {other}: {error}"
            );
        }
    }
}

#[test]
fn aud_02_a_file_cannot_be_cut() {
    let file = fixture();
    for end in 0..file.len() {
        let whole_lines = lines(&file[..end])
            .iter()
            .filter(|line| line.ends_with(b"\n"))
            .count();
        let error = refused(&file[..end]);

        assert_eq!(
            error.line(),
            Some(whole_lines as u64 + 1),
            "{end} bytes: {error}"
        );
    }
}

#[test]
fn aud_01_the_record_that_was_edited_is_named() {
    let file = String::from_utf8(fixture()).unwrap();
    let edited = file.replace("10:04:00", "10:04:01");
    assert_ne!(file, edited);

    let error = refused(edited.as_bytes());

    assert_eq!((error.line(), error.index()), (Some(5), Some(4)));
    assert!(matches!(error.why(), Why::Unproven), "{error}");
    assert!(
        error
            .to_string()
            .starts_with("line 5 (leaf 4): it is not the record")
    );
}

#[test]
fn aud_01_a_record_of_another_export_of_the_same_log_does_not_fit() {
    let log = log();
    let earlier = lines(&export(&log, &request(0, 7)).unwrap());
    log.append(&signer(), &[issued(7, "text")]);
    let later = lines(&export(&log, &request(0, 7)).unwrap());
    for at in 0..later.len() {
        let mut spliced = later.clone();
        spliced[at].clone_from(&earlier[at]);
        let error = refused(&spliced.concat());

        // An earlier header makes every later record wrong, from the first on.
        let named = if at == 0 { 2 } else { at + 1 };
        assert_eq!(error.line(), Some(named as u64), "{error}");
    }
}

#[test]
fn aud_01_an_erased_record_cannot_be_called_withheld() {
    let file = String::from_utf8(fixture()).unwrap();
    let line = file
        .lines()
        .find(|line| line.contains("\"erased\":true"))
        .unwrap();
    let mut members: serde_json::Value = serde_json::from_str(line).unwrap();
    members.as_object_mut().unwrap().remove("erased");
    members["withheld"] = json!(true);
    let forged = canonical::to_string(&members).unwrap();

    let error = refused(file.replace(line, &forged).as_bytes());

    // The hash is right either way; the sum is not, nor are the counts.
    assert!(matches!(error.why(), Why::Sum), "{error}");
}

#[test]
fn aud_01_a_shown_record_cannot_be_turned_into_a_withheld_one() {
    let file = String::from_utf8(fixture()).unwrap();
    let line = file.lines().find(|line| line.contains("10:04:00")).unwrap();
    let members: serde_json::Value = serde_json::from_str(line).unwrap();
    let hash = crate::tree::leaf_hash(
        Some(&[4; 32]),
        canonical::to_string(&members["event"]).unwrap().as_bytes(),
    );
    let forged = json!({
        "hash": line::base64(&[hash])[0],
        "index": 4,
        "proof": members["proof"],
        "withheld": true,
    });
    let forged = canonical::to_string(&forged).unwrap();

    let error = refused(file.replace(line, &forged).as_bytes());

    assert!(matches!(error.why(), Why::Sum), "{error}");
}

#[test]
fn aud_04_another_key_cannot_reseal_a_file_for_a_reader_who_knows_the_key() {
    let forger = Signer::new("log.example/identity", &[2; 32]).unwrap();
    let log = Memory::new();
    log.append(&forger, &[issued(0, "text")]);
    let mut file = Vec::new();
    ready(write(&log, &forger, &request(0, 7), &mut file)).unwrap();

    let error = refused(&file);

    assert_eq!(error.line(), Some(1));
    assert!(matches!(error.why(), Why::OtherKey), "{error}");
    let alone = verify(Cursor::new(&file), &Options::default()).unwrap();
    assert_eq!(alone.key_source, KeySource::File);
}

#[test]
fn aud_04_a_swapped_key_opens_no_seal() {
    let other = Signer::new("log.example/identity", &[2; 32]).unwrap();
    let file = String::from_utf8(fixture()).unwrap();
    let swapped = file.replace(&signer().vkey(), &other.vkey());

    let error = verify(Cursor::new(swapped), &Options::default()).unwrap_err();

    assert_eq!(error.line(), Some(1));
    assert!(
        matches!(error.why(), Why::Seal(NoteError::Unsigned)),
        "{error}"
    );
}

#[test]
fn aud_01_the_text_of_the_filter_is_sealed() {
    let file = String::from_utf8(fixture()).unwrap();
    for (from, to) in [
        ("\"scope\":[\"text\"]", "\"scope\":[\"text\",\"vision\"]"),
        ("\"scope\":[\"text\"],", ""),
        ("\"to\":\"2026-11-20T10:06", "\"to\":\"2026-11-20T11:06"),
        ("\"profile\":\"auditor\"", "\"profile\":\"stats\""),
        ("\"durability\":\"fsync\"", "\"durability\":\"os\""),
        ("\"plane\":\"identity\"", "\"plane\":\"gateway\""),
    ] {
        let changed = file.replace(from, to);
        assert_ne!(changed, file, "{from}");

        let error = refused(changed.as_bytes());

        assert_eq!(error.line(), Some(1), "{from}: {error}");
        assert!(matches!(error.why(), Why::Unsealed), "{from}: {error}");
    }
}

#[test]
fn a_seal_is_good_for_one_kind_of_line() {
    let sealed = line::seal(json!({"a": 1}), line::HEADER, &signer()).unwrap();
    let key = signer().verifier().clone();

    assert!(line::unseal(&sealed, line::HEADER, &key).is_ok());
    let error = line::unseal(&sealed, line::TRAILER, &key).unwrap_err();
    assert!(matches!(error, Why::Unsealed), "{error}");
}

#[test]
fn a_seal_with_a_second_signature_is_refused() {
    let sealed = line::seal(json!({"a": 1}), line::HEADER, &signer()).unwrap();
    let more = sealed.replace("=\\n\"}", "=\\n\u{2014} other AAAAAAA=\\n\"}");
    assert_ne!(sealed, more);

    let error = line::unseal(&more, line::HEADER, signer().verifier()).unwrap_err();

    assert!(matches!(error, Why::Unsealed), "{error}");
}

#[test]
fn a_member_that_is_there_twice_is_refused() {
    let file = String::from_utf8(fixture()).unwrap();
    let twice = file.replacen("\"index\":4,", "\"index\":4,\"index\":4,", 1);
    assert_ne!(file, twice);

    let error = refused(twice.as_bytes());

    assert_eq!(error.index(), Some(4));
    assert!(matches!(error.why(), Why::Canonical(_)), "{error}");
}

#[test]
fn a_line_without_end_is_not_read_to_its_end() {
    struct Endless;
    impl io::Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            buffer.fill(b'a');
            Ok(buffer.len())
        }
    }

    let error = verify(io::BufReader::new(Endless), &options()).unwrap_err();

    assert!(matches!(error.why(), Why::Long), "{error}");
    let error = kept(io::BufReader::new(Endless)).unwrap_err();
    assert!(matches!(error.why(), Why::Long), "{error}");
}

#[test]
fn aud_06_what_an_event_says_stays_in_its_record() {
    let log = Memory::new();
    let nasty = "\r\n{\"trailer\":true}\u{1b}[2J\u{2028}\u{202e}\",\"outcome\":\"allow";
    let event = json!({"actor": nasty, "at": at(1), "type": "token.issued"});
    log.append(
        &signer(),
        &[Entry {
            salt: Some([9; 32]),
            event: canonical::to_string(&event).unwrap(),
        }],
    );

    let file = export(&log, &request(0, 7)).unwrap();

    assert_eq!(lines(&file).len(), 3);
    assert_eq!(check(&file).unwrap().matched, 1);
}
