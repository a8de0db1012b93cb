use http::HeaderValue;

use super::*;

#[test]
fn an_anthropic_stream_is_counted_to_its_end() {
    let total = stream(Route::Messages, ANTHROPIC);

    assert_eq!(
        total,
        Total {
            usage: Usage {
                input: 12,
                output: 34,
                cache_read: 500,
                cache_write: 60,
                cache_write_hour: 40,
            },
            told_input: true,
            told_output: true,
            text_bytes: total.text_bytes,
            ending: Ending::Complete,
        }
    );
    assert_eq!(total.text_bytes, 10);
}

#[test]
fn a_chat_stream_is_counted_when_it_tells() {
    let total = stream(Route::Chat, CHAT);

    assert_eq!(total.usage.input, 9);
    assert_eq!(total.usage.cache_read, 10);
    assert_eq!(total.usage.output, 5);
    assert!(total.told_input && total.told_output);
    assert_eq!(total.text_bytes, 10);
    assert_eq!(total.ending, Ending::Complete);
}

#[test]
fn a_chat_stream_that_does_not_tell_is_known_not_to() {
    let silent = CHAT.replace(r#""usage":{"#, r#""other":{"#);

    let total = stream(Route::Chat, &silent);

    assert!(!total.told_input && !total.told_output);
    assert_eq!(total.text_bytes, 10);
    assert_eq!(total.ending, Ending::Complete);
}

#[test]
fn a_responses_stream_is_counted() {
    let total = stream(Route::Responses, RESPONSES);

    assert_eq!(total.usage.input, 30);
    assert_eq!(total.usage.cache_read, 70);
    assert_eq!(total.usage.output, 8);
    assert_eq!(total.text_bytes, 5);
    assert_eq!(total.ending, Ending::Complete);
}

#[test]
fn a_gemini_stream_is_counted_with_its_thoughts_and_its_tools() {
    let total = stream(Route::StreamGenerateContent, GEMINI);

    assert_eq!(total.usage.input, 100 - 70 + 5);
    assert_eq!(total.usage.cache_read, 70);
    assert_eq!(total.usage.output, 20 + 30);
    assert!(total.told_input && total.told_output);
    assert_eq!(total.ending, Ending::Complete);
    assert!(total.text_bytes > 10);
}

#[test]
fn a_gemini_stream_is_over_when_each_candidate_is() {
    let one = |index: u32, end: &str| {
        format!("data: {{\"candidates\":[{{\"index\":{index},\"finishReason\":{end}}}]}}\r\n\r\n")
    };
    let ended = |events: &[String]| stream(Route::StreamGenerateContent, &events.concat()).ending;

    assert_eq!(ended(&[one(0, "\"STOP\"")]), Ending::Complete);
    assert_eq!(ended(&[one(40, "\"SAFETY\"")]), Ending::Complete);
    let half = [one(0, "null"), one(1, "null"), one(1, "\"STOP\"")];
    assert_eq!(ended(&half), Ending::Truncated);
    let both = [one(0, "null"), one(1, "\"STOP\""), one(0, "\"MAX_TOKENS\"")];
    assert_eq!(ended(&both), Ending::Complete);
    // The first of them has the number zero, which is not told.
    let two = "data: {\"candidates\":[{\"index\":1},{\"finishReason\":\"STOP\"}]}\n\n";
    assert_eq!(ended(&[two.to_owned()]), Ending::Truncated);
    for silent in ["null", "\"\"", "\"FINISH_REASON_UNSPECIFIED\""] {
        assert_eq!(ended(&[one(0, silent)]), Ending::Truncated, "{silent}");
    }
}

#[test]
fn a_gemini_prompt_that_is_blocked_is_a_whole_answer() {
    let text = "data: {\"promptFeedback\":{\"blockReason\":\"PROHIBITED_CONTENT\"},\
                \"usageMetadata\":{\"promptTokenCount\":4}}\r\n\r\n";

    let total = stream(Route::StreamGenerateContent, text);

    assert_eq!(total.ending, Ending::Complete);
    assert_eq!(total.usage.input, 4);
    assert_eq!(total.usage.output, 0);
}

#[test]
fn sse_04_a_bare_error_in_a_gemini_stream_is_a_failure_wherever_it_is_cut() {
    let pretty = "{\n  \"error\": {\n    \"code\": 503,\n    \"status\": \"UNAVAILABLE\"\n  }\n}\n";
    let wrapped = "[{\n  \"error\": {\"code\": 500}\n}\n]";
    let begun = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\r\n\r\n";
    for error in [pretty, wrapped, "{\"error\":{}}"] {
        let text = format!("{begun}{error}");
        for cut in 0..=text.len() {
            let (one, two) = text.as_bytes().split_at(cut);
            let mut tally = events(Route::StreamGenerateContent);
            tally.feed(one);
            tally.feed(two);
            assert!(!tally.between_events());
            assert_eq!(tally.total().ending, Ending::Failed, "{error} at {cut}");
        }
        let half = text.trim_end().len() - 1;
        let total = stream(Route::StreamGenerateContent, &text[..half]);
        assert_eq!(total.ending, Ending::Truncated, "{error}");
    }
    // In other dialects such a line means nothing.
    assert_eq!(stream(Route::Chat, pretty).ending, Ending::Truncated);
}

#[test]
fn every_cut_of_a_stream_counts_the_same() {
    for (route, text) in CASES {
        let whole = stream(route, text);
        for cut in 0..=text.len() {
            let (one, two) = text.as_bytes().split_at(cut);
            let mut tally = events(route);
            tally.feed(one);
            tally.feed(two);
            assert_eq!(tally.total(), whole, "{route:?} at {cut}");
        }
        let mut bytes = events(route);
        text.bytes().for_each(|byte| bytes.feed(&[byte]));
        assert_eq!(bytes.total(), whole, "{route:?} by the byte");
    }
}

#[test]
fn line_ends_of_every_kind_count_the_same() {
    for (route, text) in CASES {
        let whole = stream(route, text);
        for end in ["\r\n", "\r"] {
            let other = text.replace('\n', end);
            for cut in 0..=other.len() {
                let (one, two) = other.as_bytes().split_at(cut);
                let mut tally = events(route);
                tally.feed(one);
                tally.feed(two);
                assert_eq!(tally.total(), whole, "{route:?} {end:?} at {cut}");
            }
        }
    }
}

#[test]
fn sse_04_a_stream_that_stops_anywhere_before_its_end_is_truncated() {
    for (route, text) in CASES {
        let last = text.trim_end().len();
        for cut in 0..last {
            let total = stream(route, &text[..cut]);
            assert_eq!(total.ending, Ending::Truncated, "{route:?} at {cut}");
            assert!(!total.told_output);
        }
    }
}

#[test]
fn sse_04_an_error_in_a_stream_is_a_failure() {
    let cases = [
        (
            Route::Messages,
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n",
        ),
        (Route::Chat, "data: {\"error\":{\"message\":\"x\"}}\n\n"),
        (Route::Chat, "data: {\"error\":\"x\"}\n\n"),
        (
            Route::Responses,
            "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{}}\n\n",
        ),
        (
            Route::Responses,
            "data: {\"type\":\"error\",\"code\":\"x\"}\n\n",
        ),
    ];
    for (route, text) in cases {
        assert_eq!(stream(route, text).ending, Ending::Failed, "{text}");
    }
}

#[test]
fn sse_04_a_packed_answer_or_one_of_another_type_is_not_read_as_events() {
    let mut headers = content_type("text/event-stream");
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    for headers in [headers, content_type("text/html"), HeaderMap::new()] {
        let mut tally = Tally::new(Route::Messages, &headers);
        tally.feed(ANTHROPIC.as_bytes());

        assert!(!tally.is_stream());
        assert_eq!(tally.total().usage, Usage::default());
    }
}

#[test]
fn an_error_that_is_null_is_none() {
    let text = "data: {\"type\":\"response.completed\",\"error\":null,\"response\":{}}\n\n";

    assert_eq!(stream(Route::Responses, text).ending, Ending::Complete);
}

#[test]
fn what_a_model_writes_is_not_the_bill() {
    let forged = r#"{"type":"message","content":[{"type":"tool_use","input":{"usage":{"input_tokens":0,"output_tokens":0},"error":{},"type":"error"}}],"usage":{"input_tokens":7,"output_tokens":9},"x":"\"usage\":{\"output_tokens\":1}"}"#;

    let total = document(Route::Messages, forged);

    assert_eq!(total.usage.input, 7);
    assert_eq!(total.usage.output, 9);
    assert_eq!(total.ending, Ending::Complete);
}

#[test]
fn a_later_smaller_count_never_lowers_the_bill() {
    let text = format!(
        "{ANTHROPIC}data: {{\"type\":\"message_delta\",\"usage\":{{\"input_tokens\":0,\"output_tokens\":0}}}}\n\n"
    );

    let total = stream(Route::Messages, &text);

    assert_eq!(total.usage.input, 12);
    assert_eq!(total.usage.output, 34);
}

#[test]
fn a_document_is_counted_wherever_it_is_cut() {
    let cases = [
        (
            Route::Messages,
            r#"{"id":"msg","content":[{"type":"text","text":"a\"b}"}],"usage":{"input_tokens":3,"cache_creation_input_tokens":4,"cache_read_input_tokens":5,"output_tokens":6,"cache_creation":{"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":0}}}"#,
            [3, 6, 5, 4, 0],
        ),
        (
            Route::Chat,
            r#"{"choices":[{"message":{"content":"x"}}],"usage":{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":4}}}"#,
            [6, 2, 4, 0, 0],
        ),
        (
            Route::Responses,
            r#"{"error":null,"usage":{"input_tokens_details":{"cached_tokens":4},"input_tokens":10,"output_tokens":2}}"#,
            [6, 2, 4, 0, 0],
        ),
        (
            Route::Embeddings,
            r#"{"data":[{"embedding":[0.1,-2e-3]}],"usage":{"prompt_tokens":8,"total_tokens":8}}"#,
            [8, 0, 0, 0, 0],
        ),
        (
            Route::GenerateContent,
            r#"{"candidates":[{"content":{"parts":[{"text":"x","thoughtSignature":"a"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":10,"cachedContentTokenCount":4,"candidatesTokenCount":2,"thoughtsTokenCount":3,"toolUsePromptTokenCount":1}}"#,
            [7, 5, 4, 0, 0],
        ),
        (
            Route::BatchEmbedContents,
            r#"{"embeddings":[{"values":[0.1]}],"usageMetadata":{"promptTokenCount":8}}"#,
            [8, 0, 0, 0, 0],
        ),
    ];
    for (route, text, [input, output, cache_read, cache_write, cache_write_hour]) in cases {
        let expected = Usage {
            input,
            output,
            cache_read,
            cache_write,
            cache_write_hour,
        };
        for cut in 0..=text.len() {
            let (one, two) = text.as_bytes().split_at(cut);
            let mut tally = Tally::new(route, &content_type("application/json"));
            tally.feed(one);
            tally.feed(two);
            let total = tally.total();
            assert_eq!(total.usage, expected, "{route:?} at {cut}");
            assert_eq!(total.ending, Ending::Complete);
        }
        for cut in 0..text.len() {
            let total = document(route, &text[..cut]);
            assert_eq!(total.ending, Ending::Truncated, "{route:?} at {cut}");
        }
    }
}

#[test]
fn a_document_that_was_cut_is_worth_the_bytes_that_came() {
    let total = document(Route::Messages, r#"{"content":[{"text":"abc"#);

    assert_eq!(total.text_bytes, 24);
    assert_eq!(total.ending, Ending::Truncated);
}

#[test]
fn sse_01_a_line_without_end_takes_no_memory_and_is_seen() {
    let mut tally = events(Route::Messages);
    tally.feed(b"data: {\"x\":\"");
    let chunk = vec![b'a'; 64 * 1024];
    for _ in 0..255 {
        tally.feed(&chunk);
    }
    assert!(!tally.is_oversized());

    for _ in 0..10 {
        tally.feed(&chunk);
    }

    assert!(tally.is_oversized());
    assert!(size_of::<Tally>() < 512, "{}", size_of::<Tally>());
}

#[test]
fn bytes_of_ours_go_between_events_only() {
    let mut tally = events(Route::Messages);
    assert!(tally.between_events());
    let mut places = Vec::new();
    let text = b"event: ping\ndata: {}\n\n: c\n\n";
    for (at, byte) in text.iter().enumerate() {
        tally.feed(&[*byte]);
        if tally.between_events() {
            places.push(at);
        }
    }

    assert_eq!(places, [21, 26]);
}

#[test]
fn the_number_of_the_next_event_follows_the_last() {
    let mut tally = events(Route::Responses);
    tally.feed(RESPONSES.as_bytes());

    assert_eq!(tally.next_sequence(), 3);
}

#[test]
fn data_in_several_lines_is_one_document() {
    let text = "data: {\"type\":\ndata: \"message_stop\"}\n\n";

    assert_eq!(stream(Route::Messages, text).ending, Ending::Complete);
}

#[test]
fn other_fields_of_an_event_are_passed_over() {
    let text = "id: 1\nretry: 5\ndatax: {\"type\":\"message_stop\"}\ndat: x\n:data: x\n\n";

    assert_eq!(stream(Route::Messages, text).ending, Ending::Truncated);
}

fn stream(route: Route, text: &str) -> Total {
    let mut tally = events(route);
    tally.feed(text.as_bytes());
    tally.total()
}

fn document(route: Route, text: &str) -> Total {
    let mut tally = Tally::new(route, &content_type("application/json"));
    tally.feed(text.as_bytes());
    tally.total()
}

fn events(route: Route) -> Tally {
    Tally::new(route, &content_type("text/event-stream; charset=utf-8"))
}

fn content_type(value: &'static str) -> HeaderMap {
    let value = HeaderValue::from_static(value);
    HeaderMap::from_iter([(header::CONTENT_TYPE, value)])
}

const CASES: [(Route, &str); 4] = [
    (Route::Messages, ANTHROPIC),
    (Route::Chat, CHAT),
    (Route::Responses, RESPONSES),
    (Route::StreamGenerateContent, GEMINI),
];

const GEMINI: &str = r#"data: {"candidates":[{"content":{"parts":[{"text":"a \"usageMetadata\":","thought":true}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":100,"thoughtsTokenCount":9,"totalTokenCount":109},"modelVersion":"gemini-3-pro"}

data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"finishReason":"STOP"}}}],"role":"model"}}],"promptFeedback":{"safetyRatings":[]}}

