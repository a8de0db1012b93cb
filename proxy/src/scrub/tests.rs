use serde_json::{Value, json};

use super::*;
use crate::{
    config::{ModelConfig, UpstreamConfig},
    read::{self, tests::call},
    route::Models,
};

#[test]
fn jsn_12_an_identity_of_the_client_never_leaves_in_the_anthropic_dialect() {
    for metadata in [
        r#"{"user_id":"canary"}"#,
        r#"{"user\u005fid":"canary"}"#,
        r#"{"user_id":{"device_id":"canary"}}"#,
        r#"{"USER_ID":"canary","tenant":"canary"}"#,
        r#"["canary"]"#,
        r#""canary""#,
        "null",
        "7",
    ] {
        let text = format!(r#"{{"model":"m","metadata":{metadata},"max_tokens":1}}"#);

        let sent = send("/v1/messages", &text);

        assert!(!sent.contains("canary"), "{sent}");
        assert_eq!(
            json(&sent)["metadata"],
            json!({ "user_id": face().as_str() })
        );
    }
}

#[test]
fn jsn_12_an_identity_of_the_client_never_leaves_in_the_openai_dialect() {
    let text = r#"{"user":"canary","model":"m","safety_identifier":"canary","prompt_cache_key":"canary","metadata":{"customer":"canary"},"client_metadata":{"x-codex-installation-id":"canary","x-codex-turn-metadata":"{\"workspaces\":{\"/home/canary\":{}}}"},"input":"hi"}"#;
    for route in ["/v1/chat/completions", "/v1/responses", "/v1/embeddings"] {
        let sent = send(route, text);

        assert!(!sent.contains("canary"), "{sent}");
        let body = json(&sent);
        assert_eq!(body["user"], face().as_str());
        assert_eq!(body["safety_identifier"], face().as_str());
        assert_eq!(body["metadata"], json!({}));
        assert_eq!(body["client_metadata"], json!({}));
        assert_eq!(body["prompt_cache_key"].as_str().unwrap().len(), 43);
        assert_eq!(body["input"], "hi");
    }
}

#[test]
fn jsn_12_labels_of_a_gemini_request_are_emptied_wherever_they_stand() {
    for (verb, text) in [
        (
            "generateContent",
            r#"{"labels":{"who":"canary"},"contents":[]}"#,
        ),
        ("generateContent", r#"{"labels":"canary"}"#),
        (
            "generateContent",
            r#"{"contents":[] , "l\u0061bels" : [ "canary" ] }"#,
        ),
        (
            "countTokens",
            r#"{"generateContentRequest":{"model":"models/m","labels":{"who":"canary"}}}"#,
        ),
        (
            "batchEmbedContents",
            r#"{"requests":[{"labels":{"a":"canary"}},{"labels":{"b":"canary"}}]}"#,
        ),
    ] {
        let sent = send(&format!("/v1beta/models/m:{verb}"), text);

        assert!(!sent.contains("canary"), "{sent}");
        assert!(json(&sent).is_object());
        let empty = sent.matches("{}").count();
        assert_eq!(empty, text.matches("bels").count(), "{sent}");
    }
}

#[test]
fn a_model_named_in_a_gemini_body_is_renamed_with_the_one_of_the_path() {
    let route = "/v1beta/models/m:batchEmbedContents";
    let body = r#"{ "requests" : [{"model":"models/m","content":{"parts":[{"text":"models/m"}]}} , {"model" :"m"}]}"#;
    let draft = draft(route, body);

    let same = text(&draft.seal(0, &doors(&json!({}), "m")).unwrap());
    let renamed = text(&draft.seal(0, &doors(&json!({}), "other")).unwrap());

    assert_eq!(same, body, "every byte stays where it is");
    assert_eq!(
        renamed,
        r#"{ "requests" : [{"model":"models/other","content":{"parts":[{"text":"models/m"}]}} , {"model" :"models/other"}]}"#
    );
}

#[test]
fn jsn_12_an_escaped_key_hides_nothing() {
    let text = r#"{"model":"m","\u0075ser":"canary","safety\u005fidentifier":"canary"}"#;

    let sent = send("/v1/chat/completions", text);

    assert!(!sent.contains("canary"), "{sent}");
    assert_eq!(json(&sent)["user"], face().as_str());
}

#[test]
fn a_provider_always_gets_its_pseudonym() {
    let cases = [
        ("/v1/messages", "/metadata/user_id"),
        ("/v1/chat/completions", "/safety_identifier"),
        ("/v1/responses", "/safety_identifier"),
        ("/v1/embeddings", "/user"),
    ];
    for (route, pointer) in cases {
        let sent = json(&send(route, r#"{"model":"m"}"#));

        assert_eq!(sent.pointer(pointer).unwrap(), face().as_str(), "{route}");
        assert_eq!(sent.as_object().unwrap().len(), 2);
    }
}

#[test]
fn counting_gets_a_pseudonym_in_place_of_a_name_and_no_member_of_ours() {
    let route = "/v1/messages/count_tokens";
    let plain = r#"{"model":"m"}"#;

    assert_eq!(send(route, plain), plain);
    let named = send(route, r#"{"model":"m","metadata":{"user_id":"canary"}}"#);
    assert_eq!(json(&named)["metadata"]["user_id"], face().as_str());
}

#[test]
fn every_other_byte_stays_where_it_is() {
    let head = " {\n  \"z\" : [1.50, -0, 1e3, \"\\u00e4\\/\"],\t\"model\": ";
    let middle = ",\"thinking\":{\"type\":\"adaptive\",\"signature\":\"a+/=\"}, \"metadata\" : ";
    let tail = " ,\"unknown\":{\"b\":1,\"a\":2}, \"system\":[{\"text\":\"x-anthropic-billing-header\"}]\n} ";
    let text = format!("{head}\"m\"{middle}{{\"user_id\":\"x\"}}{tail}");

    let sent = send("/v1/messages", &text);

    let face = face();
    assert_eq!(
        sent,
        format!("{head}\"m\"{middle}{{\"user_id\":\"{face}\"}}{tail}")
    );
}

#[test]
fn what_is_sent_means_what_was_asked() {
    let text = r#"{"max_tokens":5,"model":"m","messages":[{"role":"user","content":"a"}],"tags":{"team":"x"},"stream":true,"top_p":0.9}"#;

    let sent = json(&send("/v1/messages", text));

    let mut expected = json(text);
    expected["metadata"] = json!({ "user_id": face().as_str() });
    expected.as_object_mut().unwrap().remove("tags");
    assert_eq!(sent, expected);
}

#[test]
fn request_tags_are_taken_out_wherever_they_stand() {
    for text in [
        r#"{"tags":{"a":"b"},"model":"m"}"#,
        r#"{"model":"m","tags":{"a":"b"}}"#,
        r#"{"model":"m" , "tags" : {"a":"b"} , "x":1}"#,
        r#"{ "tags" : [ ] , "model":"m"}"#,
        r#"{"x":1,"tags":null,"model":"m","metadata":{"user_id":"y"}}"#,
    ] {
        let sent = json(&send("/v1/messages", text));

        assert!(sent.get("tags").is_none(), "{text}");
        assert_eq!(sent["model"], "m");
        assert_eq!(sent["metadata"]["user_id"], face().as_str());
    }
}

#[test]
fn a_model_is_renamed_only_where_it_is_called_something_else() {
    let escaped = r#"{"model":"\u006d"}"#;
    let draft = draft("/v1/messages", escaped);
    let doors = doors(&json!({}), "other/model");

    let same = text(&draft.seal(0, &self::doors(&json!({}), "m")).unwrap());
    let renamed = text(&draft.seal(0, &doors).unwrap());

    assert!(same.ends_with(r#""model":"\u006d"}"#), "{same}");
    assert!(renamed.ends_with(r#""model":"other/model"}"#), "{renamed}");
}

#[test]
fn a_failover_never_carries_the_pseudonym_of_another_provider() {
    let asked = read::read(call("/v1/chat/completions"), BODY.into()).unwrap();
    let (one, two) = (
        Pseudonym::from_bytes(&[1; 32]),
        Pseudonym::from_bytes(&[2; 32]),
    );
    let draft = Draft::of(asked, vec![one.clone(), two.clone()], &seal(), Vec::new());
    let door = doors(&json!({}), "m");

    let first = text(&draft.seal(0, &door).unwrap());
    let second = text(&draft.seal(1, &door).unwrap());

    assert!(first.contains(one.as_str()) && !first.contains(two.as_str()));
    assert!(second.contains(two.as_str()) && !second.contains(one.as_str()));
    assert_ne!(
        json(&first)["prompt_cache_key"],
        json(&second)["prompt_cache_key"]
    );
    assert!(draft.seal(2, &door).is_none());
}

#[test]
fn a_cache_key_is_stable_for_a_member_and_joins_no_two() {
    let key = |body: &str, face: u8, secret: u8| {
        let asked = read::read(call("/v1/responses"), body.to_owned().into()).unwrap();
        let faces = vec![Pseudonym::from_bytes(&[face; 32])];
        let draft = Draft::of(asked, faces, &CacheSeal::new(&[secret; 32]), Vec::new());
        let letter = draft.seal(0, &doors(&json!({}), "m")).unwrap();
        json(&text(&letter))["prompt_cache_key"].to_string()
    };
    let other = r#"{"model":"m","prompt_cache_key":"other"}"#;

    assert_eq!(key(BODY, 1, 9), key(BODY, 1, 9));
    assert_ne!(key(BODY, 1, 9), key(BODY, 2, 9));
    assert_ne!(key(BODY, 1, 9), key(BODY, 1, 8));
    assert_ne!(key(BODY, 1, 9), key(other, 1, 9));
}

#[test]
fn what_is_not_set_stays_not_set() {
    let body = r#"{"model":"m","prompt_cache_key":null,"metadata":null,"client_metadata":null}"#;

    let sent = json(&send("/v1/responses", body));

    assert_eq!(sent["prompt_cache_key"], Value::Null);
    assert_eq!(sent["metadata"], Value::Null);
    assert_eq!(sent["client_metadata"], Value::Null);
}

#[test]
fn an_upstream_may_keep_metadata_and_may_refuse_unknown_fields() {
    let body = r#"{"model":"m","metadata":{"a":"b"},"user":"canary"}"#;
    let draft = draft("/v1/chat/completions", body);

    let keeps = doors(&json!({ "metadata": "keep" }), "m");
    let strict = doors(&json!({ "end_user": "off" }), "m");
    let old = doors(&json!({ "end_user": "user" }), "m");

    assert_eq!(
        json(&text(&draft.seal(0, &keeps).unwrap()))["metadata"],
        json!({"a":"b"})
    );
    let sent = json(&text(&draft.seal(0, &strict).unwrap()));
    assert!(sent.get("safety_identifier").is_none());
    assert_eq!(sent["user"], face().as_str());
    let plain = self::draft("/v1/chat/completions", r#"{"model":"m"}"#);
    let sent = json(&text(&plain.seal(0, &old).unwrap()));
    assert_eq!(sent["user"], face().as_str());
    assert!(sent.get("safety_identifier").is_none());
}

#[test]
fn an_old_server_gets_its_user_once() {
    let draft = draft("/v1/chat/completions", r#"{"model":"m","user":"canary"}"#);
    let old = doors(&json!({ "end_user": "user" }), "m");

    let sent = text(&draft.seal(0, &old).unwrap());

    assert_eq!(sent.matches("\"user\"").count(), 1, "{sent}");
}

#[test]
fn jsn_13_what_leaves_is_read_alike_by_a_strict_reader() {
    for (route, body) in [
        (
            "/v1/messages",
            r#"{"model":"m","tags":1,"metadata":2,"user":3}"#,
        ),
        ("/v1/responses", BODY),
        ("/v1/embeddings", r#"{"model":"m","input":["a"]}"#),
    ] {
        let sent = send(route, body);

        let again = read::read(call(route), sent.clone().into()).unwrap();
        assert_eq!(again.model().as_str(), "m", "{sent}");
    }
}

#[test]
fn prv_08_a_letter_has_only_listed_headers() {
    let letter = draft("/v1/messages", r#"{"model":"m","stream":true}"#)
        .seal(0, &doors(&json!({}), "m"))
        .unwrap();

    let mut names: Vec<_> = letter
        .headers
        .keys()
        .map(http::HeaderName::as_str)
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["accept", "accept-encoding", "content-type", "user-agent"]
    );
    assert_eq!(letter.size_bytes(), text(&letter).len());
}

const BODY: &str = r#"{"model":"m","prompt_cache_key":"thread-1"}"#;

fn send(route: &str, body: &str) -> String {
    let letter = draft(route, body).seal(0, &doors(&json!({}), "m"));
    text(&letter.unwrap())
}

fn draft(route: &str, body: &str) -> Draft {
    let asked = read::read(call(route), body.to_owned().into()).unwrap();
    Draft::of(asked, vec![face()], &seal(), Vec::new())
}

pub(super) fn doors(extra: &Value, model: &str) -> Door {
    let mut upstream =
        json!({ "name": "up", "dialect": "openai", "base_url": "https://up.example" });
    upstream
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    let model = json!({
        "name": "m",
        "targets": [{ "upstream": "up", "model": model }],
        "price": { "input": "1", "output": "1" },
    });
    let upstream: UpstreamConfig = serde_json::from_value(upstream).unwrap();
    let model: ModelConfig = serde_json::from_value(model).unwrap();
    let (models, _) = Models::load(&[model], &[upstream]).unwrap();
    models.iter().next().unwrap().doors()[0].clone()
}

pub(super) fn text(letter: &Letter) -> String {
    String::from_utf8(letter.body.concat()).unwrap()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

pub(super) fn seal() -> CacheSeal {
    CacheSeal::new(&[9; 32])
}

pub(super) fn face() -> Pseudonym {
    Pseudonym::from_bytes(&[7; 32])
}
