use http::{Method, Request, header};
use http_body_util::{Full, StreamBody};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::admit::{Limits, admit};

mod gemini;

#[test]
fn a_body_is_read_without_being_changed() {
    let text =
        r#" {"model":"claude-opus","max_tokens":128000,"stream":true,"n":2,"x":[1,{"y":null}]} "#;

    let asked = ask(text).unwrap();

    assert_eq!(asked.model().as_str(), "claude-opus");
    assert_eq!(asked.max_output_tokens(), Some(128_000));
    assert!(asked.stream());
    assert_eq!(asked.answers(), 2);
    assert_eq!(asked.body().as_ref(), text.as_bytes());
}

#[test]
fn jsn_01_a_key_twice_is_refused_however_it_is_spelled() {
    for text in [
        r#"{"model":"a","model":"b"}"#,
        r#"{"model":"a","\u006dodel":"b"}"#,
        r#"{"model":"a","m\u006fdel":"a"}"#,
        r#"{"model":"a","max_tokens":1,"max\u005ftokens":2}"#,
        r#"{"model":"a","stream":false,"stream":true}"#,
        r#"{"model":"a","x":{"k":1,"k":1}}"#,
        r#"{"model":"a","x":{"k":1,"j":2,"\u006B":1}}"#,
        r#"{"model":"a","x":[[{"":1,"":2}]]}"#,
        r#"{"model":"a","x":{"\ud83d\ude00":1,"😀":2}}"#,
        r#"{"model":"a","x":{"\/":1,"/":2}}"#,
        r#"{"model":"a","metadata":{"user_id":"x","user_id":"y"}}"#,
    ] {
        assert!(matches!(ask(text), Err(ReadError::Duplicate)), "{text}");
    }
}

#[test]
fn jsn_01_the_same_key_in_two_objects_is_no_duplicate() {
    let text = r#"{"model":"a","x":[{"k":1},{"k":2}],"y":{"k":{"k":1}},"k":1}"#;

    assert!(ask(text).is_ok());
}

#[test]
fn jsn_02_a_twin_in_another_case_is_refused() {
    for text in [
        r#"{"model":"a","Model":"b"}"#,
        r#"{"Model":"a"}"#,
        r#"{"model":"a","MAX_TOKENS":1}"#,
        r#"{"model":"a","m\u0041x_tokens":1}"#,
        r#"{"model":"a","ſtream":true}"#,
        r#"{"model":"a","max_to\u212aens":1}"#,
        r#"{"model":"a","uſer":"ada"}"#,
        r#"{"model":"a","Metadata":{}}"#,
        r#"{"model":"a","SAFETY_IDENTIFIER":"ada"}"#,
    ] {
        assert!(matches!(ask(text), Err(ReadError::Twin(_))), "{text}");
    }
}

#[test]
fn jsn_02_a_twin_where_nothing_is_decided_is_none_of_ours() {
    let text = r#"{"model":"a","messages":[{"Model":"x","model":"y","User":"z"}]}"#;

    assert!(ask(text).is_ok());
}

#[test]
fn jsn_02_what_is_not_json_is_refused() {
    let bom = "\u{feff}{\"model\":\"a\"}";
    for text in [
        bom,
        "",
        " ",
        "{",
        r#"{"model":"a"}{"model":"a"}"#,
        r#"{"model":"a"} x"#,
        r#"{"model":"a",}"#,
        r#"{"model":"a","x":[1,]}"#,
        r#"{"model":"a","x":[,1]}"#,
        r#"{,"model":"a"}"#,
        r#"{"model":"a" /* c */}"#,
        "{\"model\":\"a\"} // c",
        "{'model':'a'}",
        r#"{model:"a"}"#,
        r#"{"model" "a"}"#,
        r#"{"model":"a","x":tru}"#,
        r#"{"model":"a","x":True}"#,
        r#"{"model":"a","x":[}}"#,
        r#"{"model":"a","x":{]}"#,
        r#"{"model":"a","x":"\x"}"#,
        r#"{"model":"a","x":"\u12g4"}"#,
        r#"{"model":"a","x":"\ud800"}"#,
        r#"{"model":"a","x":"\udc00"}"#,
        r#"{"model":"a","x":"\ud800\u0041"}"#,
        "{\"model\":\"a\",\"x\":\"\t\"}",
        "{\"model\":\"a\",\"x\":\"\n\"}",
        "{\"model\":\"a\",\"x\":\"\u{0}\"}",
        "{\"model\":\"a\"}\u{0}",
        "{\u{a0}\"model\":\"a\"}",
        "{\u{c}\"model\":\"a\"}",
    ] {
        assert!(matches!(ask(text), Err(ReadError::Syntax)), "{text:?}");
    }
}

