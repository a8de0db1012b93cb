//! A look at a file that changes nothing in it.

use std::{fs::OpenOptions, path::Path, time::Duration};

use sqlx::{
    ConnectOptions, Connection, migrate::Migrator, query_as, query_scalar,
    sqlite::SqliteConnectOptions,
};

use crate::{GATEWAY, GatewayStore, IDENTITY, IdentityStore, schema};

impl IdentityStore {
    /// Whether `file` holds tables of this plane yet.
    ///
    /// # Errors
    ///
    /// When a server could not open it.
    pub async fn look(file: &Path) -> sqlx::Result<bool> {
        look(file, &IDENTITY).await
    }
}

impl GatewayStore {
    /// Whether `file` holds tables of this plane yet.
    ///
    /// # Errors
    ///
    /// When a server could not open it.
    pub async fn look(file: &Path) -> sqlx::Result<bool> {
        look(file, &GATEWAY).await
    }
}

async fn look(file: &Path, schema: &Migrator) -> sqlx::Result<bool> {
    let empty = file
        .metadata()
        .is_ok_and(|it| it.is_file() && it.len() == 0);
    if empty || !file.try_exists()? {
        return Ok(false);
    }
    drop(OpenOptions::new().append(true).open(file)?);
    let mut db = SqliteConnectOptions::new()
        .filename(file)
        .read_only(true)
        .busy_timeout(Duration::from_secs(5))
        .connect()
        .await?;
    let begun: Option<i64> = query_scalar(BEGUN).fetch_optional(&mut db).await?;
    if begun.is_some() {
        let applied: Vec<(i64, Vec<u8>)> = query_as(schema::APPLIED).fetch_all(&mut db).await?;
        schema::judge(schema, &applied)?;
    }
    db.close().await?;
    Ok(begun.is_some())
}

const BEGUN: &str = "SELECT 1 FROM sqlite_master WHERE name = '_sqlx_migrations'";
