use http::{HeaderValue, Request};

use super::{credential::CREDENTIAL_BYTES, *};

#[test]
fn every_route_of_the_table_is_admitted_by_its_method_and_no_other() {
    for (path, route) in Route::TABLE {
        let wrong = if route.method() == Method::GET {
            Method::POST
        } else {
            Method::GET
        };

        let admitted = admit(&head(route.method(), path), &Limits::default()).unwrap();
        let refused = admit(&head(wrong, path), &Limits::default()).unwrap_err();

        assert_eq!(admitted.call().route(), *route, "{path}");
        assert_eq!(refused, AdmitError::Method(*route), "{path}");
    }
}

#[test]
fn url_01_url_02_url_04_a_path_in_another_spelling_is_refused() {
    for path in [
        "/v1/../admin",
        "/v1/./messages",
        "/v1/%2e%2e/admin",
        "/v1/..%2fmessages",
        "/v1/%2e%2e%2fmessages",
        "/v1/.%2E/messages",
        "/v1/%252e%252e%252fmessages",
        "/v1/..%5cmessages",
        "/v1/messages%00",
        "/v1/messages%0d%0a",
        "/v1/%ffmessages",
        "/v1/m%65ssages",
        "/v1/%zz",
        "/..",
        "/v1/models/..",
        "/v1/models/a%2fb",
    ] {
        assert_eq!(refusal("POST", path), AdmitError::Path, "{path}");
    }
}

#[test]
fn url_05_a_path_that_would_change_the_host_is_no_route() {
    for path in ["//evil/x", "//evil/v1/messages", "/v1//messages"] {
        assert_eq!(refusal("POST", path), AdmitError::NoRoute, "{path}");
    }
}

#[test]
fn url_08_no_route_is_reached_by_a_prefix_or_an_alias() {
    for path in [
        "/",
        "/v1",
        "/v1/messages/",
        "/v1/messages/x",
        "/v1/proxy/messages",
        "/V1/messages",
        "/v1/Messages",
        "/v1/messagesx",
        "/v1/models/",
        "/v1/models/a//b",
        "/x/v1/messages",
    ] {
        assert_eq!(refusal("POST", path), AdmitError::NoRoute, "{path}");
    }
}

#[test]
fn a_gemini_path_names_the_model_and_what_is_asked_of_it() {
    for (verb, route, query) in [
        ("generateContent", Route::GenerateContent, ""),
        (
            "streamGenerateContent",
            Route::StreamGenerateContent,
            "?alt=sse",
        ),
        ("countTokens", Route::CountContent, ""),
        ("embedContent", Route::EmbedContent, ""),
        ("batchEmbedContents", Route::BatchEmbedContents, ""),
    ] {
        for (segment, version) in [("v1", Version::V1), ("v1beta", Version::V1Beta)] {
            let target = format!("/{segment}/models/gemini-3.1-pro_x:{verb}{query}");

            let admitted = admit(&head(Method::POST, &target), &Limits::default()).unwrap();

            let call = admitted.call();
            assert_eq!((call.route(), call.version()), (route, version), "{target}");
            assert_eq!(call.dialect(), Dialect::Gemini);
            assert_eq!(call.named().unwrap().as_str(), "gemini-3.1-pro_x");
            let get = admit(&head(Method::GET, &target), &Limits::default());
            assert_eq!(get.unwrap_err(), AdmitError::Method(route));
        }
    }
}

