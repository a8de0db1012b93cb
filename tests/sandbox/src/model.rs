//! The simulated language model that every provider dialect speaks for.

use crate::clock::Clock;
use crate::seed::Seed;
use ring::digest::{SHA256, digest};
use serde_json::Value;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How the simulated models behave.
#[derive(Clone, Debug)]
pub struct Options {
    /// The pause between two events of a stream.
    pub gap: Duration,
    /// The models that exist. Any other name is refused, unless the list is empty.
    pub models: Vec<String>,
    /// The API keys that are accepted; any when empty.
    pub keys: Vec<String>,
}

impl Options {
    /// Models of these names, any key, a pause that a person can see and a test does not feel.
    #[must_use]
    pub fn serving(models: &[&str]) -> Self {
        Self {
            gap: Duration::from_millis(2),
            models: models.iter().map(ToString::to_string).collect(),
            keys: Vec::new(),
        }
    }
}

/// An answer chosen by a test. What is `None` stays as the simulator would have it.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// The text.
    pub text: Option<String>,
    /// `stop_reason`, `finish_reason` or `finishReason`.
    pub stop: Option<String>,
    /// Anthropic's `stop_details`, as for a refusal.
    pub stop_details: Option<Value>,
    /// What it is said to have used.
    pub usage: Option<Usage>,
    /// A tool that it wants used, after the text. The reply waits for a request that offers a tool
    /// of this name: clients ask small things on the side, and those get answers of their own.
    pub call: Option<Call>,
}

/// A tool that a model wants used.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Its name, as the client offers it.
    pub name: String,
    /// What it is called with: an object.
    pub input: Value,
}

/// Tokens used by one request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// Read and not cached.
    pub input: u64,
    /// Written, reasoning included.
    pub output: u64,
    /// Of `output`, spent on reasoning. Anthropic does not say so.
    pub reasoning: u64,
    /// Read from the cache.
    pub cache_read: u64,
    /// Written to the cache for five minutes. Only Anthropic says so.
    pub cache_write_5m: u64,
    /// Written to the cache for an hour. Only Anthropic says so.
    pub cache_write_1h: u64,
}

/// One simulated model, whatever the dialect.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) clock: Clock,
    pub(crate) seed: Seed,
    pub(crate) models: Vec<String>,
    keys: Vec<String>,
    moods: Mutex<Moods>,
}

#[derive(Debug)]
struct Moods {
    gap: Duration,
    replies: VecDeque<Reply>,
    cached: BTreeSet<Vec<u8>>,
}

impl Desk {
    pub(crate) fn new(options: Options, clock: Clock, seed: Seed) -> Self {
        Self {
            clock,
            seed,
            models: options.models,
            keys: options.keys,
            moods: Mutex::new(Moods {
                gap: options.gap,
                replies: VecDeque::new(),
                cached: BTreeSet::new(),
            }),
        }
    }

    pub(crate) fn gap(&self) -> Duration {
        self.lock().gap
    }

    pub(crate) fn pause(&self, gap: Duration) {
        self.lock().gap = gap;
    }

    pub(crate) fn reply_next(&self, reply: Reply) {
        self.lock().replies.push_back(reply);
    }

    pub(crate) fn takes(&self, key: &str) -> bool {
        self.keys.is_empty() || self.keys.iter().any(|known| known == key)
    }

    pub(crate) fn serves(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|known| known == model)
    }

    /// What the model says to `heard` in at most `cap` tokens, and what it used.
    ///
    /// `cacheable` is what the provider would keep: the first time it is written to the cache, from
    /// then on read from there. `offered` are the names of the tools that may be used.
    pub(crate) fn speak(
        &self,
        heard: &str,
        cap: Option<u64>,
        cacheable: Option<&[u8]>,
        offered: &[&str],
    ) -> Spoken {
        let reply = self.next_reply(offered).unwrap_or_default();
        let mut text = reply.text.unwrap_or_else(|| friendly(heard));
        let full = cap.is_some_and(|cap| tokens(&text) > cap);
        if let Some(cap) = cap.filter(|_| full) {
            text = head(&text, cap);
        }
        let usage = reply.usage.unwrap_or_else(|| {
            let mut usage = self.cached(cacheable);
            usage.input = tokens(heard);
            usage.output = tokens(&text);
            usage
        });
        Spoken {
            text,
            stop: reply.stop,
            stop_details: reply.stop_details.unwrap_or(Value::Null),
            call: reply.call.filter(|_| !full),
            full,
            usage,
        }
    }

    fn next_reply(&self, offered: &[&str]) -> Option<Reply> {
        let fits = |reply: &mut Reply| {
            let call = reply.call.as_ref();
            call.is_none_or(|call| offered.contains(&call.name.as_str()))
        };
        self.lock().replies.pop_front_if(fits)
    }

    fn cached(&self, cacheable: Option<&[u8]>) -> Usage {
        let Some(bytes) = cacheable else {
            return Usage::default();
        };
        let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX).div_ceil(4);
        let fresh = self
            .lock()
            .cached
            .insert(digest(&SHA256, bytes).as_ref().to_vec());
        Usage {
            cache_read: if fresh { 0 } else { count },
            cache_write_5m: if fresh { count } else { 0 },
            ..Usage::default()
        }
    }

    fn lock(&self) -> MutexGuard<'_, Moods> {
        self.moods.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was said.