#[test]
fn jsn_02_bytes_that_are_not_utf_8_are_refused() {
    for bytes in [
        b"{\"model\":\"a\",\"x\":\"\xff\"}".as_slice(),
        b"{\"model\":\"a\",\"x\":\"\xc0\xaf\"}",
        b"{\"model\":\"a\",\"x\":\"\xed\xa0\x80\"}",
        b"\xff\xfe{\x00}\x00",
    ] {
        let refused = read(call("/v1/messages"), Bytes::copy_from_slice(bytes));

        assert!(matches!(refused, Err(ReadError::Syntax)));
    }
}

#[test]
fn jsn_03_a_number_that_parsers_read_differently_is_refused() {
    for number in [
        "NaN",
        "Infinity",
        "-Infinity",
        "01",
        "+1",
        ".5",
        "5.",
        "1e",
        "0x10",
        "-",
        "1e+",
    ] {
        let text = format!(r#"{{"model":"a","x":{number}}}"#);
        assert!(matches!(ask(&text), Err(ReadError::Syntax)), "{number}");
    }
    let long = "9".repeat(1_000_000);
    for number in ["1e400", "-1e400", "1e99999", "123e307", &long] {
        let text = format!(r#"{{"model":"a","x":{number}}}"#);
        assert!(matches!(ask(&text), Err(ReadError::Number)), "{number:.20}");
    }
    for number in [
        "-0",
        "0",
        "1e-400",
        "0.0e400",
        "1.5E+3",
        "18446744073709551616",
        "1e307",
    ] {
        let text = format!(r#"{{"model":"a","x":{number}}}"#);
        assert!(ask(&text).is_ok(), "{number}");
    }
}

#[test]
fn jsn_03_a_number_that_decides_is_digits_and_fits_32_bits() {
    for number in [
        "-0",
        "-1",
        "1.0",
        "1e3",
        "4294967296",
        "18446744073709551616",
        "\"1\"",
        "true",
        "[1]",
        "{}",
    ] {
        for field in [
            "max_tokens",
            "max_completion_tokens",
            "max_output_tokens",
            "n",
        ] {
            let text = format!(r#"{{"model":"a","{field}":{number}}}"#);
            let refused = ask(&text).err();
            assert!(
                matches!(refused, Some(ReadError::Type(name)) if name == field),
                "{field} {number}"
            );
        }
    }
    let asked = ask(r#"{"model":"a","max_tokens":4294967295}"#).unwrap();
    assert_eq!(asked.max_output_tokens(), Some(u32::MAX));
}

#[test]
fn jsn_04_depth_is_bounded_and_costs_no_stack() {
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"model":"a","x":{open}{close}}}"#)
    };

    assert!(ask(&nested(127)).is_ok());
    assert!(matches!(ask(&nested(128)), Err(ReadError::Depth)));
    assert!(matches!(ask(&nested(1_000_000)), Err(ReadError::Depth)));
    assert!(matches!(ask(&"[".repeat(1_000_000)), Err(ReadError::Depth)));
    let objects = "{\"a\":".repeat(1_000_000);
    assert!(matches!(ask(&objects), Err(ReadError::Depth)));
}

#[test]
fn jsn_10_stream_is_true_or_false() {
    for value in ["\"true\"", "1", "0", "null", "[]", "{}", "\"false\""] {
        let text = format!(r#"{{"model":"a","stream":{value}}}"#);
        assert!(
            matches!(ask(&text), Err(ReadError::Type("stream"))),
            "{value}"
        );
    }
    assert!(!ask(r#"{"model":"a"}"#).unwrap().stream());
    assert!(!ask(r#"{"model":"a","stream":false}"#).unwrap().stream());
}

#[test]
fn a_model_is_a_name_however_it_is_escaped() {
    let asked = ask(r#"{"\u006dodel":"claude\u002dopus"}"#).unwrap();
    assert_eq!(asked.model().as_str(), "claude-opus");

    for bad in [
        "1",
        "null",
        "\"\"",
        "[\"a\"]",
        "\"a b\"",
        "\"a\\n\"",
        "\"\\u0000\"",
        "\"ä\"",
    ] {
        let text = format!(r#"{{"model":{bad}}}"#);
        assert!(matches!(ask(&text), Err(ReadError::Type("model"))), "{bad}");
    }
    assert!(matches!(ask("{}"), Err(ReadError::NoModel)));
    assert!(matches!(
        ask(r#"{"x":{"model":"a"}}"#),
        Err(ReadError::NoModel)
    ));
}

#[test]
fn a_value_that_is_no_object_is_refused() {
    for text in ["[]", "\"a\"", "1", "null", "true", "[{\"model\":\"a\"}]"] {
        assert!(matches!(ask(text), Err(ReadError::NotAnObject)), "{text}");
    }
}

#[test]
fn only_the_limit_of_its_route_bounds_an_answer() {
    let all = r#"{"model":"a","max_tokens":10,"max_completion_tokens":20,"max_output_tokens":30}"#;
    let zero = r#"{"model":"a","max_tokens":0,"max_completion_tokens":0,"max_output_tokens":0}"#;
    let cases = [
        ("/v1/messages", Some(10)),
        // An old name and a new one: the larger bounds it.
        ("/v1/chat/completions", Some(20)),
        ("/v1/responses", Some(30)),
        ("/v1/embeddings", None),
    ];
    for (route, limit) in cases {
        let of = |text: &'static str| {
            let asked = read(call(route), Bytes::from_static(text.as_bytes()));
            asked.unwrap().max_output_tokens()
        };
        assert_eq!(of(all), limit, "{route}");
        assert_eq!(of(zero), None, "{route}");
    }
}

#[test]
fn a_limit_that_is_null_is_none() {
    assert_eq!(
        ask(r#"{"model":"a","max_tokens":null}"#)
            .unwrap()
            .max_output_tokens(),
        None
    );
}

#[test]
fn keys_that_would_flood_a_hash_are_read_in_time() {
    let many = keys(90_000);
    let text = format!("{{{many}\"model\":\"a\"}}");
    let twice = format!("{{{many}\"k77\":1,\"model\":\"a\"}}");

    assert!(ask(&text).is_ok());
    assert!(matches!(ask(&twice), Err(ReadError::Duplicate)));
}

#[test]
fn more_keys_than_can_be_kept_are_refused() {
    let many = keys(MAX_KEYS.saturating_add(1));
    let text = format!("{{{many}\"model\":\"a\"}}");

    assert!(matches!(ask(&text), Err(ReadError::Keys)));
}

#[test]
fn bud_07_an_answer_in_the_background_is_refused_since_nobody_would_count_it() {
    for refused in ["true", "1", "\"false\"", "{}"] {
        let body = format!("{{\"model\":\"gpt\",\"background\":{refused}}}");
        assert!(matches!(ask(&body), Err(ReadError::Background)), "{body}");
    }
    for taken in ["false", "null"] {
        let body = format!("{{\"model\":\"gpt\",\"background\":{taken}}}");
        assert!(ask(&body).is_ok(), "{body}");
    }
    let twin = "{\"model\":\"gpt\",\"Background\":true}";
    assert!(matches!(ask(twin), Err(ReadError::Twin(_))));
}

#[test]
fn a_body_of_text_is_self_contained_and_one_that_points_outside_is_not() {
    for text in [
        r#"{"model":"a","messages":[{"role":"user","content":[{"type":"text","text":"x"}]}]}"#,
        r#"{"model":"a","tools":[{"input_schema":{"type":"object","properties":{"type":{"type":"string"}}}}]}"#,
        r#"{"model":"a","thinking":{"type":"adaptive"},"x":["image"]}"#,
        r#"{"model":"a","context_management":{"edits":[{"type":"clear_thinking_20251015"}]}}"#,
    ] {
        assert!(ask(text).unwrap().is_self_contained(), "{text}");
    }
    for text in [
        r#"{"model":"a","messages":[{"content":[{"type":"image","source":{}}]}]}"#,
        r#"{"model":"a","messages":[{"content":[{"t\u0079pe":"im\u0061ge"}]}]}"#,
        r#"{"model":"a","tools":[{"type":"web_search_20250305"}]}"#,
        r#"{"model":"a","input":[{"type":"input_file","file_id":"x"}]}"#,
        r#"{"model":"a","previous_response_id":"resp_1"}"#,
        r#"{"model":"a","mcp_servers":[]}"#,
    ] {
        assert!(!ask(text).unwrap().is_self_contained(), "{text}");
    }
}

#[tokio::test]
async fn a_body_is_gathered_up_to_its_limit_and_no_further() {
    let room = Room::default();
    let gathered = gather(Full::new(Bytes::from_static(b"12345")), 5, &room).await;
    assert_eq!(gathered.unwrap().0, "12345");

    let over = gather(Full::new(Bytes::from_static(b"123456")), 5, &room).await;
    assert!(matches!(over, Err(ReadError::TooLarge)));
}

#[tokio::test]
async fn bodies_that_do_not_fit_one_room_are_refused_until_another_is_gone() {
    let room = Room::new(8);
    let ask = || gather(Full::new(Bytes::from_static(b"12345")), 5, &room);

    let first = ask().await.unwrap();
    let second = ask().await;
    drop(first);
    let third = ask().await;

    assert!(matches!(second, Err(ReadError::Busy)));
    assert!(third.is_ok());
}

#[tokio::test]
async fn a_body_in_pieces_is_one_body() {
    let pieces = |texts: &[&'static str]| {
        let frames: Vec<Result<_, std::io::Error>> = texts
            .iter()
            .map(|text| Ok(http_body::Frame::data(Bytes::from_static(text.as_bytes()))))
            .collect();
        StreamBody::new(futures_util::stream::iter(frames))
    };

    let gathered = gather_small(pieces(&["ab", "", "cd", "e"]), 5)
        .await
        .unwrap();
    let over = gather_small(pieces(&["ab", "cd", "ef"]), 5).await;

    assert_eq!(gathered, "abcde");
    assert!(matches!(over, Err(ReadError::TooLarge)));
}

#[test]
fn no_refusal_echoes_what_was_sent() {
    for text in [
        r#"{"canary":1}"#,
        r#"{"model":"canary x"}"#,
        r#"{"canary":1,"canary":2}"#,
    ] {
        let refused = ask(text).err().unwrap();

        assert!(!refused.to_string().contains("canary"));
        assert!(!refused.public().2.contains("canary"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Every value is read as `serde_json` reads it, whatever blanks stand between.
    #[test]
    fn what_serde_json_writes_is_read_alike(value in document(), pretty: bool) {
        let text = if pretty {
            serde_json::to_string_pretty(&value).unwrap()
        } else {
            value.to_string()
        };

        let fields = scan(text.as_bytes(), Dialect::Anthropic).unwrap();

        // As `serde_json` reads it back: it rounds some numbers.
        let value: Value = serde_json::from_str(&text).unwrap();
        for name in NAMES {
            let found = fields.get(*name).map(|member| {
                serde_json::from_slice::<Value>(member.value(text.as_bytes())).unwrap()
            });
            prop_assert_eq!(found.as_ref(), value.get(name.name()));
        }
    }

    /// What is taken, `serde_json` takes; what it takes and we refuse, we refuse by a rule of ours.
    #[test]
    fn a_damaged_body_is_judged_as_serde_json_judges_it(
        value in document(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>()), 0..4),
    ) {
        let mut bytes = value.to_string().into_bytes();
        for (place, kind, byte) in damage {
            harm(&mut bytes, place, kind, byte);
        }

        agree(&bytes)?;
    }

    /// The same for text that was never JSON, from the letters JSON is made of.
    #[test]
    fn noise_is_judged_as_serde_json_judges_it(
        text in r#"\{("model"|"a"|[\[\]{},:"\\0-9eE.+truefalsn \n-]){0,24}\}?"#,
    ) {
        agree(text.as_bytes())?;
    }

    /// The strings of every other spelling.
    #[test]
    fn escapes_are_judged_as_serde_json_judges_them(
        text in r#"(\\(u[dD][89abcdefCDEF][0-9a-f]{2}|u[0-9a-fA-F]{4}|["\\/bfnrtux])|[a-z\x00-\x20😀]){0,8}"#,
    ) {
        agree(format!("{{\"{text}\":\"{text}\"}}").as_bytes())?;
    }

    /// And the numbers.
    #[test]
    fn numbers_are_judged_as_serde_json_judges_them(
        text in r"-?[0-9]{0,3}(\.[0-9]{0,3})?([eE][+-]?[0-9]{0,4})?",
    ) {
        agree(format!("{{\"x\":{text}}}").as_bytes())?;
    }
}

fn agree(bytes: &[u8]) -> Result<(), TestCaseError> {
    for dialect in [Dialect::Anthropic, Dialect::Gemini] {
        let theirs = serde_json::from_slice::<Value>(bytes);
        match (scan(bytes, dialect), theirs) {
            (Ok(_), Ok(theirs)) => prop_assert!(theirs.is_object()),
            (Ok(_), Err(error)) => prop_assert!(false, "taken, though {error}"),
            (Err(Fault::Syntax), Ok(theirs)) => {
                prop_assert!(false, "refused, though it is {theirs}");
            }
            (Err(Fault::NotAnObject), Ok(theirs)) => prop_assert!(!theirs.is_object()),
            _ => {}
        }
    }
    Ok(())
}

fn harm(bytes: &mut Vec<u8>, place: prop::sample::Index, kind: u8, byte: u8) {
    const LETTERS: &[u8] = b"{}[]\",:\\0e. \x00\xffu";
    if bytes.is_empty() {
        return;
    }
    let at = place.index(bytes.len());
    let letter = *LETTERS.iter().cycle().nth(byte.into()).unwrap();
    match kind {
        0 => bytes[at] = letter,
        1 => bytes.insert(at, letter),
        2 => drop(bytes.remove(at)),
        _ => bytes.truncate(at),
    }
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f32>().prop_map(|n| Value::from(f64::from(n))),
        any::<String>().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(6, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    let key = prop_oneof![
        prop::sample::select(NAMES).prop_map(|field| field.name().to_owned()),
        "[a-f_ 😀\"\\\\\n]{0,6}".prop_map(|key| format!("x{key}")),
    ];
    prop::collection::hash_map(key, value, 0..8)
        .prop_map(|map| Value::Object(map.into_iter().collect()))
}

const NAMES: &[Field] = &[
    Field::Model,
    Field::Stream,
    Field::MaxTokens,
    Field::N,
    Field::Metadata,
    Field::User,
    Field::SafetyIdentifier,
    Field::PromptCacheKey,
    Field::ClientMetadata,
    Field::Tags,
];

#[test]
fn bud_08_a_tier_is_read_in_each_place_and_a_usual_one_is_none() {
    let asked = |route: &str, members: &str| {
        let body = format!("{{\"model\":\"m\",{members}}}");
        let asked = read(call(route), Bytes::from(body)).unwrap();
        asked.tier().map(ToString::to_string)
    };
    let gemini = "/v1beta/models/m:generateContent";
    for (route, members, tier) in [
        ("/v1/messages", r#""speed":"fast""#, "fast"),
        ("/v1/messages", r#""sp\u0065ed":"f\u0061st""#, "fast"),
        ("/v1/messages", r#""inference_geo":"us""#, "us"),
        (
            "/v1/messages",
            r#""service_tier":"auto","speed":"fast""#,
            "fast",
        ),
        ("/v1/responses", r#""service_tier":"priority""#, "priority"),
        ("/v1/chat/completions", r#""service_tier":"flex""#, "flex"),
        (gemini, r#""serviceTier":"PRIORITY""#, "priority"),
        (gemini, r#""service_tier":"flex""#, "flex"),
    ] {
        assert_eq!(asked(route, members).as_deref(), Some(tier), "{members}");
    }
    for (route, members) in [
        (
            "/v1/messages",
            r#""service_tier":"standard_only","speed":"standard""#,
        ),
        (
            "/v1/messages",
            r#""service_tier":"auto","inference_geo":"global""#,
        ),
        (
            "/v1/messages",
            r#""speed":null,"metadata":{"speed":"fast"}"#,
        ),
        ("/v1/responses", r#""service_tier":"default""#),
        (gemini, r#""serviceTier":"STANDARD""#),
        (gemini, r#""generationConfig":{"serviceTier":"priority"}"#),
    ] {
        assert_eq!(asked(route, members), None, "{members}");
    }
}

#[test]
fn bud_08_a_tier_that_is_no_name_or_one_of_two_is_refused() {
    for members in [
        r#""speed":1"#,
        r#""speed":"""#,
        r#""speed":["fast"]"#,
        r#""service_tier":"a b""#,
        r#""Speed":"fast""#,
        r#""speed":"standard","speed":"fast""#,
        r#""speed":"fast","service_tier":"priority""#,
        r#""speed":"fast","inference_geo":"us""#,
    ] {
        let body = format!("{{\"model\":\"m\",{members}}}");

        assert!(ask(&body).is_err(), "{members}");
    }
}

fn keys(count: usize) -> String {
    let keys: Vec<String> = (0..count).map(|n| format!("\"k{n}\":0,")).collect();
    keys.concat()
}

fn ask(text: &str) -> Result<Asked, ReadError> {
    read(
        call("/v1/messages"),
        Bytes::copy_from_slice(text.as_bytes()),
    )
}

pub(crate) fn call(route: &str) -> Call {
    let request = Request::builder()
        .method(Method::POST)
        .uri(route)
        .header(header::AUTHORIZATION, "Bearer a")
        .header(header::CONTENT_TYPE, "application/json")
        .body(())
        .unwrap();
    let head = admit(&request.into_parts().0, &Limits::default()).unwrap();
    head.split().1
}
