//! A strict application's view of the provider, and of its lies.

mod logout;
mod token;

use super::*;
use crate::Sandbox;
use crate::testing::{NOW_MS, call, inbox, sandbox, still};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use tokio::task::JoinSet;
use url::form_urlencoded::Serializer;

const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters";
const CALLBACK: &str = "http://127.0.0.1:8080/callback";

fn known(options: Options) -> Sandbox {
    let mut all = still();
    all.idp = options;
    let sandbox = Sandbox::start(all).unwrap();
    sandbox
        .idp
        .register(Client::new("bauta", "s3cret", CALLBACK));
    sandbox
}

fn query(pairs: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn usual() -> Vec<(&'static str, String)> {
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
    vec![
        ("client_id", "bauta".to_owned()),
        ("redirect_uri", CALLBACK.to_owned()),
        ("response_type", "code".to_owned()),
        ("scope", "openid".to_owned()),
        ("state", "st4te".to_owned()),
        ("nonce", "n0nce".to_owned()),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256".to_owned()),
    ]
}

/// The authorization URL with one parameter changed, or left out.
fn asking(idp: &Idp, change: Option<(&str, Option<&str>)>) -> String {
    let mut pairs = usual();
    if let Some((name, value)) = change {
        pairs.retain(|(known, _)| *known != name);
        let all: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .chain(value.map(|value| (name, value)))
            .collect();
        return format!("{}/authorize?{}", idp.url(), query(&all));
    }
    let all: Vec<(&str, &str)> = pairs
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    format!("{}/authorize?{}", idp.url(), query(&all))
}

fn parameters(url: &str) -> BTreeMap<String, String> {
    url::Url::parse(url)
        .unwrap()
        .query_pairs()
        .into_owned()
        .collect()
}

async fn code(idp: &Idp, name: &str) -> String {
    let onward = idp.sign_in(&asking(idp, None), name).await.unwrap();
    parameters(&onward)["code"].clone()
}

async fn exchange(idp: &Idp, code: &str, change: &[(&str, &str)]) -> crate::outbound::Reply {
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", "bauta"),
        ("client_secret", "s3cret"),
    ];
    form.retain(|(name, _)| !change.iter().any(|(changed, _)| changed == name));
    form.extend(change.iter().filter(|(_, value)| !value.is_empty()));
    let url = format!("{}/token", idp.url());
    call(
        "POST",
        &url,
        &[("content-type", "application/x-www-form-urlencoded")],
        &query(&form),
    )
    .await
}

async fn id_token(idp: &Idp, name: &str) -> String {
    let code = code(idp, name).await;
    let answer = exchange(idp, &code, &[]).await.json();
    answer["id_token"].as_str().unwrap().to_owned()
}

/// A reader as strict as an application should be. Shares nothing with the writer but the RFCs.
async fn read(idp: &Idp, token: &str, typ: &str) -> Result<Value, &'static str> {
    let parts: Vec<&str> = token.split('.').collect();
    let [head, body, signature] = parts[..] else {
        return Err("parts");
    };
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let header: Value = serde_json::from_slice(&decode(head)).unwrap();
    if header["typ"] != typ || header.get("crit").is_some() {
        return Err("header");
    }
    let keys = call("GET", &format!("{}/jwks", idp.url()), &[], "")
        .await
        .json();
    let key = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["kid"] == header["kid"]);
    let key = key.ok_or("kid")?;
    if key["alg"] != header["alg"] {
        return Err("alg");
    }
    let part = |name: &str| decode(key[name].as_str().unwrap());
    let (message, signature) = (format!("{head}.{body}"), decode(signature));
    let verified = match key["kty"].as_str().unwrap() {
        "RSA" => RsaPublicKeyComponents {
            n: part("n"),
            e: part("e"),
        }
        .verify(&RSA_PKCS1_2048_8192_SHA256, message.as_bytes(), &signature),
        "EC" => {
            let point = [vec![4], part("x"), part("y")].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(message.as_bytes(), &signature)
        }
        _ => UnparsedPublicKey::new(&ED25519, part("x")).verify(message.as_bytes(), &signature),
    };
    verified.map_err(|_| "signature")?;
    let text = String::from_utf8(decode(body)).unwrap();
    let claims: Value = serde_json::from_str(&text).unwrap();
    let now_s = NOW_MS / 1000;
    if claims["iss"] != idp.issuer() || claims["aud"] != "bauta" {
        return Err("addressee");
    }
    if claims["exp"].as_i64().is_none_or(|exp| exp <= now_s)
        || claims["iat"].as_i64().unwrap() > now_s
    {
        return Err("time");
    }
    if claims
        .get("nbf")
        .is_some_and(|nbf| nbf.as_i64().unwrap() > now_s)
    {
        return Err("time");
    }
    if text.matches("\"sub\"").count() > 1 {
        return Err("twice");
    }
    Ok(claims)
}

