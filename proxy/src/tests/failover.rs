//! What becomes of a request when its upstream fails: the table of ADR 0028, cell by cell.

use std::fmt::Write as _;

use serde_json::json;

use super::*;

/// How an upstream fails.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Refuses,
    Hangs,
    ResetBeforeHead,
    ResetAfterHead,
    LimitedForAMoment,
    Limited,
    Fails,
    Overloaded,
    Truncates,
    Gate,
    KeyRefused,
}

const FAULTS: [Fault; 11] = [
    Fault::Refuses,
    Fault::Hangs,
    Fault::ResetBeforeHead,
    Fault::ResetAfterHead,
    Fault::LimitedForAMoment,
    Fault::Limited,
    Fault::Fails,
    Fault::Overloaded,
    Fault::Truncates,
    Fault::Gate,
    Fault::KeyRefused,
];

impl Fault {
    const fn name(self) -> &'static str {
        match self {
            Self::Refuses => "refuses the connection",
            Self::Hangs => "hangs",
            Self::ResetBeforeHead => "reset before headers",
            Self::ResetAfterHead => "reset after headers",
            Self::LimitedForAMoment => "429, wait 2 s",
            Self::Limited => "429, no word how long",
            Self::Fails => "500",
            Self::Overloaded => "529",
            Self::Truncates => "stops in the middle",
            Self::Gate => "its own gate",
            Self::KeyRefused => "401, our key",
        }
    }

    /// What a caller meets, and how the request is on record.
    const fn specified(self, how: How) -> &'static str {
        match (self, how) {
            (Self::ResetAfterHead | Self::Truncates, How::Whole | How::Harmless) => {
                "200 main, broken off: upstream_truncated"
            }
            (Self::ResetAfterHead | Self::Truncates, How::Stream) => {
                "200 main, then an error event: upstream_truncated"
            }
            // Of what changes nothing, the next target is asked whatever became of the first.
            (_, How::Harmless) if !matches!(self, Self::LimitedForAMoment) => ELSEWHERE,
            (Self::Hangs, _) => "504 nobody: upstream_unreachable",
            (Self::ResetBeforeHead, _) => "502 nobody: upstream_unreachable",
            (Self::LimitedForAMoment, _) => "429 main: upstream_error",
            (Self::Fails, _) => "500 main: upstream_error",
            _ => ELSEWHERE,
        }
    }
}

const ELSEWHERE: &str = "200 local: completed";

/// What is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum How {
    Whole,
    Stream,
    /// Something that changes nothing.
    Harmless,
}

/// A route in one wire format, and what its provider says there.
#[derive(Clone, Copy)]
struct Wire {
    name: &'static str,
    path: &'static str,
    path_of_stream: &'static str,
    ask: &'static str,
    whole: &'static str,
    begun: &'static str,
    ended: &'static str,
    refusal: &'static str,
    code: &'static str,
}

