use askama::Template;
use zeroize::Zeroizing;

use super::{
    snippets,
    view::{
        Appeal, Authorize, Choice, Device, DeviceAsk, Door, Duty, Fact, Field, Frame, Grant, Group,
        Home, InPerson, Link, Made, Message, Officer, OfficerAsk, Privacy, Scope, Snippet, Spelled,
        Ticket, Tokens, Tools, Verify, Waiting, Way, Welcome,
    },
};

mod officers;
mod own;

/// Every page, with `text` wherever a page shows something that was not written here.
fn pages(text: &str) -> Vec<(&'static str, String)> {
    let s = || text.to_owned();
    let frame = || Frame {
        here: "home",
        signed_in: true,
        development: true,
    };
    let next = || Link::new("/tokens", "Tokens");
    let facts = || vec![Fact::new(text, text)];
    vec![
        (
            "welcome",
            render(&Welcome {
                frame: Frame {
                    signed_in: false,
                    ..frame()
                },
            }),
        ),
        (
            "home",
            render(&Home {
                frame: frame(),
                verified_until: Some(s()),
                verified_in: s(),
                verified_by: s(),
                lasting: s(),
                renew: true,
                next: next(),
                urgent: true,
                scopes: vec![Scope {
                    name: s(),
                    state: Door::InPart,
                    privacy: "pseudonymous",
                    models: s(),
                    because: vec![s()],
                }],
                tools: Tools {
                    login: Some(s()),
                    code: true,
                    labelled: true,
                },
                officer: Some(Duty::Counts),
                notices: vec![s()],
                console: Some("/admin"),
            }),
        ),
        (
            "in_person",
            render(&InPerson {
                frame: frame(),
                heading: "Have two officers vouch for you",
                vouched: 1,
                worth: "It counts",
                within: s(),
                code: Some(Spelled {
                    code: s(),
                    letters: s(),
                }),
                lasts: s(),
                attest: vec!["You are 18 or older"],
                keeps: vec!["Our signature"],
            }),
        ),
        (
            "officer",
            render(&Officer {
                frame: frame(),
                unchecked: true,
                problem: Some("A code is eight letters"),
            }),
        ),
        (
            "officer_ask",
            render(&OfficerAsk {
                frame: frame(),
                code: s(),
                attest: vec![s()],
                holds: s(),
                notice: "2026-11-01",
                problem: Some("Tick the box"),
            }),
        ),
        (
            "verify",
            render(&Verify {
                frame: frame(),
                heading: s(),
                lead: s(),
                note: Some(s()),
                closed: vec![s()],
                vendor: s(),
                vendor_sees: vec![s()],
                vendor_deletes: s(),
                bauta_keeps: vec![s()],
                verified: true,
                record: Some(s()),
                under_way: true,
                ways: vec![Way {
                    vendor: "persona",
                    button: s(),
                    agree: s(),
                }],
                in_person: true,
            }),
        ),
        (
            "waiting",
            render(&Waiting {
                frame: frame(),
                heading: s(),
                text: s(),
                done: false,
                still: false,
                next: next(),
            }),
        ),
        (
            "tokens",
            render(&Tokens {
                frame: frame(),
                revoked: Some((s(), s())),
                grants: vec![Grant {
                    id: s(),
                    label: s(),
                    scope: s(),
                    kind: "Labelled token",
                    made: s(),
                    refreshed: s(),
                    ends: s(),
                }],
                scopes: vec![Choice {
                    name: s(),
                    days: 90,
                }],
                none_open: s(),
                problem: Some(s()),
                typed: s(),
                most_days: 90,
                default_days: 30,
            }),
        ),
        (
            "made",
            render(&Made {
                frame: frame(),
                label: s(),
                token: Zeroizing::new(s()),
                scope: s(),
                until: s(),
                keep: snippets::KEEP,
                snippets: vec![Snippet {
                    tool: "curl",
                    text: "",
                    code: s(),
                }],
            }),
        ),
        (
            "privacy",
            render(&Privacy {
                frame: frame(),
                held: vec![Group {
                    title: "Row",
                    facts: facts(),
                    record: Some(s()),
                    gone: s(),
                }],
                looks: vec![s()],
                stays: None,
                problem: Some("Tick the box"),
            }),
        ),
        (
            "appeal",
            render(&Appeal {
                frame: frame(),
                about: vec![Ticket {
                    value: "closed",
                    label: "Some models stay closed to me",
                }],
                grounds: vec![Ticket {
                    value: "person",
                    label: "I want a person to look at it",
                }],
                before: Some(s()),
                open: false,
                problem: Some("Choose one of each"),
            }),
        ),
        (
            "device",
            render(&Device {
                frame: frame(),
                problem: Some("x"),
                typed: s(),
            }),
        ),
        (
            "device_ask",
            render(&DeviceAsk {
                frame: frame(),
                login: s(),
                surface: s(),
                asked: s(),
                network: "another network",
                warn: true,
                problem: None,
                scopes: vec![s(), s()],
                none_open: "x",
            }),
        ),
        (
            "authorize",
            render(&Authorize {
                frame: frame(),
                client: s(),
                redirect: s(),
                fields: vec![Field {
                    name: "state",
                    value: s(),
                }],
                scopes: vec![s()],
            }),
        ),
        (
            "message",
            render(&Message {
                frame: frame(),
                kicker: "x",
                heading: s(),
                text: s(),
                next: Some(next()),
            }),
        ),
    ]
}

