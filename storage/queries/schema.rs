//! Whether a database is of this schema, judged without changing it.

use std::collections::HashMap;

use sqlx::migrate::Migrator;

/// Refuses what a migration would refuse: steps that this binary does not know, or knows otherwise.
///
/// # Errors
///
/// [`sqlx::Error::Configuration`] says whose the tables seem to be.
pub(crate) fn judge(schema: &Migrator, applied: &[(i64, Vec<u8>)]) -> sqlx::Result<()> {
    let known: HashMap<i64, &[u8]> = schema
        .iter()
        .map(|step| (step.version, step.checksum.as_ref()))
        .collect();
    let ours = |(version, checksum): &(i64, Vec<u8>)| {
        known
            .get(version)
            .is_some_and(|known| *known == checksum.as_slice())
    };
    if applied.iter().all(ours) {
        return Ok(());
    }
    let text = "its tables are the other plane's, or of a newer Bauta; look at the URL";
    Err(sqlx::Error::Configuration(text.into()))
}

/// What is asked of the list of steps that were applied.
pub(crate) const APPLIED: &str = "SELECT version, checksum FROM _sqlx_migrations ORDER BY version";
