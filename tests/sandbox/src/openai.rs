//! A simulated `OpenAI`: Chat Completions, Responses, embeddings and models.

mod chat;
mod refusal;
mod responses;

pub use refusal::Refusal;

use crate::answer::Answer;
use crate::federation::{Trust, Trustee, Wire};
use crate::model::{Desk, Reply, words_of};
use crate::request::Request;
use crate::server::{Counterpart, Simulator};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// A running simulated `OpenAI`.
pub type OpenAi = Simulator<Completions>;

/// The state of a simulated `OpenAI`.
#[derive(Debug)]
pub struct Completions {
    pub(crate) desk: Desk,
    pub(crate) trustee: Trustee,
}

impl OpenAi {
    /// Lets the model answer the next request like this; called again, the one after that.
    pub fn reply_next(&self, reply: Reply) {
        self.state.desk.reply_next(reply);
    }

    /// Lets an issuer's assertions be exchanged for tokens, and takes nothing else from now on;
    /// `None` takes keys again.
    pub fn trust(&self, trust: Option<Trust>) {
        self.state.trustee.trust(trust);
    }

    /// Ends every token that was given.
    pub fn withdraw(&self) {
        self.state.trustee.withdraw();
    }

    /// Sets the pause between two events of a stream.
    pub fn pause(&self, gap: Duration) {
        self.state.desk.pause(gap);
    }
}

impl Counterpart for Completions {
    fn answer(&self, request: &Request, scripted: Option<Answer>) -> Answer {
        let answer = scripted.unwrap_or_else(|| self.route(request));
        answer
            .with("x-request-id", &self.desk.seed.name("req_"))
            .with("openai-organization", ORGANIZATION)
            .with("openai-project", "proj_sandbox_canary")
            .with("openai-version", "2020-10-01")
            .with("x-ratelimit-limit-requests", "10000")
            .with("x-ratelimit-remaining-requests", "9999")
            .with("x-ratelimit-reset-requests", "6ms")
            .with(
                "set-cookie",
                "__cf_bm=sandbox-cookie-canary; path=/; HttpOnly",
            )
            .with("server", "cloudflare")
    }
}

impl Completions {
    fn route(&self, request: &Request) -> Answer {
        if request.path() == "/oauth/token" {
            return self.trustee.exchange(request, &EXCHANGE);
        }
        let done = self.admit(request).and_then(|()| {
            match (&request.method, request.segments().as_slice()) {
                (&Method::POST, ["v1", "chat", "completions"]) => chat::create(&self.desk, request),
                (&Method::POST, ["v1", "responses"]) => responses::create(&self.desk, request),
                (&Method::POST, ["v1", "embeddings"]) => self.embed(request),
                (&Method::GET, ["v1", "models"]) => Ok(self.models()),
                (&Method::GET, ["v1", "models", model]) => self.model(model),
                _ => Err(Refused::new(
                    404,
                    &format!("Invalid URL ({} {})", request.method, request.path()),
                )),
            }
        });
        done.unwrap_or_else(Refused::answer)
    }

    fn admit(&self, request: &Request) -> Result<(), Refused> {
        let Some(key) = request.bearer() else {
            return Err(Refused::new(401, "You didn't provide an API key."));
        };
        let takes = self.trustee.takes(Some(key));
        if !takes.unwrap_or_else(|| self.desk.takes(key)) {
            return Err(Refused::new(401, "Incorrect API key provided.").coded("invalid_api_key"));
        }
        if let Some(named) = request.header("openai-organization") {
            let message = format!("No such organization: {named}.");
            return Err(Refused::new(401, &message).coded("invalid_organization"));
        }
        Ok(())
    }

    fn models(&self) -> Answer {
        let data: Vec<Value> = self.desk.models.iter().map(|id| self.card(id)).collect();
        Answer::json(StatusCode::OK, &json!({"object": "list", "data": data}))
    }

    fn model(&self, id: &str) -> Result<Answer, Refused> {
        if self.desk.models.iter().any(|known| known == id) {
            Ok(Answer::json(StatusCode::OK, &self.card(id)))
        } else {
            Err(unknown_model(id))
        }
    }