/// What an application demands of an ID token on top.
async fn sign_in(idp: &Idp) -> Result<Value, &'static str> {
    let code = code(idp, "Ada").await;
    let answer = exchange(idp, &code, &[]).await.json();
    let claims = read(idp, answer["id_token"].as_str().unwrap(), "JWT").await?;
    if claims["nonce"] != "n0nce" {
        return Err("nonce");
    }
    if !claims["sub"].is_string() {
        return Err("sub");
    }
    if !claims["groups"].is_array() {
        return Err("groups");
    }
    if claims["auth_time"].as_i64().unwrap() < NOW_MS / 1000 - 60 {
        return Err("auth_time");
    }
    let hash = digest(&SHA256, answer["access_token"].as_str().unwrap().as_bytes());
    if claims["at_hash"] != URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]) {
        return Err("at_hash");
    }
    Ok(claims)
}

#[tokio::test]
async fn a_person_signs_in_with_every_algorithm() {
    for alg in [Alg::Rs256, Alg::Es256, Alg::EdDsa] {
        let sandbox = known(Options {
            alg,
            ..Options::default()
        });

        let token = id_token(&sandbox.idp, "Ada").await;
        let claims = read(&sandbox.idp, &token, "JWT").await.unwrap();

        assert_eq!(claims["groups"], json!(["engineering"]), "{alg:?}");
        assert_eq!(claims["nonce"], "n0nce");
        assert_eq!(claims["sid"], sandbox.idp.sessions("ada")[0]);
    }
}

#[tokio::test]
async fn discovery_names_itself_byte_for_byte() {
    let sandbox = known(Options::default());
    let url = format!("{}/.well-known/openid-configuration", sandbox.idp.url());

    let found = call("GET", &url, &[], "").await.json();

    assert_eq!(found["issuer"], sandbox.idp.url());
    assert_eq!(found["id_token_signing_alg_values_supported"][0], "RS256");
    assert_eq!(
        found["authorization_response_iss_parameter_supported"],
        true
    );

    sandbox.idp.lie(Lie::DiscoverySlash);
    let lied = call("GET", &url, &[], "").await.json();
    assert_eq!(lied["issuer"], format!("{}/", sandbox.idp.url()));
}

#[tokio::test]
async fn the_answer_to_the_browser_carries_state_and_issuer() {
    let sandbox = known(Options::default());

    let onward = sandbox
        .idp
        .sign_in(&asking(&sandbox.idp, None), "Ada")
        .await
        .unwrap();

    let told = parameters(&onward);
    assert!(onward.starts_with("http://127.0.0.1:8080/callback?"));
    assert_eq!(told["state"], "st4te");
    assert_eq!(told["iss"], sandbox.idp.issuer());

    for (lie, name, value) in [
        (Lie::NoIssParameter, "iss", None),
        (
            Lie::OtherIssParameter,
            "iss",
            Some("https://other-idp.example"),
        ),
        (Lie::NoState, "state", None),
        (Lie::OtherState, "state", Some("a-state-that-nobody-began")),
    ] {
        sandbox.idp.lie(lie);
        let onward = sandbox
            .idp
            .sign_in(&asking(&sandbox.idp, None), "Ada")
            .await
            .unwrap();
        assert_eq!(
            parameters(&onward).get(name).map(String::as_str),
            value,
            "{lie:?}"
        );
    }
}

#[tokio::test]
async fn the_page_offers_everybody_and_may_lead_back() {
    let sandbox = known(Options::default());

    let page = call("GET", &asking(&sandbox.idp, None), &[], "").await;

    for name in ["Ada", "Bob", "Carol", "Dave"] {
        assert!(
            page.text().contains(&format!("Sign in as {name}")),
            "{name}"
        );
    }
    assert!(page.text().contains("Simulated"));
    assert!(!page.text().contains("<script"));
    assert!(
        page.header("content-security-policy")
            .contains("form-action 'self' http://127.0.0.1:8080;")
    );
}

