//! The table as people read it.

use std::fmt::{self, Write};

use super::{
    Client, HEADERS, HeaderBecomes, Kind, MEMBERS, MemberBecomes, Names, PLACES, PRODUCTS, TOLD,
};
use crate::dialect::Dialect;

/// `docs/CLIENTS.md`: what clients send that tells who or where somebody is, and what becomes of
/// it, made of the table by which the gateway works.
#[must_use]
pub fn page() -> String {
    let mut out = INTRODUCTION.to_owned();
    // Writing to a text does not fail.
    write(&mut out).ok();
    out
}

fn write(out: &mut String) -> fmt::Result {
    out.push_str("\n## Headers\n\nA header that is not here does not leave.\n\n");
    out.push_str("| header | sent by | says | names | leaves as |\n|---|---|---|---|---|\n");
    for row in HEADERS {
        let leaves = match row.becomes {
            HeaderBecomes::Nothing => "-".to_owned(),
            HeaderBecomes::Ours => "the gateway's own".to_owned(),
            HeaderBecomes::Version => format!("a date{}", only(row.dialects)),
            HeaderBecomes::Switches => format!("words and dates{}", only(row.dialects)),
            HeaderBecomes::Product => {
                "product and version of a client of this page, else `bauta`".to_owned()
            }
        };
        let (by, names) = (clients(row.by), named(row.names));
        writeln!(
            out,
            "| `{}` | {by} | {} | {names} | {leaves} |",
            row.name, row.says
        )?;
    }
    out.push_str(
        "\n## Bodies\n\nEvery other member goes on as it came, byte for byte: the conversation, and \
         what it is to be answered with.\n\n\
         | member | format | sent by | says | names | becomes |\n|---|---|---|---|---|---|\n",
    );
    for row in MEMBERS {
        let (by, names) = (clients(row.by), named(row.names));
        let formats = formats(row.dialects);
        let (name, becomes) = (row.field.name(), turns_into(row.becomes));
        writeln!(
            out,
            "| `{name}` | {formats} | {by} | {} | {names} | {becomes} |",
            row.says
        )?;
    }
    for row in PLACES {
        let (name, becomes) = (row.spot.name(), turns_into(row.becomes));
        let (by, names) = (Client::GoogleSdk.name(), named(row.names));
        writeln!(
            out,
            "| `{name}` | {} | {by} | {} | {names} | {becomes} |",
            Dialect::Gemini.name(),
            row.says
        )?;
    }
    out.push_str(
        "\n## Prompts\n\nBehind these words a client writes something of its member's into the \
         prompt by itself. `[guard]` says what becomes of each kind.\n\n\
         | words, as JSON writes them | written by | followed by | kind |\n|---|---|---|---|\n",
    );
    for row in TOLD {
        let follows = match row.kind {
            Kind::GitUser => "the name that Git is configured with",
            Kind::Email => "the address of a signed-in account",
            Kind::Home => "a path in the home folder",
        };
        let words = row.words.replace('`', "'");
        writeln!(
            out,
            "| `{words}` | {} | {follows} | `{}` |",
            row.by.name(),
            row.kind.name()
        )?;
    }
    out.push_str("\n## User agents\n\n| begins with | is |\n|---|---|\n");
    for (client, product) in PRODUCTS {
        writeln!(out, "| `{product}` | {} |", client.name())?;
    }
    Ok(())
}

impl Client {
    const fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "Claude Code",
            Self::Codex => "Codex",
            Self::GeminiCli => "Gemini CLI",
            Self::AnthropicSdk => "Anthropic SDKs",
            Self::OpenAiSdk => "OpenAI SDKs",
            Self::GoogleSdk => "google-genai",
            Self::Any => "any",
        }
    }
}

const fn named(names: Names) -> &'static str {
    match names {
        Names::Person => "a person",
        Names::Device => "a device",
        Names::Path => "a path",
        Names::Installation => "an installation",
        Names::Session => "a session",
        Names::Organisation => "an organisation",
        Names::Credential => "a credential",
        Names::Habit => "a habit",
        Names::Nothing => "nobody",
    }
}

const fn turns_into(becomes: MemberBecomes) -> &'static str {
    match becomes {
        MemberBecomes::Model => "the upstream's name of it, if it has another",
        MemberBecomes::Resource => "the same as in the path",
        MemberBecomes::Pseudonym => "the pseudonym",
        MemberBecomes::UserId => "the pseudonym, as `user_id`, and nothing else",
        MemberBecomes::Empty => "`{}`",
        MemberBecomes::EmptyUnlessKept => "`{}`, unless the upstream has `metadata = \"keep\"`",
        MemberBecomes::Hash => "a keyed hash, another one for each member and provider",
        MemberBecomes::Nothing => "nothing: it is taken out",
    }
}

fn clients(by: &[Client]) -> String {
    let names: Vec<&str> = by.iter().map(|client| client.name()).collect();
    names.join(", ")
}

fn formats(dialects: &[Dialect]) -> String {
    let names: Vec<&str> = dialects.iter().map(|dialect| dialect.name()).collect();
    names.join(", ")
}

fn only(dialects: &[Dialect]) -> String {
    format!(", to {}", formats(dialects))
}

const INTRODUCTION: &str = "# What clients send, and what leaves

Made of the table in `proxy/src/scrub/table.rs`, by which the gateway works. What the clients send was \
recorded from the clients themselves: `proxy/tests/corpus` has their requests, with canaries where a \
person would be. A test fails when a client sends what neither has; `tests/run --full corpus` records \
anew.

A provider gets a pseudonym where its format has a place for one: `metadata.user_id` (anthropic), \
`safety_identifier`, or `user` where an upstream is configured so (openai). Gemini's has none.
";

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::page;

    /// Run with `BAUTA_BLESS=1` to write the page anew.
    #[test]
    fn the_page_on_clients_says_what_the_table_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/CLIENTS.md");
        let made = page();
        if std::env::var_os("BAUTA_BLESS").is_some() {
            fs::write(&path, &made).unwrap();
        }

        let kept = fs::read_to_string(&path).unwrap_or_default();

        assert!(
            kept == made,
            "docs/CLIENTS.md is stale: BAUTA_BLESS=1 writes it anew"
        );
    }
}
