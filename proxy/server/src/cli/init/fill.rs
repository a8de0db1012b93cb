//! The commented configuration with answers in the place of its examples. Comments stay.

use std::net::SocketAddr;

use clap::ValueEnum;

use crate::cli::Failure;

/// What is known already; the rest stays an example to be replaced.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Answers {
    /// Where members reach the portal, such as `https://ai.example.com`
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Where tokens are used; the same as --public-url when left out
    #[arg(long, value_name = "URL", requires = "public_url")]
    gateway_url: Option<String>,
    /// What the identity plane listens on
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// What the gateway listens on; the same as --listen when left out
    #[arg(long, value_name = "ADDRESS", requires = "listen")]
    gateway_listen: Option<SocketAddr>,
    /// What health and metrics are served on, for the operator alone
    #[arg(long, value_name = "ADDRESS")]
    ops_listen: Option<SocketAddr>,
    /// The identity provider, byte for byte as it writes itself
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// What the identity provider calls Bauta
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// A group whose people administrate; may be given several times
    #[arg(long, value_name = "GROUP")]
    admins: Vec<String>,
    /// A group whose people are officers; may be given several times
    #[arg(long, value_name = "GROUP")]
    officers: Vec<String>,
    /// A group whose people may ask for tokens; may be given several times
    #[arg(long, value_name = "GROUP")]
    members: Vec<String>,
    /// Who verifies; may be given several times
    #[arg(long, value_name = "KIND")]
    verifier: Vec<Verifier>,
    /// Another address for an upstream of the example, as NAME=URL
    #[arg(long, value_name = "NAME=URL")]
    upstream: Vec<String>,
}

/// Who may verify a person.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Verifier {
    /// The vendor Persona.
    Persona,
    /// Two officers, in person.
    Officer,
}

impl Answers {
    /// `template` with these answers in it.
    ///
    /// # Errors
    ///
    /// When an answer has no place.
    pub(crate) fn fill(&self, template: &str) -> Result<String, Failure> {
        let mut sheet = Sheet::read(template);
        let gateway_url = self.gateway_url.as_ref().or(self.public_url.as_ref());
        let gateway_listen = self.gateway_listen.or(self.listen);
        let listen = |it: Option<SocketAddr>| it.map(|address| address.to_string());
        for (section, key, answer) in [
            ("[server]", "public_url", self.public_url.clone()),
            ("[server]", "gateway_url", gateway_url.cloned()),
            ("[server]", "listen", listen(self.listen)),
            ("[server]", "gateway_listen", listen(gateway_listen)),
            ("[server]", "ops_listen", listen(self.ops_listen)),
            ("[sso]", "issuer", self.issuer.clone()),
            ("[sso]", "client_id", self.client_id.clone()),
        ] {
            if let Some(answer) = answer {
                sheet.set(section, key, &quoted(&answer))?;
            }
        }
        for (section, key, groups) in [
            ("[sso.roles]", "admin", &self.admins),
            ("[sso.roles]", "officer", &self.officers),
            ("[[scope]]", "groups", &self.members),
        ] {
            if !groups.is_empty() {
                let groups: Vec<_> = groups.iter().map(|group| quoted(group)).collect();
                sheet.set(section, key, &format!("[{}]", groups.join(", ")))?;
            }
        }
        if !self.verifier.is_empty() {
            for (kind, word) in [
                (Verifier::Persona, "persona"),
                (Verifier::Officer, "officer"),
            ] {
                if !self.verifier.contains(&kind) {
                    sheet.drop_table("[[verifier]]", "kind", &quoted(word));
                }
            }
        }
        for upstream in &self.upstream {
            let place = upstream.split_once('=').and_then(|(name, url)| {
                let row = sheet.table("[[upstream]]", "name", &quoted(name))?;
                Some((row, url))
            });
            let Some((row, url)) = place else {
                return Err(Failure::usage(format!(
                    "--upstream {upstream}: write NAME=URL, with a name that the example has"
                )));
            };
            sheet.set_from(row, "base_url", &quoted(url))?;
        }
        Ok(sheet.text())
    }
}

/// A TOML file, line by line.
struct Sheet(Vec<String>);

impl Sheet {
    fn read(text: &str) -> Self {
        Self(text.lines().map(str::to_owned).collect())
    }

    fn text(&self) -> String {
        let mut text = self.0.join("\n");
        text.push('\n');
        text
    }

    /// Sets `key` in the first table called `section`.
    fn set(&mut self, section: &str, key: &str, value: &str) -> Result<(), Failure> {
        let header = self.0.iter().position(|line| header(line) == Some(section));
        let header = header.ok_or_else(|| no_place(section, key))?;
        self.set_from(header, key, value)
    }

