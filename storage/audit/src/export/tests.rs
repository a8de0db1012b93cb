use std::io::{self, Cursor};

use serde_json::json;

use super::*;
use crate::{
    canonical,
    note::{NoteError, Signer},
    ready,
    store::{Entry, Memory},
};

mod tampering;

fn signer() -> Signer {
    Signer::new("log.example/identity", &[1; 32]).unwrap()
}

fn at(minute: u32) -> String {
    format!("2026-11-20T10:{minute:02}:00.000Z")
}

/// An event about a grant: salted.
fn issued(minute: u32, scope: &str) -> Entry {
    let event = json!({"at": at(minute), "scope": scope, "type": "token.issued"});
    Entry {
        salt: Some([u8::try_from(minute).unwrap(); 32]),
        event: canonical::to_string(&event).unwrap(),
    }
}

/// A public event.
fn manifest(minute: u32) -> Entry {
    let event = json!({"at": at(minute), "text": "scopes…", "type": "manifest", "v": 7});
    Entry {
        salt: None,
        event: canonical::to_string(&event).unwrap(),
    }
}

/// Seven leaves, a minute apart from 10:00 on; leaf 3 is erased.
fn log() -> Memory {
    let log = Memory::new();
    let entries: Vec<_> = (0..7)
        .map(|minute| match minute {
            1 | 5 => manifest(minute),
            2 => issued(minute, "vision"),
            _ => issued(minute, "text"),
        })
        .collect();
    log.append(&signer(), &entries);
    assert!(log.erase(3));
    log
}

fn request(from: u32, to: u32) -> Request {
    Request {
        plane: Plane::Identity,
        window: Window::new(&at(from), &at(to)).unwrap(),
        filter: Filter::everything(),
        profile: Profile::Auditor,
        durability: Durability::Fsync,
        previous: None,
    }
}

fn export(log: &Memory, request: &Request) -> Result<Vec<u8>, ExportError> {
    let mut file = Vec::new();
    ready(write(log, &signer(), request, &mut file)).map(|_| file)
}

fn options() -> Options {
    Options {
        key: Some(signer().verifier().clone()),
        previous: None,
    }
}

fn check(file: &[u8]) -> Result<Report, VerifyError> {
    verify(Cursor::new(file), &options())
}

fn checkpoint(log: &Memory) -> (String, Checkpoint) {
    let note = ready(crate::store::LogStore::head(log)).unwrap().note;
    let checkpoint = signer().verifier().checkpoint(&note).unwrap();
    (note, checkpoint)
}

#[test]
fn an_export_proves_what_is_in_it() {
    let file = export(&log(), &request(1, 6)).unwrap();

    let report = check(&file).unwrap();

    assert_eq!(report.range, Some((1, 5)));
    assert_eq!((report.matched, report.withheld, report.erased), (4, 0, 1));
    assert_eq!((report.in_window, report.size), (4, 7));
    assert_eq!(report.key_source, KeySource::Reader);
    let text = report.to_string();
    assert!(text.contains("leaves 1 to 5 of 7, none missing"), "{text}");
    assert!(text.contains("4 shown, 0 withheld, 1 erased"), "{text}");
    assert!(text.contains(&report.key_id), "{text}");
}

#[test]
fn the_window_is_half_open() {
    let file = export(&log(), &request(4, 6)).unwrap();

    let report = check(&file).unwrap();

    // Leaf 3 was erased: no one can tell that it was not at 10:04.
    assert_eq!(report.range, Some((3, 5)));
    assert_eq!((report.matched, report.erased), (2, 1));
}

#[test]
fn what_the_filter_does_not_show_is_withheld_by_hash() {
    let mut asked = request(0, 7);
    asked.filter = Filter::everything()
        .only("type", ["token.issued"])
        .only("scope", ["text", "audio"]);
    let file = export(&log(), &asked).unwrap();

    let report = check(&file).unwrap();

    assert_eq!((report.matched, report.withheld, report.erased), (3, 3, 1));
    assert_eq!(report.in_window, 6);
    let text = String::from_utf8(file).unwrap();
    assert!(!text.contains("manifest") && !text.contains("vision"));
}

#[test]
fn a_filter_compares_integers_and_elements() {
    let event = json!({"models": ["a", "b"], "n": 7, "type": "x"});
    let event = event.as_object().unwrap();

    for (member, text, expected) in [
        ("n", "7", true),
        ("n", "07", false),
        ("models", "b", true),
        ("models", "c", false),
        ("none", "", false),
        ("type", "x", true),
    ] {
        let filter = Filter::everything().only(member, [text]);
        assert_eq!(filter.matches(event), expected, "{filter}");
    }
}

