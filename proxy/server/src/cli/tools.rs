//! What each tool reads from its environment, and what there would win over it.

use bauta_agent::renew::Current;
use zeroize::Zeroizing;

/// A tool that is told where to go by its environment.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Client {
    /// Claude Code and the Anthropic SDKs
    Claude,
    /// Codex, with `env_key = "BAUTA_TOKEN"` in its configuration
    Codex,
    /// The OpenAI SDKs
    Openai,
    /// Gemini CLI and the Google SDKs
    Gemini,
}

/// A variable and its value.
pub(crate) type Variable = (&'static str, Zeroizing<String>);

/// What to set for `client`, or for all of them.
pub(crate) fn variables(client: Option<Client>, current: &Current) -> Vec<Variable> {
    let base = current.gateway.to_string();
    let set = |name, value: String| (name, Zeroizing::new(value));
    let token = |name| (name, Zeroizing::new(current.access.reveal().to_owned()));
    let wanted = |one| client.is_none_or(|client| client == one);
    let mut all = Vec::new();
    if wanted(Client::Claude) {
        all.push(set("ANTHROPIC_BASE_URL", base.clone()));
        all.push(token("ANTHROPIC_AUTH_TOKEN"));
    }
    if wanted(Client::Openai) {
        all.push(set("OPENAI_BASE_URL", format!("{base}/v1")));
        all.push(token("OPENAI_API_KEY"));
    }
    if wanted(Client::Gemini) {
        all.push(set("GOOGLE_GEMINI_BASE_URL", base));
        all.push(token("GEMINI_API_KEY"));
    }
    if wanted(Client::Codex) {
        all.push(token("BAUTA_TOKEN"));
    }
    all
}

/// What must not be set beside them: a key of the provider's own, which the tool would send along
/// or instead.
pub(crate) fn in_the_way(client: Option<Client>) -> Vec<&'static str> {
    let wanted = |one| client.is_none_or(|client| client == one);
    let mut all = Vec::new();
    if wanted(Client::Claude) {
        all.push("ANTHROPIC_API_KEY");
    }
    if wanted(Client::Gemini) {
        all.push("GOOGLE_API_KEY");
    }
    all
}
