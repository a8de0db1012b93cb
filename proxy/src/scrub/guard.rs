//! Identities that clients put into prompts by themselves, found at the places where they put them.
//!
//! A prompt is the member's own, and nothing here reads it for meaning: only what the table of
//! known clients says that they add is looked for, by its fixed words. A few searches for a constant
//! go over the bytes; nothing is parsed again, and with everything off nothing is looked at.

use bytes::Bytes;
use memchr::memmem::Finder;

use super::{
    ScrubError,
    body::Edit,
    clients::SHARED_NAMES,
    table::{Kind, told},
};
use crate::config::{Action, GuardConfig};

/// What to look for, and what to do about it.
pub struct Guard {
    config: GuardConfig,
    git_user: Vec<Finder<'static>>,
    email: Vec<Finder<'static>>,
    homes: [Finder<'static>; 3],
}

impl Guard {
    /// The guard of this configuration.
    #[must_use]
    pub fn new(config: GuardConfig) -> Self {
        Self {
            config,
            git_user: told(Kind::GitUser).map(Finder::new).collect(),
            email: told(Kind::Email).map(Finder::new).collect(),
            homes: HOMES.map(Finder::new),
        }
    }

    /// Looks through `body`, which is JSON.
    ///
    /// # Errors
    ///
    /// [`ScrubError::Identity`] when something is there that must not be sent.
    pub(super) fn look(&self, body: &[u8]) -> Result<(Vec<Edit>, Found), ScrubError> {
        let mut seen = Seen::default();
        let GuardConfig {
            git_user,
            email,
            home,
        } = self.config;
        if git_user != Action::Off {
            let told = behind(&self.git_user, body).filter_map(|at| line(body, at));
            let edits = told.map(|span| span.becomes("member".into())).collect();
            seen.note(Kind::GitUser, git_user, edits)?;
        }
        if email != Action::Off {
            let told = behind(&self.email, body).filter_map(|at| address(body, at));
            let edits = told.map(|span| span.becomes("member@example.com".into()));
            seen.note(Kind::Email, email, edits.collect())?;
        }
        if home != Action::Off {
            let names = self.names(body);
            seen.note(Kind::Home, home, homes(body, &names))?;
        }
        Ok((seen.edits, seen.found))
    }

    /// Whose home folders a client tells as its own, in the order in which they are told: a
    /// conversation that grows keeps its beginning, and with it the provider's cache of it.
    fn names<'a>(&self, body: &'a [u8]) -> Vec<&'a [u8]> {
        let mut told: Vec<(usize, &[u8])> = Vec::new();
        for (finder, root) in self.homes.iter().zip(HOMES) {
            for at in finder.find_iter(body) {
                let from = at.saturating_add(root.len());
                let name = name_at(body, from, root.ends_with(b"\\"));
                let known = told.len() >= MOST_NAMES || told.iter().any(|(_, it)| *it == name);
                if name.is_empty() || SHARED_NAMES.contains(&name) || known || !is_told(body, at) {
                    continue;
                }
                told.push((at, name));
            }
        }
        told.sort_by_key(|(at, _)| *at);
        told.into_iter().map(|(_, name)| name).collect()
    }
}

/// What was found and what was done about it: `git_user=redacted, home=flagged`. Nothing of what
/// was found is in it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Found(Vec<(&'static str, &'static str)>);

impl Found {
    /// Each kind, with what was done.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str)> + '_ {
        self.0.iter().copied()
    }

    /// As a header says it; `None` when there was nothing.
    #[must_use]
    pub fn told(&self) -> Option<String> {
        let each: Vec<String> = self
            .iter()
            .map(|(kind, did)| format!("{kind}={did}"))
            .collect();
        (!each.is_empty()).then(|| each.join(", "))
    }
}

#[derive(Default)]
struct Seen {
    edits: Vec<Edit>,
    found: Found,
}

impl Seen {
    fn note(&mut self, kind: Kind, action: Action, edits: Vec<Edit>) -> Result<(), ScrubError> {
        let kind = kind.name();
        if edits.is_empty() {
            return Ok(());
        }
        match action {
            Action::Block => return Err(ScrubError::Identity(kind)),
            Action::Redact => {
                self.edits.extend(edits);
                self.found.0.push((kind, "redacted"));
            }
            Action::Flag => self.found.0.push((kind, "flagged")),
            Action::Off => {}
        }
        Ok(())
    }
}

/// Bytes inside a JSON string.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    end: usize,
}

impl Span {
    fn becomes(self, text: String) -> Edit {
        Edit::text(self.start, self.end, Bytes::from(text))
    }
}

/// Where each of the words ends, wherever they stand.
fn behind<'a>(words: &'a [Finder<'static>], body: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    words.iter().flat_map(move |word| {
        let length = word.needle().len();
        word.find_iter(body)
            .map(move |at| at.saturating_add(length))
    })
}

/// What stands from `start` to the end of the line or of the string.
fn line(body: &[u8], start: usize) -> Option<Span> {
    let rest = body.get(start..)?;
    let mut end = 0;
    while let Some(length) = unit(rest, end).filter(|_| end < LONGEST) {
        end = end.saturating_add(length).min(rest.len());
    }
    (end > 0).then(|| Span {
        start,
        end: start.saturating_add(end),
    })
}

