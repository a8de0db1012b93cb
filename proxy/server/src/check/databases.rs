//! The databases, opened for a look and left as they were.

use std::{path::Path, time::Duration};

use anyhow::Context;
use bauta_storage::{Identity, OpenError};

use super::{Finding, told};
use crate::{config::Config, serve::Role};

/// What is to be said of each database that `role` needs, and the identity plane's when there are
/// tables in it.
pub(super) async fn databases(
    config: &Config,
    base: &Path,
    role: Role,
) -> (Vec<Finding>, Option<Identity>) {
    let storage = &config.storage;
    let (mut found, mut store) = (Vec::new(), None);
    if role.has_identity() {
        let (finding, tables) = database(
            "storage.identity",
            storage.identity.as_deref(),
            base,
            |url| bauta_storage::look_at_identity(url, base),
        )
        .await;
        found.push(finding);
        if let Some(url) = storage.identity.as_ref().filter(|_| tables) {
            store = bauta_storage::join_identity(url, base).await.ok();
        }
    }
    if role.has_gateway() {
        let look = |url| bauta_storage::look_at_gateway(url, base);
        let (finding, _) =
            database("storage.gateway", storage.gateway.as_deref(), base, look).await;
        found.push(finding);
    }
    (found, store)
}

/// The finding, and whether there are tables.
async fn database<'a, F>(
    key: &str,
    url: Option<&'a str>,
    base: &Path,
    look: impl FnOnce(&'a str) -> F,
) -> (Finding, bool)
where
    F: Future<Output = Result<bool, OpenError>>,
{
    let Some(url) = url else {
        let finding = Finding::bad(
            format!("{key} is absent"),
            "this role needs it: write sqlite://path or postgres://user@host/name",
        );
        return (finding, false);
    };
    if let Some(path) = url.strip_prefix("sqlite://") {
        let file = base.join(path);
        let folder = file.parent().unwrap_or(base);
        // A configuration named without a folder is in this one.
        if !folder.is_dir() && !folder.as_os_str().is_empty() {
            let finding = Finding::bad(
                format!("{key} is a file in {}", folder.display()),
                "make that folder, readable by the server's user only",
            );
            return (finding, false);
        }
    }
    let looked = tokio::time::timeout(PATIENCE, look(url)).await;
    let looked = looked
        .context("it did not answer within ten seconds")
        .and_then(|seen| seen.map_err(Into::into));
    match looked {
        Ok(true) => (Finding::good(format!("{key} opens")), true),
        Ok(false) => {
            let what = format!("{key} is empty or not there yet, and can be begun");
            (Finding::good(what), false)
        }
        Err(error) if url.starts_with("sqlite://") || !away(&error) => {
            (told::<()>(key, Err(error)), false)
        }
        Err(error) => {
            let error = error.context("is the server up, and are host, port, user and name right?");
            (told::<()>(key, Err(error)), false)
        }
    }
}

/// Whether the server said nothing at all.
fn away(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.is::<std::io::Error>() || cause.is::<tokio::time::error::Elapsed>())
}

/// For a server that takes a connection and then says nothing.
const PATIENCE: Duration = Duration::from_secs(10);
