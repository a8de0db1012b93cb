//! What both databases hold is in neither: no value of eight bytes or more, and no hash of one, is on
//! both sides of the wall, but for what the manifest publishes to everybody.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::Arc,
};

use bauta_tests::{Backend, World};
use bauta_token::{ambient::Clock, notice::Page, units::UnixMillis};
use ring::{digest, hmac};
use sqlx::{AssertSqlSafe, Column, Row, SqlitePool, TypeInfo, ValueRef, sqlite::SqliteRow};

use crate::journey::{ask, token};

#[tokio::test(flavor = "multi_thread")]
async fn no_value_joins_the_planes() {
    let world = World::with(Backend::Sqlite, |setting| {
        setting.gateway_clock = Some(Ticks::odd(&setting.clock));
        setting.clock = Ticks::even(&setting.clock);
    })
    .await;
    let token = token(&world).await;
    for stream in [true, false] {
        ask(&world, &token, stream).await;
    }
    // A suspension tells the gateway which grant and which pseudonyms: the most that ever crosses.
    suspend_everybody(&world).await;
    let running = &world.stage.running;
    let (plane, gateway) = (
        running.plane.as_ref().unwrap(),
        running.gateway.as_ref().unwrap(),
    );
    // An export seals, and leaves its record on its side.
    let whole = bauta::export::Whole::until_now();
    let at = |name: &str| world.stage.scene.folder.join("exports").join(name);
    bauta::export::identity(plane, &whole, &at("identity.jsonl"))
        .await
        .unwrap();
    bauta::export::gateway(gateway, &whole, &at("gateway.jsonl"))
        .await
        .unwrap();
    let published = Published::read(&plane.page(0).await.unwrap());
    let data = world.stage.scene.folder.join("data");
    let keys = world.stage.scene.folder.join("keys");
    let roots: Vec<Vec<u8>> = ["pepper", "kek", "gateway"]
        .iter()
        .map(|name| fs::read(keys.join(name)).unwrap())
        .collect();
    let folder = world.end().await;
    let identity = values(&data.join("identity.db")).await;
    let gateway = values(&data.join("gateway.db")).await;

    let joined = joins(&identity, &gateway, &roots, &published);

    println!(
        "{} values here, {} there, {} notices told, {} values in both that nobody published",
        identity.len(),
        gateway.len(),
        published.notices.len(),
        joined.len()
    );
    assert!(
        identity.len() > 100,
        "too little was written here to be a journey"
    );
    assert!(
        gateway.len() > 30,
        "too little was written there to be a journey"
    );
    let told = published.notices.join(" ");
    assert!(
        told.contains("ended") && told.contains("suspended"),
        "{told}"
    );
    assert!(joined.is_empty(), "{joined:#?}");
    drop(folder);
}

async fn suspend_everybody(world: &World) {
    let running = &world.stage.running;
    let plane = running.plane.as_ref().unwrap();
    for row in plane.members(None, 100).await.unwrap() {
        assert!(plane.suspend(row.member, None, "test").await.unwrap());
    }
    running.gateway.as_ref().unwrap().follow().await.unwrap();
}

/// What the feed tells every reader.
struct Published {
    /// Scopes, keys and their proof: may be known anywhere.
    manifest: String,
    /// What was taken away, by names that stand nowhere but in notices.
    notices: Vec<String>,
}

impl Published {
    fn read(page: &str) -> Self {
        let (text, _signature) = page.split_once("\n\n").unwrap();
        let page: Page = serde_json::from_str(text).unwrap();
        let notices = page.notices.iter();
        Self {
            manifest: page.manifest.unwrap(),
            notices: notices
                .map(|told| serde_json::to_string(&told.notice).unwrap())
                .collect(),
        }
    }

    fn tell(&self, value: &[u8], text: &str) -> bool {
        let instant = value.try_into().map(i64::from_be_bytes);
        let number = instant.map_or_else(|_| text.to_owned(), |instant| instant.to_string());
        let says = |told: &String| told.contains(text) || told.contains(&number);
        self.notices.iter().any(says)
    }
}

/// Tells only even milliseconds, or only odd ones. Two planes that write in the same millisecond by
/// chance are then not mistaken for one instant that crossed the wall; one that did still is.
struct Ticks {
    clock: Arc<dyn Clock>,
    odd: i64,
}

impl Ticks {
    fn even(clock: &Arc<dyn Clock>) -> Arc<dyn Clock> {
        let clock = Arc::clone(clock);
        Arc::new(Self { clock, odd: 0 })
    }

    fn odd(clock: &Arc<dyn Clock>) -> Arc<dyn Clock> {
        let clock = Arc::clone(clock);
        Arc::new(Self { clock, odd: 1 })
    }
}