pub(crate) struct Spoken {
    pub(crate) text: String,
    pub(crate) stop: Option<String>,
    pub(crate) stop_details: Value,
    /// The tool to be used next.
    pub(crate) call: Option<Call>,
    /// Whether the cap cut it short.
    pub(crate) full: bool,
    pub(crate) usage: Usage,
}

impl Spoken {
    /// The text as a model lets go of it: a few words at a time.
    pub(crate) fn deltas(&self) -> Vec<String> {
        let words: Vec<&str> = self.text.split_inclusive(' ').collect();
        words.chunks(3).map(<[&str]>::concat).collect()
    }
}

impl Call {
    /// What it is called with, as a model writes it: in two parts, of which neither is JSON.
    pub(crate) fn halves(&self) -> [String; 2] {
        let whole = self.input.to_string();
        let mut middle = whole.len() / 2;
        while !whole.is_char_boundary(middle) {
            middle = middle.saturating_sub(1);
        }
        let (one, two) = whole.split_at(middle);
        [one.to_owned(), two.to_owned()]
    }
}

/// The names that stand in `tools`, each under `key`.
pub(crate) fn names<'a>(tools: Option<&'a Value>, key: &str) -> Vec<&'a str> {
    let tools = tools.and_then(Value::as_array).into_iter().flatten();
    let names = tools.filter_map(|tool| tool.pointer(key));
    names.filter_map(Value::as_str).collect()
}

/// How many tokens `text` counts for: a quarter of its bytes, and never none.
pub(crate) fn tokens(text: &str) -> u64 {
    u64::try_from(text.len())
        .unwrap_or(u64::MAX)
        .div_ceil(4)
        .max(1)
}

/// Every text in a message content, however it is nested.
pub(crate) fn words_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(words_of).collect::<Vec<_>>().join(" "),
        Value::Object(part) => ["text", "content", "output"]
            .iter()
            .filter_map(|key| part.get(*key))
            .map(words_of)
            .collect::<Vec<_>>()
            .join(" "),
        _ => String::new(),
    }
}

/// Whether a value looks like an e-mail address to a provider.
pub(crate) fn looks_like_email(value: &str) -> bool {
    value
        .split(|c: char| c.is_whitespace() || "\"'<>,;:()[]{}".contains(c))
        .any(|word| {
            word.split_once('@').is_some_and(|(user, host)| {
                !user.is_empty()
                    && host
                        .split_once('.')
                        .is_some_and(|(a, b)| !a.is_empty() && !b.is_empty())
            })
        })
}

fn friendly(heard: &str) -> String {
    let count = heard.split_whitespace().count();
    let noun = if count == 1 { "word" } else { "words" };
    let pick = digest(&SHA256, heard.as_bytes())
        .as_ref()
        .first()
        .copied()
        .unwrap_or(0);
    let close = CLOSES
        .get(usize::from(pick).checked_rem(CLOSES.len()).unwrap_or(0))
        .copied()
        .unwrap_or_default();
    format!(
        "You asked: {count} {noun}. This is the simulated model, so I cannot know the answer, \
         but your question arrived and nothing left this machine. {close}"
    )
}

/// The first `cap` tokens of `text`.
fn head(text: &str, cap: u64) -> String {
    let bytes = usize::try_from(cap.saturating_mul(4)).unwrap_or(usize::MAX);
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default().to_owned()
}

const CLOSES: [&str; 4] = [
    "Ask me again and I will say the same.",
    "Put an API key into the environment and a real model will answer here.",
    "The audit log now has an entry for this request, and not a word of it.",
    "Whoever reads my notes finds a pseudonym and a number of tokens.",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_question_gets_the_same_answer() {
        assert_eq!(friendly("what is a bauta"), friendly("what is a bauta"));
        assert!(friendly("what is a bauta").starts_with("You asked: 4 words."));
        assert!(friendly("hello").starts_with("You asked: 1 word."));
    }

    #[test]
    fn addresses_are_seen_where_people_hide_them() {
        for text in [
            "ada@corp.example",
            "{\"u\":\"ada@corp.example\"}",
            "Ada <ada@corp.example>",
        ] {
            assert!(looks_like_email(text), "{text}");
        }
        for text in ["bp1_mfzwi3tp", "@ada", "a@b", "user at example.com"] {
            assert!(!looks_like_email(text), "{text}");
        }
    }
}
