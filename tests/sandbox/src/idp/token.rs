//! The token endpoint, ID tokens and userinfo.

use super::authorize::Asked;
use super::keys::{compact, shared};
use super::{Book, Client, Lie, Person, Provider, people, refuse};
use crate::answer::Answer;
use crate::request::Request;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use url::form_urlencoded;

/// An authorization code, good once.
#[derive(Clone, Debug)]
pub(super) struct Code {
    asked: Asked,
    person: Person,
    sid: String,
    at_s: i64,
}

impl Code {
    pub(super) fn new(asked: &Asked, person: Person, sid: &str, at_s: i64) -> Self {
        Self {
            asked: asked.clone(),
            person,
            sid: sid.to_owned(),
            at_s,
        }
    }
}

/// Exchanges a code for an ID token.
pub(super) fn exchange(provider: &Provider, request: &Request) -> Answer {
    let bad = StatusCode::BAD_REQUEST;
    let Some(form) = request.form() else {
        return refuse(
            bad,
            "invalid_request",
            "a form without repeated fields is expected",
        );
    };
    let client = match authenticate(provider, request, &form) {
        Ok(client) => client,
        Err(answer) => return *answer,
    };
    if form
        .get("grant_type")
        .is_none_or(|grant| grant != "authorization_code")
    {
        return refuse(
            bad,
            "unsupported_grant_type",
            "only authorization_code is supported",
        );
    }
    let code = form.get("code").map(String::as_str).unwrap_or_default();
    // Taken out before it is looked at: a code that failed once does not get another try.
    let Some(code) = provider.lock().codes.remove(code) else {
        return refuse(
            bad,
            "invalid_grant",
            "the code is unknown or was used before",
        );
    };
    if let Err(why) = matches_request(provider, &client, &code, &form) {
        return refuse(bad, "invalid_grant", why);
    }
    let access = provider.seed.name("at_");
    let mut book = provider.lock();
    book.access.insert(access.clone(), code.person.sub.clone());
    let lie = book.lie(Lie::in_token);
    let id_token = id_token(provider, &book, &client, &code, &access, lie);
    drop(book);
    let document = json!({
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": code.asked.scope,
        "id_token": id_token,
    });
    Answer::json(StatusCode::OK, &document)
        .with("cache-control", "no-store")
        .with("pragma", "no-cache")
}

/// The application by its secret, in the header or in the form but not in both.
fn authenticate(
    provider: &Provider,
    request: &Request,
    form: &BTreeMap<String, String>,
) -> Result<Client, Box<Answer>> {
    let posted = form.get("client_secret").cloned();
    let (id, secret) = match (request.basic(), posted) {
        (Some(_), Some(_)) => {
            let why = "more than one way of client authentication";
            return Err(Box::new(refuse(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                why,
            )));
        }
        // RFC 6749, section 2.3.1: both are form-encoded before they are joined.
        (Some((id, secret)), None) => (decoded(&id), decoded(&secret)),
        (None, Some(secret)) => (form.get("client_id").cloned().unwrap_or_default(), secret),
        (None, None) => (String::new(), String::new()),
    };
    let named = form.get("client_id").is_none_or(|named| *named == id);
    let client = provider.lock().client(&id);
    client
        .filter(|client| named && !secret.is_empty() && client.secret == secret)
        .ok_or_else(|| {
            let answer = refuse(
                StatusCode::UNAUTHORIZED,
                "invalid_client",
                "client authentication failed",
            );
            Box::new(answer.with("www-authenticate", "Basic realm=\"sandbox\""))
        })
}