#[test]
fn an_empty_result_is_signed_too() {
    let log = log();
    assert!(log.append(&signer(), &[issued(20, "text")]).size == 8);
    let file = export(&log, &request(10, 15)).unwrap();

    let report = check(&file).unwrap();

    assert_eq!((report.range, report.matched, report.size), (None, 0, 8));
    assert!(report.to_string().contains("no leaf in the window, of 8"));
    assert_eq!(file.split_inclusive(|byte| *byte == b'\n').count(), 2);
}

#[test]
fn an_empty_log_has_an_export() {
    let file = export(&Memory::new(), &request(0, 7)).unwrap();

    let report = check(&file).unwrap();

    assert_eq!((report.range, report.size), (None, 0));
}

#[test]
fn erased_leaves_where_the_window_would_be_are_listed() {
    let log = log();
    for index in [2, 4] {
        assert!(log.erase(index));
    }
    let file = export(&log, &request(2, 5)).unwrap();

    let report = check(&file).unwrap();

    assert_eq!(report.range, Some((2, 4)));
    assert_eq!((report.matched, report.erased), (0, 3));
}

#[test]
fn leaves_erased_before_or_after_the_window_are_not_of_it() {
    let log = log();
    assert!(log.erase(6));
    let range = |from: &str, to: &str| {
        let mut asked = request(0, 1);
        asked.window = Window::new(from, to).unwrap();
        check(&export(&log, &asked).unwrap()).unwrap().range
    };

    assert_eq!(range("2026-11-19T10:00:00.000Z", &at(0)), None);
    // No one can tell that the last leaf was not of that day.
    let next_day = range("2026-11-21T10:00:00.000Z", "2026-11-22T10:00:00.000Z");
    assert_eq!(next_day, Some((6, 6)));
    log.append(&signer(), &[issued(8, "text")]);
    assert_eq!(range("2026-11-20T10:05:30.000Z", &at(7)), Some((6, 6)));
    assert_eq!(range(&at(9), &at(10)), None);
}

#[test]
fn a_shuffled_batch_and_a_clock_set_back_leave_no_one_out() {
    let log = Memory::new();
    let minutes = [5, 1, 4, 9, 2, 0, 3, 8];
    let entries: Vec<_> = minutes.map(|minute| issued(minute, "text")).into();
    log.append(&signer(), &entries);

    let report = check(&export(&log, &request(2, 5)).unwrap()).unwrap();

    assert_eq!((report.range, report.matched), (Some((2, 6)), 3));
    assert_eq!(report.withheld, 2);
}

#[test]
fn a_long_log_is_exported_in_pieces() {
    let log = Memory::new();
    for hour in 0..4_u8 {
        let entries: Vec<_> = (0..300_u16)
            .map(|second| {
                let (minute, second) = (second / 60, second % 60);
                let at = format!("2026-11-20T{hour:02}:{minute:02}:{second:02}.000Z");
                let event = json!({"at": at, "type": "token.issued"});
                Entry {
                    salt: Some([hour; 32]),
                    event: canonical::to_string(&event).unwrap(),
                }
            })
            .collect();
        log.append(&signer(), &entries);
    }
    let mut asked = request(0, 1);
    asked.window = Window::new("2026-11-20T00:04:00.000Z", "2026-11-20T03:01:00.000Z").unwrap();

    let report = check(&export(&log, &asked).unwrap()).unwrap();

    assert_eq!(report.range, Some((240, 959)));
    assert_eq!((report.matched, report.size), (720, 1200));
}

#[test]
fn without_a_key_the_file_names_it_and_the_report_says_so() {
    let file = export(&log(), &request(0, 7)).unwrap();

    let report = verify(Cursor::new(&file), &Options::default()).unwrap();

    assert_eq!(report.key_source, KeySource::File);
    assert_eq!(report.key, signer().vkey());
    assert!(
        report
            .to_string()
            .contains("the file itself names this key")
    );
}

#[test]
fn a_log_that_grew_continues_the_checkpoint_that_was_kept() {
    let log = log();
    let (kept_note, kept_checkpoint) = checkpoint(&log);
    log.append(&signer(), &[issued(7, "text"), issued(8, "text")]);
    let mut asked = request(0, 9);
    asked.previous = Some(kept_checkpoint);
    let file = export(&log, &asked).unwrap();

    let mut with = options();
    with.previous = Some(kept(Cursor::new(&kept_note)).unwrap());

    let report = verify(Cursor::new(&file), &with).unwrap();
    assert_eq!(report.previous, Previous::Kept(7));
    let claimed = check(&file).unwrap();
    assert_eq!(claimed.previous, Previous::Claimed(7));
}

