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
    /// `GET /v1/models`.
    Models,
    /// `GET /v1/models/{id}`.
    Model,
    /// `GET /usage/self`.
    Usage,
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
        ("/usage/self", Self::Usage),
        ("/managed/settings", Self::Settings),
        ("/v1/metrics", Self::Telemetry),
        ("/v1/logs", Self::Telemetry),
        ("/v1/traces", Self::Telemetry),
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
            Self::Models => "models",
            Self::Model => "model",
            Self::Usage => "usage",
            Self::Settings => "settings",
            Self::Telemetry => "telemetry",
        }
    }

    /// The one method it takes.
    #[must_use]
    pub const fn method(self) -> Method {
        match self {
            Self::Models | Self::Model | Self::Usage | Self::Settings => Method::GET,
            _ => Method::POST,
        }
    }

    /// Whether a model is asked: the routes that are read, routed, scrubbed and forwarded.
    #[must_use]
    pub const fn asks_a_model(self) -> bool {
        self.upstream_path().is_some()
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

    /// Its wire format; where both share a path, the one of the caller's headers.
    pub(super) fn dialect(self, headers: &HeaderMap) -> Dialect {
        match self {
            Self::Messages | Self::CountTokens | Self::Settings | Self::Telemetry => {
                Dialect::Anthropic
            }
            Self::Chat | Self::Responses | Self::Embeddings => Dialect::OpenAi,
            Self::Models | Self::Model | Self::Usage => by_headers(headers),
        }
    }
}

/// The wire format that the headers speak of.
pub(super) fn by_headers(headers: &HeaderMap) -> Dialect {
    let anthropic = headers.contains_key("anthropic-version") || headers.contains_key("x-api-key");
    if anthropic {
        Dialect::Anthropic
    } else {
        Dialect::OpenAi
    }
}
