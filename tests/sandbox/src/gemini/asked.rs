//! The body of a call, with what the API demands of it.

use super::Refused;
use crate::model::names;
use crate::request::Request;
use serde_json::{Map, Value};

/// What is asked of a model.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verb {
    Generate,
    Stream,
    Count,
    Embed,
    BatchEmbed,
}

impl Verb {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "generateContent" => Self::Generate,
            "streamGenerateContent" => Self::Stream,
            "countTokens" => Self::Count,
            "embedContent" => Self::Embed,
            "batchEmbedContents" => Self::BatchEmbed,
            _ => return None,
        })
    }

    /// The fields of its request, as `lowerCamelCase`. Another one is an error there, not a whim.
    fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Generate | Self::Stream => &GENERATE,
            Self::Count => &["model", "contents", "generateContentRequest"],
            Self::Embed => &EMBED,
            Self::BatchEmbed => &["requests"],
        }
    }
}

/// A body that the API would take.
pub(super) struct Asked {
    /// Every text in it.
    pub(super) words: String,
    /// How many tokens the answer may have.
    pub(super) cap: Option<u64>,
    /// How many texts there are to embed.
    pub(super) texts: usize,
    /// The names of the functions that may be called.
    pub(super) functions: Vec<String>,
}

impl Asked {
    pub(super) fn parse(request: &Request, verb: Verb, model: &str) -> Result<Self, Refused> {
        let json = request
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/json"));
        let Some(Value::Object(body)) = request.json().filter(|_| json) else {
            return Err(Refused::invalid("Invalid JSON payload received."));
        };
        known(&body, verb.fields(), model)?;
        let config = field(&body, "generationConfig");
        let cap = config.and_then(Value::as_object).and_then(|config| {
            let cap = field(config, "maxOutputTokens")?;
            cap.as_u64()
        });
        let mut texts = 1;
        let words = match verb {
            Verb::Generate | Verb::Stream => contents(&body)?,
            Verb::Count => match field(&body, "generateContentRequest") {
                Some(Value::Object(inner)) => {
                    known(inner, &GENERATE, model)?;
                    named(inner)?;
                    contents(inner)?
                }
                _ => contents(&body)?,
            },
            Verb::Embed => content(&body)?,
            Verb::BatchEmbed => {
                let requests = field(&body, "requests").and_then(Value::as_array);
                let requests = requests.map(Vec::as_slice).unwrap_or_default();
                texts = requests.len();
                let mut words = Vec::with_capacity(texts);
                for one in requests.iter().filter_map(Value::as_object) {
                    known(one, &EMBED, model)?;
                    named(one)?;
                    words.push(content(one)?);
                }
                words.join(" ")
            }
        };
        Ok(Self {
            words,
            cap,
            texts,
            functions: functions(&body),
        })
    }
}

/// A field under either of the names that protobuf's JSON takes.
fn field<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| object.get(&snake(name)))
}

fn snake(name: &str) -> String {
    name.chars().fold(String::new(), |mut out, letter| {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
        out
    })
}

/// Refuses a field that does not exist, and another model than the one of the path.
fn known(object: &Map<String, Value>, names: &[&str], model: &str) -> Result<(), Refused> {
    for name in object.keys() {
        if !names.iter().any(|one| one == name || snake(one) == *name) {
            return Err(Refused::invalid(&format!(
                "Invalid JSON payload received. Unknown name \"{name}\": Cannot find field."
            )));
        }
    }
    let other = |named: &Value| named.as_str() != Some(&format!("models/{model}"));
    if object.get("model").is_some_and(other) {
        return Err(Refused::invalid(
            "Model in the request does not match the model in the path.",
        ));
    }
    Ok(())
}

/// Where the model must be named beside the path.
fn named(object: &Map<String, Value>) -> Result<(), Refused> {
    let named = object.contains_key("model");
    named
        .then_some(())
        .ok_or_else(|| Refused::invalid("* model: unexpected model name format"))
}

fn functions(object: &Map<String, Value>) -> Vec<String> {
    let tools = field(object, "tools").and_then(Value::as_array);
    let tools = tools.into_iter().flatten().filter_map(Value::as_object);
    let declared = tools.filter_map(|tool| field(tool, "functionDeclarations"));
    declared
        .flat_map(|all| names(Some(all), "/name"))
        .map(str::to_owned)
        .collect()
}

fn contents(object: &Map<String, Value>) -> Result<String, Refused> {
    let contents = field(object, "contents").ok_or_else(|| {
        Refused::invalid("* GenerateContentRequest.contents: contents is not specified")
    })?;
    Ok(texts(contents))
}

fn content(object: &Map<String, Value>) -> Result<String, Refused> {
    let content = field(object, "content")
        .ok_or_else(|| Refused::invalid("* EmbedContentRequest.content: content is required"))?;
    Ok(texts(content))
}

/// Every text of the parts of one or several contents.
fn texts(value: &Value) -> String {
    match value {
        Value::Array(all) => all.iter().map(texts).collect::<Vec<_>>().join(" "),
        Value::Object(one) => match (one.get("parts"), one.get("text")) {
            (Some(parts), _) => texts(parts),
            (None, Some(Value::String(text))) => text.clone(),
            _ => String::new(),
        },
        _ => String::new(),
    }
}

const GENERATE: [&str; 9] = [
    "model",
    "contents",
    "systemInstruction",
    "generationConfig",
    "safetySettings",
    "tools",
    "toolConfig",
    "cachedContent",
    "labels",
];

const EMBED: [&str; 5] = [
    "model",
    "content",
    "taskType",
    "title",
    "outputDimensionality",
];
