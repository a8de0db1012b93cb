//! The models a token opens, in the caller's dialect.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    admit::Call,
    dialect::Dialect,
    redeem::Pass,
    route::{Bearer, Model, Models},
};

/// The list, or the one model that `call` names. `None` when the token opens none of that name.
#[must_use]
pub fn list(models: &Models, pass: &Pass, call: &Call) -> Option<Response> {
    let dialect = call.dialect();
    let open = models.iter().filter(|model| opens(pass, model, dialect));
    let Some(named) = call.named() else {
        let data: Vec<Value> = open.map(|model| entry(model, dialect)).collect();
        return Some(Json(page(&data, dialect)).into_response());
    };
    let asked = models.find(named, &Bearer::scope(pass).models)?;
    let model = open
        .into_iter()
        .find(|model| model.name() == asked.name())?;
    Some(Json(entry(model, dialect)).into_response())
}

/// Whether a request for `model` under `pass` would be routed anywhere.
pub(crate) fn opens(pass: &Pass, model: &Model, dialect: Dialect) -> bool {
    let satisfied = model.gated_by().is_none_or(|gate| pass.satisfies(gate));
    let mut doors = model.doors().iter();
    Bearer::scope(pass).models.contains(model.name())
        && doors.any(|door| {
            door.dialect() == dialect
                && (satisfied || door.is_fallback())
                && pass.is_known_to(door.provider())
        })
}

fn entry(model: &Model, dialect: Dialect) -> Value {
    let name = model.name().as_str();
    match dialect {
        Dialect::Anthropic => json!({
            "type": "model",
            "id": name,
            "display_name": name,
            "created_at": "1970-01-01T00:00:00Z",
        }),
        Dialect::OpenAi => json!({
            "id": name,
            "object": "model",
            "created": 0,
            "owned_by": "bauta",
        }),
        // Which methods a model knows is not configured: the provider refuses the others.
        Dialect::Gemini => json!({
            "name": format!("models/{name}"),
            "version": "bauta",
            "displayName": name,
            "inputTokenLimit": model.context(),
            "outputTokenLimit": model.max_output(),
            "supportedGenerationMethods":
                ["generateContent", "countTokens", "embedContent", "batchEmbedContents"],
        }),
    }
}

fn page(data: &[Value], dialect: Dialect) -> Value {
    match dialect {
        Dialect::Anthropic => {
            let id = |entry: Option<&Value>| entry.and_then(|entry| entry.get("id")).cloned();
            let (first, last) = (id(data.first()), id(data.last()));
            json!({ "data": data, "has_more": false, "first_id": first, "last_id": last })
        }
        Dialect::OpenAi => json!({ "object": "list", "data": data }),
        Dialect::Gemini => json!({ "models": data }),
    }
}