fn decoded(value: &str) -> String {
    let pair = format!("v={value}");
    form_urlencoded::parse(pair.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

fn matches_request(
    provider: &Provider,
    client: &Client,
    code: &Code,
    form: &BTreeMap<String, String>,
) -> Result<(), &'static str> {
    if provider.clock.now_s().saturating_sub(code.at_s) > CODE_S {
        return Err("the code has expired");
    }
    if code.asked.client != client.id {
        return Err("the code was given to another application");
    }
    if form.get("redirect_uri") != Some(&code.asked.redirect_uri) {
        return Err("redirect_uri differs from the request");
    }
    let verifier = form
        .get("code_verifier")
        .map(String::as_str)
        .unwrap_or_default();
    let legal = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    if !(43..=128).contains(&verifier.len()) || !verifier.chars().all(legal) {
        return Err("code_verifier is missing or malformed");
    }
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    if challenge != code.asked.challenge {
        return Err("code_verifier does not fit the challenge");
    }
    Ok(())
}

fn id_token(
    provider: &Provider,
    book: &Book,
    client: &Client,
    code: &Code,
    access: &str,
    lie: Option<Lie>,
) -> String {
    let mut claims = honest(provider, book, client, code, access);
    if let Some(lie) = lie {
        distort(&mut claims, lie, provider);
    }
    let mut payload = Value::Object(claims).to_string();
    if lie == Some(Lie::TwoSubjects) {
        payload = payload.replacen('{', "{\"sub\":\"somebody-else\",", 1);
    }
    sealed(book, client, &payload, lie)
}

fn honest(
    provider: &Provider,
    book: &Book,
    client: &Client,
    code: &Code,
    access: &str,
) -> Map<String, Value> {
    let now_s = provider.clock.now_s();
    let auth_time = book
        .sessions
        .get(&code.sid)
        .map_or(now_s, |session| session.at_s);
    let person = &code.person;
    let mut claims = Map::new();
    let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    put("iss", json!(provider.issuer));
    put("aud", json!(client.id));
    put("sub", json!(person.sub));
    put("iat", json!(now_s));
    put("exp", json!(now_s.saturating_add(300)));
    put("auth_time", json!(auth_time));
    put("sid", json!(code.sid));
    put("groups", json!(person.groups));
    put("at_hash", json!(book.keys.half_hash(access)));
    if let Some(nonce) = &code.asked.nonce {
        put("nonce", json!(nonce));
    }
    if provider.leaky {
        claims.extend(people::leaks(person));
    }
    claims.extend(person.claims.clone());
    claims
}

fn distort(claims: &mut Map<String, Value>, lie: Lie, provider: &Provider) {
    let now_s = provider.clock.now_s();
    let changed = match lie {
        Lie::WrongNonce => ("nonce", json!("a-nonce-of-somebody-else")),
        Lie::WrongIssuer => ("iss", json!("https://other-idp.example")),
        Lie::IssuerSlash => ("iss", json!(format!("{}/", provider.issuer))),
        Lie::WrongAudience => ("aud", json!("another-application")),
        Lie::TwoAudiences => {
            let ours = claims.get("aud").cloned();
            ("aud", json!([ours, "another-application"]))
        }
        Lie::Expired => ("exp", json!(now_s.saturating_sub(60))),
        Lie::FromTheFuture => {
            claims.insert("exp".to_owned(), json!(now_s.saturating_add(7200)));
            ("iat", json!(now_s.saturating_add(3600)))
        }
        Lie::NotYetValid => ("nbf", json!(now_s.saturating_add(3600))),
        Lie::GroupsAsText => ("groups", json!("engineering")),
        Lie::GroupsElsewhere => {
            claims.remove("groups");
            let source = json!({"src1": {"endpoint": format!("{}/groups", provider.issuer)}});
            claims.insert("_claim_sources".to_owned(), source);
            ("_claim_names", json!({"groups": "src1"}))
        }
        Lie::WrongAccessHash => ("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA")),
        Lie::StaleSignIn => ("auth_time", json!(now_s.saturating_sub(86_400))),
        Lie::NoNonce | Lie::NoExpiry | Lie::NoSubject | Lie::NoGroups => {
            claims.remove(match lie {
                Lie::NoNonce => "nonce",
                Lie::NoExpiry => "exp",
                Lie::NoSubject => "sub",
                _ => "groups",
            });
            return;
        }
        // The rest is told in the header, by the signature or elsewhere.
        _ => return,
    };
    claims.insert(changed.0.to_owned(), changed.1);
}

fn sealed(book: &Book, client: &Client, payload: &str, lie: Option<Lie>) -> String {
    let keys = &book.keys;
    let alg = keys.alg.name();
    let header = json!({"alg": alg, "typ": "JWT", "kid": keys.kid()});
    let honest = |input: &str| keys.sign(input);
    match lie {
        Some(Lie::AlgNone) => compact(&json!({"alg": "none", "typ": "JWT"}), payload, |_| {
            Vec::new()
        }),
        Some(Lie::AlgHs256) => {
            let header = json!({"alg": "HS256", "typ": "JWT", "kid": keys.kid()});
            compact(&header, payload, |input| shared(&client.secret, input))
        }
        Some(Lie::OtherKeySameKid) => compact(&header, payload, |input| keys.forge(input)),
        Some(Lie::UnknownKid) => {
            let header = json!({"alg": alg, "typ": "JWT", "kid": "sandbox-unknown"});
            compact(&header, payload, honest)
        }
        Some(Lie::WrongType) => {
            let header = json!({"alg": alg, "typ": "logout+jwt", "kid": keys.kid()});
            compact(&header, payload, honest)
        }
        Some(Lie::Critical) => {
            let header = json!({"alg": alg, "typ": "JWT", "kid": keys.kid(), "crit": ["sandbox"], "sandbox": 1});
            compact(&header, payload, honest)
        }
        Some(Lie::BrokenSignature) => compact(&header, payload, |input| {
            let mut signature = keys.sign(input);
            if let Some(last) = signature.last_mut() {
                *last ^= 1;
            }
            signature
        }),
        _ => compact(&header, payload, honest),
    }
}

/// What is known about whoever an access token speaks for.
pub(super) fn userinfo(provider: &Provider, request: &Request) -> Answer {
    let mut book = provider.lock();
    let sub = request
        .bearer()
        .and_then(|token| book.access.get(token).cloned());
    let Some(person) = sub.and_then(|sub| book.person(&sub)) else {
        return refuse(
            StatusCode::UNAUTHORIZED,
            "invalid_token",
            "the access token is unknown",
        )
        .with("www-authenticate", "Bearer error=\"invalid_token\"");
    };
    let lie = book.lie(Lie::in_userinfo);
    let sub = if lie.is_some() {
        "somebody-else"
    } else {
        &person.sub
    };
    let mut claims = Map::new();
    claims.insert("sub".to_owned(), json!(sub));
    claims.insert("groups".to_owned(), json!(person.groups));
    if provider.leaky {
        claims.extend(people::leaks(&person));
    }
    Answer::json(StatusCode::OK, &Value::Object(claims))
}

/// How long a code stays good, in seconds.
const CODE_S: i64 = 60;