/// The length of one letter of a JSON string as it is written; `None` at the end of the line or
/// of the string. An escape other than of a letter ends a name: in a text within a text it is how
/// the line ends.
fn unit(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at..)? {
        [b'\\', b'u', ..] => Some(6),
        [] | [b'"' | b'\\', ..] => None,
        _ => Some(1),
    }
}

/// The first e-mail address of a paragraph or two after `start`.
fn address(body: &[u8], start: usize) -> Option<Span> {
    let text = body.get(start..)?;
    let (mut at, mut word, mut is_address) = (0, 0, false);
    loop {
        let rest = text.get(at..)?;
        let length = match rest {
            _ if at > LONGEST => return None,
            [b'\\', b'u', ..] => 6,
            [first, ..] if in_address(*first) => 1,
            // Any other escape parts words, with the letter after it.
            other => {
                if is_address {
                    let mut end = at;
                    while end > word && text.get(end.saturating_sub(1)) == Some(&b'.') {
                        end = end.saturating_sub(1);
                    }
                    return Some(Span {
                        start: start.saturating_add(word),
                        end: start.saturating_add(end),
                    });
                }
                let parts = match other {
                    [] | [b'"', ..] => return None,
                    [b'\\', ..] => 2,
                    _ => 1,
                };
                at = at.saturating_add(parts);
                word = at;
                continue;
            }
        };
        is_address |= rest.first() == Some(&b'@');
        at = at.saturating_add(length);
    }
}

fn in_address(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"@._%+-".contains(&b) || b >= 0x80
}

/// Whether the path that goes on at `at` begins right after the words with which a client tells
/// where it is.
fn is_told(body: &[u8], at: usize) -> bool {
    let before = body.get(at.saturating_sub(LONGEST)..at).unwrap_or_default();
    let in_path = |b: &&u8| in_name(**b, false) || matches!(b, b'/' | b':');
    let length = before.iter().rev().take_while(in_path).count();
    let words = before.get(..before.len().saturating_sub(length));
    let words = words.unwrap_or_default();
    told(Kind::Home).any(|told| words.ends_with(told.as_bytes()))
}

/// The name that begins at `start`.
fn name_at(body: &[u8], start: usize, windows: bool) -> &[u8] {
    let rest = body.get(start..).unwrap_or_default();
    let length = rest
        .iter()
        .take(LONGEST_NAME)
        .take_while(|b| in_name(**b, windows))
        .count();
    rest.get(..length).unwrap_or_default()
}

/// Windows has names with a space in them.
fn in_name(b: u8, windows: bool) -> bool {
    b.is_ascii_alphanumeric() || b"._-+@".contains(&b) || b >= 0x80 || (windows && b == b' ')
}

/// Every place where one of `names` is the name of a home folder, in a path or in the name that
/// Claude Code makes of one.
fn homes(body: &[u8], names: &[&[u8]]) -> Vec<Edit> {
    let mut edits = Vec::new();
    for (n, name) in names.iter().enumerate() {
        let dashed: Vec<u8> = name.iter().map(|b| dash(*b)).collect();
        let in_path = |b: u8| in_name(b, false);
        let in_dashed = |b: u8| b.is_ascii_alphanumeric();
        let mut places = standing(body, name, &ROOTS, in_path);
        places.extend(standing(body, &dashed, &DASHED, in_dashed));
        edits.extend(places.into_iter().map(|span| span.becomes(stand_in(n))));
    }
    edits
}

/// Where `name` stands right after one of `roots` and does not go on.
fn standing(body: &[u8], name: &[u8], roots: &[&[u8]], goes_on: impl Fn(u8) -> bool) -> Vec<Span> {
    let places = memchr::memmem::find_iter(body, name);
    let spans = places.map(|start| Span {
        start,
        end: start.saturating_add(name.len()),
    });
    let fits = |span: &Span| {
        let before = body.get(..span.start).unwrap_or_default();
        let after = body.get(span.end).copied();
        roots.iter().any(|root| before.ends_with(root)) && !after.is_some_and(&goes_on)
    };
    spans.filter(fits).collect()
}

/// Another one for each name, so that two folders do not become one.
fn stand_in(n: usize) -> String {
    match n {
        0 => "member".to_owned(),
        _ => format!("member{}", n.saturating_add(1)),
    }
}

fn dash(b: u8) -> u8 {
    if b.is_ascii_alphanumeric() { b } else { b'-' }
}

/// What a home folder stands in, as JSON writes it; the last with the colon of its drive.
const HOMES: [&[u8]; 3] = [b"/home/", b"/Users/", b":\\\\Users\\\\"];
const ROOTS: [&[u8]; 3] = [b"/home/", b"/Users/", b"\\\\Users\\\\"];
const DASHED: [&[u8]; 2] = [b"-home-", b"-Users-"];

/// Nothing that a client tells is longer, in bytes.
const LONGEST: usize = 512;
const LONGEST_NAME: usize = 64;
/// A client has one home, and a few folders elsewhere.
const MOST_NAMES: usize = 4;

#[cfg(test)]
mod tests;
