//! Ready lines for the tools people use.

use url::Url;

use super::view::Snippet;

/// What sets the variable that all the others use: typed out, a token would stay in the history.
pub(crate) const KEEP: &str = "read -rs BAUTA_TOKEN && export BAUTA_TOKEN";

/// What to type for each tool, against the gateway at `gateway`.
pub(crate) fn all(gateway: &Url) -> Vec<Snippet> {
    let base = gateway.as_str().trim_end_matches('/');
    vec![
        Snippet {
            tool: "Claude Code",
            text: "A set variable wins over a saved login.",
            code: format!(
                "export ANTHROPIC_BASE_URL={base}\nexport ANTHROPIC_AUTH_TOKEN=\"$BAUTA_TOKEN\"\nclaude"
            ),
        },
        Snippet {
            tool: "Anthropic SDKs",
            text: "",
            code: format!(
                "export ANTHROPIC_BASE_URL={base}\nexport ANTHROPIC_AUTH_TOKEN=\"$BAUTA_TOKEN\""
            ),
        },
        Snippet {
            tool: "OpenAI SDKs",
            text: "The address ends in /v1.",
            code: format!(
                "export OPENAI_BASE_URL={base}/v1\nexport OPENAI_API_KEY=\"$BAUTA_TOKEN\""
            ),
        },
        Snippet {
            tool: "Codex CLI",
            text: "In ~/.codex/config.toml of your user, not of a project.",
            code: format!(
                "model_provider = \"bauta\"\n\n[model_providers.bauta]\nname = \"Bauta\"\n\
                 base_url = \"{base}/v1\"\nwire_api = \"responses\"\nenv_key = \"BAUTA_TOKEN\""
            ),
        },
        Snippet {
            tool: "Gemini CLI",
            text: "With a base URL set, it must be told in ~/.gemini/settings.json to use a key: \
                   {\"security\":{\"auth\":{\"selectedType\":\"gemini-api-key\"}}}",
            code: format!(
                "export GOOGLE_GEMINI_BASE_URL={base}\nexport GEMINI_API_KEY=\"$BAUTA_TOKEN\"\ngemini"
            ),
        },
        Snippet {
            tool: "Cursor",
            text: "Only where the gateway is reachable from the internet: Cursor asks from its own \
                   servers, which then see your prompts. In its settings, under Models, set this and \
                   paste the token as the OpenAI API key.",
            code: format!("Override OpenAI Base URL: {base}/v1"),
        },
        Snippet {
            tool: "Continue",
            text: "In ~/.continue/config.yaml, and the token beside it as BAUTA_TOKEN=… in \
                   ~/.continue/.env, readable by you alone.",
            code: format!(
                "models:\n  - name: Bauta\n    provider: openai\n    model: MODEL\n    \
                 apiBase: {base}/v1\n    apiKey: ${{{{ secrets.BAUTA_TOKEN }}}}"
            ),
        },
        Snippet {
            tool: "aider",
            text: "With the name of a model of your scope.",
            code: format!(
                "export OPENAI_API_BASE={base}/v1\nexport OPENAI_API_KEY=\"$BAUTA_TOKEN\"\n\
                 aider --model openai/MODEL"
            ),
        },
        Snippet {
            tool: "CI",
            text: "GitHub Actions; elsewhere the same two variables. Put the token into the secret \
                   store, where no log prints it.",
            code: format!(
                "env:\n  ANTHROPIC_BASE_URL: {base}\n  ANTHROPIC_AUTH_TOKEN: ${{{{ \
                 secrets.BAUTA_TOKEN }}}}"
            ),
        },
        Snippet {
            tool: "curl",
            text: "Which models this token opens.",
            code: format!("curl {base}/v1/models -H \"Authorization: Bearer $BAUTA_TOKEN\""),
        },
    ]
}
