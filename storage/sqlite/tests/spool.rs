//! The spool in front of the gateway's tables: the same promises, and what a crash leaves.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what sets a test up may fail it"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use bauta_audit::{
    note::Signer,
    store::{LogStore, StoredLeaf},
};
use bauta_proxy::ports::{
    AtOnce, Charge, Closing, Entry, Intent, Journal, Outcome, ReplicaId, Replicas, RequestId,
    Standing, Verdict, Window, conformance,
};
use bauta_sqlite::{Durability, GatewayStore, SpooledStore};
use bauta_token::{
    pseudonym::Pseudonym,
    scope::Name,
    units::{MicroUsd, UnixMillis},
};
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_that_syncs_keeps_every_promise_of_the_ports() {
    keeps_every_promise(Durability::Fsync).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_that_does_not_sync_keeps_every_promise_of_the_ports() {
    keeps_every_promise(Durability::Os).await;
}

async fn keeps_every_promise(durability: Durability) {
    let dir = tempfile::tempdir().unwrap();
    let next = AtomicU32::new(0);

    conformance::all(async || {
        let n = next.fetch_add(1, Ordering::Relaxed);
        let file = dir.path().join(format!("gateway-{n}.db"));
        Arc::new(SpooledStore::open(&file, durability).await.unwrap())
    })
    .await;
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_crash_before_it_landed() {
    let place = Place::new();
    let store = place.open().await;
    commit(&store, [begin(1, 30), begin(2, 40), close(1, 25)]).await;
    drop(store);

    let again = place.open().await;

    assert_eq!(again.standing().await, stands(40, 25));
    // The second is open, and nobody answers for it.
    assert_eq!(again.reap(Replicas::Sole, UnixMillis(9)).await.unwrap(), 1);
    assert_eq!(again.standing().await, stands(0, 65));
    assert!(matches!(
        one(&again, close(2, 1)).await,
        Verdict::ClosedBefore
    ));
}

#[tokio::test]
async fn who_joins_reads_what_the_last_server_left_and_nothing_of_one_that_runs() {
    let place = Place::new();
    let store = place.open().await;
    commit(&store, [begin(1, 30)]).await;
    let beside = place.tables().await.standing().await;
    drop(store);

    let after = place.tables().await.standing().await;

    assert_eq!(beside, stands(0, 0), "the server has not landed it yet");
    assert_eq!(after, stands(30, 0));
    assert_eq!(place.open().await.standing().await, stands(30, 0));
}

#[tokio::test]
async fn what_has_landed_does_not_land_twice() {
    let place = Place::new();
    let store = place.open().await;
    commit(&store, [begin(1, 30), close(1, 25)]).await;
    let spool = place.spool();
    let text = fs::read(&spool[0]).unwrap();
    store.land().await.unwrap();
    drop(store);
    // As a crash leaves it between the transaction and the end of the file.
    fs::write(&spool[0], text).unwrap();

    let again = place.open().await;

    assert_eq!(again.standing().await, stands(0, 25));
    assert_eq!(place.spool().len(), 1, "only the file that goes on");
}

#[tokio::test]
async fn a_torn_end_is_what_nobody_was_told_of() {
    for cut in [1, 9, 40] {
        let place = Place::new();
        let store = place.open().await;
        commit(&store, [begin(1, 30)]).await;
        commit(&store, [begin(2, 40)]).await;
        drop(store);
        let file = &place.spool()[0];
        let whole = fs::read(file).unwrap();
        fs::write(file, &whole[..whole.len() - cut]).unwrap();

        let again = place.open().await;

        assert_eq!(
            again.standing().await,
            stands(30, 0),
            "{cut} bytes are missing"
        );
    }
}

#[tokio::test]
async fn a_request_that_stands_in_the_spool_twice_holds_once() {
    let place = Place::new();
    let store = place.open().await;
    commit(&store, [begin(1, 30)]).await;
    drop(store);
    // Written, given up because another line could not be, judged again, and then killed.
    let file = &place.spool()[0];
    let line = fs::read(file).unwrap();
    fs::write(file, [&line[..], &line].concat()).unwrap();

    assert_eq!(place.open().await.standing().await, stands(30, 0));
}

#[tokio::test]
async fn a_damaged_line_is_not_read_past_and_nothing_is_deleted() {
    let flip = |text: &mut Vec<u8>| text[30] ^= 1;
    let last = |text: &mut Vec<u8>| {
        let end = text.len() - 10;
        text[end] ^= 1;
    };
    let windows = |text: &mut Vec<u8>| {
        *text = String::from_utf8_lossy(text).replace('\n', "\r\n").into();
    };
    let other = |text: &mut Vec<u8>| {
        text.splice(0..0, *b"00000000 {\"unheard_of\":1}\n");
    };
    let changes: [&Change; 4] = [&flip, &last, &windows, &other];
    for change in changes {
        let place = Place::new();
        let store = place.open().await;
        commit(&store, [begin(1, 30), begin(2, 40)]).await;
        drop(store);
        let file = &place.spool()[0];
        let good = fs::read(file).unwrap();
        let mut text = good.clone();
        change(&mut text);
        fs::write(file, &text).unwrap();

        let opened = SpooledStore::open(&place.database, Durability::Os).await;
        let joined = GatewayStore::join(&place.database).await;

        let error = opened.err().unwrap().to_string();
        assert!(error.contains("gateway.db-spool-1"), "{error}");
        assert!(joined.is_err());
        assert_eq!(fs::read(file).unwrap(), text);
        fs::write(file, good).unwrap();
        assert_eq!(place.open().await.standing().await, stands(70, 0));
    }
}

#[tokio::test]
async fn zeros_at_the_end_are_an_end_that_is_torn() {
    let place = Place::new();
    let store = place.open().await;
    commit(&store, [begin(1, 30)]).await;
    drop(store);
    let file = &place.spool()[0];
    let mut text = fs::read(file).unwrap();
    text.extend([0; 4096]);
    fs::write(file, text).unwrap();

    assert_eq!(place.open().await.standing().await, stands(30, 0));
}

#[tokio::test]
async fn a_file_that_only_looks_like_the_spools_is_left_alone() {
    let place = Place::new();
    drop(place.open().await);
    let odd = ["+99", "007", "x", ""];
    for name in odd {
        let file = format!("gateway.db-spool-{name}");
        fs::write(place.folder.path().join(file), "odd").unwrap();
    }

    let store = place.open().await;

    commit(&store, [begin(1, 30)]).await;
    assert_eq!(place.spool().len(), odd.len() + 1);
}

#[tokio::test]
async fn whoever_lands_may_leave_at_any_moment() {
    for polls in 0..12 {
        let place = Place::new();
        let store = place.open().await;
        commit(&store, [begin(1, 30), close(1, 25)]).await;
        {
            let mut landing = std::pin::pin!(store.land());
            for _ in 0..polls {
                if futures_util::poll!(landing.as_mut()).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        commit(&store, [begin(2, 40)]).await;

        assert_eq!(
            store.standing().await,
            stands(40, 25),
            "after {polls} polls"
        );
    }
}

#[tokio::test]
async fn a_seal_lands_what_it_puts_into_the_log() {
    let place = Place::new();
    let store = place.open().await;
    commit(&store, [begin(1, 30), begin(2, 40), close(1, 25)]).await;

    assert_eq!(seal(&store).await, ["intent", "intent", "outcome"]);

    commit(&store, [close(2, 40)]).await;
    assert_eq!(seal(&store).await, ["outcome"], "its intent is a leaf");
    assert_eq!(seal(&store).await, [""; 0]);
    drop(store);
    let again = place.open().await;
    assert_eq!(seal(&again).await, [""; 0], "marked in the tables");
    assert_eq!(again.standing().await, stands(0, 65));
}

#[tokio::test]
async fn what_landed_for_a_reader_is_put_into_the_log_as_well() {
    let place = Place::new();
    let store = place.open().await;
    commit(&store, [begin(1, 30)]).await;
    store.land().await.unwrap();
    commit(&store, [close(1, 25), begin(2, 40), close(2, 40)]).await;

    let told = seal(&store).await;

    assert_eq!(told, ["intent", "intent", "outcome", "outcome"]);
}

#[tokio::test]
async fn whoever_seals_may_leave_at_any_moment() {
    for polls in 0..24 {
        let place = Place::new();
        let store = place.open().await;
        commit(&store, [begin(1, 30), close(1, 25)]).await;
        {
            let mut sealing = std::pin::pin!(seal(&store));
            for _ in 0..polls {
                if futures_util::poll!(sealing.as_mut()).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        commit(&store, [begin(2, 40)]).await;

        seal(&store).await;

        let told = events(&store, 0).await;
        assert_eq!(told, ["intent", "intent", "outcome"], "after {polls} polls");
        assert_eq!(store.standing().await, stands(40, 25));
    }
}

#[tokio::test]
async fn enough_that_waits_to_be_sealed_says_so_once() {
    let place = Place::new();
    let store = place.open().await;
    let mut ripe = std::pin::pin!(store.ripen());
    for n in 0..2_047_u32 {
        commit(&store, [numbered(n), ended(n)]).await;
    }
    assert!(futures_util::poll!(ripe.as_mut()).is_pending());

    commit(&store, [numbered(9_999), ended(9_999)]).await;

    ripe.await;
    let mut again = std::pin::pin!(store.ripen());
    commit(&store, [numbered(10_000)]).await;
    assert!(futures_util::poll!(again.as_mut()).is_pending());
    assert_eq!(seal(&store).await.len(), 4_097);
}

#[tokio::test]
async fn the_end_of_a_request_is_written_with_the_next_or_when_the_journal_catches_up() {
    let place = Place::new();
    let store = place.open().await;
    let lines = || {
        fs::read_to_string(&place.spool()[0])
            .unwrap()
            .lines()
            .count()
    };

    for entry in [begin(1, 30), close(1, 25)] {
        assert!(matches!(store.commit_at_once(entry), AtOnce::Written(_)));
    }
    assert_eq!(lines(), 1, "nobody waits for the end");
    assert!(matches!(
        store.commit_at_once(begin(2, 40)),
        AtOnce::Written(_)
    ));
    assert_eq!(lines(), 3);
    store.commit_at_once(close(2, 40));
    store.catch_up();
    assert_eq!(lines(), 4);
}

#[tokio::test]
async fn an_end_that_was_not_written_when_the_process_died_is_one_that_nobody_knows() {
    let place = Place::new();
    let store = place.open().await;
    for entry in [begin(1, 30), close(1, 25)] {
        assert!(matches!(store.commit_at_once(entry), AtOnce::Written(_)));
    }
    drop(store);

    let again = place.open().await;

    assert_eq!(again.reap(Replicas::Sole, UnixMillis(9)).await.unwrap(), 1);
    assert_eq!(again.standing().await, stands(0, 30), "what was held");
}

#[tokio::test]
async fn sto_01_an_end_that_a_full_disk_does_not_take_is_in_the_tables_all_the_same() {
    let place = Place::new();
    let store = place.open().await;
    commit(&store, [begin(1, 30)]).await;
    place.fill_disk(&store).await;

    assert!(matches!(
        store.commit_at_once(close(1, 25)),
        AtOnce::Written(_)
    ));
    store.catch_up();

    assert!(matches!(
        store.commit_at_once(begin(2, 40)),
        AtOnce::Waits(_)
    ));
    assert_eq!(store.standing().await, stands(0, 25));
    assert!(matches!(
        store.commit_at_once(begin(2, 40)),
        AtOnce::Written(_)
    ));
}

#[tokio::test]
async fn sto_01_a_full_disk_stops_the_spool_until_all_has_landed() {
    let place = Place::new();
    let store = place.open().await;
    commit(&store, [begin(1, 30)]).await;
    place.fill_disk(&store).await;

    assert!(matches!(
        store.commit_at_once(begin(2, 40)),
        AtOnce::Waits(_)
    ));
    let verdicts = store.commit([begin(2, 40)].into()).await.unwrap();

    assert!(matches!(verdicts[..], [Verdict::Begun(_)]));
    assert_eq!(store.standing().await, stands(70, 0));
}

#[tokio::test]
async fn a_spool_holds_no_more_than_the_line_says() {
    let place = Place::new();
    let store = place.open().await;

    commit(&store, [begin(1, 30)]).await;

    let text = fs::read_to_string(&place.spool()[0]).unwrap();
    let (sum, json) = text.trim_end().split_once(' ').unwrap();
    assert_eq!(sum.len(), 8);
    let line: serde_json::Value = serde_json::from_str(json).unwrap();
    let names: Vec<&String> = line["begun"].as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "at", "dialect", "gate", "grant", "held", "id", "model", "replica", "route", "scope",
            "targets", "window"
        ]
    );
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(&place.spool()[0]).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn sto_01_what_could_not_be_written_never_was() {
    let place = Place::new();
    let store = place.open().await;
    commit(&store, [begin(1, 900)]).await;
    place.fill_disk(&store).await;

    // One that fits, one that does not: judged, and not written. After the first, nothing is tried.
    for entry in [begin(2, 50), begin(3, 500), close(1, 100)] {
        assert!(matches!(store.commit_at_once(entry), AtOnce::Waits(_)));
    }

    assert_eq!(store.standing().await, stands(900, 0), "as if never asked");
    let batch = [close(1, 100), begin(3, 500)];
    let verdicts = store.commit(batch.into()).await.unwrap();
    assert!(matches!(verdicts[..], [Verdict::Closed, Verdict::Begun(_)]));
    assert_eq!(store.standing().await, stands(500, 100));
}

#[tokio::test]
async fn sto_01_a_batch_on_a_full_disk_is_judged_once() {
    let place = Place::new();
    let store = place.open().await;
    commit(&store, [begin(1, 900)]).await;
    place.fill_disk(&store).await;

    let batch = [begin(3, 500), close(1, 100)];
    let verdicts = store.commit(batch.into()).await.unwrap();

    assert!(matches!(
        verdicts[..],
        [Verdict::OverBudget(_), Verdict::Closed]
    ));
    assert_eq!(store.standing().await, stands(0, 100));
}

/// Seals, and tells what was put into the log.
async fn seal(store: &SpooledStore) -> Vec<String> {
    let before = store.head().await.unwrap().size;
    let signer = Arc::new(Signer::new("gateway.test/log", &[8; 32]).unwrap());
    store.seal(signer, [5; 32], WINDOW).await.unwrap();
    events(store, before).await
}

/// What the leaves from `from` on are about, sorted.
async fn events(store: &SpooledStore, from: u64) -> Vec<String> {
    let size = store.head().await.unwrap().size;
    let leaves = store.leaves(from..size).await.unwrap();
    let kind = |leaf: StoredLeaf| {
        let event: serde_json::Value = serde_json::from_str(&leaf.event.unwrap()).unwrap();
        let kind = event["type"].as_str().unwrap();
        kind.trim_start_matches("request.").to_owned()
    };
    let mut kinds: Vec<String> = leaves.into_iter().map(kind).collect();
    kinds.sort();
    kinds
}

/// A folder with a database.
struct Place {
    folder: TempDir,
    database: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("gateway.db");
        Self { folder, database }
    }

    async fn open(&self) -> SpooledStore {
        SpooledStore::open(&self.database, Durability::Os)
            .await
            .unwrap()
    }

    /// The file that `store`, in its first one, goes on in is on a disk that is full.
    async fn fill_disk(&self, store: &SpooledStore) {
        let next = self.folder.path().join("gateway.db-spool-2");
        std::os::unix::fs::symlink("/dev/full", next).unwrap();
        store.land().await.unwrap();
    }

    async fn tables(&self) -> GatewayStore {
        GatewayStore::join(&self.database).await.unwrap()
    }

    fn spool(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.folder.path()).unwrap();
        let mut found: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        found.retain(|path| is_spool(path));
        found.sort();
        found
    }
}

type Change = dyn Fn(&mut Vec<u8>);

fn is_spool(path: &Path) -> bool {
    path.to_string_lossy().contains("-spool-")
}

trait Stands {
    async fn standing(&self) -> Standing;
}

impl<J: Journal> Stands for J {
    async fn standing(&self) -> Standing {
        self.usage(&grant(), WINDOW).await.unwrap().standing
    }
}

async fn commit<const N: usize>(store: &SpooledStore, entries: [Entry; N]) {
    for entry in entries {
        assert!(matches!(store.commit_at_once(entry), AtOnce::Written(_)));
    }
    store.catch_up();
    tokio::task::yield_now().await;
}

async fn one(store: &SpooledStore, entry: Entry) -> Verdict {
    store.commit([entry].into()).await.unwrap()[0]
}

fn begin(n: u8, held: i64) -> Entry {
    Entry::Begin(Intent {
        id: RequestId::from_bytes([n; 16]),
        replica: ReplicaId([1; 16]),
        grant: grant(),
        scope: Name::parse("frontier").unwrap(),
        dialect: "anthropic",
        route: "/v1/messages",
        model: "claude-opus".to_owned(),
        gate: None,
        targets: "anthropic/claude-opus-4-7".to_owned(),
        started_at: UnixMillis(WINDOW.0 + 1),
        held: MicroUsd::new(held).unwrap(),
        budget: Some(Window {
            start: WINDOW,
            limit: MicroUsd::new(1_000).unwrap(),
        }),
    })
}

fn close(n: u8, charged: i64) -> Entry {
    Entry::Close(Closing {
        id: RequestId::from_bytes([n; 16]),
        outcome: Outcome::Completed,
        status: Some(200),
        served: None,
        tokens: None,
        charge: Charge::Amount(MicroUsd::new(charged).unwrap()),
        ended_at: UnixMillis(WINDOW.0 + 2),
    })
}

/// A request of its own for each number.
fn numbered(n: u32) -> Entry {
    with_id(begin(0, 0), n)
}

fn ended(n: u32) -> Entry {
    with_id(close(0, 0), n)
}

fn with_id(mut entry: Entry, n: u32) -> Entry {
    match &mut entry {
        Entry::Begin(intent) => intent.id = id(n),
        Entry::Close(closing) => closing.id = id(n),
        Entry::Refuse(refused) => refused.id = id(n),
    }
    entry
}

fn id(n: u32) -> RequestId {
    let mut bytes = [1; 16];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    RequestId::from_bytes(bytes)
}

fn grant() -> Pseudonym {
    Pseudonym::from_bytes(&[5; 32])
}

fn stands(held: i64, spent: i64) -> Standing {
    Standing {
        held: MicroUsd::new(held).unwrap(),
        spent: MicroUsd::new(spent).unwrap(),
    }
}

const WINDOW: UnixMillis = UnixMillis(1_790_000_000_000);
