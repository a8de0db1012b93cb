//! A look at a database that changes nothing in it.

use sqlx::{
    Connection, PgConnection, migrate::Migrator, postgres::PgConnectOptions, query_as, query_scalar,
};

use crate::{GATEWAY, GatewayStore, IDENTITY, IdentityStore, schema};

impl IdentityStore {
    /// Whether the database at `url` holds tables of this plane yet.
    ///
    /// # Errors
    ///
    /// When a server could not open it.
    pub async fn look(url: &str) -> sqlx::Result<bool> {
        look(url, &IDENTITY).await
    }
}

impl GatewayStore {
    /// Whether the database at `url` holds tables of this plane yet.
    ///
    /// # Errors
    ///
    /// When a server could not open it.
    pub async fn look(url: &str) -> sqlx::Result<bool> {
        look(url, &GATEWAY).await
    }
}

/// One connection and no pool: a pool waits for a server that refuses, as if it were starting.
async fn look(url: &str, schema: &Migrator) -> sqlx::Result<bool> {
    let options: PgConnectOptions = url.parse()?;
    let mut db = PgConnection::connect_with(&options).await?;
    let begun: bool = query_scalar(BEGUN).fetch_one(&mut db).await?;
    if begun {
        let applied: Vec<(i64, Vec<u8>)> = query_as(schema::APPLIED).fetch_all(&mut db).await?;
        schema::judge(schema, &applied)?;
    } else if !query_scalar::<_, bool>(MAY_BEGIN)
        .fetch_one(&mut db)
        .await?
    {
        let text = "its user may make no tables in it; grant CREATE on its schema";
        return Err(sqlx::Error::Configuration(text.into()));
    }
    db.close().await?;
    Ok(begun)
}

const BEGUN: &str = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";

const MAY_BEGIN: &str = "SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)";
