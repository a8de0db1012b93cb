use serde_json::{Value, json};

use super::*;

#[test]
fn a_gate_is_refused_so_that_each_client_shows_it_once() {
    let gate = Told::new((StatusCode::FORBIDDEN, VERIFICATION_REQUIRED, "Verify once:"))
        .with_link("https://ai.example.com/verify");

    let (status, body) = parts(&Dialect::Anthropic.refuse(&gate));
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(
        body,
        json!({
            "type": "error",
            "error": {
                "type": "permission_error",
                "message": "Verify once: https://ai.example.com/verify",
                "details": { "error_code": "verification_required" },
            },
        })
    );

    let (status, body) = parts(&Dialect::OpenAi.refuse(&gate));
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(
        body,
        json!({
            "error": {
                "message": "Verify once: https://ai.example.com/verify",
                "type": "invalid_request_error",
                "param": null,
                "code": "verification_required",
            },
        })
    );
}

#[test]
fn a_gemini_client_is_refused_in_the_form_of_its_provider() {
    let cases = [
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (405, "INVALID_ARGUMENT"),
        (413, "INVALID_ARGUMENT"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL"),
        (501, "UNIMPLEMENTED"),
        (502, "UNAVAILABLE"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
    ];
    for (code, word) in cases {
        let told = Told::new((StatusCode::from_u16(code).unwrap(), "code", "Sentence."));

        let (status, body) = parts(&Dialect::Gemini.refuse(&told));

        assert_eq!(status.as_u16(), code);
        let error = json!({ "code": code, "message": "Sentence.", "status": word });
        assert_eq!(body, json!({ "error": error }));
    }
}

#[test]
fn a_refused_token_is_not_tried_again() {
    let told = Told::new((StatusCode::UNAUTHORIZED, "token_refused", "No."));
    for dialect in ALL {
        let response = dialect.refuse(&told);

        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers().get("x-should-retry").unwrap(), "false");
        assert_eq!(
            response.headers().get("bauta-refusal").unwrap(),
            "token_refused"
        );
    }
}

#[test]
fn a_busy_gateway_says_when_to_come_back() {
    let told = Told::new((StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Slower.")).retry_after(7);

    let response = Dialect::Anthropic.refuse(&told);

    assert_eq!(response.headers().get("retry-after").unwrap(), "7");
    assert!(!response.headers().contains_key("x-should-retry"));
    assert_eq!(kind(&response), "rate_limit_error");
}

#[test]
fn a_budget_is_refused_as_each_client_reads_it() {
    let told = Told::new((StatusCode::TOO_MANY_REQUESTS, BUDGET_EXHAUSTED, "Tomorrow."))
        .retry_after(60)
        .at(Cap::new(UnixMillis(1_763_632_800_000), Period::Day));

    let response = Dialect::Anthropic.refuse(&told);
    let unified = |name: &str| {
        let name = format!("anthropic-ratelimit-unified-{name}");
        response
            .headers()
            .get(name)
            .map(|it| it.to_str().unwrap().to_owned())
    };
    assert_eq!(unified("status").as_deref(), Some("rejected"));
    assert_eq!(unified("reset").as_deref(), Some("1763632800"));
    assert_eq!(unified("overage-period").as_deref(), Some("daily"));
    assert_eq!(unified("overage-status"), None);
    assert_eq!(unified("representative-claim"), None);
    assert_eq!(response.headers().get("x-should-retry").unwrap(), "false");
    assert_eq!(kind(&response), "billing_error");

    let response = Dialect::OpenAi.refuse(&told);
    assert!(
        !response
            .headers()
            .contains_key("anthropic-ratelimit-unified-status")
    );
    assert_eq!(kind(&response), "insufficient_quota");
}

#[test]
fn every_status_has_the_type_its_clients_know() {
    let cases = [
        (400, "invalid_request_error", "invalid_request_error"),
        (401, "authentication_error", "authentication_error"),
        (404, "not_found_error", "invalid_request_error"),
        (405, "invalid_request_error", "invalid_request_error"),
        (413, "request_too_large", "invalid_request_error"),
        (500, "api_error", "server_error"),
        (501, "not_supported", "server_error"),
        (503, "api_error", "server_error"),
        (504, "timeout_error", "server_error"),
        (529, "overloaded_error", "server_error"),
    ];
    for (status, anthropic, openai) in cases {
        let told = Told::new((StatusCode::from_u16(status).unwrap(), "code", "Sentence."));
        assert_eq!(
            kind(&Dialect::Anthropic.refuse(&told)),
            anthropic,
            "{status}"
        );
        assert_eq!(kind(&Dialect::OpenAi.refuse(&told)), openai, "{status}");
    }
}

#[test]
fn hdr_08_only_listed_headers_come_back() {
    let sent = [
        ("content-type", "application/json"),
        ("retry-after", "1"),
        ("request-id", "req_011CSHoEeqs5C35K2UUqR7Fy"),
        ("set-cookie", "a=b"),
        ("server", "cloudflare"),
        ("alt-svc", "h3"),
        ("strict-transport-security", "max-age=1"),
        ("access-control-allow-origin", "*"),
        ("anthropic-organization-id", "8f1c"),
        ("anthropic-ratelimit-requests-limit", "50"),
        ("anthropic-ratelimit-unified-status", "allowed"),
        ("transfer-encoding", "chunked"),
        ("connection", "keep-alive"),
        ("content-length", "5"),
        ("via", "1.1 google"),
    ];

    let kept = Dialect::Anthropic.returned(&map(&sent));

    let mut names: Vec<_> = kept.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-type", "request-id", "retry-after"]);
}

#[test]
fn hdr_08_the_organisation_of_openai_stays_here() {
    let sent = [
        ("content-type", "text/event-stream"),
        ("x-request-id", "req_a1b2"),
        ("openai-organization", "our-org"),
        ("openai-project", "proj_1"),
        ("x-ratelimit-limit-requests", "5"),
        ("openai-processing-ms", "12"),
        ("cf-ray", "x"),
    ];

    let kept = Dialect::OpenAi.returned(&map(&sent));

    assert_eq!(kept.len(), 3);
    assert_eq!(kept.get("x-request-id").unwrap(), "req_a1b2");
}

#[test]
fn hdr_08_what_google_says_about_itself_stays_here() {
    let sent = [
        ("content-type", "application/json; charset=UTF-8"),
        ("server", "scaffolding on HTTPServer2"),
        ("server-timing", "gfet4t7; dur=12"),
        ("x-goog-request-id", "x"),
        ("x-request-id", "req_1"),
        ("alt-svc", "h3"),
        ("vary", "Origin"),
    ];

    let kept = Dialect::Gemini.returned(&map(&sent));

    assert_eq!(kept.keys().collect::<Vec<_>>(), ["content-type"]);
}

#[test]
fn hdr_08_a_request_id_that_carries_more_stays_here() {
    for id in ["org_acme/req_1", "req_1 acme", "", "ada@example.com"] {
        let kept = Dialect::OpenAi.returned(&map(&[("x-request-id", id)]));

        assert!(kept.is_empty(), "{id}");
    }
}

#[test]
fn a_cut_stream_ends_with_one_event_that_its_client_raises() {
    let told = Told::new((StatusCode::BAD_GATEWAY, "upstream_truncated", "Cut."));
    let tally = |text: &str| {
        let value = HeaderValue::from_static("text/event-stream");
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, value)]);
        let mut tally = Tally::new(Route::Responses, &headers);
        tally.feed(text.as_bytes());
        tally
    };

    let messages = Dialect::Anthropic.cut(Route::Messages, &tally(""), &told);
    let chat = Dialect::OpenAi.cut(Route::Chat, &tally("data: {\"cho"), &told);
    let numbered = tally("data: {\"sequence_number\":41}\n\n");
    let responses = Dialect::OpenAi.cut(Route::Responses, &numbered, &told);
    let gemini = Dialect::Gemini.cut(Route::StreamGenerateContent, &tally("data: {\"c"), &told);

    let (name, data) = event(&messages);
    assert_eq!(name, Some("error"));
    assert_eq!(data["error"]["type"], "api_error");
    assert!(chat.starts_with(b"\n\ndata: "));
    let (name, data) = event(&chat[2..]);
    assert_eq!(name, None);
    assert_eq!(data["error"]["code"], "upstream_truncated");
    let (name, data) = event(&responses);
    assert_eq!(name, Some("error"));
    assert_eq!(data["type"], "error");
    assert_eq!(data["sequence_number"], 42);
    let (name, data) = event(gemini.strip_prefix(b"\n\n").unwrap());
    assert_eq!(name, None);
    assert_eq!(data["error"]["code"], 502);
    assert_eq!(data["error"]["status"], "UNAVAILABLE");
}

