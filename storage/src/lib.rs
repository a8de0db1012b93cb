//! Opens one backend per plane by URL scheme: two handles, never one.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use bauta_attestation::ports::Store;
use bauta_proxy::ports::{GatewayBook, Replicas};
use thiserror::Error;

/// The identity plane's database.
pub type Identity = Arc<dyn Store>;

/// The gateway's database, and whether others write to it.
pub struct Gateway {
    /// What the plane asks.
    pub book: Arc<dyn GatewayBook>,
    /// A file has one process; a server may have several.
    pub replicas: Replicas,
}

/// What a commit means before an upstream byte is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the configuration knows these two")]
pub enum Durability {
    /// It survives a power cut.
    Fsync,
    /// It survives the process, not the machine.
    Os,
}

/// Opens the identity plane's database at `url` and brings it to the newest schema. A relative
/// path is relative to `base`.
///
/// # Errors
///
/// [`OpenError`] when the URL names no backend, or the database cannot be opened or migrated.
pub async fn identity(url: &str, base: &Path) -> Result<Identity, OpenError> {
    Ok(match place(url, base)? {
        Place::File(file) => Arc::new(
            bauta_sqlite::IdentityStore::open(&file)
                .await
                .map_err(|e| OpenError::failed("identity", e))?,
        ),
        Place::Server(url) => Arc::new(
            bauta_postgres::IdentityStore::open(&url)
                .await
                .map_err(|e| OpenError::failed("identity", e))?,
        ),
    })
}

/// Opens the gateway's database at `url` and brings it to the newest schema. A relative path is
/// relative to `base`.
///
/// # Errors
///
/// [`OpenError`] when the URL names no backend, or the database cannot be opened or migrated.
pub async fn gateway(url: &str, base: &Path, durability: Durability) -> Result<Gateway, OpenError> {
    Ok(match place(url, base)? {
        Place::File(file) => {
            let durability = match durability {
                Durability::Fsync => bauta_sqlite::Durability::Fsync,
                Durability::Os => bauta_sqlite::Durability::Os,
            };
            let store = bauta_sqlite::SpooledStore::open(&file, durability)
                .await
                .map_err(|e| OpenError::failed("gateway", e))?;
            Gateway {
                book: Arc::new(store),
                replicas: Replicas::Sole,
            }
        }
        Place::Server(url) => {
            let durability = match durability {
                Durability::Fsync => bauta_postgres::Durability::Fsync,
                Durability::Os => bauta_postgres::Durability::Os,
            };
            let store = bauta_postgres::GatewayStore::open(&url, durability)
                .await
                .map_err(|e| OpenError::failed("gateway", e))?;
            Gateway {
                book: Arc::new(store),
                replicas: Replicas::Several,
            }
        }
    })
}

/// Joins the identity plane's database, which a server may have open, to read its log.
///
/// # Errors
///
/// [`OpenError`] when the URL names no backend, or the database cannot be opened.
pub async fn join_identity(url: &str, base: &Path) -> Result<Identity, OpenError> {
    Ok(match place(url, base)? {
        Place::File(file) => Arc::new(
            bauta_sqlite::IdentityStore::join(&file)
                .await
                .map_err(|e| OpenError::failed("identity", e))?,
        ),
        Place::Server(url) => Arc::new(
            bauta_postgres::IdentityStore::join(&url)
                .await
                .map_err(|e| OpenError::failed("identity", e))?,
        ),
    })
}

/// Joins the gateway's database, which a server may have open, to read its log.
///
/// # Errors
///
/// [`OpenError`] when the URL names no backend, or the database cannot be opened.
pub async fn join_gateway(url: &str, base: &Path) -> Result<Arc<dyn GatewayBook>, OpenError> {
    Ok(match place(url, base)? {
        Place::File(file) => Arc::new(
            bauta_sqlite::GatewayStore::join(&file)
                .await
                .map_err(|e| OpenError::failed("gateway", e))?,
        ),
        Place::Server(url) => Arc::new(
            bauta_postgres::GatewayStore::join(&url)
                .await
                .map_err(|e| OpenError::failed("gateway", e))?,
        ),
    })
}

/// Whether the identity plane's database at `url` holds tables yet. Nothing is changed in it.
///
/// # Errors
///
/// [`OpenError`] when a server could not open it.
pub async fn look_at_identity(url: &str, base: &Path) -> Result<bool, OpenError> {
    let seen = match place(url, base)? {
        Place::File(file) => bauta_sqlite::IdentityStore::look(&file).await,
        Place::Server(url) => bauta_postgres::IdentityStore::look(&url).await,
    };
    seen.map_err(|e| OpenError::failed("identity", e))
}

/// Whether the gateway's database at `url` holds tables yet. Nothing is changed in it.
///
/// # Errors
///
/// [`OpenError`] when a server could not open it.
pub async fn look_at_gateway(url: &str, base: &Path) -> Result<bool, OpenError> {
    let seen = match place(url, base)? {
        Place::File(file) => bauta_sqlite::GatewayStore::look(&file).await,
        Place::Server(url) => bauta_postgres::GatewayStore::look(&url).await,
    };
    seen.map_err(|e| OpenError::failed("gateway", e))
}

/// Whether `url` names a backend there is.
#[must_use]
pub fn is_url(url: &str) -> bool {
    place(url, Path::new("")).is_ok()
}

enum Place {
    File(PathBuf),
    Server(String),
}

fn place(url: &str, base: &Path) -> Result<Place, OpenError> {
    if let Some(path) = url.strip_prefix("sqlite://") {
        return Ok(Place::File(base.join(path)));
    }
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(Place::Server(url.to_owned()));
    }
    Err(OpenError::Scheme)
}

/// Why a database is not open.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL names no backend. It is not repeated: it may hold a password.
    #[error("a database is written sqlite://path or postgres://user@host/name")]
    Scheme,
    /// It cannot be opened or migrated.
    #[error("the {plane} database cannot be opened")]
    Failed {
        /// Whose.
        plane: &'static str,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl OpenError {
    fn failed(
        plane: &'static str,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Failed {
            plane,
            cause: cause.into(),
        }
    }
}