#[test]
fn an_earlier_export_can_be_what_was_kept() {
    let log = log();
    let earlier = export(&log, &request(0, 1)).unwrap();
    let mut asked = request(0, 9);
    asked.previous = Some(checkpoint(&log).1);
    log.append(&signer(), &[issued(7, "text")]);
    let file = export(&log, &asked).unwrap();

    let mut with = options();
    with.previous = Some(kept(Cursor::new(&earlier)).unwrap());

    let report = verify(Cursor::new(&file), &with).unwrap();
    assert_eq!(report.previous, Previous::Kept(7));
}

#[test]
fn the_same_tree_needs_no_proof_and_a_larger_one_does() {
    let log = log();
    let (note, _) = checkpoint(&log);
    let same = export(&log, &request(0, 7)).unwrap();
    log.append(&signer(), &[issued(7, "text")]);
    let grown = export(&log, &request(0, 9)).unwrap();
    let mut with = options();
    with.previous = Some(note);

    let report = verify(Cursor::new(&same), &with).unwrap();
    assert_eq!(report.previous, Previous::Kept(7));
    let error = verify(Cursor::new(&grown), &with).unwrap_err();
    assert!(matches!(error.why(), Why::Unrelated), "{error}");
    assert_eq!(error.line(), None);
}

#[test]
fn aud_02_a_log_that_was_cut_is_older_than_what_was_kept() {
    let log = log();
    let file = export(&log, &request(0, 7)).unwrap();
    log.append(&signer(), &[issued(7, "text")]);
    let mut with = options();
    with.previous = Some(checkpoint(&log).0);

    let error = verify(Cursor::new(&file), &with).unwrap_err();

    assert!(matches!(error.why(), Why::Older), "{error}");
}

#[test]
fn aud_03_a_fork_is_no_continuation() {
    let honest = log();
    let (note, kept_checkpoint) = checkpoint(&honest);
    let forked = Memory::new();
    let entries: Vec<_> = (0..9).map(|minute| issued(minute, "other")).collect();
    forked.append(&signer(), &entries);

    let mut asked = request(0, 9);
    asked.previous = Some(kept_checkpoint);
    assert!(matches!(export(&forked, &asked), Err(ExportError::Forked)));
    let mut with = options();
    with.previous = Some(note);
    // The forger names its own tree of the same size as the earlier one.
    let own = Memory::new();
    let head = own.append(&signer(), &entries[..7]);
    asked.previous = Some(Checkpoint {
        origin: signer().verifier().name().to_owned(),
        size: head.size,
        root: head.root,
    });
    let file = export(&forked, &asked).unwrap();
    let error = verify(Cursor::new(&file), &with).unwrap_err();
    assert!(matches!(error.why(), Why::Forked), "{error}");

    let file = export(&own, &request(0, 7)).unwrap();
    let error = verify(Cursor::new(&file), &with).unwrap_err();
    assert!(matches!(error.why(), Why::Forked), "{error}");
}

#[test]
fn what_was_kept_must_be_signed_by_the_same_key() {
    let other = Signer::new("log.example/identity", &[2; 32]).unwrap();
    let file = export(&log(), &request(0, 7)).unwrap();
    let mut with = options();
    with.previous = Some(other.checkpoint(0, &crate::tree::empty_root()));

    let error = verify(Cursor::new(&file), &with).unwrap_err();

    assert!(
        matches!(error.why(), Why::Checkpoint(NoteError::Unsigned)),
        "{error}"
    );
}

#[test]
fn aud_05_a_leaf_that_rotted_is_found_before_a_seal_covers_it() {
    let signer = signer();
    for rot in [Rot::Event, Rot::Salt, Rot::Hash, Rot::Missing] {
        let rotten = Rotten { log: log(), rot };
        let mut file = Vec::new();

        let error = ready(write(&rotten, &signer, &request(0, 7), &mut file)).unwrap_err();

        assert!(
            matches!(error, ExportError::Corrupt { index: 4 }),
            "{rot:?}: {error}"
        );
        check(&file).unwrap_err();
    }
}

