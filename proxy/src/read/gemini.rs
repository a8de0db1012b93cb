//! The places of a Gemini body where a key decides something, and how its keys may be spelled.
//!
//! What decides is nested there, so places are told apart. Its parser takes each key in two
//! spellings, `maxOutputTokens` and `max_output_tokens`: both are read here, both at once are
//! refused, and so is every other spelling that a lenient parser might take for one of them.

use super::fields::{Fault, Member};

/// A place in a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Node {
    /// Whose keys decide nothing.
    Free,
    /// The outermost object.
    Root,
    /// A request within the request: one to be counted, or one of a batch.
    Inner,
    /// `generationConfig` of the outermost object.
    Generation,
    Content,
    Part,
    FunctionResponse,
    Tool,
}

/// A member that decides something or identifies someone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Spot {
    /// `model`, which repeats what the path says.
    Model,
    /// `labels`, which name whatever a client likes.
    Labels,
    MaxOutputTokens,
    CandidateCount,
    ServiceTier,
}

impl Spot {
    /// The key as it is documented.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Labels => "labels",
            Self::MaxOutputTokens => "maxOutputTokens",
            Self::CandidateCount => "candidateCount",
            Self::ServiceTier => "serviceTier",
        }
    }
}

/// What a key leads to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Role {
    /// Text, or a switch that costs nothing.
    Plain,
    Opens(Node),
    Is(Spot),
}

/// What a key is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Known {
    /// One of the place's, by its number there.
    Key(u32, Role),
    /// None of them.
    Other,
}

impl Node {
    /// What an object is that stands in an array at this place. Where one object is due, an array
    /// is an error at the provider's.
    pub(super) const fn in_array(self) -> Self {
        match self {
            Self::Root | Self::Generation | Self::FunctionResponse => Self::Free,
            other => other,
        }
    }

    /// Whether a key that is not listed may bring in what the body does not show: a file, an
    /// image, a tool that the provider runs. The lists are closed: a new harmless key only makes a
    /// request set more money aside.
    pub(super) const fn is_closed(self) -> bool {
        !matches!(self, Self::Free | Self::Generation)
    }

    /// What `key` is here.
    ///
    /// # Errors
    ///
    /// [`Fault::Spelling`] when it is spelled like none of the two forms of a key it means.
    pub(super) fn key(self, key: &[u8]) -> Result<Known, Fault> {
        for (number, (name, role)) in (0..).zip(self.keys()) {
            let name = name.as_bytes();
            if key == name || is_snake(key, name) {
                return Ok(Known::Key(number, *role));
            }
            if folds_to(key, name) {
                return Err(Fault::Spelling);
            }
        }
        Ok(Known::Other)
    }

    const fn keys(self) -> &'static [(&'static str, Role)] {
        match self {
            Self::Free => &[],
            Self::Root => ROOT,
            Self::Inner => INNER,
            Self::Generation => GENERATION,
            Self::Content => CONTENT,
            Self::Part => PART,
            Self::FunctionResponse => FUNCTION_RESPONSE,
            Self::Tool => TOOL,
        }
    }
}

/// Whether `key` is `name` in the spelling with underscores.
fn is_snake(key: &[u8], name: &[u8]) -> bool {
    let mut rest = key;
    for letter in name {
        if letter.is_ascii_uppercase() {
            let Some(tail) = rest.strip_prefix(b"_") else {
                return false;
            };
            rest = tail;
        }
        rest = match rest {
            [first, tail @ ..] if *first == letter.to_ascii_lowercase() => tail,
            _ => return false,
        };
    }
    rest.is_empty()
}

