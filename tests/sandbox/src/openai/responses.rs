//! `POST /v1/responses`.

use super::chat::prompt_tokens;
use super::{Refused, parse, streams};
use crate::answer::Answer;
use crate::model::{Call, Desk, Spoken, names, words_of};
use crate::request::Request;
use crate::sse::Frame;
use http::StatusCode;
use serde_json::{Value, json};

/// A response, whole or as named events.
pub(super) fn create(desk: &Desk, request: &Request) -> Result<Answer, Refused> {
    let asked = parse(desk, request)?;
    let input = asked
        .get("input")
        .ok_or_else(|| Refused::missing("input"))?;
    let cap = asked.get("max_output_tokens").and_then(Value::as_u64);
    let instructions = asked.get("instructions").map(words_of).unwrap_or_default();
    let words = format!("{instructions} {}", words_of(input));
    let offered = names(asked.get("tools"), "/name");
    let spoken = desk.speak(words.trim(), cap, None, &offered);
    let head = Head {
        id: desk.seed.name("resp_"),
        item: desk.seed.name("msg_"),
        created: desk.clock.now_s(),
        model: asked.get("model").cloned().unwrap_or_default(),
        safety: asked.get("safety_identifier").cloned().unwrap_or_default(),
    };
    if streams(&asked) {
        Ok(Answer::events(events(&head, &spoken), desk.gap()))
    } else {
        Ok(Answer::json(
            StatusCode::OK,
            &response(&head, Some(&spoken)),
        ))
    }
}

struct Head {
    id: String,
    item: String,
    created: i64,
    model: Value,
    safety: Value,
}

fn status(spoken: &Spoken) -> &'static str {
    if spoken.full {
        "incomplete"
    } else {
        "completed"
    }
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn item(head: &Head, status: &str, content: &Value) -> Value {
    json!({"id": head.item, "type": "message", "role": "assistant", "status": status, "content": content})
}

fn function(head: &Head, call: &Call, status: &str, arguments: &str) -> Value {
    let id = |kind: &str| head.item.replace("msg_", kind);
    json!({"id": id("fc_"), "call_id": id("call_"), "type": "function_call", "status": status, "name": call.name, "arguments": arguments})
}

fn response(head: &Head, spoken: Option<&Spoken>) -> Value {
    let mut output: Vec<Value> = Vec::new();
    if let Some(spoken) = spoken {
        output.push(item(head, status(spoken), &json!([part(&spoken.text)])));
        let calls = spoken.call.iter();
        output.extend(calls.map(|call| function(head, call, "completed", &call.input.to_string())));
    }
    let incomplete = spoken.filter(|spoken| spoken.full);
    let usage = spoken.map(|Spoken { usage, .. }| {
        let input = prompt_tokens(usage);
        json!({
            "input_tokens": input,
            "input_tokens_details": {"cached_tokens": usage.cache_read},
            "output_tokens": usage.output,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning},
            "total_tokens": input.saturating_add(usage.output),
        })
    });
    json!({
        "id": head.id,
        "object": "response",
        "created_at": head.created,
        "status": spoken.map_or("in_progress", status),
        "error": null,
        "incomplete_details": incomplete.map(|_| json!({"reason": "max_output_tokens"})),
        "model": head.model,
        "output": output,
        "parallel_tool_calls": true,
        "tool_choice": "auto",
        "tools": [],
        "store": false,
        "safety_identifier": head.safety,
        "usage": usage,
    })
}

fn events(head: &Head, spoken: &Spoken) -> Vec<Frame> {
    let place = json!({"item_id": head.item, "output_index": 0, "content_index": 0});
    let at = |more: Value| {
        let mut event = place.clone();
        if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
            event.extend(more);
        }
        event
    };
    let ended = match status(spoken) {
        "incomplete" => "response.incomplete",
        _ => "response.completed",
    };
    let mut told = vec![
        (
            "response.created",
            json!({"response": response(head, None)}),
        ),
        (
            "response.in_progress",
            json!({"response": response(head, None)}),
        ),
        (
            "response.output_item.added",
            json!({"output_index": 0, "item": item(head, "in_progress", &json!([]))}),
        ),
        ("response.content_part.added", at(json!({"part": part("")}))),
    ];
    let deltas = spoken.deltas();
    told.extend(deltas.iter().map(|text| {
        (
            "response.output_text.delta",
            at(json!({"delta": text, "logprobs": []})),
        )
    }));
    let whole = item(head, status(spoken), &json!([part(&spoken.text)]));
    told.extend([
        (
            "response.output_text.done",
            at(json!({"text": spoken.text, "logprobs": []})),
        ),
        (
            "response.content_part.done",
            at(json!({"part": part(&spoken.text)})),
        ),
        (
            "response.output_item.done",
            json!({"output_index": 0, "item": whole}),
        ),
    ]);
    if let Some(call) = &spoken.call {
        told.extend(calling(head, call));
    }
    told.push((ended, json!({"response": response(head, Some(spoken))})));
    let mut frames: Vec<Frame> = told.into_iter().enumerate().map(numbered).collect();
    if let Some(last) = frames.pop() {
        frames.push(last.last());
    }
    frames
}

fn calling(head: &Head, call: &Call) -> Vec<(&'static str, Value)> {
    let whole = call.input.to_string();
    let begun = function(head, call, "in_progress", "");
    let done = function(head, call, "completed", &whole);
    let id = begun.get("id").cloned().unwrap_or_default();
    let mut told = vec![(
        "response.output_item.added",
        json!({"output_index": 1, "item": begun}),
    )];
    told.extend(call.halves().map(|half| {
        (
            "response.function_call_arguments.delta",
            json!({"item_id": id, "output_index": 1, "delta": half}),
        )
    }));
    told.extend([
        (
            "response.function_call_arguments.done",
            json!({"item_id": id, "output_index": 1, "name": call.name, "arguments": whole}),
        ),
        (
            "response.output_item.done",
            json!({"output_index": 1, "item": done}),
        ),
    ]);
    told
}

fn numbered((number, (name, mut event)): (usize, (&str, Value))) -> Frame {
    if let Some(event) = event.as_object_mut() {
        event.insert("type".to_owned(), json!(name));
        event.insert("sequence_number".to_owned(), json!(number));
    }
    Frame::event(name, &event)
}