#[test]
fn a_heartbeat_is_a_whole_event_and_changes_no_count() {
    for dialect in ALL {
        let value = HeaderValue::from_static("text/event-stream");
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, value)]);
        let mut tally = Tally::new(Route::Messages, &headers);

        tally.feed(dialect.heartbeat());

        assert!(tally.between_events());
        assert!(!tally.has_ended());
    }
}

#[test]
fn a_heartbeat_of_gemini_is_a_blank_line_and_nothing_more() {
    // A comment, a named event: its SDKs take each for JSON and fail.
    assert_eq!(Dialect::Gemini.heartbeat(), b"\n");
}

const ALL: [Dialect; 3] = [Dialect::Anthropic, Dialect::OpenAi, Dialect::Gemini];

fn event(bytes: &[u8]) -> (Option<&str>, Value) {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.ends_with("\n\n"));
    let name = text.lines().find_map(|line| line.strip_prefix("event: "));
    let data = text.lines().find_map(|line| line.strip_prefix("data: "));
    (name, serde_json::from_str(data.unwrap()).unwrap())
}

fn kind(response: &Response<Bytes>) -> String {
    parts(response).1["error"]["type"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn parts(response: &Response<Bytes>) -> (StatusCode, Value) {
    let status = response.status();
    (status, serde_json::from_slice(response.body()).unwrap())
}

fn map(sent: &[(&'static str, &'static str)]) -> HeaderMap {
    sent.iter()
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect()
}
