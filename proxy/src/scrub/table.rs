//! What clients send that tells who or where somebody is, and what becomes of it.
//!
//! The scrubber works by this table and by nothing else: a header that is not in it stays here, a
//! member of a body that is in it becomes what it says, a prompt is looked into behind its words.
//! `docs/CLIENTS.md` is made of it. The corpus of recorded requests (`proxy/tests/corpus`) has no
//! header and no member that is not here, or in the test's list of what tells nothing.

use self::{
    Client::{AnthropicSdk, Any, ClaudeCode, Codex, GeminiCli, GoogleSdk, OpenAiSdk},
    Names::{Credential, Device, Habit, Installation, Organisation, Path, Person, Session},
};
use crate::{
    dialect::Dialect,
    read::{Field, Spot},
};

pub(super) mod page;

/// A program that is known by what it sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Client {
    ClaudeCode,
    Codex,
    GeminiCli,
    AnthropicSdk,
    OpenAiSdk,
    GoogleSdk,
    /// Browsers, proxies and applications: no client of ours in particular.
    Any,
}

/// What somebody could be known by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Names {
    /// A name, an address, whatever an application takes for its user.
    Person,
    /// A machine: its system, its runtime, its place in a network.
    Device,
    /// A folder, a repository.
    Path,
    /// This copy of the client, for as long as it is installed.
    Installation,
    /// A conversation, or a part of one.
    Session,
    /// An organisation, a project, a group that is billed.
    Organisation,
    /// What is shown to be let in.
    Credential,
    /// How somebody works.
    Habit,
    /// Nobody, and nothing.
    Nothing,
}

/// What becomes of a header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum HeaderBecomes {
    /// It does not leave.
    Nothing,
    /// What the gateway sends in its place is the gateway's own.
    Ours,
    /// A date, or nothing.
    Version,
    /// The words of its list that look like switches.
    Switches,
    /// Product and version of a known client, else `bauta`.
    Product,
}

/// A header.
pub(super) struct Header {
    pub(super) by: &'static [Client],
    /// As it is written; with a `*` at its end, whatever begins so.
    pub(super) name: &'static str,
    /// What it says.
    pub(super) says: &'static str,
    pub(super) names: Names,
    /// In whose wire formats this holds; elsewhere it does not leave.
    pub(super) dialects: &'static [Dialect],
    pub(super) becomes: HeaderBecomes,
}

impl Header {
    fn is(&self, name: &str) -> bool {
        match self.name.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == self.name,
        }
    }
}

/// What becomes of the header of this name, as it is known.
pub(super) fn header(name: &str) -> Option<&'static Header> {
    HEADERS.iter().find(|row| row.is(name))
}

/// What becomes of a member of a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum MemberBecomes {
    /// The name by which the upstream knows the model, if it is another.
    Model,
    /// The same as a resource, `models/NAME`.
    Resource,
    /// The pseudonym.
    Pseudonym,
    /// `{"user_id": pseudonym}`, whatever it was, and there where it was not.
    UserId,
    /// `{}`.
    Empty,
    /// `{}`, unless the upstream is configured to keep it.
    EmptyUnlessKept,
    /// A keyed hash with the pseudonym: stable, so that a cache is hit again.
    Hash,
    /// Nothing: the member goes with its comma.
    Nothing,
}

/// A member of the outermost object of a body.
pub(super) struct Member {
    pub(super) by: &'static [Client],
    pub(super) dialects: &'static [Dialect],
    pub(super) field: Field,
    /// What it says.
    pub(super) says: &'static str,
    pub(super) names: Names,
    pub(super) becomes: MemberBecomes,
}

/// The members of a body in this wire format that become something else.
pub(super) fn members(dialect: Dialect) -> impl Iterator<Item = &'static Member> {
    MEMBERS
        .iter()
        .filter(move |row| row.dialects.contains(&dialect))
}

