use std::collections::HashMap;

use serde_json::json;

use super::*;

#[test]
fn what_providers_say_is_told_by_its_code() {
    let cases = [
        (
            Dialect::Anthropic,
            403,
            json!({"type": "error", "error": {"type": "permission_error", "message": "reworded",
                "details": {"error_code": "verification_required"}}, "request_id": "req_1"}),
            "anthropic_verification_required",
        ),
        (
            Dialect::Anthropic,
            400,
            json!({"type": "error", "error": {"type": "invalid_request_error",
                "message": "Identity verification is required to continue."}}),
            "anthropic_verification_required",
        ),
        (
            Dialect::Anthropic,
            403,
            json!({"error": {"type": "forbidden", "message": "Request not allowed"}}),
            "anthropic_unsupported_place",
        ),
        (
            Dialect::OpenAi,
            403,
            json!({"error": {"code": "unsupported_country_region_territory",
                "message": "Country, region, or territory not supported", "param": null,
                "type": "request_forbidden"}}),
            "openai_unsupported_country",
        ),
        (
            Dialect::OpenAi,
            404,
            json!({"error": {"message": "Your organization must be verified to use the model \
                `gpt-5`. Please go to …", "type": "invalid_request_error", "param": null,
                "code": "model_not_found"}}),
            "openai_organization_verification",
        ),
        (
            Dialect::Gemini,
            400,
            json!([{"error": {"code": 400, "status": "FAILED_PRECONDITION",
                "message": "User location is not supported for the API use."}}]),
            "gemini_unsupported_location",
        ),
        (
            Dialect::Gemini,
            400,
            json!({"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "reworded",
                "details": [{}, {"reason": "API_KEY_INVALID"}]}}),
            "gemini_key_refused",
        ),
    ];
    for (dialect, status, body, code) in cases {
        let status = StatusCode::from_u16(status).unwrap();
        let body = body.to_string();

        let told = diagnose(Some(dialect), Some(status), body.as_bytes()).unwrap();

        assert_eq!(told.code, code);
        let blind = diagnose(None, None, body.as_bytes()).unwrap();
        assert_eq!(blind, told, "a body alone says as much");
    }
}

#[test]
fn a_prompt_that_is_repeated_in_an_error_shuts_nothing() {
    let sentences = [
        "Identity verification is required to continue.",
        "Request not allowed",
        "User location is not supported for the API use.",
    ];
    for sentence in sentences {
        for (kind, message) in [
            ("invalid_request_error", format!("messages.0: {sentence}")),
            ("invalid_request_error", format!("{sentence} is no role")),
            ("not_found_error", sentence.to_owned()),
        ] {
            for dialect in [Dialect::Anthropic, Dialect::OpenAi, Dialect::Gemini] {
                let body = json!({"type": "error", "error": {"type": kind, "message": message,
                    "status": "INVALID_ARGUMENT"}});

                let told = diagnose(Some(dialect), None, body.to_string().as_bytes());

                assert_eq!(told, None, "{message}");
            }
        }
    }
    let loose = |row: &&table::Row| matches!(row.sign, Sign::Start(_) | Sign::Words(_));
    for row in TABLE.iter().filter(loose) {
        assert_ne!(row.explanation.reach, Reach::Upstream);
    }
}

#[test]
fn our_own_gate_is_not_taken_for_the_providers() {
    let told = crate::dialect::Told::new(
        crate::route::RouteError::Gated(bauta_token::scope::Name::parse("gate").unwrap()).public(),
    );
    let told = told.with_link("https://id.test/verify");
    for dialect in [Dialect::Anthropic, Dialect::OpenAi, Dialect::Gemini] {
        let refusal = dialect.refuse(&told);

        assert_eq!(
            diagnose(None, None, refusal.body()).unwrap().code,
            "bauta_gate"
        );
    }
}

#[test]
fn what_is_no_refusal_is_not_explained() {
    let long = format!(
        "{{\"error\":{{\"message\":\"{}\"}}}}",
        "x".repeat(MOST_BYTES)
    );
    let refusal = "{\"error\":{\"code\":\"insufficient_quota\"}}";
    for body in ["", "{", "[]", "{}", "{\"error\":1}", "\"x\"", &long] {
        assert_eq!(diagnose(None, None, body.as_bytes()), None, "{body:.40}");
    }
    let fine = diagnose(None, Some(StatusCode::OK), refusal.as_bytes());
    assert_eq!(fine, None, "an answer that quotes a refusal is none");
}

#[test]
fn every_explanation_is_found_by_its_code_and_a_code_means_one_thing() {
    let mut seen: HashMap<_, &Explanation> = HashMap::new();
    for told in explanations() {
        assert_eq!(**seen.entry(told.code).or_insert(told), *told);
        assert_eq!(explained(told.code), Some(told));
        assert!(http::HeaderValue::from_str(told.code).is_ok());
    }
    assert!(seen.len() > 15);
    assert_eq!(explained("verification"), None);
}
