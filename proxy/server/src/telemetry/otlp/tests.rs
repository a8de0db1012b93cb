use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use bauta_proxy::{dialect::Usage, ports::RequestId, trace::Answered};
use bauta_token::units::UnixMillis;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use super::*;
use crate::{listen, serve::outbound};

#[test]
fn a_trace_is_in_the_words_of_the_conventions() {
    let document = encode::request(&[span(7, true)]);

    let spans = &document["resourceSpans"][0]["scopeSpans"][0]["spans"];
    let (root, call) = (&spans[0], &spans[1]);
    assert_eq!(root["traceId"], call["traceId"]);
    assert_eq!(root["traceId"].as_str().unwrap().len(), 32);
    assert_eq!(root["spanId"], call["parentSpanId"]);
    assert_ne!(root["spanId"], call["spanId"]);
    assert_eq!((&root["kind"], &call["kind"]), (&2.into(), &3.into()));
    assert_eq!(root["startTimeUnixNano"], "1000000000");
    assert_eq!(call["startTimeUnixNano"], "1020000000");
    assert_eq!(call["events"][0]["timeUnixNano"], "1300000000");
    assert_eq!(call["endTimeUnixNano"], "2000000000");
    assert_eq!(call["name"], "chat claude-opus-4-8");
    assert_eq!(attribute(call, "gen_ai.operation.name"), "chat");
    assert_eq!(attribute(call, "gen_ai.provider.name"), "anthropic");
    assert_eq!(attribute(call, "gen_ai.request.model"), "claude-opus-4-8");
    assert_eq!(attribute(call, "gen_ai.usage.input_tokens"), "22");
    assert_eq!(attribute(call, "gen_ai.usage.output_tokens"), "5");
    assert_eq!(attribute(call, "gen_ai.usage.cache_read.input_tokens"), "3");
    assert_eq!(
        attribute(call, "gen_ai.usage.cache_creation.input_tokens"),
        "9"
    );
    assert_eq!(attribute(call, "error.type"), Value::Null);
    assert_eq!(root["status"]["code"], 0);
}

#[test]
fn a_refused_request_is_one_span_and_an_error() {
    let mut refused = span(7, false);
    (refused.outcome, refused.reason) = ("refused", "rate_limited");

    let document = encode::request(&[refused]);

    let spans = &document["resourceSpans"][0]["scopeSpans"][0]["spans"];
    assert_eq!(spans.as_array().unwrap().len(), 1);
    assert_eq!(attribute(&spans[0], "error.type"), "refused");
    assert_eq!(attribute(&spans[0], "bauta.refusal"), "rate_limited");
    assert_eq!(spans[0]["status"]["code"], 2);
}

#[tokio::test]
async fn what_is_taken_reaches_the_collector_when_the_server_stops() {
    let (seen, mut told) = mpsc::unbounded_channel::<Value>();
    let url = collector(StatusCode::OK, seen).await;
    let (outbox, courier, counts) = outbox(client(), url, None);
    let stop = CancellationToken::new();
    for n in 0..3 {
        outbox.take(span(n, true));
    }

    stop.cancel();
    courier.run(stop).await;

    let document = told.recv().await.unwrap();
    let spans = &document["resourceSpans"][0]["scopeSpans"][0]["spans"];
    assert_eq!(spans.as_array().unwrap().len(), 6);
    assert!(
        counts.text().contains("result=\"sent\"} 3"),
        "{}",
        counts.text()
    );
}

#[tokio::test]
async fn a_collector_that_refuses_or_is_away_costs_traces_and_nothing_else() {
    let (seen, _told) = mpsc::unbounded_channel::<Value>();
    let refusing = collector(StatusCode::SERVICE_UNAVAILABLE, seen).await;
    let away = Url::parse("http://127.0.0.1:9/v1/traces").unwrap();
    for url in [refusing, away] {
        let (outbox, courier, counts) = outbox(client(), url, None);
        let stop = CancellationToken::new();
        outbox.take(span(1, true));

        stop.cancel();
        courier.run(stop).await;

        assert!(
            counts.text().contains("result=\"dropped\"} 1"),
            "{}",
            counts.text()
        );
    }
}

#[tokio::test]
async fn a_collector_that_wants_to_be_shown_something_is_shown_it_and_nothing_prints_it() {
    let (seen, mut told) = mpsc::unbounded_channel::<Value>();
    let url = collector(StatusCode::OK, seen).await;
    let mut secret = HeaderValue::from_static("Bearer canary-of-the-collector");
    secret.set_sensitive(true);
    let (outbox, courier, _counts) = outbox(client(), url, Some(secret));
    let stop = CancellationToken::new();
    outbox.take(span(1, true));

    let printed = format!("{:?}", courier.shown);
    stop.cancel();
    courier.run(stop).await;

    assert!(!printed.contains("canary"), "{printed}");
    let shown = told.recv().await.unwrap()["shown"].clone();
    assert_eq!(shown, "Bearer canary-of-the-collector");
}

#[tokio::test]
async fn a_full_queue_drops_and_never_waits() {
    let away = Url::parse("http://127.0.0.1:9/v1/traces").unwrap();
    let (outbox, _courier, counts) = outbox(client(), away, None);

    for n in 0..QUEUE.strict_add(10) {
        outbox.take(span(u8::try_from(n % 256).unwrap(), false));
    }

    assert!(
        counts.text().contains("result=\"dropped\"} 10"),
        "{}",
        counts.text()
    );
}

fn span(n: u8, answered: bool) -> Span {
    let usage = Usage {
        input: 10,
        output: 5,
        cache_read: 3,
        cache_write: 4,
        cache_write_hour: 5,
    };
    let answer = Answered {
        operation: "chat",
        provider: "anthropic",
        upstream: "anthropic".to_owned(),
        model: "claude-opus-4-8".to_owned(),
        asked: UnixMillis(1_020),
        began: UnixMillis(1_300),
        usage,
        cost_micro_usd: 550,
    };
    Span {
        request: RequestId::from_bytes([n; 16]),
        route: "messages",
        model: "claude-opus".to_owned(),
        began: UnixMillis(1_000),
        ended: UnixMillis(2_000),
        outcome: "completed",
        reason: "",
        status: Some(200),
        answer: answered.then_some(answer),
    }
}

fn attribute(span: &Value, key: &str) -> Value {
    let all = span["attributes"].as_array().unwrap();
    let found = all.iter().find(|it| it["key"] == key);
    found.map_or(Value::Null, |it| {
        let value = it["value"].as_object().unwrap();
        value.values().next().unwrap().clone()
    })
}

async fn collector(status: StatusCode, seen: mpsc::UnboundedSender<Value>) -> Url {
    type Seen = State<mpsc::UnboundedSender<Value>>;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let take = move |State(seen): Seen, head: HeaderMap, body: axum::Json<Value>| async move {
        let mut document = body.0;
        if let Some(shown) = head.get(AUTHORIZATION) {
            document["shown"] = shown.to_str().unwrap().into();
        }
        seen.send(document).unwrap();
        status
    };
    let router = Router::new().route("/v1/traces", post(take));
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    tasks.spawn(listen::serve(
        listener,
        router.with_state(seen),
        listen::Limits::new(listen::Hosts::new([host.as_str()]).unwrap()),
        stop,
        tasks.clone(),
    ));
    Url::parse(&format!("http://{host}/v1/traces")).unwrap()
}

fn client() -> Client {
    drop(rustls::crypto::ring::default_provider().install_default());
    outbound().unwrap()
}