/// Whether a parser that minds neither case nor underscores takes `key` for `name`. The long s and
/// the Kelvin sign are letters to some of them.
fn folds_to(key: &[u8], name: &[u8]) -> bool {
    let mut rest = key;
    for letter in name {
        while let [b'_', tail @ ..] = rest {
            rest = tail;
        }
        rest = match (letter.to_ascii_lowercase(), rest) {
            (b's', [0xc5, 0xbf, tail @ ..]) | (b'k', [0xe2, 0x84, 0xaa, tail @ ..]) => tail,
            (expected, [first, tail @ ..]) if first.to_ascii_lowercase() == expected => tail,
            _ => return false,
        };
    }
    rest.iter().all(|byte| *byte == b'_')
}

/// Where the members are that decide or identify, in the order in which they come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spots(Vec<(Spot, Member)>);

impl Spots {
    /// Notes one more.
    ///
    /// # Errors
    ///
    /// [`Fault::Keys`] past [`MOST`].
    pub(super) fn put(&mut self, spot: Spot, member: Member) -> Result<(), Fault> {
        if self.0.len() >= MOST {
            return Err(Fault::Keys);
        }
        self.0.push((spot, member));
        Ok(())
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Spot, Member)> {
        self.0.iter().copied()
    }

    /// The one of this kind. Only `model` and `labels` may come more than once.
    pub(super) fn get(&self, wanted: Spot) -> Option<Member> {
        self.iter()
            .find_map(|(spot, member)| (spot == wanted).then_some(member))
    }
}

/// The provider takes a hundred requests in a batch.
const MOST: usize = 1_024;

const ROOT: &[(&str, Role)] = &[
    ("contents", Role::Opens(Node::Content)),
    ("systemInstruction", Role::Opens(Node::Content)),
    ("generationConfig", Role::Opens(Node::Generation)),
    ("tools", Role::Opens(Node::Tool)),
    ("toolConfig", Role::Plain),
    ("safetySettings", Role::Plain),
    ("labels", Role::Is(Spot::Labels)),
    ("model", Role::Is(Spot::Model)),
    ("serviceTier", Role::Is(Spot::ServiceTier)),
    ("content", Role::Opens(Node::Content)),
    ("taskType", Role::Plain),
    ("title", Role::Plain),
    ("outputDimensionality", Role::Plain),
    ("requests", Role::Opens(Node::Inner)),
    ("generateContentRequest", Role::Opens(Node::Inner)),
];

/// Its `generationConfig` bounds nothing: what it is in is counted or embedded.
const INNER: &[(&str, Role)] = &[
    ("contents", Role::Opens(Node::Content)),
    ("systemInstruction", Role::Opens(Node::Content)),
    ("generationConfig", Role::Plain),
    ("tools", Role::Opens(Node::Tool)),
    ("toolConfig", Role::Plain),
    ("safetySettings", Role::Plain),
    ("labels", Role::Is(Spot::Labels)),
    ("model", Role::Is(Spot::Model)),
    ("content", Role::Opens(Node::Content)),
    ("taskType", Role::Plain),
    ("title", Role::Plain),
    ("outputDimensionality", Role::Plain),
];

const GENERATION: &[(&str, Role)] = &[
    ("maxOutputTokens", Role::Is(Spot::MaxOutputTokens)),
    ("candidateCount", Role::Is(Spot::CandidateCount)),
];

const CONTENT: &[(&str, Role)] = &[("parts", Role::Opens(Node::Part)), ("role", Role::Plain)];

const PART: &[(&str, Role)] = &[
    ("text", Role::Plain),
    ("thought", Role::Plain),
    ("thoughtSignature", Role::Plain),
    ("functionCall", Role::Plain),
    ("functionResponse", Role::Opens(Node::FunctionResponse)),
    ("executableCode", Role::Plain),
    ("codeExecutionResult", Role::Plain),
];

/// Its `parts` may be images.
const FUNCTION_RESPONSE: &[(&str, Role)] = &[
    ("id", Role::Plain),
    ("name", Role::Plain),
    ("response", Role::Plain),
    ("willContinue", Role::Plain),
    ("scheduling", Role::Plain),
];

const TOOL: &[(&str, Role)] = &[("functionDeclarations", Role::Plain)];