/// The same in Gemini's, where they stand at several depths.
pub(super) struct Place {
    pub(super) spot: Spot,
    /// What it says.
    pub(super) says: &'static str,
    pub(super) names: Names,
    pub(super) becomes: MemberBecomes,
}

/// What becomes of a spot; `None` where nothing does.
pub(super) fn place(spot: Spot) -> Option<&'static Place> {
    PLACES.iter().find(|row| row.spot == spot)
}

/// What the guard tells apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    GitUser,
    Email,
    Home,
}

impl Kind {
    /// As configuration, headers and metrics call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::GitUser => "git_user",
            Self::Email => "email",
            Self::Home => "home",
        }
    }
}

/// Words, as JSON writes them, behind which a client tells something in a prompt by itself.
pub(super) struct Told {
    pub(super) by: Client,
    pub(super) kind: Kind,
    pub(super) words: &'static str,
}

/// The words of one kind.
pub(super) fn told(kind: Kind) -> impl Iterator<Item = &'static str> {
    let rows = TOLD.iter().filter(move |row| row.kind == kind);
    rows.map(|row| row.words)
}

const ALL: &[Dialect] = &[Dialect::Anthropic, Dialect::OpenAi, Dialect::Gemini];
const ANTHROPIC: &[Dialect] = &[Dialect::Anthropic];
const OPENAI: &[Dialect] = &[Dialect::OpenAi];
const BOTH: &[Dialect] = &[Dialect::Anthropic, Dialect::OpenAi];

const fn header_row(
    by: &'static [Client],
    name: &'static str,
    names: Names,
    says: &'static str,
    dialects: &'static [Dialect],
    becomes: HeaderBecomes,
) -> Header {
    Header {
        by,
        name,
        says,
        names,
        dialects,
        becomes,
    }
}

const fn stays(
    by: &'static [Client],
    name: &'static str,
    names: Names,
    says: &'static str,
) -> Header {
    header_row(by, name, names, says, ALL, HeaderBecomes::Nothing)
}

const fn ours(name: &'static str, names: Names, says: &'static str) -> Header {
    header_row(&[Any], name, names, says, ALL, HeaderBecomes::Ours)
}