data: {"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":20,"thoughtsTokenCount":30,"cachedContentTokenCount":70,"toolUsePromptTokenCount":5,"totalTokenCount":155,"promptTokensDetails":[{"modality":"TEXT","tokenCount":100}]},"modelVersion":"gemini-3-pro"}

"#;

const ANTHROPIC: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"usage":{"input_tokens":12,"cache_creation_input_tokens":100,"cache_read_input_tokens":500,"cache_creation":{"ephemeral_5m_input_tokens":60,"ephemeral_1h_input_tokens":40},"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a \"usage\":"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":34}}

event: message_stop
data: {"type":"message_stop"}

"#;

const CHAT: &str = r#"data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":"Hello"}}],"usage":null}

data: {"id":"c","choices":[{"index":0,"delta":{"content":" all!"},"finish_reason":"stop"}]}

data: {"id":"c","choices":[],"usage":{"prompt_tokens":19,"completion_tokens":5,"total_tokens":24,"prompt_tokens_details":{"cached_tokens":10}}}

data: [DONE]

"#;

const RESPONSES: &str = r#"event: response.created
data: {"type":"response.created","sequence_number":0,"response":{"id":"r","usage":null,"error":null}}

event: response.output_text.delta
data: {"type":"response.output_text.delta","sequence_number":1,"delta":"Hello"}

event: response.completed
data: {"type":"response.completed","sequence_number":2,"response":{"output":[{"type":"message","usage":{"input_tokens":1}}],"usage":{"input_tokens":100,"input_tokens_details":{"cached_tokens":70},"output_tokens":8,"output_tokens_details":{"reasoning_tokens":3},"total_tokens":108}}}

"#;