#[test]
fn url_08_a_gemini_path_has_one_spelling() {
    for path in [
        "/v1beta/models/a:generatecontent",
        "/v1beta/models/a:GenerateContent",
        "/v1beta/models/a:generate_content",
        "/v1beta/models/a:generateContent/",
        "/v1beta/models/a:generateContent:",
        "/v1beta/models/a:generateContent:countTokens",
        "/v1beta/models/a:b:generateContent",
        "/v1beta/models/:generateContent",
        "/v1beta/models/...:generateContent",
        "/v1beta/models/a/b:generateContent",
        "/v1beta/models//a:generateContent",
        "/v1beta/models/a@b:generateContent",
        "/v1beta/models/models/a:generateContent",
        "/v1beta/models/a;x:generateContent",
        "/v1beta/models/a:predict",
        "/v1beta/models/a:batchGenerateContent",
        "/v1beta/tunedModels/a:generateContent",
        "/v1beta/files",
        "/v1beta/cachedContents",
        "/v1beta/messages",
        "/v1beta1/models/a:generateContent",
        "/V1beta/models/a:generateContent",
        "/v1/v1beta/models/a:generateContent",
    ] {
        assert_eq!(refusal("POST", path), AdmitError::NoRoute, "{path}");
    }
    for path in [
        "/v1beta/models/%61:generateContent",
        "/v1beta/models/a%3AgenerateContent",
        "/v1beta/models/..:generateContent/../x",
        "/v1beta/models/a\\b:generateContent",
    ] {
        // Not every one is a target that this parser lets through at all.
        let Ok(request) = Request::post(path).body(()) else {
            continue;
        };
        let refused = admit(&request.into_parts().0, &Limits::default()).unwrap_err();
        assert_eq!(refused, AdmitError::Path, "{path}");
    }
}

#[test]
fn a_gemini_stream_is_taken_as_events_only() {
    let stream = "/v1beta/models/a:streamGenerateContent";
    for query in ["", "?", "?alt=json"] {
        let refused = refusal("POST", &format!("{stream}{query}"));

        assert_eq!(refused, AdmitError::StreamForm, "{query}");
        assert!(refused.public().2.contains("?alt=sse"));
    }
    for target in [
        format!("{stream}?alt=sse&alt=json"),
        format!("{stream}?alt=SSE"),
        format!("{stream}?$alt=sse"),
        format!("{stream}?alt=media"),
        "/v1beta/models/a:generateContent?alt=sse".to_owned(),
    ] {
        assert_eq!(refusal("POST", &target), AdmitError::Query, "{target}");
    }
    let keyed = refusal("POST", &format!("{stream}?alt=sse&key=secret"));
    assert_eq!(keyed, AdmitError::CredentialInQuery);
}

#[test]
fn h1_15_an_unknown_method_is_refused() {
    for method in [
        "CONNECT", "TRACE", "get", "post", "DELETE", "HEAD", "OPTIONS", "PRI",
    ] {
        let parts = head(method.parse().unwrap(), "/v1/messages");

        let refused = admit(&parts, &Limits::default()).unwrap_err();

        assert_eq!(
            refused.public().0,
            StatusCode::METHOD_NOT_ALLOWED,
            "{method}"
        );
    }
}

#[test]
fn a_model_in_a_path_is_a_model_name() {
    let parts = head(Method::GET, "/v1/models/anthropic/claude-opus-4-7:x@1");

    let admitted = admit(&parts, &Limits::default()).unwrap();

    assert_eq!(admitted.call().route(), Route::Model);
    let named = admitted.call().named().unwrap();
    assert_eq!(named.as_str(), "anthropic/claude-opus-4-7:x@1");
}

#[test]
fn only_listed_queries_are_taken() {
    let good = [
        ("POST", "/v1/messages?beta=true", true),
        ("POST", "/v1/messages/count_tokens?beta=true", true),
        ("GET", "/v1/models?limit=1000", false),
        ("GET", "/v1/models?client_version=0.169.0", false),
        ("GET", "/v1beta/models?pageSize=50&pageToken=x", false),
    ];
    for (method, target, beta) in good {
        let parts = head(method.parse().unwrap(), target);
        let admitted = admit(&parts, &Limits::default()).unwrap();
        assert_eq!(admitted.call().beta(), beta, "{target}");
    }
    for target in [
        "/v1/messages?beta=false",
        "/v1/messages?beta=true&x=1",
        "/v1/messages?BETA=true",
        "/v1/chat/completions?beta=true",
        "/v1/responses?api-version=1",
    ] {
        assert_eq!(refusal("POST", target), AdmitError::Query, "{target}");
    }
}