impl Clock for Ticks {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.clock.now().0 & !1 | self.odd)
    }
}

/// Values of both sides, and hashes of the one side's values on the other.
fn joins(
    identity: &Values,
    gateway: &Values,
    roots: &[Vec<u8>],
    published: &Published,
) -> Vec<String> {
    let mut found = Vec::new();
    let keys: Vec<_> = roots
        .iter()
        .map(|root| hmac::Key::new(hmac::HMAC_SHA256, root))
        .collect();
    for (value, here) in identity {
        let text = String::from_utf8_lossy(value).into_owned();
        if published.manifest.contains(&text) || PUBLIC.contains(&text.as_str()) {
            continue;
        }
        let told = published.tell(value, &text);
        let mut forms: BTreeSet<Vec<u8>> = [value.clone()].into();
        forms.insert(digest::digest(&digest::SHA256, value).as_ref().to_vec());
        forms.extend(keys.iter().map(|k| hmac::sign(k, value).as_ref().to_vec()));
        for there in forms.iter().filter_map(|form| gateway.get(form)).flatten() {
            if there == BROADCAST || (told && NOTICES.contains(&there.as_str())) {
                continue;
            }
            found.push(format!("{here:?} is in {there}: {text:.60}"));
        }
    }
    found
}

/// Every value, and each place where it is.
type Values = BTreeMap<Vec<u8>, BTreeSet<String>>;

/// Known to everybody who reads the program or its configuration: kinds, states, labels, the ends of
/// time and the names of providers, not values of a member.
const PUBLIC: [&str; 11] = [
    "anthropic",
    "audit.exported",
    "operator",
    "1970-01-01T00:00:00.000Z",
    "9999-12-31T00:00:00.000Z",
    "bauta-device",
    "completed",
    "production",
    "development",
    "identity",
    "/v1/messages",
];

/// When the newest page of the feed was signed, by the identity plane's clock: every reader hears it,
/// several times a second, and whatever happened in that millisecond there says nothing about anybody.
const BROADCAST: &str = "feed.page_at";

/// Where the gateway keeps what it was told, and until when. A name that is told stands there and
/// nowhere else.
const NOTICES: [&str; 2] = ["heard.notice", "heard.forget_after"];

/// Every value of a database of eight bytes or more, with the places where it is. Texts that are JSON
/// give each of their strings; numbers of the size of a time in milliseconds count as values.
async fn values(file: &std::path::Path) -> Values {
    let pool = SqlitePool::connect(&format!("sqlite://{}", file.display()))
        .await
        .unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '_sqlx%'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let mut found = Values::new();
    for table in tables {
        let rows: Vec<SqliteRow> = sqlx::query(AssertSqlSafe(format!("SELECT * FROM {table}")))
            .fetch_all(&pool)
            .await
            .unwrap();
        for row in rows {
            for column in row.columns() {
                let place = format!("{table}.{}", column.name());
                for value in parts(&row, column.ordinal()) {
                    found.entry(value).or_default().insert(place.clone());
                }
            }
        }
    }
    found
}

fn parts(row: &SqliteRow, ordinal: usize) -> Vec<Vec<u8>> {
    let raw = row.try_get_raw(ordinal).unwrap();
    if raw.is_null() {
        return Vec::new();
    }
    let kind = raw.type_info().name().to_owned();
    let all: Vec<Vec<u8>> = match kind.as_str() {
        "BLOB" => vec![row.get::<Vec<u8>, _>(ordinal)],
        "TEXT" => strings(&row.get::<String, _>(ordinal)),
        "INTEGER" => {
            let number: i64 = row.get(ordinal);
            // A day or a count is on both sides by nature; an instant to the millisecond is not.
            if number > 1_000_000_000_000 {
                vec![number.to_be_bytes().to_vec()]
            } else {
                Vec::new()
            }
        }
        other => panic!("a column of kind {other}"),
    };
    all.into_iter().filter(|value| value.len() >= 8).collect()
}

fn strings(text: &str) -> Vec<Vec<u8>> {
    fn walk(value: &serde_json::Value, out: &mut Vec<Vec<u8>>) {
        match value {
            serde_json::Value::String(text) => out.push(text.clone().into_bytes()),
            serde_json::Value::Array(items) => items.iter().for_each(|item| walk(item, out)),
            serde_json::Value::Object(members) => members.values().for_each(|item| walk(item, out)),
            _ => {}
        }
    }
    let mut out = vec![text.as_bytes().to_vec()];
    if let Ok(value) = serde_json::from_str(text) {
        walk(&value, &mut out);
    }
    out
}
