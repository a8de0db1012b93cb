use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use bauta_audit::store::LogStore;
use bauta_token::{
    notice::Notice,
    scope::{Gate, Period, Rate},
    units::{MicroUsd, UnixMillis},
};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use tokio::sync::mpsc;

use crate::{
    Gateway,
    admit::Route,
    kit::{
        ASK, ASK_STREAM, Does, FIRST, Kit, LAST, MESSAGE, STREAM, TEXT, claims, document, end,
        grant, messages, name, parts, token,
    },
    ports::{Journal, memory::Failing},
};

mod failover;
mod gemini;
mod keys;
mod presets;
mod streams;

#[tokio::test]
async fn an_answer_is_relayed_byte_for_byte_and_settled() {
    let kit = Kit::new().await;
    kit.main.will(Does::Says(document("200 OK", MESSAGE)));

    let (head, body) = kit.ask(ASK).await;

    assert_eq!((head.status, body.as_str()), (StatusCode::OK, MESSAGE));
    let rows = kit.closed(1).await;
    let ended = rows[0].ended.as_ref().unwrap();
    assert_eq!(ended.outcome, "completed");
    assert_eq!(ended.status, Some(200));
    // Ten tokens at 5 and twenty at 25 dollars a million.
    assert_eq!(ended.charged, Some(550));
    assert_eq!(rows[0].gate.as_deref(), Some("frontier-gate@1"));
    assert_eq!(rows[0].targets, "anthropic/claude-opus-4-7 local/qwen3");
    assert_eq!(head.headers["bauta-request"], rows[0].id.to_string());
    assert_eq!(head.headers["bauta-served-by"], "anthropic/claude-opus-4-7");
    assert_eq!(head.headers["bauta-fallback"], "false");
    assert_eq!(head.headers["anthropic-ratelimit-requests-remaining"], "99");
    let standing = kit.book.usage(&grant(), day()).await.unwrap().standing;
    assert_eq!((standing.held, standing.spent.get()), (MicroUsd::ZERO, 550));
}

