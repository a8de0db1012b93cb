use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn keys_are_sorted_and_nothing_is_spaced() {
    let value = json!({"b": [1, {"z": null, "y": true}], "a": {"ä": -5, "c": ""}, "": []});

    let text = to_string(&value).unwrap();

    assert_eq!(
        text,
        r#"{"":[],"a":{"c":"","ä":-5},"b":[1,{"y":true,"z":null}]}"#
    );
}

/// What Python's `json.dumps` prints, with the options named above, for each code point of
/// interest. The whole range is compared by running Python, where it is at hand.
#[test]
fn escapes_are_those_of_python() {
    let text = "\u{0}\u{1}\u{8}\t\n\u{b}\u{c}\r\u{1f} \"\\/\u{7f}\u{80}\u{2028}\u{202e}\u{1f600}";

    let printed = to_string(&json!(text)).unwrap();

    assert_eq!(
        printed,
        "\"\\u0000\\u0001\\b\\t\\n\\u000b\\f\\r\\u001f \\\"\\\\/\u{7f}\u{80}\u{2028}\u{202e}\u{1f600}\""
    );
}

/// UTF-16 would sort the last two the other way round, as RFC 8785 does.
#[test]
fn keys_are_sorted_by_code_point() {
    let value = json!({"\u{1f600}": 1, "\u{ff5e}": 2, "z": 3, "Z": 4});

    let text = to_string(&value).unwrap();

    assert_eq!(text, "{\"Z\":4,\"z\":3,\"\u{ff5e}\":2,\"\u{1f600}\":1}");
}

#[test]
fn aud_06_one_event_stays_one_line() {
    let value = json!({"actor": "a\r\n{\"outcome\":\"allow\"}\u{1b}[2K\u{85}", "outcome": "deny"});

    let text = to_string(&value).unwrap();

    assert!(!text.chars().any(|c| c < ' '));
    assert_eq!(parse(&text).unwrap(), value);
}

#[test]
fn only_integers_of_64_bits_are_numbers() {
    assert_eq!(
        to_string(&json!([i64::MIN, u64::MAX])).unwrap(),
        "[-9223372036854775808,18446744073709551615]"
    );
    for text in [
        "1.0",
        "1.5",
        "1e3",
        "-0",
        "18446744073709551616",
        "-9223372036854775809",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
    assert_eq!(to_string(&json!(1.0)), Err(CanonicalError::Number));
}

#[test]
fn no_other_spelling_is_canonical() {
    for text in [
        "{\"a\":1,\"a\":1}",
        "{\"a\":1,\"a\":2}",
        "{\"b\":1,\"a\":2}",
        "{\"a\": 1}",
        " {}",
        "{}\n",
        "\"\\u0041\"",
        "\"\\/\"",
        "\"\\u001B\"",
        "01",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
}

#[test]
fn depth_and_length_are_bounded() {
    let nest = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(&nest(usize::from(MAX_DEPTH))).is_ok());
    assert_eq!(
        parse(&nest(usize::from(MAX_DEPTH) + 1)),
        Err(CanonicalError::Depth)
    );
    assert_eq!(parse(&nest(100_000)), Err(CanonicalError::Syntax));

    let string = |length: usize| Value::String("a".repeat(length));
    assert!(to_string(&string(MAX_BYTES - 2)).is_ok());
    assert_eq!(to_string(&string(MAX_BYTES - 1)), Err(CanonicalError::Size));
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(value in value()) {
        let text = to_string(&value).unwrap();

        prop_assert_eq!(parse(&text).unwrap(), value.clone());
        // serde_json prints the same, as long as its maps are sorted.
        prop_assert_eq!(text, serde_json::to_string(&value).unwrap());
    }
}
