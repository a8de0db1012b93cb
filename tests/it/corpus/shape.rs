//! What a request is made of, without what it says.

use std::collections::BTreeSet;

use bauta_sandbox::Request;
use serde_json::Value;

use super::beyond;

/// The names of headers and members of some requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    pub(super) headers: BTreeSet<String>,
    /// Paths of members, as far as a client and not a conversation makes them.
    pub(super) members: BTreeSet<String>,
}

impl Shape {
    pub(super) fn of(requests: &[Request]) -> Self {
        let mut shape = Self::default();
        for request in requests {
            let names = request.headers.keys().map(ToString::to_string);
            shape
                .headers
                .extend(names.filter(|name| is_the_clients(name)));
            if let Some(body) = request.json() {
                shape.look(&body, "");
            }
        }
        shape
    }

    /// What was recorded: the members by name, since the bodies are cut.
    pub(super) fn of_corpus(file: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let requests = file["requests"].as_array().unwrap().iter();
        let headers = requests.flat_map(|it| it["headers"].as_object().unwrap().keys().cloned());
        Self {
            headers: headers.collect(),
            members: file["members"]
                .as_array()
                .unwrap()
                .iter()
                .map(text)
                .collect(),
        }
    }

    /// What is here and not in `known`, in a line each.
    pub(super) fn news(&self, known: &Self) -> Vec<String> {
        let headers = beyond(&self.headers, &known.headers);
        let members = beyond(&self.members, &known.members);
        let headers = headers.iter().map(|name| format!("  header `{name}`"));
        let members = members.iter().map(|name| format!("  member `{name}`"));
        headers.chain(members).collect()
    }

    fn look(&mut self, value: &Value, at: &str) {
        match value {
            Value::Object(members) => {
                for (key, value) in members {
                    let path = match at {
                        "" => key.clone(),
                        _ => format!("{at}.{}", told(key)),
                    };
                    self.members.insert(path.clone());
                    if !FREE.contains(&key.as_str()) {
                        self.look(value, &path);
                    }
                }
            }
            Value::Array(values) => {
                for value in values {
                    self.look(value, &format!("{at}[]"));
                }
            }
            // Clients put documents into texts where a provider takes a text only.
            Value::String(text) if NAMING.iter().any(|start| at.starts_with(start)) => {
                if let Ok(inner @ Value::Object(_)) = serde_json::from_str(text) {
                    self.look(&inner, &format!("{at}!"));
                }
            }
            _ => {}
        }
    }
}

/// Whether a header is not the application's that uses an SDK.
pub(super) fn is_the_clients(name: &str) -> bool {
    !name.starts_with("x-canary-")
}

/// A key that is a path or an address is a value in disguise.
fn told(key: &str) -> &str {
    if key.contains(['/', '@', ':']) {
        "*"
    } else {
        key
    }
}

/// Below these keys stands what a tool or a conversation makes.
const FREE: [&str; 10] = [
    "input_schema",
    "parameters",
    "parametersJsonSchema",
    "parameters_json_schema",
    "schema",
    "input",
    "args",
    "arguments",
    "response",
    "properties",
];

/// Where clients put documents into texts.
const NAMING: [&str; 2] = ["metadata", "client_metadata"];