    /// Sets `key` in the table whose header is line `header`.
    fn set_from(&mut self, header: usize, key: &str, value: &str) -> Result<(), Failure> {
        let end = self.end(header);
        let mut lines = self.0.iter_mut().take(end).skip(header.saturating_add(1));
        let line = lines.find(|line| named(line, key));
        let line = line.ok_or_else(|| no_place("the table", key))?;
        let (left, right) = line.split_once('=').unwrap_or((line, ""));
        // Comments of the example stand two spaces or more behind the value.
        let comment = right.find("  #").and_then(|at| right.get(at..));
        *line = format!("{left}= {value}{}", comment.unwrap_or_default());
        Ok(())
    }

    /// The header of the table `section` in which `key` is `value`.
    fn table(&self, section: &str, key: &str, value: &str) -> Option<usize> {
        let headers = self.0.iter().enumerate();
        let mut headers = headers.filter(|(_, line)| header(line) == Some(section));
        headers.find_map(|(at, _)| {
            let end = self.end(at);
            let mut lines = self.0.iter().take(end).skip(at);
            let is = |line: &String| {
                named(line, key)
                    && line
                        .split_once('=')
                        .is_some_and(|(_, it)| it.trim_start().starts_with(value))
            };
            lines.any(is).then_some(at)
        })
    }

    fn drop_table(&mut self, section: &str, key: &str, value: &str) {
        if let Some(at) = self.table(section, key, value) {
            self.0.drain(at..self.end(at));
        }
    }

    /// The line after the table whose header is line `at`.
    fn end(&self, at: usize) -> usize {
        let after = at.saturating_add(1);
        let next = self
            .0
            .iter()
            .skip(after)
            .position(|line| header(line).is_some());
        next.map_or(self.0.len(), |next| after.saturating_add(next))
    }
}

/// The header that a line is, without its comment.
fn header(line: &str) -> Option<&str> {
    let line = line.split("  #").next().unwrap_or_default().trim_end();
    (line.starts_with('[') && line.ends_with(']')).then_some(line)
}

fn named(line: &str, key: &str) -> bool {
    line.split_once('=')
        .is_some_and(|(name, _)| name.trim_end() == key)
}

/// As TOML writes a text.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn no_place(section: &str, key: &str) -> Failure {
    Failure::usage(format!("the example has no {key} in {section}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::{cli::init::TEMPLATE, config::Config};

    #[derive(Parser)]
    struct Asked {
        #[command(flatten)]
        answers: Answers,
    }

    fn filled(args: &[&str]) -> Result<String, String> {
        let asked = Asked::parse_from([&["init"][..], args].concat());
        asked
            .answers
            .fill(TEMPLATE)
            .map_err(|failure| failure.sentence)
    }

    #[test]
    fn answers_stand_where_the_examples_did_and_comments_stay() {
        let text = filled(&[
            "--public-url",
            "http://127.0.0.1:8099",
            "--listen",
            "127.0.0.1:8099",
            "--issuer",
            "http://127.0.0.1:9000/idp",
            "--admins",
            "platform \"one\"",
            "--admins",
            "two",
            "--verifier",
            "officer",
            "--upstream",
            "openai=http://127.0.0.1:9001/v1",
        ])
        .unwrap();

        let config = Config::parse(&text, std::iter::empty()).unwrap();
        assert_eq!(config.server.public_url, config.server.gateway_url);
        assert_eq!(Some(config.server.listen), config.server.gateway_listen);
        let sso = config.sso.unwrap();
        assert_eq!(sso.issuer, "http://127.0.0.1:9000/idp");
        assert_eq!(sso.roles.admin, ["platform \"one\"", "two"]);
        assert_eq!(sso.roles.officer, ["compliance"], "what was not said stays");
        assert_eq!(config.verifier.len(), 1);
        let urls: Vec<_> = config
            .upstream
            .iter()
            .map(|it| it.base_url.clone())
            .collect();
        assert!(
            urls.iter()
                .any(|it| format!("{it:?}").contains("127.0.0.1:9001"))
        );
        let comments = |text: &str| text.matches('#').count();
        assert!(
            comments(&text) + 8 > comments(TEMPLATE),
            "comments are gone"
        );
        assert!(text.contains("# portal, OAuth, webhooks"));
    }

    #[test]
    fn without_answers_it_is_the_example_itself() {
        assert_eq!(filled(&[]).unwrap(), TEMPLATE);
    }

    #[test]
    fn an_upstream_that_the_example_has_not_is_refused() {
        for bad in ["nowhere=http://127.0.0.1:1", "openai"] {
            let said = filled(&["--upstream", bad]).unwrap_err();
            assert!(said.contains("NAME=URL"), "{said}");
        }
    }
}
