//! Recordings as they can be committed: nothing of the machine that made them, no long text that is
//! somebody's work, and every canary where it was.

use std::{collections::BTreeMap, fs};

use bauta_sandbox::Request;
use serde_json::{Map, Value, json};

use super::{KEY, shape::is_the_clients};
use crate::desk::{CANARIES, Desk};

/// Makes values plain, the same one always in the same way.
pub(super) struct Plain {
    /// What is this machine's, and what stands for it.
    machine: Vec<(String, &'static str)>,
    /// Ids in the order in which they came.
    ids: BTreeMap<String, String>,
}

impl Plain {
    pub(super) fn new(desk: &Desk) -> Self {
        let folder = desk.folder.path().to_str().unwrap().to_owned();
        let dashed = folder.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let mut machine = vec![(folder, "/desk"), (dashed, "-desk")];
        for (file, stands_for) in [
            ("/proc/sys/kernel/hostname", "desk-canary"),
            ("/proc/sys/kernel/osrelease", "6.1.0-canary"),
            ("/proc/sys/kernel/version", "#1 SMP canary"),
        ] {
            let told = fs::read_to_string(file).unwrap_or_default();
            if told.trim().len() >= 4 {
                machine.push((told.trim().to_owned(), stands_for));
            }
        }
        Self {
            machine,
            ids: BTreeMap::new(),
        }
    }

    pub(super) fn request(&mut self, request: &Request) -> Value {
        let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in &request.headers {
            if is_the_clients(name.as_str()) {
                let value = self.text(value.to_str().unwrap());
                headers.entry(name.to_string()).or_default().push(value);
            }
        }
        let body = request.json().map_or(Value::Null, |it| self.value(it, ""));
        json!({
            "method": request.method.as_str(),
            "target": self.text(&request.target),
            "headers": headers,
            "body": body,
        })
    }

    fn value(&mut self, value: Value, key: &str) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(values) => values.into_iter().map(|it| self.value(it, key)).collect(),
            Value::Object(_) if SCHEMAS.contains(&key) => json!({ "type": "object" }),
            Value::Object(members) => {
                let members = members.into_iter();
                let members = members.map(|(key, value)| {
                    let value = self.value(value, &key);
                    (self.text(&key), value)
                });
                Value::Object(members.collect::<Map<_, _>>())
            }
            other => other,
        }
    }

    fn text(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for (own, stands_for) in &self.machine {
            text = text.replace(own, stands_for);
        }
        cut(&self.numbered(&ports(&text)))
    }

    /// Each id by its number.
    fn numbered(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut run = String::new();
        for c in text.chars().chain(['\0']) {
            if c.is_ascii_hexdigit() || c == '-' {
                run.push(c);
                continue;
            }
            let known = if is_id(&run) {
                let n = self.ids.len() + 1;
                let as_number = numbered(&run, n);
                self.ids.entry(run.clone()).or_insert(as_number).clone()
            } else {
                run.clone()
            };
            out.push_str(&known);
            run.clear();
            if c != '\0' {
                out.push(c);
            }
        }
        out
    }
}

/// A UUID, or a hash.
fn is_id(run: &str) -> bool {
    let dashes: Vec<usize> = run.match_indices('-').map(|(at, _)| at).collect();
    match run.len() {
        36 => dashes == [8, 13, 18, 23],
        32.. => dashes.is_empty(),
        _ => false,
    }
}

/// As long as `id`, with its dashes, and all zeros but for the number at its end.
fn numbered(id: &str, n: usize) -> String {
    let digits = format!("{n:x}");
    let head = id.len() - digits.len();
    let zeros = id[..head].chars().map(|c| if c == '-' { '-' } else { '0' });
    zeros.collect::<String>() + &digits
}

/// Every port of this run as the same one.
fn ports(text: &str) -> String {
    let host = "127.0.0.1:";
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(host) {
        let (before, after) = rest.split_at(at + host.len());
        out.push_str(before);
        out.push('1');
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    out + rest
}

/// What is around each canary of a long text, and how it begins.
fn cut(text: &str) -> String {
    if text.len() <= LONG {
        return text.to_owned();
    }
    let mut windows = vec![(0, BEGINNING)];
    for canary in CANARIES
        .iter()
        .map(|(_, value)| *value)
        .chain([KEY, "canary"])
    {
        let places = text.match_indices(canary);
        windows.extend(places.map(|(at, _)| {
            let end = at + canary.len() + AFTER;
            (at.saturating_sub(BEFORE), end)
        }));
    }
    windows.sort_unstable();
    let (mut out, mut at) = (String::new(), 0);
    for (from, to) in windows {
        let (from, to) = (edge(text, from), edge(text, to));
        if to <= at {
            continue;
        }
        if from > at {
            out.push_str("[...]");
        }
        out.push_str(&text[from.max(at)..to]);
        at = to;
    }
    if at < text.len() {
        out.push_str("[...]");
    }
    out
}

/// The next place where a letter begins.
fn edge(text: &str, at: usize) -> usize {
    (at..)
        .find(|at| *at >= text.len() || text.is_char_boundary(*at))
        .unwrap()
        .min(text.len())
}

const LONG: usize = 600;
const BEGINNING: usize = 60;
const BEFORE: usize = 160;
const AFTER: usize = 40;

/// What describes tools: their work, and long.
const SCHEMAS: [&str; 5] = [
    "input_schema",
    "parameters",
    "parametersJsonSchema",
    "parameters_json_schema",
    "schema",
];
