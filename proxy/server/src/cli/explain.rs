//! `bauta explain`: what a provider's refusal means, who can help it, and how.

use std::{
    fs::File,
    io::{self, IsTerminal, Read},
};

use bauta_proxy::gate::{Explanation, Reach, diagnose, explained};
use serde_json::json;

use super::{Exit, Failure, print};
use crate::cli::print::Style;

/// Say what a provider's refusal means, who can help it, and how
#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    /// The body of the refusal, or the code that stands in the header `bauta-explain`; standard
    /// input when absent
    #[arg(value_name = "FILE|CODE")]
    what: Option<String>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &Explain) -> Result<Exit, Failure> {
    let told = match command.what.as_deref() {
        Some(code) if explained(code).is_some() => explained(code),
        Some(file) if file != "-" => {
            let opened = File::open(file).map_err(|error| {
                Failure::new(
                    Exit::Usage,
                    format!(
                        "{file} is no code that is known, and no file that can be read: {error}; \
                         give the body of the refusal, or the code in its header `bauta-explain`"
                    ),
                )
            })?;
            meant(&text(opened)?)
        }
        _ => {
            if io::stdin().is_terminal() {
                print::note("Paste the body of the refusal, then press Ctrl-D.");
            }
            meant(&text(io::stdin().lock())?)
        }
    };
    let told = told.ok_or_else(unknown)?;
    if command.json {
        print::line(document(told).to_string());
    } else {
        page(told, Style::of_stdout());
    }
    Ok(Exit::Done)
}

/// Reads as much as a refusal can be.
fn text(from: impl Read) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    from.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What `text` means: a body, or what a tool printed around one.
fn meant(text: &str) -> Option<&'static Explanation> {
    let (from, to) = (text.find('{')?, text.rfind('}')?);
    diagnose(None, None, text.get(from..=to)?.as_bytes())
}

fn unknown() -> Failure {
    Failure::new(
        Exit::Failed,
        "this is no refusal that is known: the words are the provider's, and its support knows more; \
         a wrong parameter or a limit of speed is not a gate",
    )
}

fn page(told: &Explanation, style: Style) {
    print::line(style.bold(told.code));
    for (what, text) in [
        ("why", told.cause),
        ("who can help", told.owner),
        ("what to do", told.next),
        ("what it takes away", reach(told)),
    ] {
        print::line(format!("  {}  {text}", style.dim(&format!("{what:<18}"))));
    }
}

fn document(told: &Explanation) -> serde_json::Value {
    json!({
        "code": told.code,
        "cause": told.cause,
        "owner": told.owner,
        "next": told.next,
        "takes_away": reach(told),
    })
}

fn reach(told: &Explanation) -> &'static str {
    match (told.reach, told.bars) {
        (Reach::Upstream, true) => {
            "the whole upstream; a fallback with another model answers meanwhile, and the same model \
             is not asked elsewhere"
        }
        (Reach::Upstream, false) => "the whole upstream; another one answers meanwhile",
        (Reach::Model, true) => {
            "this model there; a fallback with another model answers meanwhile, and the same model \
             is not asked elsewhere"
        }
        (Reach::Model, false) => "this model there; another target answers meanwhile",
        _ => "this request only",
    }
}

/// A refusal is a few hundred bytes; what tools print around it may be more.
const MOST_BYTES: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_found_in_what_a_tool_printed_around_it() {
        let body = "{\"error\":{\"code\":\"insufficient_quota\"}}";
        for text in [
            body.to_owned(),
            format!("HTTP/2 429\r\ncontent-type: application/json\r\n\r\n{body}\n"),
            format!("[{body}]"),
        ] {
            assert_eq!(meant(&text).unwrap().code, "openai_quota", "{text}");
        }
    }

    #[test]
    fn what_is_no_refusal_is_not_explained() {
        for text in [
            "",
            "}{",
            "hello",
            "{}",
            "{\"error\":{\"message\":\"prompt is too long\"}}",
        ] {
            assert_eq!(meant(text), None, "{text}");
        }
    }
}
