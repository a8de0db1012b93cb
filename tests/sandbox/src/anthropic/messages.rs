//! `POST /v1/messages` and `/v1/messages/count_tokens`.

use super::Refused;
use crate::answer::Answer;
use crate::model::{Desk, Spoken, Usage, looks_like_email, names, tokens, words_of};
use crate::request::Request;
use crate::sse::Frame;
use http::StatusCode;
use serde_json::{Map, Value, json};

/// A message, whole or as a stream.
pub(super) fn create(desk: &Desk, request: &Request) -> Result<Answer, Refused> {
    let asked = parse(desk, request)?;
    let cap = asked
        .get("max_tokens")
        .ok_or_else(|| Refused::invalid("max_tokens: Field required"))?
        .as_u64()
        .filter(|cap| *cap > 0)
        .ok_or_else(|| Refused::invalid("max_tokens: Input should be a positive integer"))?;
    let stream = match asked.get("stream") {
        None => false,
        Some(Value::Bool(stream)) => *stream,
        Some(_) => return Err(Refused::invalid("stream: Input should be a valid boolean")),
    };
    let cacheable = cacheable(&asked);
    let offered = names(asked.get("tools"), "/name");
    let spoken = desk.speak(&heard(&asked), Some(cap), cacheable.as_deref(), &offered);
    let id = desk.seed.name("msg_");
    let model = asked.get("model").cloned().unwrap_or_default();
    if stream {
        Ok(Answer::events(events(&id, &model, &spoken), desk.gap()))
    } else {
        Ok(Answer::json(StatusCode::OK, &whole(&id, &model, &spoken)))
    }
}

/// The number of tokens that a message would be billed for.
pub(super) fn count(desk: &Desk, request: &Request) -> Result<Answer, Refused> {
    let asked = parse(desk, request)?;
    if asked.contains_key("metadata") {
        return Err(Refused::invalid("metadata: Extra inputs are not permitted"));
    }
    let document = json!({"input_tokens": tokens(&heard(&asked))});
    Ok(Answer::json(StatusCode::OK, &document))
}

fn parse(desk: &Desk, request: &Request) -> Result<Map<String, Value>, Refused> {
    if request.body.len() > BODY_CAP {
        let message = "Request exceeds the maximum allowed number of bytes.";
        return Err(Refused::new(413, "request_too_large", message));
    }
    let json = request
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/json"));
    let Some(Value::Object(asked)) = request.json().filter(|_| json) else {
        return Err(Refused::invalid("The request body is not valid JSON"));
    };
    let Some(model) = asked.get("model") else {
        return Err(Refused::invalid("model: Field required"));
    };
    let model = model
        .as_str()
        .ok_or_else(|| Refused::invalid("model: Input should be a valid string"))?;
    if !desk.serves(model) {
        return Err(Refused::new(
            404,
            "not_found_error",
            &format!("model: {model}"),
        ));
    }
    converses(&asked)?;
    identifies(&asked)?;
    Ok(asked)
}

fn converses(asked: &Map<String, Value>) -> Result<(), Refused> {
    let Some(messages) = asked.get("messages") else {
        return Err(Refused::invalid("messages: Field required"));
    };
    let messages = messages
        .as_array()
        .ok_or_else(|| Refused::invalid("messages: Input should be a valid list"))?;
    if messages.is_empty() {
        return Err(Refused::invalid(
            "messages: at least one message is required",
        ));
    }
    for (at, message) in messages.iter().enumerate() {
        let role = message
            .get("role")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !["user", "assistant", "system"].contains(&role) {
            return Err(Refused::invalid(&format!(
                "messages.{at}.role: Input should be 'user' or 'assistant'"
            )));
        }
        let content = message.get("content");
        if !content.is_some_and(|content| content.is_string() || content.is_array()) {
            return Err(Refused::invalid(&format!(
                "messages.{at}.content: Field required"
            )));
        }
    }
    Ok(())
}

/// The provider's own rule: an end user is named by something opaque, or not at all.
fn identifies(asked: &Map<String, Value>) -> Result<(), Refused> {
    let named = asked
        .get("metadata")
        .and_then(|metadata| metadata.get("user_id"));
    let user = match named {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::String(user)) => user,
        Some(_) => {
            return Err(Refused::invalid(
                "metadata.user_id: Input should be a valid string",
            ));
        }
    };
    if user.chars().count() > 256 {
        return Err(Refused::invalid(
            "metadata.user_id: String should have at most 256 characters",
        ));
    }
    if looks_like_email(user) {
        return Err(Refused::invalid(
            "metadata.user_id: user_id appears to contain an email address",
        ));
    }
    Ok(())
}

