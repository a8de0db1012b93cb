//! What known clients say about themselves, reduced to what a provider needs.

use http::HeaderValue;

use super::table::PRODUCTS;

/// Product and version of a known client, and nothing else of its user agent. Everything after
/// the version (system, terminal, editor, the name of a plug-in) describes a person's machine.
///
/// The version stays because providers refuse old clients by it. A client that is not known is
/// ours.
pub(super) fn user_agent(text: Option<&str>) -> HeaderValue {
    text.and_then(reduced)
        .and_then(|text| HeaderValue::try_from(text).ok())
        .unwrap_or(OURS)
}

fn reduced(text: &str) -> Option<String> {
    PRODUCTS.iter().find_map(|(_, product)| {
        let version = text.strip_prefix(product)?.strip_prefix(['/', ' '])?;
        let version = version.split([' ', '(', ';', '/']).next()?;
        let separator = if product.contains('/') { ' ' } else { '/' };
        is_version(version).then(|| format!("{product}{separator}{version}"))
    })
}

/// `2.1.329`: up to four numbers. No build, no hash, no channel.
fn is_version(text: &str) -> bool {
    let number =
        |part: &str| (1..=5).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    text.split('.').count() <= 4 && text.split('.').all(number)
}

/// Names of home folders that thousands have, on images of containers and machines, and ours.
pub(super) const SHARED_NAMES: &[&[u8]] = &[
    b"user",
    b"runner",
    b"node",
    b"ubuntu",
    b"debian",
    b"ec2-user",
    b"vscode",
    b"codespace",
    b"coder",
    b"gitpod",
    b"member",
];

const OURS: HeaderValue = HeaderValue::from_static("bauta");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_keeps_product_and_version_and_nothing_else() {
        let cases = [
            (
                "claude-cli/2.1.329 (external, sdk-cli)",
                "claude-cli/2.1.329",
            ),
            (
                "codex_cli_rs/0.169.0 (Debian 12; x86_64) xterm",
                "codex_cli_rs/0.169.0",
            ),
            ("OpenAI/Python 3.52.0", "OpenAI/Python 3.52.0"),
            (
                "AsyncAnthropic/Python 2.11.0",
                "AsyncAnthropic/Python 2.11.0",
            ),
            (
                "google-genai-sdk/3.4.0 gl-python/3.11.7",
                "google-genai-sdk/3.4.0",
            ),
            (
                "GeminiCLI-tui/0.61.0/gemini-3-pro (linux; x64; terminal)",
                "GeminiCLI-tui/0.61.0",
            ),
        ];
        for (sent, kept) in cases {
            assert_eq!(user_agent(Some(sent)), kept);
        }
    }

    #[test]
    fn what_is_no_plain_version_becomes_ours() {
        for sent in [
            "ada-laptop/1.0",
            "claude-cli/ada",
            "claude-cli/2.1.329-ada",
            "claude-cli",
            "claude-cli/1.2.3.4.5",
            "claude-cli/123456",
            "",
            "curl/8.0 ada@example.com",
        ] {
            assert_eq!(user_agent(Some(sent)), "bauta", "{sent}");
        }
        assert_eq!(user_agent(None), "bauta");
    }
}
