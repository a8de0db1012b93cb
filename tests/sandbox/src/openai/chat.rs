//! `POST /v1/chat/completions`.

use super::{Refused, parse, streams};
use crate::answer::Answer;
use crate::model::{Call, Desk, Spoken, Usage, names, words_of};
use crate::request::Request;
use crate::sse::Frame;
use http::StatusCode;
use serde_json::{Map, Value, json};

/// A completion, whole or in chunks.
pub(super) fn create(desk: &Desk, request: &Request) -> Result<Answer, Refused> {
    let asked = parse(desk, request)?;
    let messages = asked
        .get("messages")
        .and_then(Value::as_array)
        .filter(|messages| !messages.is_empty())
        .ok_or_else(|| Refused::missing("messages"))?;
    let stream = streams(&asked);
    if asked
        .get("stream_options")
        .is_some_and(|options| !options.is_null())
        && !stream
    {
        let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        return Err(Refused::new(400, message).about("stream_options"));
    }
    let contents = messages.iter().filter_map(|message| message.get("content"));
    let words = contents.map(words_of).collect::<Vec<_>>().join(" ");
    let offered = names(asked.get("tools"), "/function/name");
    let spoken = desk.speak(&words, cap(&asked), None, &offered);
    let head = Head {
        id: desk.seed.name("chatcmpl-"),
        created: desk.clock.now_s(),
        model: asked.get("model").cloned().unwrap_or_default(),
    };
    if stream {
        let frames = chunks(&head, &spoken, wants_usage(&asked));
        Ok(Answer::events(frames, desk.gap()))
    } else {
        Ok(Answer::json(StatusCode::OK, &whole(&head, &spoken)))
    }
}

struct Head {
    id: String,
    created: i64,
    model: Value,
}

fn cap(asked: &Map<String, Value>) -> Option<u64> {
    ["max_completion_tokens", "max_tokens"]
        .iter()
        .find_map(|name| asked.get(*name).and_then(Value::as_u64))
}

fn wants_usage(asked: &Map<String, Value>) -> bool {
    asked
        .get("stream_options")
        .and_then(|options| options.get("include_usage"))
        .and_then(Value::as_bool)
        .unwrap_or(false)
}

fn stop(spoken: &Spoken) -> &str {
    let natural = match (spoken.full, &spoken.call) {
        (true, _) => "length",
        (false, Some(_)) => "tool_calls",
        (false, None) => "stop",
    };
    spoken.stop.as_deref().unwrap_or(natural)
}

/// `OpenAI` counts what the cache gave as part of what was read.
pub(super) fn prompt_tokens(usage: &Usage) -> u64 {
    usage.input.saturating_add(usage.cache_read)
}

fn usage(usage: &Usage) -> Value {
    let prompt = prompt_tokens(usage);
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": usage.output,
        "total_tokens": prompt.saturating_add(usage.output),
        "prompt_tokens_details": {"cached_tokens": usage.cache_read, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        },
    })
}

fn tool_call(head: &Head, call: &Call, arguments: &str) -> Value {
    json!([{
        "index": 0,
        "id": head.id.replace("chatcmpl-", "call_"),
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }])
}

fn whole(head: &Head, spoken: &Spoken) -> Value {
    let mut message =
        json!({"role": "assistant", "content": spoken.text, "refusal": null, "annotations": []});
    if let (Some(call), Some(message)) = (&spoken.call, message.as_object_mut()) {
        let calls = tool_call(head, call, &call.input.to_string());
        message.insert("tool_calls".to_owned(), calls);
    }
    json!({
        "id": head.id,
        "object": "chat.completion",
        "created": head.created,
        "model": head.model,
        "choices": [{
            "index": 0,
            "message": message,
            "logprobs": null,
            "finish_reason": stop(spoken),
        }],
        "usage": usage(&spoken.usage),
        "service_tier": "default",
        "system_fingerprint": "fp_sandbox",
    })
}

fn chunks(head: &Head, spoken: &Spoken, with_usage: bool) -> Vec<Frame> {
    let chunk = |delta: Value, finish: Value| {
        let choices =
            json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]);
        Frame::data(&envelope(head, choices, with_usage.then_some(Value::Null)))
    };
    let mut frames = vec![chunk(
        json!({"role": "assistant", "content": "", "refusal": null}),
        Value::Null,
    )];
    frames.extend(
        spoken
            .deltas()
            .iter()
            .map(|text| chunk(json!({"content": text}), Value::Null)),
    );
    if let Some(call) = &spoken.call {
        let begin = json!({"tool_calls": tool_call(head, call, "")});
        frames.push(chunk(begin, Value::Null));
        frames.extend(call.halves().iter().map(|half| {
            let more = json!([{"index": 0, "function": {"arguments": half}}]);
            chunk(json!({"tool_calls": more}), Value::Null)
        }));
    }
    frames.push(chunk(json!({}), json!(stop(spoken))));
    if with_usage {
        let last = envelope(head, json!([]), Some(usage(&spoken.usage)));
        frames.push(Frame::data(&last));
    }
    frames.push(Frame::raw("data: [DONE]\n\n").last());
    frames
}

fn envelope(head: &Head, choices: Value, usage: Option<Value>) -> Value {
    let mut chunk = json!({
        "id": head.id,
        "object": "chat.completion.chunk",
        "created": head.created,
        "model": head.model,
        "service_tier": "default",
        "system_fingerprint": "fp_sandbox",
    });
    if let Some(chunk) = chunk.as_object_mut() {
        chunk.insert("choices".to_owned(), choices);
        // Present and null on every chunk but the last, as soon as usage was asked for.
        if let Some(usage) = usage {
            chunk.insert("usage".to_owned(), usage);
        }
    }
    chunk
}
