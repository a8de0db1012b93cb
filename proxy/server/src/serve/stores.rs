//! Databases by plane.

use std::path::Path;

use bauta_storage::{Durability, Gateway, Identity, OpenError};

use crate::config::{AuditDurability, Storage};

/// What is open. Two handles, never one.
pub struct Stores {
    /// The identity plane's.
    pub identity: Option<Identity>,
    /// The gateway's.
    pub gateway: Option<Gateway>,
}

/// Opens whatever the section names and brings it to the newest schema.
///
/// # Errors
///
/// When a database cannot be opened or migrated.
pub async fn open_stores(section: &Storage, base: &Path) -> Result<Stores, OpenError> {
    let identity = match &section.identity {
        Some(url) => Some(bauta_storage::identity(url, base).await?),
        None => None,
    };
    let gateway = match &section.gateway {
        Some(url) => Some(bauta_storage::gateway(url, base, durability(section)).await?),
        None => None,
    };
    Ok(Stores { identity, gateway })
}

/// What the section says a commit means.
pub(crate) const fn durability(section: &Storage) -> Durability {
    match section.audit_durability {
        AuditDurability::Fsync => Durability::Fsync,
        AuditDurability::Os => Durability::Os,
    }
}