#[tokio::test]
async fn a_person_may_decline() {
    let sandbox = known(Options::default());
    let page = call("GET", &asking(&sandbox.idp, None), &[], "")
        .await
        .text();
    let form = query(&[
        ("request", authorize::hidden(&page).unwrap()),
        ("cancel", "1"),
    ]);
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let url = format!("{}/authorize", sandbox.idp.url());

    let declined = call("POST", &url, &headers, &form).await;
    let again = call("POST", &url, &headers, &form).await;

    assert_eq!(
        parameters(declined.header("location"))["error"],
        "access_denied"
    );
    assert_eq!(again.status, 400, "a page is used once");
}

#[tokio::test]
async fn nobody_is_sent_to_an_address_that_is_not_registered() {
    let sandbox = known(Options::default());

    for uri in [
        "http://127.0.0.1:8080/callback/",
        "http://127.0.0.1:8080/callback?x=1",
        "http://127.0.0.1:8081/callback",
        "http://127.0.0.1:8080/Callback",
        "http://evil.example",
    ] {
        let url = asking(&sandbox.idp, Some(("redirect_uri", Some(uri))));
        let refused = call("GET", &url, &[], "").await;

        assert_eq!(refused.status, 400, "{uri}");
        assert_eq!(refused.header("location"), "", "{uri}");
    }
    let stranger = asking(&sandbox.idp, Some(("client_id", Some("another"))));
    assert_eq!(call("GET", &stranger, &[], "").await.status, 400);
}

#[tokio::test]
async fn requests_without_pkce_or_openid_go_back_with_an_error() {
    let sandbox = known(Options::default());

    for (name, value, error) in [
        ("code_challenge_method", Some("plain"), "invalid_request"),
        ("code_challenge", None, "invalid_request"),
        ("scope", Some("profile"), "invalid_scope"),
        (
            "response_type",
            Some("id_token"),
            "unsupported_response_type",
        ),
        ("prompt", Some("none"), "login_required"),
    ] {
        let url = asking(&sandbox.idp, Some((name, value)));
        let refused = call("GET", &url, &[], "").await;

        assert_eq!(
            parameters(refused.header("location"))["error"],
            error,
            "{name}"
        );
    }
}

#[tokio::test]
async fn userinfo_speaks_of_whoever_signed_in() {
    let sandbox = known(Options::default());
    let code = code(&sandbox.idp, "Bob").await;
    let access = exchange(&sandbox.idp, &code, &[]).await.json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let url = format!("{}/userinfo", sandbox.idp.url());
    let bearer = format!("Bearer {access}");

    let told = call("GET", &url, &[("authorization", &bearer)], "")
        .await
        .json();
    sandbox.idp.lie(Lie::UserinfoOtherSubject);
    let lied = call("GET", &url, &[("authorization", &bearer)], "")
        .await
        .json();
    let stranger = call("GET", &url, &[("authorization", "Bearer x")], "").await;

    assert_eq!(told["groups"], json!(["ai-platform"]));
    assert_ne!(told["sub"], lied["sub"]);
    assert_eq!(stranger.status, 401);
}

#[tokio::test]
async fn whoever_comes_unattended_is_signed_in_at_once() {
    let sandbox = known(Options::default());
    sandbox.idp.unattended(Some("Bob"));

    let onward = call("GET", &asking(&sandbox.idp, None), &[], "").await;

    assert!(parameters(onward.header("location")).contains_key("code"));
    assert_eq!(sandbox.idp.sessions("Bob").len(), 1);
}

#[tokio::test]
async fn whoever_left_cannot_sign_in() {
    let sandbox = known(Options::default());
    let mut eve = Person::new("Eve", &["engineering"]);
    eve.claims.insert("tid".to_owned(), json!("tenant-2"));
    sandbox.idp.hire(eve);
    let token = id_token(&sandbox.idp, "Eve").await;
    assert_eq!(
        read(&sandbox.idp, &token, "JWT").await.unwrap()["tid"],
        "tenant-2"
    );

    sandbox.idp.dismiss("Eve");

    assert!(
        sandbox
            .idp
            .sign_in(&asking(&sandbox.idp, None), "Eve")
            .await
            .is_err()
    );
    assert!(sandbox.idp.sessions("Eve").is_empty());
}

#[tokio::test]
async fn two_sandboxes_of_one_seed_have_the_same_keys() {
    let keys = async |sandbox: &Sandbox| {
        call("GET", &format!("{}/jwks", sandbox.idp.url()), &[], "")
            .await
            .json()
    };

    let (one, two) = (sandbox(), sandbox());

    assert_eq!(keys(&one).await, keys(&two).await);
}