#[test]
fn jwt_24_a_token_in_the_query_is_refused() {
    for target in [
        "/v1/messages?key=secret",
        "/v1/messages?beta=true&key=secret",
        "/v1/messages?access_token=secret",
        "/v1/messages?API_KEY=secret",
        "/v1/messages?token",
    ] {
        let refused = refusal("POST", target);

        assert_eq!(refused, AdmitError::CredentialInQuery, "{target}");
        assert_eq!(refused.public().0, StatusCode::BAD_REQUEST);
    }
}

#[test]
fn jwt_24_two_credentials_are_refused() {
    let twice: [&[(&str, &str)]; 6] = [
        &[("authorization", "Bearer a"), ("authorization", "Bearer a")],
        &[("authorization", "Bearer a"), ("x-api-key", "b")],
        &[("x-api-key", "a"), ("x-goog-api-key", "b")],
        &[("authorization", "Bearer a, Bearer b")],
        &[("authorization", "Bearer Bearer a")],
        &[("authorization", "Bearer a"), ("cookie", "session=x; t=a")],
    ];
    for headers in twice {
        let refused = with_credentials(headers).unwrap_err();

        assert_eq!(refused, AdmitError::SeveralCredentials, "{headers:?}");
        assert_eq!(refused.public().0, StatusCode::BAD_REQUEST);
    }
}

#[test]
fn the_same_credential_in_two_headers_is_one() {
    let admitted = with_credentials(&[
        ("authorization", "bearer bauta_x.y.z"),
        ("x-api-key", "bauta_x.y.z"),
        ("x-goog-api-key", "bauta_x.y.z"),
    ])
    .unwrap();

    assert_eq!(admitted.split().0.expose(), "bauta_x.y.z");
}

#[test]
fn a_credential_in_any_of_three_headers_is_taken() {
    for (name, value) in [
        ("authorization", "Bearer secret"),
        ("x-api-key", "secret"),
        ("x-goog-api-key", "secret"),
    ] {
        let (presented, _) = with_credentials(&[(name, value)]).unwrap().split();
        assert_eq!(presented.expose(), "secret");
    }
}

