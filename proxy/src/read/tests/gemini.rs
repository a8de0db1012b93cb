//! Bodies in Gemini's dialect: what decides is nested, and every key has two spellings.

use serde_json::{Value, json};

use super::*;
use crate::read::gemini::Spot;

const PATH: &str = "/v1beta/models/m:generateContent";

#[test]
fn both_spellings_of_a_limit_are_read() {
    for (config, most, answers) in [
        (
            r#""generationConfig":{"maxOutputTokens":7,"candidateCount":3}"#,
            Some(7),
            3,
        ),
        (
            r#""generation_config":{"max_output_tokens":7,"candidate_count":3}"#,
            Some(7),
            3,
        ),
        (
            r#""generation\u005fconfig":{"max\u004futputTokens":7}"#,
            Some(7),
            1,
        ),
        (r#""generationConfig":{"maxOutputTokens":null}"#, None, 1),
        (r#""generationConfig":{"maxOutputTokens":0}"#, None, 1),
        (r#""generationConfig":null"#, None, 1),
        (r#""contents":[]"#, None, 1),
        // What stands elsewhere bounds nothing.
        (r#""maxOutputTokens":7"#, None, 1),
        (
            r#""requests":[{"generationConfig":{"maxOutputTokens":7}}]"#,
            None,
            1,
        ),
        (r#""generationConfig":[{"maxOutputTokens":7}]"#, None, 1),
        (
            r#""generationConfig":{"responseSchema":{"maxOutputTokens":7}}"#,
            None,
            1,
        ),
    ] {
        let asked = ask(&format!("{{{config}}}")).unwrap();

        assert_eq!(asked.max_output_tokens(), most, "{config}");
        assert_eq!(asked.answers(), answers, "{config}");
        assert_eq!(asked.model().as_str(), "m");
    }
}

#[test]
fn jsn_01_two_spellings_of_one_key_are_a_key_twice() {
    for text in [
        r#"{"generationConfig":{},"generation_config":{}}"#,
        r#"{"generationConfig":{"maxOutputTokens":1,"max_output_tokens":9}}"#,
        r#"{"generation_config":{"max_output_tokens":1,"maxOutputTokens":9}}"#,
        r#"{"generationConfig":{"candidateCount":1,"candidate_count":9}}"#,
        r#"{"labels":{},"labels":{}}"#,
        r#"{"model":"m","\u006dodel":"m"}"#,
        r#"{"systemInstruction":{},"system_instruction":{}}"#,
        r#"{"contents":[{"parts":[{"functionResponse":{},"function_response":{}}]}]}"#,
        r#"{"generateContentRequest":{"model":"m"},"generate_content_request":{}}"#,
    ] {
        assert!(matches!(ask(text), Err(ReadError::Duplicate)), "{text}");
    }
}

#[test]
fn jsn_02_any_other_spelling_of_a_key_that_decides_is_refused() {
    for text in [
        r#"{"GenerationConfig":{}}"#,
        r#"{"generationconfig":{}}"#,
        r#"{"generation__config":{}}"#,
        r#"{"generation_Config":{}}"#,
        r#"{"_generationConfig":{}}"#,
        r#"{"Labels":{}}"#,
        r#"{"LABELS":{}}"#,
        r#"{"labelſ":{}}"#,
        r#"{"l_abels":{}}"#,
        r#"{"Model":"x"}"#,
        r#"{"generationConfig":{"MaxOutputTokens":1}}"#,
        r#"{"generationConfig":{"maxoutputtokens":1}}"#,
        r#"{"generationConfig":{"max_output_To\u212aens":1}}"#,
        r#"{"generationConfig":{"max_outputTokens":1}}"#,
        r#"{"requests":[{"Model":"x"}]}"#,
        r#"{"generateContentRequest":{"LABELS":{}}}"#,
    ] {
        assert!(matches!(ask(text), Err(ReadError::Spelling)), "{text}");
    }
}

#[test]
fn jsn_02_the_same_letters_where_nothing_is_decided_are_the_caller_s() {
    for text in [
        r#"{"contents":[{"parts":[{"functionCall":{"args":{"Model":1,"model":2,"LABELS":3}}}]}]}"#,
        r#"{"tools":[{"functionDeclarations":[{"parameters":{"properties":{"Labels":{},"generationconfig":{}}}}]}]}"#,
        r#"{"generationConfig":{"responseSchema":{"properties":{"Model":{},"max_output_tokens":{}}}}}"#,
    ] {
        assert!(ask(text).is_ok(), "{text}");
    }
}

#[test]
fn a_body_names_the_model_of_its_path_or_none() {
    for good in [
        r#"{"model":"m"}"#,
        r#"{"model":"models/m"}"#,
        r#"{"model":"models\/m"}"#,
        r#"{"model":null}"#,
        r#"{"requests":[{"model":"models/m"},{"model":"m"},{}]}"#,
        r#"{"requests":{"model":"models/m"}}"#,
        r#"{"generateContentRequest":{"model":"models/m"}}"#,
        r#"{"generate_content_request":{"model":"models/m"}}"#,
    ] {
        assert!(ask(good).is_ok(), "{good}");
    }
    for bad in [
        r#"{"model":"other"}"#,
        r#"{"model":"models/models/m"}"#,
        r#"{"model":"tunedModels/m"}"#,
        r#"{"model":""}"#,
        r#"{"model":7}"#,
        r#"{"model":{"model":"m"}}"#,
        r#"{"requests":[{"model":"models/m"},{"model":"models/other"}]}"#,
        r#"{"requests":[[{"model":"models/other"}]]}"#,
        r#"{"requests":{"model":"models/other"}}"#,
        r#"{"generateContentRequest":{"model":"models/other"}}"#,
    ] {
        assert!(matches!(ask(bad), Err(ReadError::OtherModel)), "{bad}");
    }
}

#[test]
fn a_limit_is_a_whole_number_or_refused() {
    for limit in ["-1", "1.0", "1e3", "\"100\"", "true", "4294967296", "{}"] {
        let text = format!("{{\"generationConfig\":{{\"maxOutputTokens\":{limit}}}}}");

        assert!(matches!(ask(&text), Err(ReadError::Type(_))), "{text}");
    }
}

#[test]
fn what_a_body_does_not_show_is_known() {
    for inside in [
        r#"{"contents":[{"role":"user","parts":[{"text":"a"},{"functionResponse":{"name":"f","response":{"type":"image","fileData":1}}}]}]}"#,
        r#"{"contents":{"parts":{"text":"a"}},"system_instruction":{"parts":{"text":"b"}}}"#,
        r#"{"tools":[{"functionDeclarations":[{"name":"googleSearch"}]}],"toolConfig":{},"safetySettings":[]}"#,
        r#"{"tools":{"function_declarations":[]},"labels":{"a":"b"},"generationConfig":{"x":1}}"#,
        r#"{"requests":[{"model":"m","content":{"parts":[{"text":"a"}]},"taskType":"X"}]}"#,
    ] {
        assert!(ask(inside).unwrap().is_self_contained(), "{inside}");
    }
    for outside in [
        r#"{"contents":[{"parts":[{"inlineData":{"data":"AAAA"}}]}]}"#,
        r#"{"contents":[{"parts":[{"inline_data":{}}]}]}"#,
        r#"{"contents":[{"parts":[{"fileData":{"fileUri":"x"}}]}]}"#,
        r#"{"contents":{"parts":{"fileData":{}}}}"#,
        r#"{"contents":[{"parts":[{"functionResponse":{"parts":[{}]}}]}]}"#,
        r#"{"systemInstruction":{"parts":[{"fileData":{}}]}}"#,
        r#"{"tools":[{"googleSearch":{}}]}"#,
        r#"{"tools":[{"url_context":{}}]}"#,
        r#"{"tools":{"codeExecution":{}}}"#,
        r#"{"cachedContent":"cachedContents/x"}"#,
        r#"{"cached_content":"cachedContents/x"}"#,
        r#"{"unheardOf":1}"#,
        r#"{"requests":[{"content":{"parts":[{"inlineData":{}}]}}]}"#,
    ] {
        assert!(!ask(outside).unwrap().is_self_contained(), "{outside}");
    }
}

#[test]
fn the_route_says_whether_it_is_a_stream() {
    let body = || Bytes::from_static(b"{\"stream\":true}");

    assert!(!read(call(PATH), body()).unwrap().stream());
    let stream = call("/v1/models/m:streamGenerateContent?alt=sse");
    assert!(read(stream, body()).unwrap().stream());
}

#[test]
fn members_of_a_batch_are_bounded() {
    let batch = |n: usize| {
        let all = vec![json!({ "model": "m" }); n];
        ask(&json!({ "requests": all }).to_string())
    };

    assert!(batch(100).is_ok());
    assert!(matches!(batch(100_000), Err(ReadError::Keys)));
}

proptest! {
    /// Wherever a member stands among others, and whatever is around it, its place is its value's.
    #[test]
    fn the_place_of_a_member_is_its_value(
        before in 0..4_usize, blanks in "[ \n\t]{0,3}", most in 1..u32::MAX, snake in any::<bool>(),
    ) {
        let (outer, inner) = if snake {
            ("generation_config", "max_output_tokens")
        } else {
            ("generationConfig", "maxOutputTokens")
        };
        let filler: Vec<String> = (0..before).map(|n| format!("\"x{n}\":[{{\"model\":{n}}}],")).collect();
        let filler = filler.concat();
        let text = format!(
            "{{{filler}\"{outer}\":{{{filler}\"{inner}\"{blanks}:{blanks}{most}{blanks}}},\
             {blanks}\"labels\"{blanks}:{blanks}{{\"a\":\"b\"}}{blanks}}}"
        );

        let asked = ask(&text).unwrap();

        prop_assert_eq!(asked.max_output_tokens(), Some(most));
        let labels = asked.fields().spots.iter().find(|(spot, _)| *spot == Spot::Labels);
        prop_assert_eq!(labels.unwrap().1.value(text.as_bytes()), b"{\"a\":\"b\"}");
        let whole: Value = serde_json::from_str(&text).unwrap();
        prop_assert!(whole.is_object());
    }
}

fn ask(text: &str) -> Result<Asked, ReadError> {
    read(call(PATH), Bytes::copy_from_slice(text.as_bytes()))
}
