//! A simulated Gemini API: content, whole and streamed, counts of tokens, embeddings and models.
//!
//! The model stands in the path, answers are what protobuf makes of JSON (a field that is zero is
//! left out), streams end their lines with a carriage return and have no mark at their end.

mod asked;
mod refusal;

pub use refusal::Refusal;

use crate::answer::Answer;
use crate::model::{Call, Desk, Reply, Spoken, Usage, tokens};
use crate::request::Request;
use crate::server::{Counterpart, Simulator};
use crate::sse::Frame;
use asked::{Asked, Verb};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

/// A running simulated Gemini API.
pub type Gemini = Simulator<Contents>;

/// The state of a simulated Gemini API.
#[derive(Debug)]
pub struct Contents {
    pub(crate) desk: Desk,
}

impl Gemini {
    /// Lets the model answer the next request like this; called again, the one after that.
    pub fn reply_next(&self, reply: Reply) {
        self.state.desk.reply_next(reply);
    }

    /// Sets the pause between two events of a stream.
    pub fn pause(&self, gap: Duration) {
        self.state.desk.pause(gap);
    }
}

impl Counterpart for Contents {
    fn answer(&self, request: &Request, scripted: Option<Answer>) -> Answer {
        let answer = scripted.unwrap_or_else(|| self.route(request));
        answer
            .with("server", "scaffolding on HTTPServer2")
            .with("server-timing", "gfet4t7; dur=12")
            .with("x-frame-options", "SAMEORIGIN")
            .with("alt-svc", "h3=\":443\"; ma=2592000")
            .with("set-cookie", "NID=sandbox-cookie-canary; path=/; HttpOnly")
            .with("x-goog-project-canary", PROJECT)
    }
}

impl Contents {
    fn route(&self, request: &Request) -> Answer {
        let done = self
            .admit(request)
            .and_then(|()| match request.segments().as_slice() {
                ["v1" | "v1beta", "models"] if request.method == Method::GET => Ok(self.models()),
                ["v1" | "v1beta", "models", model] if request.method == Method::GET => {
                    self.model(model)
                }
                ["v1" | "v1beta", "models", call] if request.method == Method::POST => {
                    self.call(request, call)
                }
                _ => Err(Refused::not_found("Requested entity was not found.")),
            });
        done.unwrap_or_else(Refused::answer)
    }

    fn admit(&self, request: &Request) -> Result<(), Refused> {
        let query = request
            .query()
            .ok_or_else(|| Refused::invalid("Invalid query."))?;
        let key = request.header("x-goog-api-key").map(ToOwned::to_owned);
        let Some(key) = key.or_else(|| query.get("key").cloned()) else {
            return Err(Refused::new(
                403,
                "PERMISSION_DENIED",
                "Method doesn't allow unregistered callers (callers without established identity). \
                 Please use API Key or other form of API consumer identity to call this API.",
            ));
        };
        if self.desk.takes(&key) {
            return Ok(());
        }
        Err(Refused::invalid(
            "API key not valid. Please pass a valid API key.",
        ))
    }

    fn models(&self) -> Answer {
        let models: Vec<Value> = self.desk.models.iter().map(|id| card(id)).collect();
        Answer::json(StatusCode::OK, &json!({ "models": models }))
    }

    fn model(&self, id: &str) -> Result<Answer, Refused> {
        if self.desk.models.iter().any(|known| known == id) {
            return Ok(Answer::json(StatusCode::OK, &card(id)));
        }
        Err(unknown(id))
    }

    fn call(&self, request: &Request, call: &str) -> Result<Answer, Refused> {
        let (model, verb) = call
            .split_once(':')
            .and_then(|(model, verb)| Some((model, Verb::parse(verb)?)))
            .ok_or_else(|| Refused::not_found("Requested entity was not found."))?;
        if !self.desk.serves(model) {
            return Err(unknown(model));
        }
        let asked = Asked::parse(request, verb, model)?;
        match verb {
            Verb::Generate => Ok(self.generate(model, &asked)),
            Verb::Stream => self.stream(request, model, &asked),
            Verb::Count => Ok(count(&asked)),
            Verb::Embed => Ok(embed(&asked)),
            Verb::BatchEmbed => Ok(batch_embed(&asked)),
        }
    }

    fn generate(&self, model: &str, asked: &Asked) -> Answer {
        let (spoken, id) = self.speak(asked);
        let mut document = chunk(
            model,
            &id,
            &spoken.text,
            Some(stop(&spoken)),
            &usage(&spoken.usage),
        );
        calling(&mut document, spoken.call.as_ref());
        Answer::json(StatusCode::OK, &document)
    }

