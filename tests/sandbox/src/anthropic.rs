//! A simulated Anthropic: Messages, token counts and models, as their clients expect them.

mod messages;
mod refusal;

pub use refusal::Refusal;

use crate::answer::Answer;
use crate::federation::{Trust, Trustee, Wire};
use crate::model::{Desk, Reply};
use crate::request::Request;
use crate::server::{Counterpart, Simulator};
use crate::sse::Frame;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

/// A running simulated Anthropic.
pub type Anthropic = Simulator<Messages>;

/// The state of a simulated Anthropic.
#[derive(Debug)]
pub struct Messages {
    pub(crate) desk: Desk,
    pub(crate) trustee: Trustee,
}

impl Anthropic {
    /// Lets the model answer the next message like this; called again, the one after that.
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

    /// The error event that ends a stream in the middle, for [`Fault::Interrupt`](crate::Fault).
    #[must_use]
    pub fn error_event(kind: &str, message: &str) -> Bytes {
        let event = json!({"type": "error", "error": {"type": kind, "message": message}});
        Frame::event("error", &event).bytes
    }
}

impl Counterpart for Messages {
    fn answer(&self, request: &Request, scripted: Option<Answer>) -> Answer {
        let id = self.desk.seed.name("req_");
        let answer = scripted.unwrap_or_else(|| self.route(request, &id));
        usual(answer, &id)
    }
}

impl Messages {
    fn route(&self, request: &Request, id: &str) -> Answer {
        if request.path() == "/v1/oauth/token" {
            return self.trustee.exchange(request, &EXCHANGE);
        }
        let done = self.admit(request).and_then(|()| {
            match (&request.method, request.segments().as_slice()) {
                (&Method::POST, ["v1", "messages"]) => messages::create(&self.desk, request),
                (&Method::POST, ["v1", "messages", "count_tokens"]) => {
                    messages::count(&self.desk, request)
                }
                (&Method::GET, ["v1", "models"]) => Ok(self.models()),
                (&Method::GET, ["v1", "models", model]) => self.model(model),
                _ => Err(Refused::new(404, "not_found_error", "Not found")),
            }
        });
        done.unwrap_or_else(|refused| refused.answer(id))
    }

    /// The checks before any body is looked at.
    fn admit(&self, request: &Request) -> Result<(), Refused> {
        let unknown = || Refused::new(401, "authentication_error", "invalid x-api-key");
        if let Some(good) = self.trustee.takes(request.bearer()) {
            return admit_token(request, good);
        }
        let Some(key) = request.header("x-api-key").or_else(|| request.bearer()) else {
            return Err(Refused::new(
                401,
                "authentication_error",
                "x-api-key header is required",
            ));
        };
        if key.is_empty() || !self.desk.takes(key) {
            return Err(unknown());
        }
        if request
            .header("anthropic-version")
            .is_none_or(str::is_empty)
        {
            return Err(Refused::invalid("anthropic-version: header is required"));
        }
        if request.headers.contains_key("anthropic-user-profile-id") {
            // No profile is ever created here: whatever came was the client's own idea.
            return Err(
                Refused::invalid("anthropic-user-profile-id: profile not found")
                    .coded("user_profile_not_found"),
            );
        }
        Ok(())
    }

    fn models(&self) -> Answer {
        let data: Vec<Value> = self.desk.models.iter().map(|id| model(id)).collect();
        let list = json!({
            "first_id": self.desk.models.first(),
            "last_id": self.desk.models.last(),
            "has_more": false,
            "data": data,
        });
        Answer::json(StatusCode::OK, &list)
    }

    fn model(&self, id: &str) -> Result<Answer, Refused> {
        if self.desk.models.iter().any(|known| known == id) {
            Ok(Answer::json(StatusCode::OK, &model(id)))
        } else {
            Err(Refused::new(
                404,
                "not_found_error",
                &format!("model: {id}"),
            ))
        }
    }
}

/// A token stands in one header, and another says that it is one.
fn admit_token(request: &Request, good: bool) -> Result<(), Refused> {
    let betas = request.headers.get_all("anthropic-beta").iter();
    let mut betas = betas.filter_map(|value| value.to_str().ok());
    let is_oauth = betas.any(|list| list.split(',').any(|it| it.trim() == OAUTH));
    let alone = !request.headers.contains_key("x-api-key");
    if good && is_oauth && alone {
        return Ok(());
    }
    Err(Refused::new(
        401,
        "authentication_error",
        "invalid bearer token",
    ))
}

fn model(id: &str) -> Value {
    json!({"type": "model", "id": id, "display_name": format!("{id} (simulated)"), "created_at": "2026-04-16T00:00:00Z"})
}

/// The headers that come with everything, among them those that name our customer.
fn usual(answer: Answer, id: &str) -> Answer {
    answer
        .with("request-id", id)
        .with("anthropic-organization-id", ORGANIZATION)
        .with("anthropic-ratelimit-requests-limit", "4000")
        .with("anthropic-ratelimit-requests-remaining", "3999")
        .with("anthropic-ratelimit-requests-reset", "2026-11-20T10:00:01Z")
        .with(
            "set-cookie",
            "__cf_bm=sandbox-cookie-canary; path=/; HttpOnly",
        )
        .with("server", "cloudflare")
        .with("cf-ray", "sandbox-ray-canary")
}

/// A request that is not answered as asked.
pub(crate) struct Refused {
    status: u16,
    kind: &'static str,
    message: String,
    code: Option<&'static str>,
}

impl Refused {
    fn new(status: u16, kind: &'static str, message: &str) -> Self {
        Self {
            status,
            kind,
            message: message.to_owned(),
            code: None,
        }
    }

    fn invalid(message: &str) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    fn coded(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    fn answer(self, request_id: &str) -> Answer {
        let mut error = json!({"type": self.kind, "message": self.message});
        if let (Some(code), Some(error)) = (self.code, error.as_object_mut()) {
            error.insert("details".to_owned(), json!({"error_code": code}));
        }
        let body = json!({"type": "error", "error": error, "request_id": request_id});
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Answer::json(status, &body)
    }
}

/// The organisation that every answer names. It must not come out on the other side.
pub const ORGANIZATION: &str = "sandbox-organization-canary";

const OAUTH: &str = "oauth-2025-04-20";

/// RFC 7523, with what Anthropic adds to it.
const EXCHANGE: Wire = Wire {
    grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
    assertion: "assertion",
    constants: &[],
    betas: &[OAUTH, "oidc-federation-2026-04-01"],
    prefix: "sk-ant-oat01-",
};

#[cfg(test)]
mod tests;
