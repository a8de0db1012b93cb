//! Every grant against everything that can be disabled: nothing that is disabled gets a token, by
//! whichever way it asks. The bug family of 2026: a disabled thing gets one through the other grant.

use std::fmt::Write as _;

use bauta_token::notice::Notice;
use serde_json::{Value, json};

use super::{answer, ask, page, poll, refresh, text};
use crate::{
    config::{Condition, DeviceFlow, Settings},
    issue::{
        Ask, Label,
        world::{Ada, Reply, World, exchange as code_form, name},
    },
    keys::KeyRing,
    log::Event,
    oauth::exchange::tests::{Factory, SPONSOR, exchange, rule},
    ports::people::People,
};

/// What is disabled, in the order of the table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Disabled {
    Locked,
    Directory,
    Attestation,
    Organisation,
    Client,
    Provider,
    Platform,
    Scope,
    Sponsor,
    Key,
}

const ROWS: [(Disabled, &str); 10] = [
    (Disabled::Locked, "member locked"),
    (Disabled::Directory, "member inactive in the directory"),
    (Disabled::Attestation, "attestation withdrawn"),
    (Disabled::Organisation, "organisation suspended"),
    (Disabled::Client, "client disabled"),
    (Disabled::Provider, "provider disabled"),
    (Disabled::Platform, "issuer of builds removed"),
    (Disabled::Scope, "scope taken from the role"),
    (Disabled::Sponsor, "sponsor gone"),
    (Disabled::Key, "signing key revoked, no next one"),
];

/// What each cell must be. A change here is a change of what a disabled thing is told.
const EXPECTED: &str = "\
member locked                    G  G  D  G  N  T  L  T  X
member inactive in the directory G  G  D  G  N  T  L  T  X
attestation withdrawn            G  G  D  G  N  T  P  T  X
organisation suspended           -  -  -  -  -  -  -  -  -
client disabled                  -  G  C  N  N  -  -  T  X
provider disabled                S  S  S  S  N  -  S  -  -
issuer of builds removed         -  -  -  R  N  -  -  T  X
scope taken from the role        S  G  S  S  N  T  P  T  X
sponsor gone                     G  G  D  G  N  T  L  T  X
signing key revoked, no next one E  E  E  E  N  T  E  T  -
";

const LEGEND: &str = "\
    columns: code, refresh, device code, token exchange, client credentials, labelled token,
             cookie, cached token, open stream
    G invalid_grant   D access_denied or expired_token at the poll   C unauthorized_client
    S invalid_scope, or a token that does not name it   R invalid_request (RFC 8693, 2.2.2)
    N unsupported_grant_type   E 503, nothing to sign with   L sent to sign in   P the page refuses
    T its end is on the next page of the feed, or no published key verifies it
    X the same page cuts the stream (proxy/src/tests.rs: sse_07_a_stream_is_cut_when_its_grant_ends)
    - the pair does not exist here: one organisation a deployment; the command line and the portal
      cannot be switched off; upstreams are the gateway's; builds alone come from a platform";

#[tokio::test]
#[expect(
    clippy::print_stdout,
    reason = "a test that proves a promise prints its figure"
)]
async fn nothing_that_is_disabled_gets_a_token_through_any_grant() {
    let mut table = String::new();
    for (disabled, title) in ROWS {
        write!(table, "{title:<32}").unwrap();
        for cell in row(disabled).await {
            write!(table, " {cell:<2}").unwrap();
        }
        table.truncate(table.trim_end().len());
        table.push('\n');
    }
    println!("{table}{LEGEND}");

    assert_eq!(table, EXPECTED, "\n{table}");
    assert!(!table.contains("TOKEN"), "{table}");
}

/// The control: the same nine attempts while nothing is disabled. Without it every cell above could
/// be refused for a reason of its own.
#[tokio::test]
async fn each_attempt_of_the_table_succeeds_while_nothing_is_disabled() {
    let factory = open().await;
    let held = hold(&factory).await;

    let cells = attempts(&factory, &factory.world, &held, &held.cached()).await;

    let taken = "TOKEN";
    assert_eq!(
        cells,
        [
            taken, taken, taken, taken, "N", "LIVES", taken, "LIVES", "LIVES"
        ]
    );
}