#[test]
fn aud_05_a_node_that_rotted_is_found_before_a_seal_covers_it() {
    let rotten = Rotten {
        log: log(),
        rot: Rot::Node,
    };
    let mut file = Vec::new();

    let error = ready(write(&rotten, &signer(), &request(0, 1), &mut file)).unwrap_err();

    assert!(
        matches!(error, ExportError::Corrupt { index: 0 }),
        "{error}"
    );
}

#[test]
fn a_log_signed_by_another_key_is_not_exported() {
    let other = Signer::new("log.example/identity", &[2; 32]).unwrap();
    let mut file = Vec::new();

    let error = ready(write(&log(), &other, &request(0, 7), &mut file)).unwrap_err();

    assert!(
        matches!(error, ExportError::Head(NoteError::Unsigned)),
        "{error}"
    );
    assert!(file.is_empty());
}

#[test]
fn a_full_disk_is_an_error_and_not_an_export() {
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let error = ready(write(&log(), &signer(), &request(0, 7), &mut Full)).unwrap_err();

    assert!(matches!(error, ExportError::Write(_)), "{error}");
}

#[test]
fn a_window_is_spelled_in_one_way_and_not_empty() {
    let (from, to) = (at(0), at(1));
    assert!(Window::new(&from, &to).is_some());
    assert!(Window::new(&to, &from).is_none());
    assert!(Window::new(&from, &from).is_none());
    for odd in [
        "",
        "2026-11-20",
        "2026-11-20T10:01:00Z",
        "2026-11-20T10:01:00.000+00:00",
        "2026-11-20T10:01:00.000z",
        "2026-13-20T10:01:00.000Z",
        "2026-11-32T10:01:00.000Z",
        "2026-11-20T24:01:00.000Z",
        "2026-11-20T10:60:00.000Z",
        "2026-11-20T10:01:60.000Z",
        "2026-11-20T10:01:00.0é0Z",
    ] {
        assert!(Window::new(&from, odd).is_none(), "{odd}");
    }
}

#[test]
fn the_futures_of_an_export_can_cross_threads() {
    fn sent<T: Send>(value: T) -> T {
        value
    }
    let (log, mut file) = (log(), Vec::new());

    ready(sent(write(&log, &signer(), &request(0, 7), &mut file))).unwrap();

    check(&file).unwrap();
}

#[test]
fn the_words_of_a_header_are_read_as_they_are_printed() {
    for (plane, word) in PLANES {
        assert_eq!(
            (plane.to_string().as_str(), word.parse()),
            (word, Ok(plane))
        );
    }
    for (profile, word) in PROFILES {
        assert_eq!(
            (profile.to_string().as_str(), word.parse()),
            (word, Ok(profile))
        );
    }
    for (durability, word) in DURABILITIES {
        assert_eq!(
            (durability.to_string().as_str(), word.parse()),
            (word, Ok(durability))
        );
    }
    assert_eq!("both".parse::<Plane>(), Err(WordError("plane")));
}

#[derive(Clone, Copy, Debug)]
enum Rot {
    Event,
    Salt,
    Hash,
    Missing,
    Node,
}

/// A log whose leaf 4, or whose inner nodes, are not what was written.
struct Rotten {
    log: Memory,
    rot: Rot,
}

#[async_trait::async_trait]
impl crate::store::LogStore for Rotten {
    async fn head(&self) -> Result<crate::store::Head, crate::store::StoreError> {
        self.log.head().await
    }

    async fn nodes(
        &self,
        ids: &[crate::tree::NodeId],
    ) -> Result<Vec<crate::tree::Hash>, crate::store::StoreError> {
        let mut hashes = self.log.nodes(ids).await?;
        if let (Rot::Node, Some(hash)) = (self.rot, hashes.last_mut()) {
            hash.0[31] ^= 1;
        }
        Ok(hashes)
    }

    async fn leaves(
        &self,
        range: std::ops::Range<u64>,
    ) -> Result<Vec<crate::store::StoredLeaf>, crate::store::StoreError> {
        let mut leaves = self.log.leaves(range).await?;
        if let Some(leaf) = leaves.iter_mut().find(|leaf| leaf.index == 4) {
            match self.rot {
                Rot::Event => leaf.event = leaf.event.as_ref().map(|e| e.replace("text", "next")),
                Rot::Salt => leaf.salt = Some([0; 32]),
                Rot::Hash => leaf.hash.0[0] ^= 1,
                Rot::Missing => leaf.index = 5,
                Rot::Node => {}
            }
        }
        Ok(leaves)
    }
}