/// Every header that is known, those that leave first.
pub(super) static HEADERS: &[Header] = &[
    header_row(
        &[ClaudeCode, AnthropicSdk],
        "anthropic-version",
        Names::Nothing,
        "the version of the API",
        ANTHROPIC,
        HeaderBecomes::Version,
    ),
    header_row(
        &[ClaudeCode, AnthropicSdk],
        "anthropic-beta",
        Names::Nothing,
        "capabilities; the switch for request tags names a group",
        ANTHROPIC,
        HeaderBecomes::Switches,
    ),
    header_row(
        &[OpenAiSdk],
        "openai-beta",
        Names::Nothing,
        "capabilities",
        OPENAI,
        HeaderBecomes::Switches,
    ),
    header_row(
        &[Any],
        "user-agent",
        Device,
        "product and version; behind them the system, the terminal, the editor",
        ALL,
        HeaderBecomes::Product,
    ),
    ours("accept", Names::Nothing, "the type that is wanted"),
    ours("accept-encoding", Names::Nothing, "whether packed"),
    ours("content-type", Names::Nothing, "JSON"),
    ours("content-length", Names::Nothing, "bytes"),
    ours(
        "transfer-encoding",
        Names::Nothing,
        "that bytes are not counted",
    ),
    ours(
        "connection",
        Names::Nothing,
        "what becomes of the connection",
    ),
    ours("host", Names::Nothing, "this gateway"),
    ours("authorization", Credential, "the token"),
    ours("x-api-key", Credential, "the token"),
    ours("x-goog-api-key", Credential, "the token"),
    stays(&[Any], "cookie", Credential, "sessions elsewhere"),
    stays(
        &[Any],
        "proxy-authorization",
        Credential,
        "a proxy's password",
    ),
    stays(&[Any], "x-forwarded-*", Device, "addresses on the way"),
    stays(&[Any], "forwarded", Device, "addresses on the way"),
    stays(&[Any], "via", Device, "machines on the way"),
    stays(&[Any], "x-real-ip", Device, "the address"),
    stays(&[Any], "true-client-ip", Device, "the address"),
    stays(&[Any], "origin", Path, "the page it comes from"),
    stays(&[Any], "referer", Path, "the page it comes from"),
    stays(
        &[Any],
        "accept-language",
        Device,
        "languages of the machine",
    ),
    stays(
        &[Any],
        "sec-fetch-*",
        Habit,
        "how a browser, or Node, came to ask",
    ),
    stays(&[Any], "traceparent", Session, "a trace at home"),
    stays(&[Any], "tracestate", Session, "a trace at home"),
    stays(&[Any], "baggage", Session, "whatever is traced at home"),
    stays(
        &[Any],
        "idempotency-key",
        Session,
        "this request, repeated or not",
    ),
    stays(&[Any], "x-request-id", Session, "this request"),
    stays(&[Any], "x-session-id", Session, "a session"),
    stays(&[ClaudeCode], "x-app", Habit, "from where it was started"),
    stays(
        &[ClaudeCode],
        "x-claude-*",
        Session,
        "session, agents, what was switched on, what hooks said, a hash of the settings",
    ),
    stays(&[ClaudeCode], "x-cc-*", Habit, "hints"),
    stays(
        &[ClaudeCode, Codex],
        "x-client-*",
        Device,
        "the application around it; this request",
    ),
    stays(
        &[ClaudeCode, AnthropicSdk],
        "anthropic-dangerous-direct-browser-access",
        Habit,
        "that it runs where a browser does",
    ),
    stays(
        &[Any],
        "anthropic-workspace-id",
        Organisation,
        "a workspace",
    ),
    stays(
        &[Any],
        "anthropic-organization-id",
        Organisation,
        "an organisation",
    ),
    stays(
        &[Any],
        "anthropic-user-profile-id",
        Person,
        "a profile of an end user",
    ),
    stays(
        &[ClaudeCode, AnthropicSdk, OpenAiSdk],
        "x-stainless-*",
        Device,
        "system, processor, runtime and its version, tries, time limits",
    ),
    stays(
        &[OpenAiSdk],
        "openai-organization",
        Organisation,
        "an organisation",
    ),
    stays(&[OpenAiSdk], "openai-project", Organisation, "a project"),
    stays(
        &[Codex],
        "x-codex-*",
        Path,
        "installation, session, turn, window; the path and the Git remote of each workspace",
    ),
    stays(&[Codex], "session-id", Session, "a conversation"),
    stays(&[Codex], "thread-id", Session, "a conversation"),
    stays(&[Codex], "originator", Habit, "from where it was started"),
    stays(&[Codex], "x-openai-*", Habit, "which of its agents asks"),
    stays(
        &[GeminiCli],
        "x-gemini-api-privileged-user-id",
        Installation,
        "the installation, unless usage statistics are off",
    ),
    stays(
        &[GeminiCli, GoogleSdk],
        "x-goog-api-client",
        Device,
        "versions of the client and its runtime",
    ),
    stays(
        &[GoogleSdk],
        "x-goog-user-project",
        Organisation,
        "who is billed",
    ),
    stays(
        &[GoogleSdk],
        "x-goog-request-params",
        Organisation,
        "what is asked for, once more",
    ),
    stays(&[GoogleSdk], "x-server-timeout", Habit, "how long it waits"),
];