    fn card(&self, id: &str) -> Value {
        json!({"id": id, "object": "model", "created": self.desk.clock.now_s(), "owned_by": "sandbox"})
    }

    fn embed(&self, request: &Request) -> Result<Answer, Refused> {
        let asked = parse(&self.desk, request)?;
        let input = asked
            .get("input")
            .ok_or_else(|| Refused::missing("input"))?;
        let inputs = input.as_array().map_or(1, Vec::len);
        let used = crate::model::tokens(&words_of(input));
        let vectors = (0..inputs).map(|index| {
            json!({"object": "embedding", "index": index, "embedding": [0.5, -0.25, 0.125, 0.0625]})
        });
        let document = json!({
            "object": "list",
            "data": vectors.collect::<Vec<_>>(),
            "model": asked.get("model"),
            "usage": {"prompt_tokens": used, "total_tokens": used},
        });
        Ok(Answer::json(StatusCode::OK, &document))
    }
}

/// The body, with what every endpoint demands of it.
fn parse(desk: &Desk, request: &Request) -> Result<Map<String, Value>, Refused> {
    let json = request
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/json"));
    let Some(Value::Object(asked)) = request.json().filter(|_| json) else {
        return Err(Refused::new(
            400,
            "We could not parse the JSON body of your request.",
        ));
    };
    let Some(Value::String(model)) = asked.get("model") else {
        return Err(Refused::new(400, "you must provide a model parameter"));
    };
    if !desk.serves(model) {
        return Err(unknown_model(model));
    }
    if let Some(named) = asked.get("safety_identifier") {
        let fits = named
            .as_str()
            .is_some_and(|named| named.chars().count() <= 128);
        if !fits && !named.is_null() {
            let message = "Invalid 'safety_identifier': string too long. Expected a string with maximum length 128.";
            return Err(Refused::new(400, message)
                .about("safety_identifier")
                .coded("string_above_max_length"));
        }
    }
    if asked
        .get("stream")
        .is_some_and(|stream| !stream.is_boolean() && !stream.is_null())
    {
        return Err(
            Refused::new(400, "Invalid type for 'stream': expected a boolean.")
                .about("stream")
                .coded("invalid_type"),
        );
    }
    Ok(asked)
}

fn streams(asked: &Map<String, Value>) -> bool {
    asked
        .get("stream")
        .and_then(Value::as_bool)
        .unwrap_or(false)
}

fn unknown_model(id: &str) -> Refused {
    let message = format!("The model `{id}` does not exist or you do not have access to it.");
    Refused::new(404, &message).coded("model_not_found")
}

/// A request that is not answered as asked.
pub(crate) struct Refused {
    status: u16,
    message: String,
    param: Option<&'static str>,
    code: Option<&'static str>,
}

impl Refused {
    fn new(status: u16, message: &str) -> Self {
        Self {
            status,
            message: message.to_owned(),
            param: None,
            code: None,
        }
    }

    fn missing(param: &'static str) -> Self {
        Self::new(400, &format!("Missing required parameter: '{param}'."))
            .about(param)
            .coded("missing_required_parameter")
    }

    fn about(mut self, param: &'static str) -> Self {
        self.param = Some(param);
        self
    }

    fn coded(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    fn answer(self) -> Answer {
        let error = json!({
            "message": self.message,
            "type": "invalid_request_error",
            "param": self.param,
            "code": self.code,
        });
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Answer::json(status, &json!({"error": error}))
    }
}

/// The organisation that every answer names. It must not come out on the other side.
pub const ORGANIZATION: &str = "org-sandbox-canary";

/// RFC 8693, with what OpenAI adds to it.
const EXCHANGE: Wire = Wire {
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    assertion: "subject_token",
    constants: &[("subject_token_type", "urn:ietf:params:oauth:token-type:jwt")],
    betas: &[],
    prefix: "oaiat_",
};

#[cfg(test)]
mod tests;
