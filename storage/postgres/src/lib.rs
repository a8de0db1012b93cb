//! Both planes' ports on PostgreSQL. Only what is PostgreSQL's own is in this folder.

use std::time::Duration;

use sqlx::{
    Connection, PgConnection,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPool, PgPoolOptions},
};

mod dialect;
#[path = "../../queries/gateway/feed.rs"]
mod gateway_feed;
#[path = "../../queries/gateway/journal.rs"]
mod gateway_journal;
#[path = "../../queries/gateway/seal.rs"]
mod gateway_log;
#[path = "../../queries/identity/grant.rs"]
mod identity_grant;
#[path = "../../queries/identity/member.rs"]
mod identity_member;
#[path = "../../queries/log.rs"]
mod log;
mod look;
#[path = "../../queries/many.rs"]
mod many;
#[path = "../../queries/schema.rs"]
mod schema;
#[path = "../../queries/transaction.rs"]
mod transaction;

pub(crate) type Db = sqlx::Postgres;
pub(crate) type Conn = PgConnection;

static IDENTITY: Migrator = sqlx::migrate!("../../migrations/identity/postgres");
static GATEWAY: Migrator = sqlx::migrate!("../../migrations/gateway/postgres");

/// The identity plane's database.
pub struct IdentityStore {
    pub(crate) db: Database,
}

/// The gateway's database.
pub struct GatewayStore {
    pub(crate) db: Database,
}

impl IdentityStore {
    /// Connects to `url` and brings the database to the newest schema.
    ///
    /// # Errors
    ///
    /// When the server is not reached or the database cannot be migrated.
    pub async fn open(url: &str) -> sqlx::Result<Self> {
        let db = Database::open(url, Durability::Fsync, &IDENTITY).await?;
        Ok(Self { db })
    }

    /// Joins the database of a server that may be running, to read its log.
    ///
    /// # Errors
    ///
    /// When the server is not reached.
    pub async fn join(url: &str) -> sqlx::Result<Self> {
        let db = Database::connect(url, Durability::Fsync).await?;
        Ok(Self { db })
    }
}

impl GatewayStore {
    /// Connects to `url` and brings the database to the newest schema.
    ///
    /// # Errors
    ///
    /// When the server is not reached or the database cannot be migrated.
    pub async fn open(url: &str, durability: Durability) -> sqlx::Result<Self> {
        let db = Database::open(url, durability, &GATEWAY).await?;
        Ok(Self { db })
    }

    /// Joins the database of a server that may be running, to read its log.
    ///
    /// # Errors
    ///
    /// When the server is not reached.
    pub async fn join(url: &str) -> sqlx::Result<Self> {
        let db = Database::connect(url, Durability::Fsync).await?;
        Ok(Self { db })
    }
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

/// One database, always the primary: a replica may show a spent token as fresh.
pub(crate) struct Database {
    pool: PgPool,
    pub(crate) signed: log::Signed,
}

impl Database {
    async fn open(url: &str, durability: Durability, schema: &Migrator) -> sqlx::Result<Self> {
        let opened = Self::connect(url, durability).await?;
        schema.run(&opened.pool).await?;
        Ok(opened)
    }

    async fn connect(url: &str, durability: Durability) -> sqlx::Result<Self> {
        let commit = match durability {
            Durability::Fsync => "on",
            Durability::Os => "off",
        };
        let options: PgConnectOptions = url.parse()?;
        let options = options.options([("synchronous_commit", commit)]);
        let opening = PgPoolOptions::new()
            .max_connections(8)
            .acquire_timeout(Duration::from_secs(5))
            .connect_with(options.clone())
            .await;
        let pool = match opening {
            // A pool waits for a server that refuses, and forgets why.
            Err(sqlx::Error::PoolTimedOut) => {
                let why = PgConnection::connect_with(&options).await.err();
                return Err(why.unwrap_or(sqlx::Error::PoolTimedOut));
            }
            opened => opened?,
        };
        Ok(Self {
            pool,
            signed: log::Signed::default(),
        })
    }

    pub(crate) fn writer(&self) -> &PgPool {
        &self.pool
    }

    pub(crate) fn reader(&self) -> &PgPool {
        &self.pool
    }
}