/// Every member that becomes something else, in the formats whose bodies are flat.
pub(super) static MEMBERS: &[Member] = &[
    Member {
        by: &[Any],
        dialects: BOTH,
        field: Field::Model,
        says: "the model",
        names: Names::Nothing,
        becomes: MemberBecomes::Model,
    },
    Member {
        by: &[OpenAiSdk, Any],
        dialects: BOTH,
        field: Field::User,
        says: "a user, as the application knows them; often an address",
        names: Person,
        becomes: MemberBecomes::Pseudonym,
    },
    Member {
        by: &[OpenAiSdk, Any],
        dialects: BOTH,
        field: Field::SafetyIdentifier,
        says: "a user, as the application knows them",
        names: Person,
        becomes: MemberBecomes::Pseudonym,
    },
    Member {
        by: &[Codex],
        dialects: BOTH,
        field: Field::ClientMetadata,
        says: "installation, session, thread, turn, window; the path and the Git remote of each \
               workspace",
        names: Installation,
        becomes: MemberBecomes::Empty,
    },
    Member {
        by: &[Codex, OpenAiSdk],
        dialects: BOTH,
        field: Field::PromptCacheKey,
        says: "the conversation",
        names: Session,
        becomes: MemberBecomes::Hash,
    },
    Member {
        by: &[ClaudeCode, AnthropicSdk],
        dialects: ANTHROPIC,
        field: Field::Metadata,
        says: "`user_id`: in Claude Code a text with the device, the account and the session",
        names: Installation,
        becomes: MemberBecomes::UserId,
    },
    Member {
        by: &[ClaudeCode],
        dialects: ANTHROPIC,
        field: Field::Tags,
        says: "the group that is billed",
        names: Organisation,
        becomes: MemberBecomes::Nothing,
    },
    Member {
        by: &[OpenAiSdk],
        dialects: OPENAI,
        field: Field::Metadata,
        says: "whatever an application likes",
        names: Person,
        becomes: MemberBecomes::EmptyUnlessKept,
    },
];

/// What a Gemini body has of them.
pub(super) static PLACES: &[Place] = &[
    Place {
        spot: Spot::Model,
        says: "the model, as in the path",
        names: Names::Nothing,
        becomes: MemberBecomes::Resource,
    },
    Place {
        spot: Spot::Labels,
        says: "whatever an application likes",
        names: Person,
        becomes: MemberBecomes::Empty,
    },
];

/// What clients are known to write into a prompt by themselves. A path that comes after other words
/// is the conversation's, and may be anybody's.
pub(super) static TOLD: &[Told] = &[
    Told {
        by: ClaudeCode,
        kind: Kind::GitUser,
        words: "Git user: ",
    },
    Told {
        by: ClaudeCode,
        kind: Kind::Email,
        words: "# userEmail",
    },
    Told {
        by: ClaudeCode,
        kind: Kind::Home,
        words: "working directory: ",
    },
    Told {
        by: ClaudeCode,
        kind: Kind::Home,
        words: "memory at `",
    },
    Told {
        by: Codex,
        kind: Kind::Home,
        words: "<cwd>",
    },
    Told {
        by: Codex,
        kind: Kind::Home,
        words: "<root>",
    },
    Told {
        by: GeminiCli,
        kind: Kind::Home,
        words: "temporary directory is: ",
    },
    Told {
        by: GeminiCli,
        kind: Kind::Home,
        words: "Workspace Directories:**\\n  - ",
    },
];

/// How user agents of known clients begin. One with a slash in it has a space before its version.
pub(super) static PRODUCTS: &[(Client, &str)] = &[
    (ClaudeCode, "claude-cli"),
    (ClaudeCode, "claude-code"),
    (Codex, "codex_cli_rs"),
    (Codex, "codex_exec"),
    (AnthropicSdk, "Anthropic/Python"),
    (AnthropicSdk, "Anthropic/JS"),
    (AnthropicSdk, "AsyncAnthropic/Python"),
    (OpenAiSdk, "OpenAI/Python"),
    (OpenAiSdk, "OpenAI/JS"),
    (OpenAiSdk, "AsyncOpenAI/Python"),
    (GoogleSdk, "google-genai-sdk"),
    (GeminiCli, "GeminiCLI"),
    (GeminiCli, "GeminiCLI-tui"),
];
