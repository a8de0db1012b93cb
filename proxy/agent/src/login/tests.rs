use bauta_token::{secret::AuthCode, units::UnixMillis};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;
use crate::{
    fake::Fake,
    grant::tests::{Counted, name, sign_in},
    keep::FileKeep,
    origin::Origin,
};

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> UnixMillis {
        UnixMillis(1_000)
    }
}

/// What a browser gets that brings `query` to the door.
async fn bring(waiting_url: &Url, query: &str) -> String {
    let redirect = param(waiting_url, "redirect_uri");
    let host = redirect
        .strip_prefix("http://")
        .and_then(|rest| rest.strip_suffix("/callback"))
        .unwrap()
        .to_owned();
    let mut stream = TcpStream::connect(&host).await.unwrap();
    let request = format!("GET /callback?{query} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn param(url: &Url, name: &str) -> String {
    let mut pairs = url.query_pairs();
    let found = pairs.find(|(n, _)| n == name).unwrap();
    found.1.into_owned()
}

async fn server(fake: &Fake) -> Server {
    fake.answers(200, fake.metadata());
    Server::discover(&fake.origin()).await.unwrap()
}

fn tokens(fake: &Fake) {
    let refresh = Plain::<RefreshToken>::generate(&Counted::default());
    fake.answers(
        200,
        format!(
            "{{\"access_token\":\"bauta_new\",\"token_type\":\"Bearer\",\"expires_in\":3600,\
             \"refresh_token\":\"{}\",\"scope\":\"frontier\"}}",
            refresh.reveal()
        ),
    );
}

#[tokio::test]
async fn a_code_is_exchanged_with_the_verifier_that_only_this_program_has() {
    let fake = Fake::start().await;
    let server = server(&fake).await;
    tokens(&fake);
    let waiting = server
        .begin(Some(&name("frontier")), &Counted::default())
        .await
        .unwrap();
    let url = waiting.url().clone();
    let code = Plain::<AuthCode>::generate(&Counted::default());
    let query = format!(
        "code={}&state={}&iss={}",
        code.reveal(),
        param(&url, "state"),
        fake.origin()
    );

    let (issued, stranger_then_page) = tokio::join!(server.finish(waiting, &Stopped), async {
        let stranger = bring(&url, "code=evil&state=guessed").await;
        (stranger, bring(&url, &query).await)
    });

    let issued = issued.unwrap();
    let (stranger, page) = stranger_then_page;
    assert!(stranger.starts_with("HTTP/1.1 404"), "{stranger}");
    assert!(page.contains("You are signed in"), "{page}");
    assert!(!page.contains(code.reveal()));
    assert_eq!(issued.grant.expires_at, UnixMillis(3_601_000));
    let asked = fake.requests().pop().unwrap();
    let form: std::collections::BTreeMap<_, _> =
        url::form_urlencoded::parse(asked.rsplit(' ').next().unwrap().as_bytes())
            .into_owned()
            .collect();
    assert_eq!(
        challenge(&form["code_verifier"]),
        param(&url, "code_challenge")
    );
    assert_eq!(form["redirect_uri"], param(&url, "redirect_uri"));
    assert_eq!(form["code"], code.reveal());
    assert_ne!(param(&url, "state"), form["code_verifier"]);
    assert!(!url.as_str().contains(&form["code_verifier"]));
}

#[tokio::test]
async fn who_is_not_verified_is_told_here_and_led_there() {
    let fake = Fake::start().await;
    let server = server(&fake).await;
    let waiting = server.begin(None, &Counted::default()).await.unwrap();
    let url = waiting.url().clone();
    let query = format!(
        "error=verification_required&state={}&iss={}",
        param(&url, "state"),
        fake.origin()
    );

    let (refused, page) = tokio::join!(server.finish(waiting, &Stopped), bring(&url, &query));

    assert!(matches!(
        refused.err().unwrap(),
        LoginError::Call(CallError::Refused(Refusal::Verify))
    ));
    let there = format!("Location: {}/verify\r\n", fake.origin());
    assert!(
        page.starts_with("HTTP/1.1 303") && page.contains(&there),
        "{page}"
    );
}

#[test]
fn the_challenge_is_that_of_the_standard() {
    // RFC 7636, appendix B.
    assert_eq!(
        challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    );
}

#[tokio::test]
async fn a_second_sign_in_of_a_scope_ends_the_first_and_leaves_the_others() {
    let fake = Fake::start().await;
    let home = tempfile::tempdir().unwrap();
    let keep = FileKeep::new(home.path().join("bauta"));
    let mut old = sign_in(&["frontier", "local"]);
    old.issuer = fake.origin();
    let first = old.grants[&name("frontier")].refresh.reveal().to_owned();
    keep.try_hold().unwrap().unwrap().write(&old).unwrap();
    let server = server(&fake).await;
    fake.answers(200, "");
    let grant = sign_in(&["other"]).grants.remove(&name("other")).unwrap();

    room(&keep, &server).await.unwrap();
    let issued = Issued {
        scope: name("frontier"),
        grant,
    };
    settle(&keep, &server, issued).await.unwrap();

    let kept = keep.try_hold().unwrap().unwrap().read().unwrap().unwrap();
    assert_eq!(kept.grants.len(), 2);
    assert_eq!(
        kept.grants[&name("frontier")].access.reveal(),
        "bauta_access-other"
    );
    let revoked = fake.requests().pop().unwrap();
    assert!(revoked.starts_with("POST /oauth/revoke") && revoked.contains(&first));
}

#[tokio::test]
async fn a_sign_in_to_one_server_is_not_replaced_by_one_to_another() {
    let fake = Fake::start().await;
    let home = tempfile::tempdir().unwrap();
    let keep = FileKeep::new(home.path().join("bauta"));
    let mut old = sign_in(&["frontier"]);
    old.issuer = Origin::parse("https://other.example.com").unwrap();
    keep.try_hold().unwrap().unwrap().write(&old).unwrap();
    let server = server(&fake).await;

    let refused = room(&keep, &server).await.err().unwrap();

    assert!(matches!(refused, LoginError::Other(other) if other == "https://other.example.com"));
}