const WIRES: [Wire; 4] = [
    Wire {
        name: "messages",
        path: "/v1/messages",
        path_of_stream: "/v1/messages",
        ask: "{\"model\":\"m-anthropic\",\"max_tokens\":9,\"messages\":[]STREAM}",
        whole: MESSAGE,
        begun: FIRST,
        ended: LAST,
        refusal: "{\"type\":\"error\",\"error\":{\"type\":\"permission_error\",\"message\":\"x\",\
            \"details\":{\"error_code\":\"verification_required\"}}}",
        code: "anthropic_verification_required",
    },
    Wire {
        name: "chat/completions",
        path: "/v1/chat/completions",
        path_of_stream: "/v1/chat/completions",
        ask: "{\"model\":\"m-openai\",\"max_tokens\":9,\"messages\":[]STREAM}",
        whole: "{\"choices\":[{\"index\":0,\"message\":{\"content\":\"hi\"}}],\"usage\":\
            {\"prompt_tokens\":1,\"completion_tokens\":1}}",
        begun: "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\n",
        ended: "data: [DONE]\n\n",
        refusal: "{\"error\":{\"code\":\"unsupported_country_region_territory\",\"message\":\"x\",\
            \"param\":null,\"type\":\"request_forbidden\"}}",
        code: "openai_unsupported_country",
    },
    Wire {
        name: "responses",
        path: "/v1/responses",
        path_of_stream: "/v1/responses",
        ask: "{\"model\":\"m-openai\",\"max_output_tokens\":9,\"input\":\"hi\"STREAM}",
        whole: "{\"object\":\"response\",\"status\":\"completed\",\"output\":[],\"usage\":\
            {\"input_tokens\":1,\"output_tokens\":1}}",
        begun: "event: response.created\ndata: {\"type\":\"response.created\",\
            \"sequence_number\":0,\"response\":{\"status\":\"in_progress\"}}\n\n",
        ended: "event: response.completed\ndata: {\"type\":\"response.completed\",\
            \"sequence_number\":1,\"response\":{\"usage\":{\"input_tokens\":1,\
            \"output_tokens\":1}}}\n\n",
        refusal: "{\"error\":{\"message\":\"Your organization must be verified to stream this \
            model.\",\"type\":\"invalid_request_error\",\"param\":\"stream\",\
            \"code\":\"unsupported_value\"}}",
        code: "openai_organization_verification",
    },
    Wire {
        name: "generateContent",
        path: "/v1beta/models/m-gemini:generateContent",
        path_of_stream: "/v1beta/models/m-gemini:streamGenerateContent?alt=sse",
        ask: "{\"contents\":[]}",
        whole: "{\"candidates\":[{\"index\":0,\"finishReason\":\"STOP\"}],\"usageMetadata\":\
            {\"promptTokenCount\":1,\"candidatesTokenCount\":1}}",
        begun: "data: {\"candidates\":[{\"index\":0,\"content\":{\"parts\":[{\"text\":\"hi\"}]}}]}\
            \n\n",
        ended: "data: {\"candidates\":[{\"index\":0,\"finishReason\":\"STOP\"}],\
            \"usageMetadata\":{\"promptTokenCount\":1,\"candidatesTokenCount\":1}}\n\n",
        refusal: "{\"error\":{\"code\":400,\"status\":\"FAILED_PRECONDITION\",\"message\":\
            \"User location is not supported for the API use.\"}}",
        code: "gemini_unsupported_location",
    },
];

/// Routes that change nothing.
const COUNTS: [Wire; 3] = [
    Wire {
        name: "count_tokens",
        path: "/v1/messages/count_tokens",
        whole: "{\"input_tokens\":1}",
        ask: "{\"model\":\"m-anthropic\",\"messages\":[]}",
        ..WIRES[0]
    },
    Wire {
        name: "embeddings",
        path: "/v1/embeddings",
        whole: "{\"data\":[],\"usage\":{\"prompt_tokens\":1}}",
        ask: "{\"model\":\"m-openai\",\"input\":\"hi\"}",
        ..WIRES[1]
    },
    Wire {
        name: "countTokens",
        path: "/v1beta/models/m-gemini:countTokens",
        whole: "{\"totalTokens\":1}",
        ask: "{\"contents\":[]}",
        ..WIRES[3]
    },
];