#[test]
fn jwt_19_jwt_20_a_malformed_credential_is_unauthorised_before_any_work() {
    let long = format!("Bearer {}", "a".repeat(CREDENTIAL_BYTES + 1));
    for value in [
        long.as_str(),
        "Basic YTpi",
        "Bearer",
        "Bearer ",
        "a",
        "Bearer {\"a\"}",
        "Bearer a\"b",
        "",
    ] {
        let roomy = Limits::new(64 * 1024, 1024);
        let mut parts = head(Method::POST, "/v1/messages");
        let value = HeaderValue::from_str(value).unwrap();
        parts.headers.insert("authorization", value);

        let refused = admit(&parts, &roomy).unwrap_err();

        assert_eq!(refused, AdmitError::Credential);
        assert_eq!(refused.public().0, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(with_credentials(&[]).unwrap_err(), AdmitError::NoCredential);
}

#[test]
fn h1_17_a_head_past_its_limit_is_refused() {
    let mut parts = head(Method::POST, "/v1/messages");
    let filler = HeaderValue::from_str(&"a".repeat(16 * 1024)).unwrap();
    parts.headers.insert("x-filler", filler);

    let refused = admit(&parts, &Limits::default()).unwrap_err();

    assert_eq!(refused, AdmitError::HeadTooLarge);
    assert_eq!(refused.public().0.as_u16(), 431);
}

#[test]
fn jsn_08_an_encoded_body_is_refused() {
    for encoding in [
        "gzip",
        "br",
        "zstd",
        "deflate",
        "gzip, gzip",
        "identity, gzip",
        "x",
    ] {
        let refused = with(&[("content-encoding", encoding)]).unwrap_err();

        assert_eq!(refused, AdmitError::ContentEncoding, "{encoding}");
        assert_eq!(refused.public().0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    assert!(with(&[("content-encoding", "identity")]).is_ok());
}

#[test]
fn a_body_is_json_in_utf_8() {
    for good in [
        "application/json",
        "Application/JSON; charset=UTF-8",
        "application/json;charset=\"utf-8\"",
    ] {
        assert!(with(&[("content-type", good)]).is_ok(), "{good}");
    }
    for bad in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
        "application/json; charset=utf-8; x=1",
        "multipart/form-data",
        "",
    ] {
        let refused = with(&[("content-type", bad)]).unwrap_err();
        assert_eq!(refused, AdmitError::ContentType, "{bad}");
    }
}

#[test]
fn a_body_that_says_it_is_too_large_is_not_read() {
    let over = (32 * 1024 * 1024 + 1).to_string();
    for length in [over.as_str(), "18446744073709551615"] {
        let refused = with(&[("content-length", length)]).unwrap_err();

        assert_eq!(refused, AdmitError::BodyTooLarge);
        assert_eq!(refused.public().0, StatusCode::PAYLOAD_TOO_LARGE);
    }
    assert!(with(&[("content-length", "33554432")]).is_ok());
}

#[test]
fn h1_11_a_body_where_none_belongs_is_refused() {
    for (name, value) in [("content-length", "1"), ("transfer-encoding", "chunked")] {
        let mut parts = head(Method::GET, "/v1/models");
        parts.headers.insert(name, HeaderValue::from_static(value));

        assert_eq!(
            admit(&parts, &Limits::default()).unwrap_err(),
            AdmitError::Body
        );
    }
}

#[test]
fn hdr_05_a_value_that_would_leave_must_be_visible_ascii() {
    let mut parts = head(Method::POST, "/v1/messages");
    let value = HeaderValue::from_bytes(b"\xc3\xa4").unwrap();
    parts.headers.insert("anthropic-beta", value);

    let refused = admit(&parts, &Limits::default()).unwrap_err();

    assert_eq!(refused, AdmitError::Header);
}

#[test]
fn a_shared_path_answers_in_the_dialect_of_the_headers() {
    let plain = head(Method::GET, "/v1/models");
    let mut anthropic = head(Method::GET, "/v1/models");
    let version = HeaderValue::from_static("2023-06-01");
    anthropic.headers.insert("anthropic-version", version);

    assert_eq!(dialect_of(&plain), Dialect::OpenAi);
    assert_eq!(dialect_of(&anthropic), Dialect::Anthropic);
    assert_eq!(
        dialect_of(&head(Method::PUT, "/v1/messages")),
        Dialect::Anthropic
    );
    let mut google = head(Method::GET, "/v1/models");
    let key = HeaderValue::from_static("bauta_x.y.z");
    google.headers.insert("x-goog-api-key", key);
    assert_eq!(dialect_of(&google), Dialect::Gemini);
    // Whatever is wrong with it.
    for path in [
        "/v1beta/models",
        "/v1beta/models/a",
        "/v1beta/files",
        "/v1beta/%61",
    ] {
        assert_eq!(dialect_of(&head(Method::GET, path)), Dialect::Gemini);
    }
}

#[test]
fn no_refusal_echoes_what_was_sent() {
    let sent = "canary-7f3a";
    for target in [
        "/canary-7f3a",
        "/v1/messages?canary-7f3a",
        "/v1/%canary-7f3a",
    ] {
        let (_, code, message) = refusal("POST", target).public();

        assert!(!code.contains(sent) && !message.contains(sent));
    }
}

fn refusal(method: &str, target: &str) -> AdmitError {
    let parts = head(method.parse().unwrap(), target);
    admit(&parts, &Limits::default()).unwrap_err()
}

fn with(headers: &[(&'static str, &str)]) -> Result<Head, AdmitError> {
    let mut parts = head(Method::POST, "/v1/messages");
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).unwrap();
        parts.headers.insert(*name, value);
    }
    admit(&parts, &Limits::default())
}

fn with_credentials(headers: &[(&'static str, &str)]) -> Result<Head, AdmitError> {
    let mut parts = head(Method::POST, "/v1/messages");
    parts.headers.remove("authorization");
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).unwrap();
        parts.headers.append(*name, value);
    }
    admit(&parts, &Limits::default())
}

fn head(method: Method, target: &str) -> Parts {
    let json = method != Method::GET;
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .header("authorization", "Bearer bauta_x.y.z");
    if json {
        request = request.header("content-type", "application/json");
    }
    request.body(()).unwrap().into_parts().0
}