    fn stream(&self, request: &Request, model: &str, asked: &Asked) -> Result<Answer, Refused> {
        let (spoken, id) = self.speak(asked);
        let so_far = json!({ "promptTokenCount": prompt(&spoken.usage) });
        let mut deltas = spoken.deltas();
        let last = deltas.pop().unwrap_or_default();
        let mut chunks: Vec<Value> = deltas
            .iter()
            .map(|text| chunk(model, &id, text, None, &so_far))
            .collect();
        let whole = usage(&spoken.usage);
        let mut end = chunk(model, &id, &last, Some(stop(&spoken)), &whole);
        calling(&mut end, spoken.call.as_ref());
        chunks.push(end);
        let query = request.query().unwrap_or_default();
        match query.get("alt").map(String::as_str) {
            Some("sse") => {
                let mut frames: Vec<Frame> = chunks
                    .iter()
                    .map(|chunk| Frame::raw(format!("data: {chunk}\r\n\r\n")))
                    .collect();
                if let Some(last) = frames.pop() {
                    frames.push(last.last());
                }
                Ok(Answer::events(frames, self.desk.gap())
                    .with("content-type", "text/event-stream"))
            }
            None | Some("json") => {
                let chunks: Vec<String> = chunks.iter().map(Value::to_string).collect();
                let array = format!("[{}\n]\n", chunks.join("\n,\r\n"));
                Ok(Answer::bytes(StatusCode::OK, "application/json", array))
            }
            Some(_) => Err(Refused::invalid("Invalid value for alt.")),
        }
    }

    fn speak(&self, asked: &Asked) -> (Spoken, String) {
        let offered: Vec<&str> = asked.functions.iter().map(String::as_str).collect();
        let spoken = self.desk.speak(&asked.words, asked.cap, None, &offered);
        (spoken, self.desk.seed.name(""))
    }
}

/// One answer, or one piece of a stream.
fn chunk(model: &str, id: &str, text: &str, stop: Option<&str>, usage: &Value) -> Value {
    let mut candidate = json!({
        "content": {"parts": [{"text": text}], "role": "model"},
        "index": 0,
    });
    if let (Some(stop), Some(candidate)) = (stop, candidate.as_object_mut()) {
        candidate.insert("finishReason".to_owned(), json!(stop));
    }
    json!({
        "candidates": [candidate],
        "usageMetadata": usage,
        "modelVersion": model,
        "responseId": id,
    })
}

/// Adds the call of a function, which comes whole, beside the text.
fn calling(chunk: &mut Value, call: Option<&Call>) {
    let parts = chunk.pointer_mut("/candidates/0/content/parts");
    if let (Some(call), Some(parts)) = (call, parts.and_then(Value::as_array_mut)) {
        parts.push(json!({"functionCall": {"name": call.name, "args": call.input}}));
    }
}

fn stop(spoken: &Spoken) -> &str {
    let natural = if spoken.full { "MAX_TOKENS" } else { "STOP" };
    spoken.stop.as_deref().unwrap_or(natural)
}

/// What the cache gave is part of what was read.
fn prompt(usage: &Usage) -> u64 {
    usage.input.saturating_add(usage.cache_read)
}

/// What was thought is told beside what was said; what is zero is not told.
fn usage(usage: &Usage) -> Value {
    let said = usage.output.saturating_sub(usage.reasoning);
    let told = [
        ("promptTokenCount", prompt(usage)),
        ("candidatesTokenCount", said),
        ("thoughtsTokenCount", usage.reasoning),
        ("cachedContentTokenCount", usage.cache_read),
        (
            "totalTokenCount",
            prompt(usage).saturating_add(usage.output),
        ),
    ];
    let told = told.into_iter().filter(|(_, count)| *count > 0);
    told.map(|(name, count)| (name.to_owned(), json!(count)))
        .collect()
}

fn count(asked: &Asked) -> Answer {
    let total = tokens(&asked.words);
    let details = json!([{"modality": "TEXT", "tokenCount": total}]);
    let document = json!({"totalTokens": total, "promptTokensDetails": details});
    Answer::json(StatusCode::OK, &document)
}

fn embed(asked: &Asked) -> Answer {
    let document = json!({"embedding": vector(), "usageMetadata": read(asked)});
    Answer::json(StatusCode::OK, &document)
}

fn batch_embed(asked: &Asked) -> Answer {
    let vectors: Vec<Value> = (0..asked.texts).map(|_| vector()).collect();
    let document = json!({"embeddings": vectors, "usageMetadata": read(asked)});
    Answer::json(StatusCode::OK, &document)
}

fn vector() -> Value {
    json!({"values": [0.5, -0.25, 0.125, 0.0625]})
}

fn read(asked: &Asked) -> Value {
    json!({"promptTokenCount": tokens(&asked.words)})
}

fn card(id: &str) -> Value {
    json!({
        "name": format!("models/{id}"),
        "version": "001",
        "displayName": id,
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    })
}

fn unknown(id: &str) -> Refused {
    Refused::not_found(&format!(
        "models/{id} is not found for API version v1beta, or is not supported for this method."
    ))
}

/// A request that is not answered as asked.
pub(crate) struct Refused {
    code: u16,
    status: &'static str,
    message: String,
}

impl Refused {
    fn new(code: u16, status: &'static str, message: &str) -> Self {
        Self {
            code,
            status,
            message: message.to_owned(),
        }
    }

    fn invalid(message: &str) -> Self {
        Self::new(400, "INVALID_ARGUMENT", message)
    }

    fn not_found(message: &str) -> Self {
        Self::new(404, "NOT_FOUND", message)
    }

    fn answer(self) -> Answer {
        refusal::document(self.code, self.status, &self.message)
    }
}

/// The project that every answer names. It must not come out on the other side.
pub const PROJECT: &str = "projects/sandbox-canary";

#[cfg(test)]
mod tests;