async fn row(disabled: Disabled) -> [&'static str; 9] {
    let factory = open().await;
    let held = hold(&factory).await;
    let restarted = disable(&factory, disabled).await;
    let world = restarted.as_ref().unwrap_or(&factory.world);
    let mut cached = held.cached();
    match disabled {
        Disabled::Client => cached = vec![held.device.clone(), held.build.clone()],
        Disabled::Platform => cached = vec![held.build.clone()],
        _ => {}
    }
    let mut cells = attempts(&factory, world, &held, &cached).await;
    // What does not exist is not asked about; each is explained in the legend.
    let none: &[usize] = match disabled {
        Disabled::Organisation => &[0, 1, 2, 3, 4, 5, 6, 7, 8],
        Disabled::Client => &[0, 5, 6],
        Disabled::Provider => &[5, 7, 8],
        Disabled::Platform => &[0, 1, 2, 5, 6],
        Disabled::Key => &[8],
        _ => &[],
    };
    for place in none {
        cells[*place] = "-";
    }
    cells
}

/// A system with two platforms, whose clients are all switched on.
async fn open() -> Factory {
    Factory::with(DeviceFlow::On, |settings| {
        settings.workloads.push(elsewhere());
    })
    .await
}

fn elsewhere() -> crate::config::WorkloadRule {
    let mut other = rule("https://ci.corp.example");
    let job = Condition::Is("job".to_owned());
    other.claims.insert("sub".to_owned(), job);
    other
}

/// What somebody holds at the moment something is disabled.
struct Held {
    code: String,
    refresh: String,
    asked: Value,
    platform: String,
    labelled: String,
    device: String,
    build: String,
}

impl Held {
    fn cached(&self) -> Vec<String> {
        vec![self.device.clone(), self.build.clone()]
    }
}

async fn hold(factory: &Factory) -> Held {
    let (world, ada) = (&factory.world, &factory.sponsor);
    let first = ask(world).await;
    answer(world, ada, &first, "allow").await;
    let tokens = poll(world, &first).await.json();
    let asked = ask(world).await;
    answer(world, ada, &asked, "allow").await;
    let build = factory.shows(&factory.token(&json!({ "jti": "a" }))).await;
    let qualified = world.plane.qualify(ada.id, &name("frontier")).await;
    let label = Ask::labelled(Label::parse("a tool").unwrap(), 86_400);
    let labelled = world.plane.issue(qualified.unwrap(), label).await.unwrap();
    Held {
        code: world.code(ada).await,
        refresh: text(&tokens, "refresh_token"),
        asked,
        platform: factory.token(&json!({ "jti": "b" })),
        labelled: labelled.access().to_owned(),
        device: text(&tokens, "access_token"),
        build: text(&build.json(), "access_token"),
    }
}

/// Disables one thing as it is disabled in earnest; a server that has to start anew for it is given
/// back.
async fn disable(factory: &Factory, disabled: Disabled) -> Option<World> {
    let (world, plane) = (&factory.world, &factory.world.plane);
    let issuer = factory.platform.issuer.clone();
    let ours = |settings: &mut Settings| {
        settings.workloads = vec![rule(&issuer), elsewhere()];
    };
    match disabled {
        Disabled::Organisation => None,
        Disabled::Locked => {
            assert!(plane.suspend(SPONSOR, None, "case").await.unwrap());
            None
        }
        Disabled::Directory => {
            assert!(plane.suspend(SPONSOR, None, "directory").await.unwrap());
            None
        }
        Disabled::Attestation => {
            let standing = world.store.standing(SPONSOR).await.unwrap().unwrap();
            let attested = standing.attestation.unwrap().attestation;
            plane.end_grants(SPONSOR, "withdrawn").await.unwrap();
            let event = Event::private("x", plane.clock.now(), Value::Null, &*plane.randomness);
            assert!(world.store.expire(attested, &event).await.unwrap());
            None
        }
        Disabled::Client => Some(world.restarted(DeviceFlow::Off, |_| {}).await),
        Disabled::Provider => Some(
            world
                .restarted(DeviceFlow::On, |settings| {
                    ours(settings);
                    settings.providers = vec![name("openai")];
                })
                .await,
        ),
        Disabled::Platform => Some(
            world
                .restarted(DeviceFlow::On, |settings| {
                    settings.workloads = vec![elsewhere()];
                })
                .await,
        ),
        Disabled::Scope => {
            world.moves(SPONSOR, &["quiet"]).await;
            None
        }
        Disabled::Sponsor => {
            let erased = plane.erase(SPONSOR, None).await.unwrap();
            assert_eq!(erased, crate::member::Erased::Done);
            None
        }
        Disabled::Key => {
            *plane.ring.write().unwrap() = KeyRing::default();
            None
        }
    }
}