#[tokio::test]
async fn hdr_08_nothing_of_the_upstreams_own_reaches_the_caller() {
    let kit = Kit::new().await;
    kit.main.will(Does::Says(document("200 OK", MESSAGE)));

    let (head, _) = kit.ask(ASK).await;

    for name in [
        "set-cookie",
        "server",
        "anthropic-organization-id",
        "connection",
    ] {
        assert!(!head.headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn prv_08_the_upstream_sees_a_pseudonym_and_no_caller() {
    let kit = Kit::new().await;
    kit.main.will(Does::Says(document("200 OK", MESSAGE)));
    let token = token(|_| {});
    let ask = ASK.replace(
        "\"max_tokens\"",
        "\"metadata\":{\"user_id\":\"ada@x\"},\"max_tokens\"",
    );

    kit.get(messages(&token, &ask)).await;

    let sent = kit.main.sent().remove(0);
    let mut names: Vec<_> = sent
        .head
        .lines()
        .skip(1)
        .map(|line| line.split(':').next().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept",
            "accept-encoding",
            "anthropic-version",
            "content-length",
            "content-type",
            "host",
            "user-agent",
            "x-api-key",
        ]
    );
    assert!(
        sent.head.starts_with("POST /v1/messages HTTP/1.1"),
        "{}",
        sent.head
    );
    assert!(sent.head.contains("x-api-key: sk-ours"));
    let all = format!("{}{}", sent.head, sent.body);
    for canary in ["canary", "192.0.2.1", "ada@x", &token, grant().as_str()] {
        assert!(!all.contains(canary), "{canary}");
    }
    assert!(
        sent.body
            .contains(claims().psn[&name("anthropic")].as_str())
    );
    assert!(sent.body.contains("claude-opus-4-7"));
}

#[tokio::test]
async fn a_stream_is_relayed_event_by_event() {
    let kit = Kit::new().await;
    let (say, pieces) = mpsc::channel(1);
    kit.main.will(Does::Streams(pieces));
    say.send(format!("{STREAM}{FIRST}")).await.unwrap();

    let response = kit.send(messages(&token(|_| {}), ASK_STREAM)).await;
    let mut body = response.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    // The second is not even written yet when the first one arrives.
    say.send(TEXT.to_owned()).await.unwrap();
    let second = body.frame().await.unwrap().unwrap().into_data().unwrap();
    say.send(LAST.to_owned()).await.unwrap();
    drop(say);
    let rest = body.collect().await.unwrap().to_bytes();

    assert_eq!((&*first, &*second), (FIRST.as_bytes(), TEXT.as_bytes()));
    assert_eq!(rest, LAST);
    assert_eq!(kit.outcome().await, "completed");
    let rows = kit.book.rows();
    assert_eq!(rows[0].ended.as_ref().unwrap().charged, Some(550));
}

#[tokio::test]
async fn p1_no_byte_is_sent_when_the_intent_is_not_durable() {
    for failing in [Failing::Before, Failing::After] {
        let kit = Kit::new().await;
        kit.book.fail(Some(failing));

        let (head, body) = kit.ask(ASK).await;

        assert_eq!(head.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(head.headers.contains_key("retry-after"));
        assert!(body.contains("cannot record"), "{body}");
        assert!(kit.main.sent().is_empty() && kit.local.sent().is_empty());
        assert!(!kit.gateway.is_ready());
    }
}

#[tokio::test]
async fn sto_07_an_intent_whose_commit_was_not_answered_closes_as_not_sent() {
    let kit = Kit::new().await;
    kit.book.fail(Some(Failing::After));
    kit.ask(ASK).await;

    kit.book.fail(None);

    assert_eq!(kit.outcome().await, "not_sent");
    let standing = kit.book.usage(&grant(), day()).await.unwrap().standing;
    assert_eq!(
        (standing.held, standing.spent),
        (MicroUsd::ZERO, MicroUsd::ZERO)
    );
    while !kit.gateway.is_ready() {
        tokio::task::yield_now().await;
    }
    kit.main.will(Does::Says(document("200 OK", MESSAGE)));
    assert_eq!(kit.ask(ASK).await.0.status, StatusCode::OK);
}

#[tokio::test]
async fn sse_04_a_stream_that_stops_early_ends_with_an_error_event() {
    let kit = Kit::new().await;
    for cut in [0, 1, TEXT.len() / 2, TEXT.len()] {
        let half = &TEXT[..cut];
        kit.main.will(Does::Says(format!("{STREAM}{FIRST}{half}")));

        let (_, body) = kit.ask(ASK_STREAM).await;

        let rest = body.strip_prefix(&format!("{FIRST}{half}")).unwrap();
        assert!(rest.contains("event: error\ndata: {"), "{rest}");
        assert!(rest.ends_with("\n\n"));
    }
    for row in kit.closed(4).await {
        let ended = row.ended.unwrap();
        assert_eq!(ended.outcome, "upstream_truncated");
        assert!(ended.charged > Some(0));
    }
}

#[tokio::test]
async fn sse_04_a_stream_that_breaks_off_after_its_end_is_complete() {
    let kit = Kit::new().await;
    let chunked = STREAM.replace("connection: close", "transfer-encoding: chunked");
    let events = format!("{FIRST}{LAST}");
    kit.main.will(Does::Says(format!(
        "{chunked}{:x}\r\n{events}\r\n",
        events.len()
    )));

    let (_, body) = kit.ask(ASK_STREAM).await;

    assert_eq!(body, events);
    assert_eq!(kit.outcome().await, "completed");
}

#[tokio::test]
async fn a_document_that_breaks_off_cannot_pass_for_a_whole_one() {
    let kit = Kit::new().await;
    let whole = document("200 OK", MESSAGE);
    kit.main
        .will(Does::Says(whole[..whole.len() - 5].to_owned()));

    let response = kit.send(messages(&token(|_| {}), ASK)).await;
    let body = response.into_body().collect().await;

    assert!(body.is_err());
    assert_eq!(kit.outcome().await, "upstream_truncated");
}

#[tokio::test]
async fn h1_20_a_caller_who_leaves_in_a_stream_takes_the_upstream_with_them() {
    let kit = Kit::new().await;
    kit.main.will(Does::Waits(format!("{STREAM}{FIRST}{TEXT}")));
    let response = kit.send(messages(&token(|_| {}), ASK_STREAM)).await;
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();

    drop(body);

    kit.main.left().await;
    assert_eq!(kit.outcome().await, "client_gone");
    let charged = kit.book.rows()[0].ended.as_ref().unwrap().charged.unwrap();
    assert!((1..1_000).contains(&charged), "{charged}");
}

#[tokio::test]
async fn h1_20_a_caller_who_leaves_before_the_answer_is_charged_for_the_reading() {
    let kit = Kit::new().await;
    kit.main.will(Does::Waits(String::new()));
    let request = kit.send(messages(&token(|_| {}), ASK));
    let sent = async {
        while kit.main.sent().is_empty() {
            tokio::task::yield_now().await;
        }
    };

    tokio::select! {
        _ = request => panic!("nobody answered"),
        () = sent => {}
    }

    kit.main.left().await;
    assert_eq!(kit.outcome().await, "client_gone");
    let ended = kit.book.rows().remove(0).ended.unwrap();
    assert!(ended.charged > Some(0));
    assert_eq!(ended.upstream.as_deref(), Some("anthropic"));
}

#[tokio::test]
async fn sse_07_a_stream_is_cut_when_its_grant_ends() {
    let kit = Kit::new().await;
    kit.main.will(Does::Waits(format!("{STREAM}{FIRST}")));
    let response = kit.send(messages(&token(|_| {}), ASK_STREAM)).await;
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();

    kit.told.say(Notice::Ended {
        grant: end(),
        until: UnixMillis(i64::MAX),
    });
    kit.clock.advance(1_000);
    kit.gateway.follow().await.unwrap();
    let rest = tokio::time::timeout(Duration::from_secs(5), body.collect()).await;

    let rest = rest.unwrap().unwrap().to_bytes();
    let rest = String::from_utf8(rest.to_vec()).unwrap();
    assert!(rest.starts_with("event: error\n"), "{rest}");
    assert!(rest.contains("revoked"));
    kit.main.left().await;
    assert_eq!(kit.outcome().await, "revoked");
}

#[tokio::test]
async fn p4_a_stream_is_cut_when_the_feed_is_silent_for_too_long() {
    let kit = Kit::new().await;
    kit.main.will(Does::Waits(format!("{STREAM}{FIRST}")));
    let response = kit.send(messages(&token(|_| {}), ASK_STREAM)).await;
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();

    kit.clock.advance(5_001);
    let rest = body.collect().await.unwrap().to_bytes();

    assert!(rest.starts_with(b"event: error\n"));
    assert_eq!(kit.outcome().await, "stale");
}

#[tokio::test]
async fn p5_a_drain_ends_streams_with_an_error_event_and_an_outcome() {
    let kit = Kit::new().await;
    kit.main.will(Does::Waits(format!("{STREAM}{FIRST}")));
    let response = kit.send(messages(&token(|_| {}), ASK_STREAM)).await;
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();

    kit.gateway.cut();
    let rest = body.collect().await.unwrap().to_bytes();

    assert!(rest.starts_with(b"event: error\n"));
    assert_eq!(kit.outcome().await, "drained");
    assert_eq!(kit.ask(ASK).await.0.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_request_is_cut_while_its_upstream_is_silent() {
    for (drained, outcome) in [(true, "drained"), (false, "revoked")] {
        let kit = Kit::new().await;
        kit.main.will(Does::Waits(String::new()));
        let ask = token(|_| {});
        let cut = async {
            while kit.main.sent().is_empty() {
                tokio::task::yield_now().await;
            }
            if drained {
                kit.gateway.cut();
            } else {
                kit.told.say(Notice::Ended {
                    grant: end(),
                    until: UnixMillis(i64::MAX),
                });
                kit.clock.advance(500);
                kit.gateway.follow().await.unwrap();
            }
        };

        let both = async { tokio::join!(kit.send(messages(&ask, ASK)), cut) };
        let (response, ()) = tokio::time::timeout(Duration::from_secs(5), both)
            .await
            .unwrap();

        assert!(!response.status().is_success());
        kit.main.left().await;
        assert_eq!(kit.outcome().await, outcome);
    }
}

#[tokio::test]
async fn sse_08_a_silent_stream_has_heartbeats_and_then_an_end() {
    let kit = Kit::new().await;
    kit.main.will(Does::Waits(format!("{STREAM}{FIRST}")));
    let response = kit.send(messages(&token(|_| {}), ASK_STREAM)).await;
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();

    tokio::time::pause();
    let rest = body.collect().await.unwrap().to_bytes();
    tokio::time::resume();

    let rest = String::from_utf8(rest.to_vec()).unwrap();
    let beats = rest.matches("event: ping\n").count();
    // One every 15 s for 300 s.
    assert_eq!(beats, 20, "{rest}");
    assert!(rest.contains("event: error\n"));
    assert_eq!(kit.outcome().await, "upstream_truncated");
}

#[tokio::test]
async fn sse_08_no_heartbeat_stands_inside_an_event() {
    let kit = Kit::new().await;
    kit.main
        .will(Does::Waits(format!("{STREAM}{FIRST}data: {{\"half")));
    let response = kit.send(messages(&token(|_| {}), ASK_STREAM)).await;

    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    tokio::time::pause();
    let rest = body.collect().await.unwrap().to_bytes();
    tokio::time::resume();

    assert!(!String::from_utf8_lossy(&rest).contains("ping"));
}

#[tokio::test]
async fn another_target_answers_when_the_first_cannot_be_reached() {
    let kit = Kit::new().await;
    let nobody = "http://127.0.0.1:1";
    let parts = parts(
        &kit.clock,
        &kit.told,
        &kit.tasks,
        &kit.book,
        nobody,
        &kit.local.url,
    );
    let kit = Kit {
        gateway: Gateway::open(parts).await.unwrap(),
        ..kit
    };
    kit.gateway.follow().await.unwrap();
    kit.local.will(Does::Says(document("200 OK", MESSAGE)));

    let (head, _) = kit.ask(ASK).await;

    assert_eq!(head.status, StatusCode::OK);
    assert_eq!(head.headers["bauta-served-by"], "local/qwen3");
    assert_eq!(head.headers["bauta-fallback"], "true");
    let sent = kit.local.sent().remove(0);
    // Never one provider's pseudonym, nor its credential, at another.
    assert!(sent.body.contains(claims().psn[&name("local")].as_str()));
    assert!(!sent.head.contains("sk-ours"));
    let ended = kit.closed(1).await.remove(0).ended.unwrap();
    assert_eq!(ended.upstream.as_deref(), Some("local"));
}

#[tokio::test]
async fn another_target_answers_when_the_first_declines() {
    let kit = Kit::new().await;
    kit.main.will(Does::Says(document("529 Overloaded", "{}")));
    kit.local.will(Does::Says(document("200 OK", MESSAGE)));

    let (head, _) = kit.ask(ASK).await;

    assert_eq!(head.headers["bauta-served-by"], "local/qwen3");
}

#[tokio::test]
async fn p7_nothing_is_asked_twice_once_the_upstream_may_have_begun() {
    let kit = Kit::new().await;
    kit.main.will(Does::Says(String::new()));

    let (head, body) = kit.ask(ASK).await;

    assert_eq!(head.status, StatusCode::BAD_GATEWAY);
    assert!(body.contains("\"type\":\"error\""), "{body}");
    assert!(kit.local.sent().is_empty());
    assert_eq!(kit.outcome().await, "upstream_unreachable");
}

#[tokio::test]
async fn a_providers_own_error_is_relayed_unmodified_and_costs_nothing() {
    let kit = Kit::new().await;
    let error =
        "{\"type\":\"error\",\"error\":{\"type\":\"x\",\"message\":\"prompt is too long\"}}";
    kit.main
        .will(Does::Says(document("400 Bad Request", error)));

    let (head, body) = kit.ask(ASK).await;

    assert_eq!(
        (head.status, body.as_str()),
        (StatusCode::BAD_REQUEST, error)
    );
    let ended = kit.closed(1).await.remove(0).ended.unwrap();
    assert_eq!(
        (&*ended.outcome, ended.charged),
        ("upstream_error", Some(0))
    );
}

/// What a server does that knows the length: it takes the last byte and asks for nothing more.
async fn take_by_length(kit: &Kit, answer: &str) {
    let response = kit.send(messages(&token(|_| {}), ASK)).await;
    let mut body = response.into_body();
    let mut left = answer.len();
    while left > 0 {
        let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
        left = left.saturating_sub(piece.len());
    }
    drop(body);
}

#[tokio::test]
async fn an_answer_of_known_length_is_complete_with_its_last_byte() {
    let kit = Kit::new().await;
    kit.main.will(Does::Says(document("200 OK", MESSAGE)));

    take_by_length(&kit, MESSAGE).await;

    let ended = kit.closed(1).await.remove(0).ended.unwrap();
    assert_eq!((&*ended.outcome, ended.charged), ("completed", Some(550)));
}

#[tokio::test]
async fn a_providers_error_of_known_length_costs_nothing() {
    let kit = Kit::new().await;
    for error in ["{\"type\":\"error\"}", ""] {
        kit.main
            .will(Does::Says(document("400 Bad Request", error)));
        take_by_length(&kit, error).await;
    }

    for row in kit.closed(2).await {
        let ended = row.ended.unwrap();
        assert_eq!(
            (&*ended.outcome, ended.charged),
            ("upstream_error", Some(0))
        );
    }
}

#[tokio::test]
async fn a_caller_who_leaves_in_a_providers_error_pays_nothing() {
    let kit = Kit::new().await;
    let whole = document("400 Bad Request", "{\"type\":\"error\"}");
    let half = whole[..whole.len() - 4].to_owned();
    kit.main.will(Does::Waits(half));

    drop(kit.send(messages(&token(|_| {}), ASK)).await);

    let ended = kit.closed(1).await.remove(0).ended.unwrap();
    assert_eq!(
        (&*ended.outcome, ended.charged),
        ("upstream_error", Some(0))
    );
}

#[tokio::test]
async fn srf_03_a_redirect_is_neither_followed_nor_relayed() {
    let kit = Kit::new().await;
    let to = "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n";
    kit.main.will(Does::Says(to.to_owned()));

    let (head, _) = kit.ask(ASK).await;

    assert_eq!(head.status, StatusCode::BAD_GATEWAY);
    assert!(!head.headers.contains_key("location"));
}

#[tokio::test]
async fn a_refusal_of_our_credential_does_not_sign_the_caller_out() {
    let kit = Kit::new().await;
    kit.main
        .will(Does::Says(document("401 Unauthorized", "{}")));
    kit.local
        .will(Does::Says(document("401 Unauthorized", "{}")));

    assert_eq!(kit.ask(ASK).await.0.status, StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn a_member_who_does_not_satisfy_the_gate_is_served_by_the_fallback() {
    let kit = Kit::new().await;
    kit.local.will(Does::Says(document("200 OK", MESSAGE)));
    let token = token(|claims| claims.gates.clear());

    let (head, _) = kit.get(messages(&token, ASK)).await;

    assert_eq!(head.headers["bauta-served-by"], "local/qwen3");
    assert_eq!(kit.closed(1).await[0].gate, None);
}

#[tokio::test]
async fn a_gate_takes_effect_at_its_instant() {
    let kit = Kit::new().await;
    let effective_from = UnixMillis(crate::kit::START.0 + 2_000);
    kit.told.say(Notice::Gate {
        gate: Gate::new(name("frontier-gate"), name("2")),
        effective_from,
    });
    for (wait, served) in [(1_000, "anthropic/claude-opus-4-7"), (1_000, "local/qwen3")] {
        kit.clock.advance(wait);
        kit.gateway.follow().await.unwrap();
        let upstream = if served.starts_with("local") {
            &kit.local
        } else {
            &kit.main
        };
        upstream.will(Does::Says(document("200 OK", MESSAGE)));

        assert_eq!(kit.ask(ASK).await.0.headers["bauta-served-by"], served);
    }
}

#[tokio::test]
async fn aud_11_every_refusal_under_a_good_token_is_on_record() {
    let kit = Kit::new().await;
    let good = token(|_| {});
    let cases = [
        (messages(&good, "{"), 400),
        (
            messages(&good, &ASK.replace("claude-opus", "ada@example.com")),
            400,
        ),
        (
            messages(&good, &ASK.replace("claude-opus", "claude-gated")),
            403,
        ),
        (
            messages(
                &good,
                &ASK.replace("\"max_tokens\":100", "\"max_tokens\":4000000"),
            ),
            429,
        ),
    ];
    for (request, status) in cases {
        let (head, body) = kit.get(request).await;
        assert_eq!(head.status.as_u16(), status, "{body}");
        let rows = kit.book.rows();
        let named = |id: &str| rows.iter().any(|row| row.id.to_string() == id);
        assert!(named(head.headers["bauta-request"].to_str().unwrap()));
    }

    let rows = kit.closed(4).await;

    // Ids of one millisecond come in any order.
    let mut reasons: Vec<_> = rows
        .iter()
        .map(|row| row.ended.as_ref().unwrap().reason.clone().unwrap())
        .collect();
    reasons.sort_unstable();
    assert_eq!(
        reasons,
        [
            "budget",
            "invalid_request",
            "model_refused",
            "verification_required"
        ]
    );
    // A name that is none of ours could be anything a person typed.
    assert!(rows.iter().all(|row| !row.model.contains('@')));
    assert!(kit.main.sent().is_empty());
}

#[tokio::test]
async fn aud_11_a_flood_without_a_token_is_counted_and_not_listed() {
    let kit = Kit::new().await;
    for _ in 0..50 {
        let (head, _) = kit.get(messages("bauta_nonsense", ASK)).await;
        assert_eq!(head.status, StatusCode::UNAUTHORIZED);
        assert_eq!(head.headers["x-should-retry"], "false");
    }
    kit.clock.advance(60_000);

    kit.gateway.seal().await.unwrap();

    assert!(kit.book.rows().is_empty());
    let away = kit.book.turned_away();
    assert_eq!((away.len(), away[0].2), (1, 50));
    let leaf = kit.book.leaves(0..9).await.unwrap().remove(0);
    assert!(leaf.event.unwrap().contains("\"count\":50"));
}

#[tokio::test]
async fn a_loop_over_the_rate_leaves_one_row_a_window() {
    let kit = Kit::new().await;
    kit.told.publish(|manifest| {
        manifest.scopes[0].rate = Some(Rate {
            requests: 1,
            per: Period::Minute,
            concurrent: 1,
        });
    });
    kit.clock.advance(1);
    kit.told.publish(|_| {});
    kit.gateway.follow().await.unwrap();
    kit.main.will(Does::Says(document("200 OK", MESSAGE)));
    kit.ask(ASK).await;

    for _ in 0..20 {
        let (head, _) = kit.ask(ASK).await;
        assert_eq!(head.status, StatusCode::TOO_MANY_REQUESTS);
        assert!(head.headers.contains_key("retry-after"));
    }

    assert_eq!(kit.closed(2).await.len(), 2);
}

#[tokio::test]
async fn the_body_of_a_request_without_a_turn_is_not_read() {
    let kit = Kit::new().await;
    kit.told.publish(|manifest| {
        manifest.scopes[0].rate = Some(Rate {
            requests: 100,
            per: Period::Minute,
            concurrent: 1,
        });
    });
    kit.clock.advance(1);
    kit.told.publish(|_| {});
    kit.gateway.follow().await.unwrap();
    kit.main.will(Does::Waits(format!("{STREAM}{FIRST}")));
    let running = kit.send(messages(&token(|_| {}), ASK_STREAM)).await;
    // A body that never arrives: whoever reads it waits for ever.
    let (parts, _) = messages(&token(|_| {}), "").into_parts();
    let never = futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
    let request = Request::from_parts(parts, Body::from_stream(never));

    let refused = tokio::time::timeout(Duration::from_secs(5), kit.send(request)).await;

    assert_eq!(refused.unwrap().status(), StatusCode::TOO_MANY_REQUESTS);
    drop(running);
}

#[tokio::test]
async fn aud_11_a_loop_of_bad_bodies_leaves_one_row_a_minute() {
    let kit = Kit::new().await;
    for _ in 0..20 {
        let (head, _) = kit.ask("{").await;
        assert_eq!(head.status, StatusCode::BAD_REQUEST);
    }
    kit.clock.advance(60_000);
    kit.gateway.follow().await.unwrap();
    kit.ask("{").await;
    kit.gateway.seal().await.unwrap();

    assert_eq!(kit.closed(2).await.len(), 2);
    let away = kit.book.turned_away();
    assert_eq!((away.len(), away[0].2), (1, 19));
}

#[tokio::test]
async fn telemetry_is_not_gathered() {
    let kit = Kit::new().await;
    let read = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&read);
    let pieces = futures_util::stream::repeat_with(move || {
        count.fetch_add(1, Ordering::SeqCst);
        Ok::<_, std::io::Error>(bytes::Bytes::from(vec![0; 16 * 1024]))
    });
    let request = Request::post("/v1/traces")
        .header("authorization", format!("Bearer {}", token(|_| {})))
        .header("content-type", "application/json")
        .body(Body::from_stream(futures_util::StreamExt::take(
            pieces, 1000,
        )))
        .unwrap();

    assert_eq!(kit.get(request).await.0.status, StatusCode::OK);
    assert!(read.load(Ordering::SeqCst) <= 5);
}

#[tokio::test]
async fn bud_01_a_race_never_spends_more_than_the_budget() {
    let kit = Arc::new(Kit::new().await);
    // 200 requests whose upper bound is about a dollar each, and five dollars.
    let ask = ASK.replace("\"max_tokens\":100", "\"max_tokens\":39000");
    let (admitted, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    for _ in 0..200 {
        kit.main.will(Does::Waits(String::new()));
    }
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let (kit, ask) = (Arc::clone(&kit), ask.clone());
        racers.spawn(async move {
            let request = kit.send(messages(&token(|_| {}), &ask));
            tokio::time::timeout(Duration::from_secs(2), request)
                .await
                .ok()
        });
    }
    while let Some(answer) = racers.join_next().await {
        match answer.unwrap() {
            Some(response) => {
                assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
                refused.fetch_add(1, Ordering::SeqCst);
            }
            None => {
                admitted.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    assert_eq!((admitted.into_inner(), refused.into_inner()), (5, 35));
}

#[tokio::test]
async fn bud_08_a_tier_that_has_no_price_reaches_no_provider() {
    let kit = Kit::new().await;
    let ask = ASK.replace("\"max_tokens\"", "\"speed\":\"fast\",\"max_tokens\"");

    let (head, body) = kit.ask(&ask).await;

    assert_eq!(head.status, StatusCode::BAD_REQUEST);
    assert_eq!(head.headers["bauta-refusal"], "tier_refused");
    assert!(body.contains("has no price here"), "{body}");
    assert!(kit.main.sent().is_empty() && kit.local.sent().is_empty());
}

#[tokio::test]
async fn jwt_26_what_was_taken_away_opens_nothing() {
    let psn = claims().psn[&name("local")].clone();
    let cases = [
        Notice::Revoked {
            token: claims().jti,
            until: UnixMillis(i64::MAX),
        },
        Notice::Ended {
            grant: end(),
            until: UnixMillis(i64::MAX),
        },
        Notice::Suspended { pseudonym: psn },
    ];
    for notice in cases {
        let kit = Kit::new().await;
        kit.main.will(Does::Says(document("200 OK", MESSAGE)));
        assert_eq!(kit.ask(ASK).await.0.status, StatusCode::OK);

        kit.told.say(notice);
        kit.clock.advance(500);
        kit.gateway.follow().await.unwrap();
        let (head, _) = kit.ask(ASK).await;

        assert_eq!(head.status, StatusCode::UNAUTHORIZED);
        assert_eq!(head.headers["x-should-retry"], "false");
    }
}

#[tokio::test]
async fn what_a_crash_leaves_open_is_closed_as_unknown_at_the_next_start() {
    let kit = Kit::new().await;
    kit.main.will(Does::Waits(String::new()));
    let request = kit.send(messages(&token(|_| {}), ASK));
    let begun = async {
        while kit.book.rows().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    let request = std::pin::pin!(request);
    futures_util::future::select(request, std::pin::pin!(begun)).await;
    kit.gateway.close();

    let parts = parts(
        &kit.clock,
        &kit.told,
        &kit.tasks,
        &kit.book,
        "http://127.0.0.1:1",
        "http://127.0.0.1:1",
    );
    Gateway::open(parts).await.unwrap();

    let rows = kit.book.rows();
    let ended = rows[0].ended.as_ref().unwrap();
    assert_eq!(
        (&*ended.outcome, ended.charged),
        ("unknown", Some(rows[0].held))
    );
}

#[tokio::test]
async fn a_token_sees_its_own_usage_and_its_models() {
    let kit = Kit::new().await;
    kit.main.will(Does::Says(document("200 OK", MESSAGE)));
    kit.ask(ASK).await;
    kit.closed(1).await;
    let token = token(|_| {});
    let get = |path: &str, accept: &str| {
        Request::get(path)
            .header("authorization", format!("Bearer {token}"))
            .header("accept", accept)
            .body(Body::empty())
            .unwrap()
    };

    let (_, usage) = kit.get(get("/usage/self", "application/json")).await;
    let (head, page) = kit.get(get("/usage/self", "text/html")).await;
    let (_, models) = kit.get(get("/v1/models?limit=1000", "*/*")).await;
    let form = Request::post("/usage/self")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(format!("token={token}")))
        .unwrap();
    let (posted, _) = kit.get(form).await;

    assert!(usage.contains("\"spent_micro_usd\":550"), "{usage}");
    assert!(usage.contains("\"model\":\"claude-opus\""));
    assert!(page.contains("<span>$0.000550 of $"), "{page}");
    assert!(page.contains("<svg "), "it is drawn: {page}");
    assert!(head.headers.contains_key("content-security-policy"));
    assert_eq!(posted.status, StatusCode::OK);
    // OpenAI's dialect by its headers, and both models speak the other one.
    assert_eq!(models, "{\"data\":[],\"object\":\"list\"}");
}

#[tokio::test]
async fn the_use_of_a_token_is_read_by_the_portals_page_and_no_other_sites() {
    let kit = Kit::new().await;
    let allowed = async |origin: &str| {
        let form = Request::post("/usage/self")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .header("origin", origin)
            .body(Body::from(format!("token={}", token(|_| {}))));
        let (head, _) = kit.get(form.unwrap()).await;
        assert_eq!(head.status, StatusCode::OK);
        let allowed = head.headers.get("access-control-allow-origin");
        allowed.map(|origin| origin.to_str().unwrap().to_owned())
    };

    assert_eq!(
        allowed("https://id.test").await.as_deref(),
        Some("https://id.test")
    );
    for other in [
        "https://evil.test",
        "https://id.test.evil.test",
        "http://id.test",
        "null",
    ] {
        assert_eq!(allowed(other).await, None, "{other}");
    }
}

/// Another installation is another issuer with other keys, and its tokens name another gateway.
#[tokio::test]
async fn ten_03_a_token_of_another_house_opens_nothing_here() {
    let kit = Kit::new().await;
    for foreign in [
        token(|claims| claims.iss = "https://id.other.test".to_owned()),
        token(|claims| claims.aud = "https://gw.other.test".to_owned()),
    ] {
        let request = Request::get("/v1/models")
            .header("authorization", format!("Bearer {foreign}"))
            .body(Body::empty())
            .unwrap();

        let (head, _) = kit.get(request).await;

        assert_eq!(head.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn url_08_every_route_of_the_table_needs_a_token() {
    let kit = Kit::new().await;
    for (path, route) in Route::TABLE {
        let request = Request::builder()
            .method(route.method())
            .uri(*path)
            .header("content-type", "application/json")
            .body(Body::empty())
            .unwrap();

        let (head, _) = kit.get(request).await;

        assert_eq!(head.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in [
        "/",
        "/v1",
        "/v1/messages/",
        "/admin",
        "/metrics",
        "/healthz",
        "/log/identity/checkpoint",
    ] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        assert_eq!(
            kit.get(request).await.0.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_log_shows_hashes_and_its_checkpoint_holds() {
    let kit = Kit::new().await;
    kit.main.will(Does::Says(document("200 OK", MESSAGE)));
    kit.ask(ASK).await;
    kit.closed(1).await;
    kit.gateway.seal().await.unwrap();
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();

    let (_, note) = kit.get(get("/log/gateway/checkpoint")).await;
    let tile = kit.send(get("/log/gateway/tile/0/000.p/2")).await;

    let key = bauta_audit::note::Verifier::parse(&kit.gateway.vkey()).unwrap();
    assert_eq!(key.checkpoint(&note).unwrap().size, 2);
    assert_eq!(
        tile.into_body().collect().await.unwrap().to_bytes().len(),
        64
    );
    let (head, _) = kit.get(get("/log/gateway/tile/0/001")).await;
    assert_eq!(head.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn metrics_name_no_token_and_no_pseudonym() {
    let kit = Kit::new().await;
    kit.main.will(Does::Says(document("200 OK", MESSAGE)));
    kit.ask(ASK).await;
    kit.closed(1).await;
    kit.get(messages("bauta_nonsense", ASK)).await;

    let text = kit.gateway.metrics();

    assert!(
        text.contains("bauta_gateway_requests_total{route=\"messages\",outcome=\"completed\"} 1")
    );
    assert!(text.contains("bauta_gateway_refusals_total{reason="));
    assert!(
        text.contains("bauta_gateway_upstream_state{upstream=\"anthropic\",state=\"closed\"} 1")
    );
    assert!(!text.contains("bp1_"));
}

#[tokio::test]
async fn a_route_with_another_method_says_which() {
    let kit = Kit::new().await;
    let request = Request::builder()
        .method(Method::PUT)
        .uri("/v1/messages")
        .body(Body::empty())
        .unwrap();

    let (head, _) = kit.get(request).await;

    assert_eq!(head.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(head.headers["allow"], "POST");
}

#[tokio::test]
async fn a_refusal_that_leaves_a_body_unread_ends_the_connection_and_says_so() {
    let kit = Kit::new().await;
    let coming = || {
        let first = futures_util::stream::iter([Ok::<_, std::io::Error>("{")]);
        let rest = futures_util::stream::pending();
        Body::from_stream(futures_util::StreamExt::chain(first, rest))
    };
    let good = token(|_| {});
    let large = "x".repeat(33 * 1024 * 1024);
    let cases = [
        ("here and small", messages("bauta_nonsense", ASK), false),
        ("read and refused", messages(&good, "{}"), false),
        (
            "not all here",
            messages("bauta_nonsense", ASK).map(|_| coming()),
            true,
        ),
        (
            "too much of it",
            messages(&good, "").map(|_| Body::from(large)),
            true,
        ),
    ];
    for (what, request, ends) in cases {
        let (head, _) = kit.get(request).await;

        assert!(head.status.is_client_error(), "{what}: {}", head.status);
        assert_eq!(head.headers.contains_key("connection"), ends, "{what}");
    }
}

fn day() -> UnixMillis {
    crate::kit::START.day().start()
}