fn heard(asked: &Map<String, Value>) -> String {
    let system = asked.get("system").map(words_of).unwrap_or_default();
    let messages = asked.get("messages").and_then(Value::as_array);
    let spoken = messages
        .into_iter()
        .flatten()
        .filter_map(|message| message.get("content"));
    let mut all: Vec<String> = spoken.map(words_of).collect();
    if !system.is_empty() {
        all.insert(0, system);
    }
    all.join(" ")
}

/// What a cache breakpoint covers here: system and tools, when one of them is marked.
fn cacheable(asked: &Map<String, Value>) -> Option<Vec<u8>> {
    let marked = asked.values().any(marks);
    let kept = json!([asked.get("model"), asked.get("system"), asked.get("tools")]);
    marked.then(|| kept.to_string().into_bytes())
}

fn marks(value: &Value) -> bool {
    match value {
        Value::Object(object) => object.contains_key("cache_control") || object.values().any(marks),
        Value::Array(array) => array.iter().any(marks),
        _ => false,
    }
}

fn stop(spoken: &Spoken) -> &str {
    let natural = match (spoken.full, &spoken.call) {
        (true, _) => "max_tokens",
        (false, Some(_)) => "tool_use",
        (false, None) => "end_turn",
    };
    spoken.stop.as_deref().unwrap_or(natural)
}

fn usage(usage: &Usage, output: u64) -> Value {
    json!({
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write_5m.saturating_add(usage.cache_write_1h),
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": output,
        "service_tier": "standard",
    })
}

fn tool_use(id: &str, name: &str, input: &Value) -> Value {
    json!({"type": "tool_use", "id": id.replace("msg_", "toolu_"), "name": name, "input": input})
}

fn whole(id: &str, model: &Value, spoken: &Spoken) -> Value {
    let mut content = vec![json!({"type": "text", "text": spoken.text})];
    content.extend(
        spoken
            .call
            .iter()
            .map(|call| tool_use(id, &call.name, &call.input)),
    );
    let mut message = json!({
        "id": id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": stop(spoken),
        "stop_sequence": null,
        "usage": usage(&spoken.usage, spoken.usage.output),
    });
    if let Some(message) = message
        .as_object_mut()
        .filter(|_| !spoken.stop_details.is_null())
    {
        message.insert("stop_details".to_owned(), spoken.stop_details.clone());
    }
    message
}

fn events(id: &str, model: &Value, spoken: &Spoken) -> Vec<Frame> {
    let opening = json!({"type": "message_start", "message": {
        "id": id, "type": "message", "role": "assistant", "model": model, "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage(&spoken.usage, 1),
    }});
    let block = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}});
    let mut frames = vec![
        Frame::event("message_start", &opening),
        Frame::event("content_block_start", &block),
        Frame::event("ping", &json!({"type": "ping"})),
    ];
    frames.extend(spoken.deltas().iter().map(|text| {
        let delta = json!({"type": "text_delta", "text": text});
        Frame::event(
            "content_block_delta",
            &json!({"type": "content_block_delta", "index": 0, "delta": delta}),
        )
    }));
    let mut delta = json!({"stop_reason": stop(spoken), "stop_sequence": null});
    if let Some(delta) = delta
        .as_object_mut()
        .filter(|_| !spoken.stop_details.is_null())
    {
        delta.insert("stop_details".to_owned(), spoken.stop_details.clone());
    }
    let closing = json!({"type": "message_delta", "delta": delta, "usage": usage(&spoken.usage, spoken.usage.output)});
    frames.push(Frame::event(
        "content_block_stop",
        &json!({"type": "content_block_stop", "index": 0}),
    ));
    if let Some(call) = &spoken.call {
        let block = tool_use(id, &call.name, &json!({}));
        let delta = |text| json!({"type": "input_json_delta", "partial_json": text});
        let halves = call
            .halves()
            .map(|text| json!({"type": "content_block_delta", "index": 1, "delta": delta(text)}));
        let begin = json!({"type": "content_block_start", "index": 1, "content_block": block});
        frames.push(Frame::event("content_block_start", &begin));
        frames.extend(halves.map(|half| Frame::event("content_block_delta", &half)));
        let end = json!({"type": "content_block_stop", "index": 1});
        frames.push(Frame::event("content_block_stop", &end));
    }
    frames.push(Frame::event("message_delta", &closing));
    frames.push(Frame::event("message_stop", &json!({"type": "message_stop"})).last());
    frames
}

const BODY_CAP: usize = 32 * 1024 * 1024;