fn render(template: &impl Template) -> String {
    template.render().unwrap()
}

#[test]
fn adm_02_no_page_shows_markup_that_was_typed() {
    shows_no_markup_that_was_typed(pages);
}

pub(crate) fn shows_no_markup_that_was_typed(pages: impl Fn(&str) -> Vec<(&'static str, String)>) {
    let hostile = r#"</title><script>alert("1")</script>' onx='"#;

    for (name, html) in pages(hostile) {
        assert!(!html.contains("<script"), "{name} runs what was typed");
        assert!(
            !html.contains("</title><"),
            "{name} lets text leave its element"
        );
        assert!(
            !html.contains(r#"alert("1")"#),
            "{name} lets text leave an attribute"
        );
        assert!(
            !html.contains("' onx='"),
            "{name} lets text leave an attribute"
        );
    }
}

#[test]
fn no_page_needs_a_script_or_another_site() {
    needs_no_script_nor_another_site(&pages("plain"));
}

pub(crate) fn needs_no_script_nor_another_site(pages: &[(&'static str, String)]) {
    for (name, html) in pages {
        for bad in [
            "<script",
            "javascript:",
            "http://",
            "https://",
            " style=",
            "onclick",
            "//cdn",
        ] {
            assert!(!html.contains(bad), "{name} holds {bad}");
        }
        assert!(
            html.contains(r#"<html lang="en">"#),
            "{name} has no language"
        );
        assert!(
            html.contains(r#"name="viewport""#),
            "{name} does not fit a phone"
        );
        assert_eq!(
            html.matches("<h1").count(),
            1,
            "{name} has one main heading"
        );
        assert!(
            html.contains(r#"<main id="main""#),
            "{name} has no main part"
        );
    }
}

#[test]
fn every_field_of_a_form_has_a_label() {
    fields_have_labels(&pages("plain"));
}

pub(crate) fn fields_have_labels(pages: &[(&'static str, String)]) {
    for (name, html) in pages {
        for field in html
            .split("<input ")
            .skip(1)
            .chain(html.split("<select ").skip(1))
        {
            let tag = field.split('>').next().unwrap_or_default();
            if tag.contains(r#"type="hidden""#) || tag.contains(r#"type="radio""#) {
                continue;
            }
            let id = tag
                .split("id=\"")
                .nth(1)
                .and_then(|rest| rest.split('"').next());
            let id = id.unwrap_or_else(|| panic!("{name}: a field without an id: {tag}"));
            assert!(
                html.contains(&format!("for=\"{id}\"")),
                "{name}: {id} has no label"
            );
        }
    }
}

#[test]
fn a_code_from_a_link_is_never_sent_by_itself() {
    let page = pages("BCDF-GHJK")
        .into_iter()
        .find(|(name, _)| *name == "device_ask");

    let (_, html) = page.unwrap();

    let code = html.split(r#"name="user_code""#).nth(1).unwrap();
    let tag = code.split('>').next().unwrap();
    assert!(
        !tag.contains("value="),
        "the code is typed again, not carried along"
    );
}

#[test]
fn yes_is_no_easier_than_no() {
    for name in ["device_ask", "authorize"] {
        let page = pages("plain").into_iter().find(|(n, _)| *n == name);
        let (_, html) = page.unwrap();

        let answers = html.split(r#"class="even""#).nth(1).unwrap();
        let answers = answers.split("</div>").next().unwrap();
        assert!(answers.contains(r#"value="allow""#) && answers.contains(r#"value="deny""#));
        assert!(!answers.contains("autofocus"));
    }
}

mod served {
    use axum::http::StatusCode;

    use crate::{
        config::DeviceFlow,
        issue::world::{Ada, Reply, World},
    };

    async fn make(world: &World, ada: &Ada, form: &[(&str, &str)]) -> Reply {
        world.post("/tokens", Some(ada), form).await
    }

    const GOOD: [(&str, &str); 3] = [("label", "laptop"), ("scope", "frontier"), ("days", "30")];

    /// The token on the page that shows it.
    fn shown(page: &str) -> Option<String> {
        let from = page.split("bauta_ey").nth(1)?;
        let rest = from.split('<').next()?;
        Some(format!("bauta_ey{}", rest.trim()))
    }

    #[tokio::test]
    async fn a_labelled_token_is_shown_once_and_works() {
        let world = World::new(DeviceFlow::Off).await;
        let ada = world.ada().await;

        let made = make(&world, &ada, &GOOD).await;
        let list = world.get("/tokens", Some(&ada)).await;
        let privacy = world.get("/privacy", Some(&ada)).await;

        let token = shown(&made.body).unwrap();
        let (set, used) = ("export BAUTA_TOKEN", "$BAUTA_TOKEN");
        assert!(made.body.find(set) < made.body.find(used), "set, then used");
        assert!(made.body.contains(set) && made.body.contains("selects all of it"));
        // What a terminal takes as one line; macOS takes the fewest.
        assert!(token.len() < 1_024, "{} letters", token.len());
        let claims = world.plane.read_access(&token).unwrap();
        assert_eq!(claims.exp - claims.iat, 30 * 86_400);
        assert_eq!(made.headers.get("cache-control").unwrap(), "no-store");
        for page in [&list.body, &privacy.body] {
            assert!(page.contains("laptop"));
            assert!(!page.contains("bauta_ey"), "no page shows a token again");
            assert!(!page.contains(claims.sub.as_str()));
        }
    }

    #[tokio::test]
    async fn a_form_that_does_not_hold_makes_nothing() {
        let world = World::new(DeviceFlow::Off).await;
        let (ada, bob) = (world.ada().await, world.stranger().await);
        for (name, value) in [
            ("label", "ada@example.com"),
            ("label", "<script>"),
            ("label", ""),
            ("scope", "masked"),
            ("scope", "unknown"),
            ("days", "0"),
            ("days", "91"),
            ("days", "-1"),
            ("days", "x"),
        ] {
            let form = GOOD.map(|(n, v)| (n, if n == name { value } else { v }));
            let reply = make(&world, &ada, &form).await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{name} {value}");
            assert!(!reply.body.contains("<script>"));
        }

        let unverified = make(&world, &bob, &GOOD).await;
        let nobody = world.post("/tokens", None, &GOOD).await;

        assert_eq!(unverified.status, StatusCode::BAD_REQUEST);
        assert!(unverified.body.contains("Verify"));
        assert_ne!(nobody.status, StatusCode::OK);
        assert!(world.plane.grants(ada.id).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_member_revokes_its_own_tokens_and_no_others() {
        let world = World::new(DeviceFlow::Off).await;
        let (ada, bob) = (world.ada().await, world.ada().await);
        make(&world, &ada, &GOOD).await;
        let id = crate::ports::grants::hex(&world.plane.grants(ada.id).await.unwrap()[0].id);
        let form = [("grant", id.as_str())];

        let upper = id.to_uppercase();
        for bad in ["", "zz", &upper, &id[..62]] {
            let reply = world
                .post("/tokens/revoke", Some(&ada), &[("grant", bad)])
                .await;
            assert_eq!(reply.status, StatusCode::SEE_OTHER);
        }
        let others = world.post("/tokens/revoke", Some(&bob), &form).await;
        let kept = world.plane.grants(ada.id).await.unwrap().len();
        let ended = world.post("/tokens/revoke", Some(&ada), &form).await;
        let left = world.plane.grants(ada.id).await.unwrap().len();

        assert_eq!((kept, left), (1, 0));
        assert!(ended.body.contains("“laptop” for frontier is revoked"));
        assert!(!others.body.contains("is revoked"));
    }

    #[tokio::test]
    async fn every_page_is_there_and_says_where_one_stands() {
        let world = World::new(DeviceFlow::On).await;
        let (ada, bob) = (world.ada().await, world.stranger().await);

        let out = world.get("/", None).await;
        let verified = world.get("/", Some(&ada)).await;
        let new = world.get("/", Some(&bob)).await;

        assert!(out.body.contains("Verified once."));
        assert!(verified.body.contains("Verified until"));
        assert!(verified.body.contains("30 November 2027"));
        assert!(new.body.contains("Not verified yet"));
        for path in [
            "/verify",
            "/verify/waiting",
            "/tokens",
            "/privacy",
            "/device",
        ] {
            let page = world.get(path, Some(&ada)).await;
            assert_eq!(page.status, StatusCode::OK, "{path}");
            let policy = page
                .headers
                .get("content-security-policy")
                .unwrap()
                .to_str()
                .unwrap();
            assert!(
                policy.starts_with("default-src 'none'; style-src 'self'"),
                "{path}"
            );
            assert!(!policy.contains("unsafe"), "{path}");
            let away = world.get(path, None).await;
            assert_eq!(away.status, StatusCode::SEE_OTHER, "{path}");
        }
        for asset in ["/assets/portal.css", "/assets/mask.svg"] {
            assert_eq!(world.get(asset, None).await.status, StatusCode::OK);
        }
    }

    #[tokio::test]
    async fn home_names_only_the_ways_in_that_work() {
        let on = World::new(DeviceFlow::On).await;
        let off = World::new(DeviceFlow::Off).await;
        let loginless = World::with(DeviceFlow::On, |settings| {
            for scope in &mut settings.scopes {
                (scope.device, scope.max_label_ttl) = (false, None);
            }
        })
        .await;
        let home = async |world: &World| world.get("/", Some(&world.ada().await)).await.body;

        let (on, off, loginless) = (home(&on).await, home(&off).await, home(&loginless).await);

        let code = "Cloud gateway";
        assert!(on.contains("bauta login https://ai.example.com") && on.contains(code));
        assert!(off.contains("bauta login") && !off.contains(code));
        assert!(!loginless.contains(code) && !loginless.contains("Or take a token"));
    }

    #[tokio::test]
    async fn whom_no_group_opens_anything_reads_that_first() {
        let world = World::with(DeviceFlow::On, |settings| {
            settings
                .scopes
                .retain(|scope| scope.name.as_str() == "masked");
            settings.scopes[0].groups = vec!["engineering".to_owned()];
        })
        .await;
        let bob = world.stranger().await;

        let home = world.get("/", Some(&bob)).await.body;

        let first = home.find("Verifying opens nothing for you yet").unwrap();
        let button = home.find("Verify once").unwrap();
        assert!(first < button, "before it asks for anything");
        assert!(home.contains("Ask your platform team"));
        assert!(home.contains(r#"class="button quietly" href="/verify""#));
        assert!(!home.contains("Use it from your tools"));
    }

    #[tokio::test]
    async fn the_privacy_page_shows_the_record_as_it_is_signed() {
        let world = World::new(DeviceFlow::Off).await;
        let ada = world.ada().await;
        let record = world
            .plane
            .standing(ada.id)
            .await
            .unwrap()
            .unwrap()
            .verified
            .unwrap()
            .record;

        let page = world.get("/privacy", Some(&ada)).await;

        let (before, folded) = page.body.split_once("<details").unwrap();
        let (exact, after) = folded.split_once("</details>").unwrap();
        let plain = format!("{before}{after}");
        assert!(exact.contains("The signed record, exactly"));
        assert!(
            exact.contains(&record.replace('"', "&#34;")),
            "byte for byte"
        );
        let record: serde_json::Value = serde_json::from_str(&record).unwrap();
        for name in record.as_object().unwrap().keys() {
            assert!(
                exact.contains(name.as_str()),
                "{name} is kept and not shown"
            );
            assert!(
                !name.contains('_') || !plain.contains(name.as_str()),
                "{name} is no plain word"
            );
        }
        assert!(page.body.contains(&ada.id.to_string()));
    }
}