/// The nine ways, tried one after another.
async fn attempts(
    factory: &Factory,
    world: &World,
    held: &Held,
    cached: &[String],
) -> [&'static str; 9] {
    let shown = exchange(world, &held.platform, &[]).await;
    let credentials = [("grant_type", "client_credentials")];
    [
        given(
            world,
            &world.client("/oauth/token", &code_form(&held.code)).await,
        ),
        given(world, &refresh(world, &held.refresh).await),
        given(world, &poll(world, &held.asked).await),
        given(world, &shown),
        given(world, &world.client("/oauth/token", &credentials).await),
        lives(world, std::slice::from_ref(&held.labelled), "T").await,
        made(world, &factory.sponsor).await,
        lives(world, cached, "T").await,
        lives(world, cached, "X").await,
    ]
}

/// What the token endpoint said.
fn given(world: &World, reply: &Reply) -> &'static str {
    if reply.status.is_success() {
        let token = text(&reply.json(), "access_token");
        let claims = world.plane.read_access(&token).unwrap();
        let whole = claims.psn.contains_key(&name("anthropic"));
        return if whole { "TOKEN" } else { "S" };
    }
    match reply.error().as_str() {
        "invalid_grant" => "G",
        "access_denied" | "expired_token" => "D",
        "invalid_client" | "unauthorized_client" => "C",
        "unsupported_grant_type" => "N",
        "invalid_scope" => "S",
        "invalid_request" => "R",
        "temporarily_unavailable" if reply.status == 503 => "E",
        _ => "?",
    }
}

/// What a browser with a session of before gets.
async fn made(world: &World, ada: &Ada) -> &'static str {
    let form = [("label", "another"), ("scope", "frontier"), ("days", "1")];
    let reply = world.post("/tokens", Some(ada), &form).await;
    let token = reply
        .body
        .split(|c: char| !(c.is_ascii_alphanumeric() || "_-.".contains(c)))
        .find(|word| word.starts_with("bauta_ey"));
    if let Some(token) = token {
        let claims = world.plane.read_access(token).unwrap();
        let whole = claims.psn.contains_key(&name("anthropic"));
        return if whole { "TOKEN" } else { "S" };
    }
    match reply.status.as_u16() {
        401 => "L",
        303 if reply.location().path() == "/login" => "L",
        503 => "E",
        400 => "P",
        _ => "?",
    }
}

/// Whether the gateway will refuse all of `tokens`, by what it is told and by the published keys.
async fn lives(world: &World, tokens: &[String], dead: &'static str) -> &'static str {
    let told = page(world, 0).await;
    for token in tokens {
        let end = end_of(token);
        let ended = told
            .notices
            .iter()
            .any(|it| matches!(&it.notice, Notice::Ended { grant, .. } if *grant == end));
        if !ended && world.plane.read_access(token).is_some() {
            return "LIVES";
        }
    }
    dead
}

/// What the feed calls the grant of a token, read without a key: there may be none any more.
fn end_of(token: &str) -> bauta_token::pseudonym::Pseudonym {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let payload = token.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    bauta_token::pseudonym::Pseudonym::parse(claims["end"].as_str().unwrap()).unwrap()
}
