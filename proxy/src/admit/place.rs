//! What a path leads to. A path has one spelling; nothing is decoded or joined.

use bauta_token::scope::ModelName;
use http::HeaderMap;

use super::{AdmitError, Route};
use crate::dialect::Dialect;

/// The version in a path. Gemini's two differ in what they know, so the caller's goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Version {
    /// `/v1`.
    V1,
    /// `/v1beta`.
    V1Beta,
}

impl Version {
    /// As it stands in a path.
    pub(crate) const fn segment(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V1Beta => "v1beta",
        }
    }
}

/// What a path leads to.
pub(super) struct Place {
    pub(super) route: Route,
    pub(super) version: Version,
    /// The model in it.
    pub(super) named: Option<ModelName>,
}

impl Place {
    /// The place of a path.
    pub(super) fn of(path: &str) -> Result<Self, AdmitError> {
        let dots = path.split('/').any(|part| part == "." || part == "..");
        let strange = |b: u8| b == b'%' || b == b'\\' || !b.is_ascii_graphic();
        if dots || path.bytes().any(strange) {
            return Err(AdmitError::Path);
        }
        let version = if path.starts_with(V1_BETA) {
            Version::V1Beta
        } else {
            Version::V1
        };
        let mut known = Route::TABLE.iter();
        if let Some((_, route)) = known.find(|(known, _)| *known == path) {
            let (route, named) = (*route, None);
            return Ok(Self {
                route,
                version,
                named,
            });
        }
        let rest = path
            .strip_prefix(V1_BETA)
            .or_else(|| path.strip_prefix("/v1/"))
            .and_then(|rest| rest.strip_prefix("models/"))
            .ok_or(AdmitError::NoRoute)?;
        let (route, named) = called(rest)
            .or_else(|| shown(rest, version))
            .ok_or(AdmitError::NoRoute)?;
        Ok(Self {
            route,
            version,
            named: Some(named),
        })
    }

    /// Its wire format. One version is spoken by one provider only.
    pub(super) fn dialect(&self, headers: &HeaderMap) -> Dialect {
        match self.version {
            Version::V1Beta => Dialect::Gemini,
            Version::V1 => self.route.dialect(headers),
        }
    }
}

/// `{id}:{verb}`, where the name is one plain segment and the verb one we know.
fn called(rest: &str) -> Option<(Route, ModelName)> {
    let (id, verb) = rest.split_once(':')?;
    let mut routes = Route::WITH_MODEL.iter();
    let route = routes.find(|route| route.verb() == Some(verb))?;
    Some((*route, segment(id)?))
}

/// `{id}` of a model that is looked up. Names of other providers have slashes and colons in them.
fn shown(rest: &str, version: Version) -> Option<(Route, ModelName)> {
    let named = match version {
        Version::V1Beta => segment(rest),
        Version::V1 => Some(rest)
            .filter(|id| id.split('/').all(|part| !part.is_empty()))
            .and_then(ModelName::parse),
    };
    Some((Route::Model, named?))
}

/// A model that can stand in a path: letters, digits, `.`, `_` and `-`, and not only dots.
pub(crate) fn segment(id: &str) -> Option<ModelName> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let fits = id.bytes().all(plain) && !id.bytes().all(|b| b == b'.');
    Some(id).filter(|_| fits).and_then(ModelName::parse)
}

const V1_BETA: &str = "/v1beta/";
