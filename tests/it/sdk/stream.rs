//! Streams, byte by byte and at every bad end.

use std::{net::TcpListener, time::Duration};

use bauta_sandbox::{Answer, Fault, Frame, anthropic, gemini, openai};
use bauta_tests::{Backend, World};
use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::{CHAT, GEMINI, MESSAGES, RESPONSES, at, outcomes, post, question, told};
use crate::journey::token;

/// A path, a model for it, and the same model as its provider calls it.
pub(crate) const DOORS: [(&str, &str, &str); 4] = [
    (MESSAGES, "claude-opus", "claude-opus-4-8"),
    (CHAT, "gpt", "gpt-5.2"),
    (RESPONSES, "gpt", "gpt-5.2"),
    (GEMINI, "gemini", "gemini-3-pro"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_arrives_byte_for_byte_however_it_is_cut() {
    let world = World::new(Backend::Sqlite).await;
    let token = token(&world).await;
    let mut streams = 0;
    for (path, model, theirs) in DOORS {
        let sent = direct(&world, &token, path, theirs).await;
        // One byte at a time, across every character and line, and as one piece.
        for size in [1, 7, 64, 1_000, sent.len()] {
            scripted(&world, path, &sent, size);

            let answer = ask(&world, &token, path, model, true).await;

            assert_eq!(answer.status(), StatusCode::OK);
            assert_eq!(answer.headers()["bauta-fallback"], "false");
            let served = answer.headers()["bauta-served-by"].to_str().unwrap();
            assert!(served.ends_with(theirs), "{served}");
            assert_eq!(answer.bytes().await.unwrap(), sent, "{path} by {size}");
            streams += 1;
        }
    }
    // The simulator's own stream too: what it draws for each answer apart, it says the same to us.
    for (path, model, theirs) in DOORS {
        let own = ask(&world, &token, path, model, true).await;
        let own = own.bytes().await.unwrap();
        let sent = direct(&world, &token, path, theirs).await;
        assert_eq!(own.len(), sent.len());
        assert_eq!(alike(&own), alike(&sent), "{path}");
        streams += 1;
    }
    println!("{streams} streams, equal byte for byte");
    super::count(&outcomes(&world, streams).await, "completed", streams);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_piece_goes_on_before_the_next_one_came() {
    let world = World::new(Backend::Sqlite).await;
    let token = token(&world).await;
    let mut stalled = 0;
    for (path, model, theirs) in DOORS {
        let whole = direct(&world, &token, path, theirs).await;
        // After each of the first events, and in the middle of the next one.
        for end in ends(&whole).into_iter().take(4) {
            for came in [end, end + 9] {
                next(&world, path, Fault::StallAfter(came));
                let mut answer = ask(&world, &token, path, model, true).await;
                let mut got = 0;
                while got < came {
                    let piece = timeout(Duration::from_secs(5), answer.chunk()).await;
                    let piece = piece.unwrap_or_else(|_| {
                        panic!("{path}: {came} bytes were said, {got} of them went on")
                    });
                    got += piece.unwrap().unwrap().len();
                }
                assert_eq!(got, came, "{path}");
                stalled += 1;
            }
        }
    }
    println!("{stalled} streams that fell silent: all that was said had gone on");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_ends_the_request_upstream_within_a_second() {
    for backend in Backend::BOTH {
        let world = World::new(backend).await;
        let token = token(&world).await;
        let provider = &world.stage.scene.sandbox.anthropic;
        provider.pause(Duration::from_millis(200));
        let asked = question(MESSAGES, "claude-opus", true, 64);
        let mut answer = post(&world, &token, MESSAGES, &asked).await;
        assert!(answer.chunk().await.unwrap().is_some());
        assert_eq!(provider.aborted(), 0);

        let left = Instant::now();
        drop(answer);

        timeout(Duration::from_secs(1), provider.until_aborted(1))
            .await
            .expect("the provider goes on talking to nobody");
        let took = left.elapsed();
        let ends = outcomes(&world, 1).await;
        assert_eq!(ends[0]["outcome"], "client_gone");
        assert!(ends[0]["charged_micro_usd"].as_i64().unwrap() > 0);
        println!("{backend:?}: the provider heard of it after {took:?}");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_before_the_answer_ends_the_request_upstream_too() {
    let world = World::new(Backend::Sqlite).await;
    let token = token(&world).await;
    let provider = &world.stage.scene.sandbox.anthropic;
    for stream in [false, true] {
        provider.next(Fault::Hang);
        let asked = question(MESSAGES, "claude-opus", stream, 64);
        let before = provider.requests().len();
        let waiting = post(&world, &token, MESSAGES, &asked);
        tokio::select! {
            _ = waiting => panic!("nobody answered that"),
            () = provider.until_requests(before + 1) => {}
        }

        let gone = provider.until_aborted(before + 1);
        timeout(Duration::from_secs(1), gone)
            .await
            .expect("the provider is still being waited for");
    }
    super::count(&outcomes(&world, 2).await, "client_gone", 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_ends_with_an_error_its_client_raises() {
    let mut broken = 0;
    for (path, model, theirs) in DOORS {
        // A provider that breaks off five times in a row is left alone for a while.
        let world = World::new(Backend::Sqlite).await;
        let token = token(&world).await;
        let whole = direct(&world, &token, path, theirs).await;
        let half = whole.len() / 2;
        // In the middle of a line, at the end of an event, before the first, and without the last.
        let event = ends(&whole)[2];
        let all_but_one = ends(&whole)[ends(&whole).len() - 2];
        let faults = [
            (Fault::CutAfter(half), half),
            (Fault::CutAfter(event), event),
            (Fault::ResetAfter(event), event),
            (Fault::CutAfter(0), 0),
            (Fault::NoTerminal, all_but_one),
        ];
        let each = faults.len();
        for (fault, reaches) in faults {
            let name = format!("{path} {fault:?}");
            // A reset takes back what was not read yet.
            let exact = !matches!(fault, Fault::ResetAfter(_));
            next(&world, path, fault);

            let answer = ask(&world, &token, path, model, true).await;

            assert_eq!(answer.status(), StatusCode::OK, "{name}");
            let got = answer.bytes().await.unwrap();
            let (came, ours) = got.split_at(error_at(path, &got));
            assert!(came.len() <= reaches, "{name}: {}", came.len());
            assert!(came.len() == reaches || !exact, "{name}: {}", came.len());
            assert_eq!(alike(came), alike(&whole[..came.len()]), "{name}");
            assert_error_event(path, ours, &name);
            broken += 1;
        }
        let outcomes = outcomes(&world, each).await;
        super::count(&outcomes, "upstream_truncated", each);
        world.end().await;
    }
    println!("{broken} broken streams, each with one error event and one outcome");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_providers_own_error_event_is_the_last_word() {
    let world = World::new(Backend::Sqlite).await;
    let token = token(&world).await;
    let with = bauta_sandbox::Anthropic::error_event("overloaded_error", "Overloaded");
    let provider = &world.stage.scene.sandbox.anthropic;
    provider.next(Fault::Interrupt {
        after: 4,
        with: with.clone(),
    });

    let asked = question(MESSAGES, "claude-opus", true, 64);
    let got = post(&world, &token, MESSAGES, &asked).await;
    let got = got.bytes().await.unwrap();

    assert!(got.ends_with(&with), "{}", String::from_utf8_lossy(&got));
    let errors = String::from_utf8_lossy(&got)
        .matches("event: error")
        .count();
    assert_eq!(errors, 1, "ours came on top of the provider's");

    // Gemini says it in bare lines, without a blank one after them.
    let refusal = gemini::Refusal::Overloaded.answer();
    let with = refusal.frames[0].bytes.clone();
    let provider = &world.stage.scene.sandbox.gemini;
    provider.next(Fault::Interrupt {
        after: 3,
        with: with.clone(),
    });
    let got = ask(&world, &token, GEMINI, "gemini", true).await;
    let got = got.bytes().await.unwrap();
    assert!(got.ends_with(&with), "{}", String::from_utf8_lossy(&got));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_streamed_and_breaks_cannot_pass_for_a_whole_one() {
    let world = World::new(Backend::Sqlite).await;
    let token = token(&world).await;
    for (path, model, _) in DOORS {
        next(&world, path, Fault::CutAfter(60));
        let answer = ask(&world, &token, path, model, false).await;
        let whole = answer.bytes().await;
        assert!(whole.is_err(), "{path}: {whole:?}");
    }
    super::count(&outcomes(&world, 4).await, "upstream_truncated", 4);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_vanishes_is_said_to_be_gone_in_the_callers_dialect() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = closed.local_addr().unwrap();
    drop(closed);
    let world = World::with(Backend::Sqlite, |setting| {
        setting.more = ["anthropic", "openai", "gemini"]
            .map(|dialect| {
                format!(
                    "\n[[upstream]]\nname = \"gone-{dialect}\"\ndialect = \"{dialect}\"\nbase_url = \"http://{nowhere}\"\n\
                     [[model]]\nname = \"gone-{dialect}\"\nprice = {{ input = \"1\", output = \"1\" }}\n\
                     targets = [ {{ upstream = \"gone-{dialect}\", model = \"m\" }} ]\n"
                )
            })
            .concat()
            + "[[scope]]\nname = \"gone\"\nmodels = [\"gone-anthropic\", \"gone-openai\", \"gone-gemini\"]\ngroups = [\"engineering\"]\n";
    })
    .await;
    let frontier = token(&world).await;
    let mut ada = world.member("Ada");
    ada.sign_in().await.unwrap();
    let gone = ada.device_token("gone").await.unwrap().access;
    for (path, model, _) in DOORS {
        // Sent, and then the connection is reset: nobody knows what the provider did.
        next(&world, path, Fault::Reset);
        let answer = ask(&world, &frontier, path, model, true).await;
        assert_refusal(path, told(answer).await, StatusCode::BAD_GATEWAY);
        // Never sent.
        let name = match path {
            MESSAGES => "gone-anthropic",
            GEMINI => "gone-gemini",
            _ => "gone-openai",
        };
        let answer = ask(&world, &gone, path, name, true).await;
        assert!(answer.headers().contains_key("retry-after"), "{path}");
        assert_refusal(path, told(answer).await, StatusCode::SERVICE_UNAVAILABLE);
    }
    super::count(&outcomes(&world, 8).await, "upstream_unreachable", 8);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_refuses_is_refused_in_its_own_words() {
    use anthropic::Refusal as A;
    use gemini::Refusal as G;
    use openai::Refusal as O;
    let to_claude = [
        A::IdentityRequired,
        A::VerificationRequired,
        A::OrganizationOnHold,
        A::RequestNotAllowed,
        A::WorkspacePolicyViolation,
        A::EnforcedSpendLimitReached,
        A::RateLimited(17),
        A::TooLarge,
        A::PromptTooLong,
        A::Internal,
        A::Overloaded,
    ]
    .map(|refusal| (MESSAGES, "claude-opus", refusal.answer()));
    let to_gpt = [
        O::UnverifiedToStream,
        O::UnverifiedForModel,
        O::UnsupportedCountry,
        O::InsufficientQuota,
        O::RateLimited(17),
        O::Internal,
        O::Overloaded,
    ]
    .map(|refusal| (CHAT, "gpt", refusal.answer()));
    let to_gemini = [
        G::UnsupportedLocation,
        G::RateLimited(17),
        G::Internal,
        G::Overloaded,
    ]
    .map(|refusal| (GEMINI, "gemini", refusal.answer()));
    let all: Vec<(&str, &str, Answer)> = to_claude
        .into_iter()
        .chain(to_gpt)
        .chain(to_gemini)
        .collect();
    let sent = all.len();
    for (path, model, refusal) in all {
        // A provider that refuses everything until somebody acts there is left alone for a while.
        let world = World::new(Backend::Sqlite).await;
        let token = token(&world).await;
        let body: Vec<u8> = refusal
            .frames
            .iter()
            .flat_map(|f| f.bytes.to_vec())
            .collect();
        let after = refusal.headers.get("retry-after").cloned();
        let status = refusal.status.as_u16();
        next(&world, path, Fault::answer(refusal));

        let answer = ask(&world, &token, path, model, true).await;

        assert_eq!(answer.status().as_u16(), status);
        assert_eq!(answer.headers().get("retry-after").cloned(), after);
        for named in [
            "anthropic-organization-id",
            "openai-organization",
            "x-goog-project-canary",
            "set-cookie",
            "cf-ray",
        ] {
            assert!(!answer.headers().contains_key(named), "{named}");
        }
        assert_eq!(answer.bytes().await.unwrap(), body);
        let ends = outcomes(&world, 1).await;
        super::count(&ends, "upstream_error", 1);
        let charged = ends.iter().filter(|end| end["charged_micro_usd"] != 0);
        assert_eq!(charged.count(), 0, "a refusal costs nothing: {ends:#?}");
        world.end().await;
    }
    println!("{sent} refusals, each byte for byte");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_refuses_our_key_signs_nobody_out() {
    let world = World::new(Backend::Sqlite).await;
    let token = token(&world).await;
    for (path, model, refusal) in [
        (
            MESSAGES,
            "claude-opus",
            anthropic::Refusal::KeyRevoked.fault(),
        ),
        (CHAT, "gpt", openai::Refusal::KeyRevoked.fault()),
        (GEMINI, "gemini", gemini::Refusal::KeyRevoked.fault()),
    ] {
        next(&world, path, refusal);
        let answer = ask(&world, &token, path, model, true).await;
        assert_refusal(path, told(answer).await, StatusCode::BAD_GATEWAY);
    }
    super::count(&outcomes(&world, 3).await, "upstream_error", 3);
    world.end().await;
}

/// A short question to `model` at `path`.
async fn ask(world: &World, token: &str, path: &str, model: &str, stream: bool) -> Response {
    let asked = question(path, model, stream, 64);
    post(world, token, &at(path, model, stream), &asked).await
}

/// What the provider says to somebody who asks it without us.
async fn direct(world: &World, token: &str, path: &str, model: &str) -> Vec<u8> {
    let sandbox = &world.stage.scene.sandbox;
    let base = match path {
        MESSAGES => sandbox.anthropic.url(),
        GEMINI => sandbox.gemini.url(),
        _ => sandbox.openai.url(),
    };
    let mut asked = question(path, model, true, 64);
    if path == RESPONSES {
        // It says the name it was given.
        asked["safety_identifier"] = super::claims(token)["psn"]["openai"].clone();
    }
    let target = at(path, model, true);
    let answer = world
        .stage
        .scene
        .http
        .post(format!("{base}{target}"))
        .header("authorization", "Bearer ours")
        .header("x-goog-api-key", "ours")
        .header("anthropic-version", "2023-06-01")
        .header("content-type", "application/json")
        .body(asked.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer.bytes().await.unwrap().to_vec()
}

/// The provider's next answer: `bytes` in pieces of `size`.
fn scripted(world: &World, path: &str, bytes: &[u8], size: usize) {
    let frames = bytes.chunks(size).map(|piece| Frame::raw(piece.to_vec()));
    let answer = Answer::events(frames.collect(), Duration::ZERO);
    next(world, path, Fault::answer(answer));
}

fn next(world: &World, path: &str, fault: Fault) {
    let sandbox = &world.stage.scene.sandbox;
    match path {
        MESSAGES => sandbox.anthropic.next(fault),
        GEMINI => sandbox.gemini.next(fault),
        _ => sandbox.openai.next(fault),
    }
}

/// `stream` with everything masked that the simulator draws for each answer: ids and the hour.
fn alike(stream: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(stream).into_owned();
    for mark in [
        "msg_",
        "chatcmpl-",
        "resp_",
        "\"created\":",
        "\"created_at\":",
        "\"responseId\":\"",
    ] {
        let mut at = 0;
        while let Some(found) = text.get(at..).and_then(|rest| rest.find(mark)) {
            at += found + mark.len();
            let drawn = text[at..]
                .bytes()
                .take_while(u8::is_ascii_alphanumeric)
                .count();
            text.replace_range(at..at + drawn, &"x".repeat(drawn));
        }
    }
    text
}

/// Where our own bytes begin: at the error event, and at what closes an open line before it.
pub(crate) fn error_at(path: &str, got: &[u8]) -> usize {
    let text = std::str::from_utf8(got).unwrap();
    let mark = match path {
        CHAT | GEMINI => "data: {\"error\"",
        _ => "event: error\n",
    };
    let at = text
        .rfind(mark)
        .unwrap_or_else(|| panic!("{path}: no error: {text}"));
    let before = &text[..at];
    match before.strip_suffix("\n\n") {
        // The end of an event is the provider's; the end of half a line is ours.
        Some(half) if !half.ends_with('}') => half.len(),
        _ => at,
    }
}

/// Where the events of a stream end.
fn ends(stream: &[u8]) -> Vec<usize> {
    let returns = stream.contains(&b'\r');
    let end: &[u8] = if returns { b"\r\n\r\n" } else { b"\n\n" };
    let places = stream.windows(end.len()).enumerate();
    places
        .filter(|(_, place)| *place == end)
        .map(|(at, _)| at + end.len())
        .collect()
}

/// Asserts that `ours` is one error event as the clients of `path` raise it, and nothing else.
fn assert_error_event(path: &str, ours: &[u8], name: &str) {
    let text = std::str::from_utf8(ours).unwrap();
    let event = text.trim_start_matches('\n');
    let data = match path {
        CHAT | GEMINI => event.strip_prefix("data: "),
        _ => event.strip_prefix("event: error\ndata: "),
    };
    let data = data.unwrap_or_else(|| panic!("{name}: {text:?}"));
    let data = data.strip_suffix("\n\n").unwrap();
    let event: Value = serde_json::from_str(data).unwrap_or_else(|e| panic!("{name}: {e}: {data}"));
    match path {
        MESSAGES => {
            assert_eq!(event["type"], "error", "{name}");
            assert_eq!(event["error"]["type"], "api_error", "{name}");
        }
        CHAT => assert_eq!(event["error"]["code"], "upstream_truncated", "{name}"),
        GEMINI => {
            assert_eq!(event["error"]["code"], 502, "{name}");
            assert_eq!(event["error"]["status"], "UNAVAILABLE", "{name}");
        }
        _ => {
            assert_eq!(event["type"], "error", "{name}");
            assert_eq!(event["code"], "upstream_truncated", "{name}");
            assert!(event["sequence_number"].is_u64(), "{name}");
        }
    }
}

/// Asserts a refusal of ours in the dialect of `path`.
fn assert_refusal(path: &str, (status, body): (StatusCode, Value), expected: StatusCode) {
    assert_eq!(status, expected, "{path}: {body}");
    match path {
        MESSAGES => {
            assert_eq!(body["type"], "error", "{path}: {body}");
            assert_eq!(body["error"]["type"], "api_error", "{path}: {body}");
        }
        GEMINI => {
            assert_eq!(body["error"]["code"], expected.as_u16(), "{path}: {body}");
            assert_eq!(body["error"]["status"], "UNAVAILABLE", "{path}: {body}");
        }
        _ => assert_eq!(body["error"]["type"], "server_error", "{path}: {body}"),
    }
    assert!(body["error"]["message"].is_string(), "{path}: {body}");
}
