//! The routes that a token opens, each with its one spelling.

use http::{HeaderMap, Method};

use crate::dialect::Dialect;

/// A route that a token opens.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Route {
    /// `POST /v1/messages`.
    Messages,
    /// `POST /v1/messages/count_tokens`.
    CountTokens,
    /// `POST /v1/chat/completions`.
    Chat,
    /// `POST /v1/responses`.
    Responses,
    /// `POST /v1/embeddings`.
    Embeddings,
    /// `POST /v1beta/models/{id}:generateContent`, and under `/v1`, as the next four.
    GenerateContent,
    /// `POST /v1beta/models/{id}:streamGenerateContent?alt=sse`.
    StreamGenerateContent,
    /// `POST /v1beta/models/{id}:countTokens`.
    CountContent,
    /// `POST /v1beta/models/{id}:embedContent`.
    EmbedContent,
    /// `POST /v1beta/models/{id}:batchEmbedContents`.
    BatchEmbedContents,
    /// `GET /v1/models`, `/v1beta/models`.
    Models,
    /// `GET /v1/models/{id}`, `/v1beta/models/{id}`.
    Model,
    /// `GET /usage/self`.
    Usage,
    /// `GET /api/oauth/usage`.
    Allowance,
    /// `GET /managed/settings`.
    Settings,
    /// `POST /v1/metrics`, `/v1/logs` and `/v1/traces`.
    Telemetry,
}

impl Route {
    /// Every route with a path of its own, for the test that compares this table with the router.
    pub const TABLE: &'static [(&'static str, Self)] = &[
        ("/v1/messages", Self::Messages),
        ("/v1/messages/count_tokens", Self::CountTokens),
        ("/v1/chat/completions", Self::Chat),
        ("/v1/responses", Self::Responses),
        ("/v1/embeddings", Self::Embeddings),
        ("/v1/models", Self::Models),
        ("/v1beta/models", Self::Models),
        ("/usage/self", Self::Usage),
        ("/api/oauth/usage", Self::Allowance),
        ("/managed/settings", Self::Settings),
        ("/v1/metrics", Self::Telemetry),
        ("/v1/logs", Self::Telemetry),
        ("/v1/traces", Self::Telemetry),
    ];

    /// Every route whose path holds the model, and after it a verb.
    pub(super) const WITH_MODEL: [Self; 5] = [
        Self::GenerateContent,
        Self::StreamGenerateContent,
        Self::CountContent,
        Self::EmbedContent,
        Self::BatchEmbedContents,
    ];

    /// Its name in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::CountTokens => "count_tokens",
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::Embeddings => "embeddings",
            Self::GenerateContent => "generate_content",
            Self::StreamGenerateContent => "stream_generate_content",
            Self::CountContent => "count_content",
            Self::EmbedContent => "embed_content",
            Self::BatchEmbedContents => "batch_embed_contents",
            Self::Models => "models",
            Self::Model => "model",
            Self::Usage => "usage",
            Self::Allowance => "allowance",
            Self::Settings => "settings",
            Self::Telemetry => "telemetry",
        }
    }

    /// The one method it takes.
    #[must_use]
    pub const fn method(self) -> Method {
        match self {
            Self::Models | Self::Model | Self::Usage | Self::Allowance | Self::Settings => {
                Method::GET
            }
            _ => Method::POST,
        }
    }

    /// Whether a model is asked: the routes that are read, routed, scrubbed and forwarded.
    #[must_use]
    pub const fn asks_a_model(self) -> bool {
        self.upstream_path().is_some() || self.verb().is_some()
    }

    /// Whether it counts the tokens of a request and asks nothing else: free of charge.
    #[must_use]
    pub const fn counts(self) -> bool {
        matches!(self, Self::CountTokens | Self::CountContent)
    }

    /// Whether it makes embeddings: nothing is written, so nothing is streamed.
    #[must_use]
    pub const fn embeds(self) -> bool {
        matches!(
            self,
            Self::Embeddings | Self::EmbedContent | Self::BatchEmbedContents
        )
    }

    /// What is appended to the base URL of an upstream.
    #[must_use]
    pub(crate) const fn upstream_path(self) -> Option<&'static str> {
        match self {
            Self::Messages => Some("/v1/messages"),
            Self::CountTokens => Some("/v1/messages/count_tokens"),
            Self::Chat => Some("/chat/completions"),
            Self::Responses => Some("/responses"),
            Self::Embeddings => Some("/embeddings"),
            _ => None,
        }
    }

    /// What follows the model in the path, where the model stands in the path.
    pub(crate) const fn verb(self) -> Option<&'static str> {
        match self {
            Self::GenerateContent => Some("generateContent"),
            Self::StreamGenerateContent => Some("streamGenerateContent"),
            Self::CountContent => Some("countTokens"),
            Self::EmbedContent => Some("embedContent"),
            Self::BatchEmbedContents => Some("batchEmbedContents"),
            _ => None,
        }
    }

    /// The only query it is called with, where it is called with one. A stream without it would be
    /// one JSON array, in which there is no place for a heartbeat or an error of ours.
    pub(crate) const fn query(self) -> Option<&'static str> {
        match self {
            Self::StreamGenerateContent => Some("alt=sse"),
            _ => None,
        }
    }

    /// Its wire format; where both share a path, the one of the caller's headers.
    pub(super) fn dialect(self, headers: &HeaderMap) -> Dialect {
        match self {
            Self::Messages
            | Self::CountTokens
            | Self::Allowance
            | Self::Settings
            | Self::Telemetry => Dialect::Anthropic,
            Self::Chat | Self::Responses | Self::Embeddings => Dialect::OpenAi,
            Self::GenerateContent
            | Self::StreamGenerateContent
            | Self::CountContent
            | Self::EmbedContent
            | Self::BatchEmbedContents => Dialect::Gemini,
            Self::Models | Self::Model | Self::Usage => by_headers(headers),
        }
    }
}

/// The wire format that the headers speak of.
pub(super) fn by_headers(headers: &HeaderMap) -> Dialect {
    let anthropic = headers.contains_key("anthropic-version") || headers.contains_key("x-api-key");
    if anthropic {
        Dialect::Anthropic
    } else if headers.contains_key("x-goog-api-key") {
        Dialect::Gemini
    } else {
        Dialect::OpenAi
    }
}
