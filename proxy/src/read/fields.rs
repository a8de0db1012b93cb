//! The members of a body that are read or replaced, and where they stand.

use super::gemini::Spots;

/// A member of the outermost object that decides something or identifies someone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum Field {
    Model,
    Stream,
    MaxTokens,
    MaxCompletionTokens,
    MaxOutputTokens,
    N,
    Metadata,
    User,
    SafetyIdentifier,
    PromptCacheKey,
    ClientMetadata,
    Tags,
    Background,
    ServiceTier,
    Speed,
    InferenceGeo,
}

impl Field {
    /// The key as it is written.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Stream => "stream",
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
            Self::MaxOutputTokens => "max_output_tokens",
            Self::N => "n",
            Self::Metadata => "metadata",
            Self::User => "user",
            Self::SafetyIdentifier => "safety_identifier",
            Self::PromptCacheKey => "prompt_cache_key",
            Self::ClientMetadata => "client_metadata",
            Self::Tags => "tags",
            Self::Background => "background",
            Self::ServiceTier => "service_tier",
            Self::Speed => "speed",
            Self::InferenceGeo => "inference_geo",
        }
    }

    const ALL: [Self; COUNT] = [
        Self::Model,
        Self::Stream,
        Self::MaxTokens,
        Self::MaxCompletionTokens,
        Self::MaxOutputTokens,
        Self::N,
        Self::Metadata,
        Self::User,
        Self::SafetyIdentifier,
        Self::PromptCacheKey,
        Self::ClientMetadata,
        Self::Tags,
        Self::Background,
        Self::ServiceTier,
        Self::Speed,
        Self::InferenceGeo,
    ];
}

const COUNT: usize = 16;

/// What a key of the outermost object is.
pub(super) enum Kind {
    /// One of ours, spelled as it must be.
    Known(Field),
    /// What another parser may take for one of ours.
    Twin(Field),
    /// Not ours to read.
    Other,
}

/// Tells keys apart the way the most lenient parser does.
///
/// Go matches without regard to case, and its folding takes the long s and the Kelvin sign for
/// `s` and `k`. So do we, and refuse what it would confuse.
pub(super) fn kind(key: &[u8]) -> Kind {
    for field in Field::ALL {
        let name = field.name();
        if key == name.as_bytes() {
            return Kind::Known(field);
        }
        if key.len() >= name.len() && is_twin(key, name.as_bytes()) {
            return Kind::Twin(field);
        }
    }
    Kind::Other
}

fn is_twin(key: &[u8], name: &[u8]) -> bool {
    let mut rest = key;
    for expected in name {
        rest = match (expected, rest) {
            (b's', [0xc5, 0xbf, tail @ ..]) | (b'k', [0xe2, 0x84, 0xaa, tail @ ..]) => tail,
            (_, [first, tail @ ..]) if first.eq_ignore_ascii_case(expected) => tail,
            _ => return false,
        };
    }
    rest.is_empty()
}

/// Why a pass over a body ends early. As small as a register: every step of it returns one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    Syntax,
    NotAnObject,
    Depth,
    Duplicate,
    Keys,
    Twin(Field),
    Spelling,
    Number,
}

/// A member, by the places of its bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Member {
    /// How many members come before it.
    pub(crate) index: usize,
    /// Just after the brace or comma before it.
    pub(crate) lead: usize,
    /// The first byte of its value.
    pub(crate) start: usize,
    /// Just after the last byte of its value.
    pub(crate) end: usize,
    /// The comma or brace after it.
    pub(crate) stop: usize,
}

impl Member {
    /// The bytes of its value.
    pub(crate) fn value<'a>(&self, body: &'a [u8]) -> &'a [u8] {
        body.get(self.start..self.end).unwrap_or_default()
    }
}

/// Where the members are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    found: [Option<Member>; COUNT],
    /// Just after the brace that opens the outermost object.
    pub(crate) open: usize,
    /// How many members the outermost object has.
    pub(crate) members: usize,
    pub(super) points_outside: bool,
    /// What a Gemini body has of its own.
    pub(crate) spots: Spots,
}

impl Fields {
    /// Where `field` is, if it is there.
    pub(crate) fn get(&self, field: Field) -> Option<Member> {
        self.found.get(usize::from(field as u8)).copied().flatten()
    }

    pub(super) fn put(&mut self, field: Field, member: Member) {
        if let Some(place) = self.found.get_mut(usize::from(field as u8)) {
            *place = Some(member);
        }
    }

    pub(crate) const fn is_self_contained(&self) -> bool {
        !self.points_outside
    }
}