#[expect(clippy::print_stdout, reason = "a promise shows its figure")]
#[tokio::test]
async fn every_cell_of_the_failover_matrix_is_as_specified() {
    let mut table = String::new();
    let mut wrong = Vec::new();
    let columns = [
        (&WIRES[..], How::Whole),
        (&WIRES[..], How::Stream),
        (&COUNTS[..], How::Harmless),
    ];
    for (wires, how) in columns {
        for wire in wires {
            writeln!(table, "\n{} ({how:?})", wire.name).unwrap();
            for fault in FAULTS {
                let cell = cell(wire, fault, how).await;
                writeln!(table, "  {:<24}{cell}", fault.name()).unwrap();
                let specified = fault.specified(how);
                if cell != specified {
                    let what = format!("{} {how:?} {}", wire.name, fault.name());
                    wrong.push(format!("{what}: {cell}, and not {specified}"));
                }
            }
        }
    }
    println!("{table}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Asks once, with the first upstream failing and the second one well, and tells what came of it.
async fn cell(wire: &Wire, fault: Fault, how: How) -> String {
    let world = World::new(matches!(fault, Fault::Refuses)).await;
    if let Some(does) = does(wire, fault, how) {
        world.kit.main.will(does);
    }
    world.kit.local.will(Does::Says(good(wire, how)));

    let response = world.kit.send(World::ask(wire, how)).await;
    let (head, body) = response.into_parts();
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);

    let by = head.headers.get("bauta-served-by");
    let by = by.map_or("nobody", |it| match it.to_str().unwrap() {
        it if it.starts_with("main-") => "main",
        it if it.starts_with("local-") => "local",
        other => panic!("{other}"),
    });
    let end = match (&body, how) {
        (Err(_), _) => ", broken off",
        (Ok(body), How::Stream) if head.status.is_success() => {
            let text = String::from_utf8_lossy(body);
            assert!(text.starts_with(wire.begun), "{text}");
            if text == format!("{}{}", wire.begun, wire.ended) {
                ""
            } else {
                assert!(text[wire.begun.len()..].contains("error"), "{text}");
                ", then an error event"
            }
        }
        (Ok(body), _) => {
            assert!(serde_json::from_slice::<serde_json::Value>(body).is_ok());
            ""
        }
    };
    // Never two that may both have begun, and never a second one for nothing.
    let (main, local) = (world.kit.main.sent().len(), world.kit.local.sent().len());
    assert_eq!(main, usize::from(!matches!(fault, Fault::Refuses)));
    assert_eq!(
        local,
        usize::from(by == "local"),
        "{} {how:?}",
        fault.name()
    );
    let fallback = head.headers.get("bauta-fallback");
    assert_eq!(fallback.is_some_and(|it| it == "true"), by == "local");
    let told = head.headers.get("bauta-explain");
    let told = told.map(|it| it.to_str().unwrap());
    assert_eq!(told, matches!(fault, Fault::Gate).then_some(wire.code));
    let row = world.kit.closed(1).await.remove(0);
    format!(
        "{} {by}{end}: {}",
        head.status.as_u16(),
        row.ended.unwrap().outcome
    )
}

fn does(wire: &Wire, fault: Fault, how: How) -> Option<Does> {
    let stream = how == How::Stream;
    let half = if stream {
        format!("{STREAM}{}", wire.begun)
    } else {
        let whole = document("200 OK", wire.whole);
        whole[..whole.len().strict_sub(3)].to_owned()
    };
    let limited = document("429 Too Many Requests", "{\"error\":{}}");
    Some(match fault {
        Fault::Refuses => return None,
        Fault::Hangs => Does::Waits(String::new()),
        Fault::ResetBeforeHead => Does::Resets(String::new()),
        Fault::ResetAfterHead => Does::Resets(half),
        Fault::LimitedForAMoment => {
            Does::Says(limited.replace("\r\nserver:", "\r\nretry-after: 2\r\nserver:"))
        }
        Fault::Limited => Does::Says(limited),
        Fault::Fails => Does::Says(document("500 Internal Server Error", "{\"error\":{}}")),
        Fault::Overloaded => Does::Says(document("529 Overloaded", "{\"error\":{}}")),
        Fault::Truncates => Does::Says(half),
        Fault::Gate => Does::Says(document("403 Forbidden", wire.refusal)),
        Fault::KeyRefused => Does::Says(document("401 Unauthorized", "{\"error\":{}}")),
    })
}

fn good(wire: &Wire, how: How) -> String {
    match how {
        How::Stream => format!("{STREAM}{}{}", wire.begun, wire.ended),
        _ => document("200 OK", wire.whole),
    }
}

/// A gateway with two upstreams for each dialect, the first of which fails.
struct World {
    kit: Kit,
}

impl World {
    async fn new(refuses: bool) -> Self {
        Self::with(refuses, |_| {}).await
    }

    async fn with(refuses: bool, change: impl FnOnce(&mut crate::Parts)) -> Self {
        let kit = Kit::new().await;
        let main = if refuses {
            CLOSED.to_owned()
        } else {
            kit.main.url.clone()
        };
        let mut parts = parts(&kit.clock, &kit.told, &kit.tasks, &kit.book, &main, &main);
        let mut upstreams = Vec::new();
        let mut models = Vec::new();
        for dialect in ["anthropic", "openai", "gemini"] {
            for (name, url) in [("main", &main), ("local", &kit.local.url)] {
                upstreams.push(json!({
                    "name": format!("{name}-{dialect}"), "dialect": dialect, "base_url": url,
                    "timeouts": { "first_byte": "100ms" },
                }));
            }
            models.push(json!({
                "name": format!("m-{dialect}"),
                "targets": [{ "upstream": format!("main-{dialect}"), "model": "frontier-1" }],
                "fallback": [{ "upstream": format!("local-{dialect}"), "model": "llama-4" }],
                "price": { "input": "1", "output": "1" },
                "max_output": 100, "context": 1000,
            }));
        }
        parts.upstreams = serde_json::from_value(upstreams.into()).unwrap();
        parts.models = serde_json::from_value(models.into()).unwrap();
        parts.credentials.clear();
        change(&mut parts);
        let names: Vec<_> = parts.models.iter().map(|it| it.name.clone()).collect();
        kit.clock.advance(1);
        kit.told
            .publish(|manifest| manifest.scopes[0].models = names);
        let gateway = Gateway::open(parts).await.unwrap();
        gateway.follow().await.unwrap();
        Self {
            kit: Kit { gateway, ..kit },
        }
    }

    fn ask(wire: &Wire, how: How) -> Request<Body> {
        let (path, stream) = match how {
            How::Stream => (wire.path_of_stream, ",\"stream\":true"),
            _ => (wire.path, ""),
        };
        let names = ["anthropic", "openai", "gemini"];
        let token = token(|claims| {
            for (n, dialect) in (21_u8..).step_by(2).zip(names) {
                for (n, upstream) in [(n, "main"), (n.strict_add(1), "local")] {
                    let face = bauta_token::pseudonym::Pseudonym::from_bytes(&[n; 32]);
                    claims
                        .psn
                        .insert(name(&format!("{upstream}-{dialect}")), face);
                }
            }
            claims.psn.insert(
                name("other"),
                bauta_token::pseudonym::Pseudonym::from_bytes(&[31; 32]),
            );
        });
        Request::post(path)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("anthropic-version", "2023-06-01")
            .body(Body::from(wire.ask.replace("STREAM", stream)))
            .unwrap()
    }
}

/// An address at which nobody listens.
const CLOSED: &str = "http://127.0.0.1:1";

#[tokio::test]
async fn a_providers_gate_is_relayed_where_nothing_may_answer_instead() {
    // The second door has the same model, which would be a way round.
    let world = World::with(false, |parts| {
        let other =
            json!({"name": "other", "dialect": "anthropic", "base_url": "http://127.0.0.1:9"});
        parts.upstreams.push(serde_json::from_value(other).unwrap());
        let model = &mut parts.models[0];
        model.fallback.clear();
        let mut second = model.targets[0].clone();
        second.upstream = name("other");
        model.targets.push(second);
    })
    .await;
    let refusal = document("403 Forbidden", WIRES[0].refusal);
    world.kit.main.will(Does::Says(refusal));

    let first = world.kit.get(World::ask(&WIRES[0], How::Whole)).await;
    let second = world.kit.get(World::ask(&WIRES[0], How::Whole)).await;

    assert_eq!(first.0.status, StatusCode::FORBIDDEN);
    assert_eq!(first.1, WIRES[0].refusal, "in the provider's own words");
    assert_eq!(first.0.headers["bauta-explain"], WIRES[0].code);
    assert_eq!(second.0.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(second.0.headers["bauta-refusal"], "upstream_refuses");
    assert_eq!(second.0.headers["x-should-retry"], "false");
    assert_eq!(
        world.kit.main.sent().len(),
        1,
        "nobody knocks again at once"
    );
}

#[tokio::test]
async fn a_provider_that_checks_who_asks_is_left_alone_and_then_asked_again() {
    let world = World::new(false).await;
    world
        .kit
        .main
        .will(Does::Says(document("403 Forbidden", WIRES[0].refusal)));
    let ask = || world.kit.get(World::ask(&WIRES[0], How::Whole));
    let mut served = Vec::new();
    for _ in 0..3 {
        world
            .kit
            .local
            .will(Does::Says(document("200 OK", MESSAGE)));
        served.push(ask().await.0.headers["bauta-served-by"].clone());
    }
    let metrics = world.kit.gateway.metrics();

    for _ in 0..30 {
        world.kit.clock.advance(1_000);
        world.kit.gateway.follow().await.unwrap();
    }
    world.kit.main.will(Does::Says(document("200 OK", MESSAGE)));
    served.push(ask().await.0.headers["bauta-served-by"].clone());

    let local = "local-anthropic/llama-4";
    assert_eq!(served, [local, local, local, "main-anthropic/frontier-1"]);
    assert!(
        metrics.contains("{upstream=\"main-anthropic\",state=\"shut\"} 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn an_error_that_is_about_the_request_is_the_callers_alone() {
    let world = World::new(false).await;
    let error = "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\
        \"prompt is too long\"}}";
    for status in ["400 Bad Request", "404 Not Found", "413 Payload Too Large"] {
        world.kit.main.will(Does::Says(document(status, error)));

        let (head, body) = world.kit.get(World::ask(&WIRES[0], How::Whole)).await;

        assert_eq!(head.headers["bauta-served-by"], "main-anthropic/frontier-1");
        assert_eq!(body, error, "{status}");
    }
    assert!(world.kit.local.sent().is_empty());
}

#[tokio::test]
async fn an_upstream_that_breaks_every_answer_off_is_asked_no_more() {
    let world = World::new(false).await;
    for _ in 0..5 {
        world.kit.main.will(Does::Says(format!("{STREAM}{FIRST}")));
        let (head, _) = world.kit.get(World::ask(&WIRES[0], How::Stream)).await;
        assert_eq!(head.headers["bauta-served-by"], "main-anthropic/frontier-1");
    }
    world
        .kit
        .local
        .will(Does::Says(format!("{STREAM}{FIRST}{LAST}")));

    let (head, _) = world.kit.get(World::ask(&WIRES[0], How::Stream)).await;

    assert_eq!(head.headers["bauta-served-by"], "local-anthropic/llama-4");
}

#[tokio::test]
async fn an_upstream_is_waited_for_as_long_as_its_configuration_says() {
    let world = World::with(false, |parts| {
        let idle = json!({ "idle": "40s" });
        parts.upstreams[0].timeouts = serde_json::from_value(idle).unwrap();
    })
    .await;
    world.kit.main.will(Does::Waits(format!("{STREAM}{FIRST}")));
    let response = world.kit.send(World::ask(&WIRES[0], How::Stream)).await;
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();

    tokio::time::pause();
    let rest = body.collect().await.unwrap().to_bytes();
    tokio::time::resume();

    // A heartbeat after 15 and 30 seconds, and the end after 40.
    let rest = String::from_utf8(rest.to_vec()).unwrap();
    assert_eq!(rest.matches("event: ping\n").count(), 2, "{rest}");
    assert!(rest.contains("event: error\n"));
}

#[tokio::test]
async fn srf_04_no_header_of_a_client_chooses_where_a_request_goes() {
    let world = World::new(false).await;
    let elsewhere = world.kit.local.url.clone();
    world.kit.main.will(Does::Says(document("200 OK", MESSAGE)));
    let mut request = World::ask(&WIRES[0], How::Whole);
    for header in [
        "x-portkey-custom-host",
        "x-portkey-provider",
        "helicone-target-url",
        "x-litellm-api-base",
        "x-upstream-base-url",
        "x-forwarded-host",
        "x-original-url",
        "x-rewrite-url",
        "bauta-served-by",
        "forwarded",
    ] {
        let value = elsewhere.parse().unwrap();
        request.headers_mut().insert(header, value);
    }

    let (head, _) = world.kit.get(request).await;

    assert_eq!(head.headers["bauta-served-by"], "main-anthropic/frontier-1");
    assert!(world.kit.local.sent().is_empty());
    let sent = world.kit.main.sent().remove(0);
    assert!(!format!("{}{}", sent.head, sent.body).contains(&elsewhere));
}
