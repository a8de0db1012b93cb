//! Both planes' ports on SQLite. Only what is SQLite's own is in this folder.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    migrate::Migrator,
    query_scalar,
    sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
    },
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
mod spool;
#[path = "../../queries/transaction.rs"]
mod transaction;

pub use spool::SpooledStore;

pub(crate) type Db = sqlx::Sqlite;
pub(crate) type Conn = sqlx::SqliteConnection;

static IDENTITY: Migrator = sqlx::migrate!("../../migrations/identity/sqlite");
static GATEWAY: Migrator = sqlx::migrate!("../../migrations/gateway/sqlite");

/// The identity plane's database.
pub struct IdentityStore {
    pub(crate) db: Database,
}

/// The gateway's database.
pub struct GatewayStore {
    pub(crate) db: Database,
}

impl IdentityStore {
    /// Opens `file`, made when absent, and brings it to the newest schema.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, belongs to another process or cannot be migrated.
    pub async fn open(file: &Path) -> sqlx::Result<Self> {
        let db = Database::open(file, SqliteSynchronous::Full, &IDENTITY).await?;
        Ok(Self { db })
    }

    /// Joins the database of a server that may be running, to read its log.
    ///
    /// # Errors
    ///
    /// When the file is not there or cannot be opened.
    pub async fn join(file: &Path) -> sqlx::Result<Self> {
        let db = Database::join(file).await?;
        Ok(Self { db })
    }
}

impl GatewayStore {
    /// Opens `file`, made when absent, and brings it to the newest schema.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, belongs to another process or cannot be migrated.
    pub async fn open(file: &Path, durability: Durability) -> sqlx::Result<Self> {
        let synchronous = match durability {
            Durability::Fsync => SqliteSynchronous::Full,
            Durability::Os => SqliteSynchronous::Normal,
        };
        let db = Database::open(file, synchronous, &GATEWAY).await?;
        Ok(Self { db })
    }

    /// Joins the database of a server that may be running, to read its log. When none is running,
    /// what the last one left in its spool is moved into the tables first.
    ///
    /// # Errors
    ///
    /// When the file is not there or cannot be opened, or the spool is damaged.
    pub async fn join(file: &Path) -> sqlx::Result<Self> {
        let store = Self {
            db: Database::join(file).await?,
        };
        if let Ok(_nobody_serves) = lock(file) {
            spool::recover(&store, file).await?;
        }
        Ok(store)
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

/// One file: a single writer, so that writers queue here and not at the file, and readers.
pub(crate) struct Database {
    writer: SqlitePool,
    reader: SqlitePool,
    /// Held for as long as a server has the database open: a second one on one file would break the
    /// single-writer promise. A tool that reads the log holds none.
    _lock: Option<File>,
    pub(crate) signed: log::Signed,
}

impl Database {
    async fn open(
        file: &Path,
        synchronous: SqliteSynchronous,
        schema: &Migrator,
    ) -> sqlx::Result<Self> {
        let lock = lock(file)?;
        // Made here and not by SQLite, so that it is never readable by others, not for a moment.
        private(file)?;
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options(file, synchronous).pragma("cache_size", WRITER_CACHE))
            .await?;
        assert_fixed_version(&writer).await?;
        schema.run(&writer).await?;
        let reader = SqlitePoolOptions::new()
            .max_connections(4)
            .connect_with(options(file, synchronous).read_only(true))
            .await?;
        Ok(Self {
            writer,
            reader,
            _lock: Some(lock),
            signed: log::Signed::default(),
        })
    }

    /// Without the lock and without a migration: the file belongs to a server. What is written
    /// waits its turn at the file, as any two processes on one database do.
    async fn join(file: &Path) -> sqlx::Result<Self> {
        if !file.try_exists()? {
            let whole = std::path::absolute(file)?;
            let text = format!(
                "{} is not there; `bauta serve` or `bauta migrate` makes it, with the same --config",
                whole.display()
            );
            return Err(io::Error::new(io::ErrorKind::NotFound, text).into());
        }
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options(file, SqliteSynchronous::Full))
            .await?;
        assert_fixed_version(&pool).await?;
        Ok(Self {
            writer: pool.clone(),
            reader: pool,
            _lock: None,
            signed: log::Signed::default(),
        })
    }

    pub(crate) fn writer(&self) -> &SqlitePool {
        &self.writer
    }

    pub(crate) fn reader(&self) -> &SqlitePool {
        &self.reader
    }
}

fn options(file: &Path, synchronous: SqliteSynchronous) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .pragma("secure_delete", "on")
        .busy_timeout(Duration::from_secs(5))
}

/// Before 3.51.3 a reset of the write-ahead log could corrupt the file.
async fn assert_fixed_version(pool: &SqlitePool) -> sqlx::Result<()> {
    let version: String = query_scalar("SELECT sqlite_version()")
        .fetch_one(pool)
        .await?;
    let parts: Vec<u32> = version.split('.').filter_map(|p| p.parse().ok()).collect();
    if parts.as_slice() >= FIXED.as_slice() {
        return Ok(());
    }
    let text = format!("SQLite {version} is linked; 3.51.3 or newer is needed");
    Err(sqlx::Error::Configuration(text.into()))
}

fn lock(file: &Path) -> io::Result<File> {
    let mut name = file.as_os_str().to_owned();
    name.push(".lock");
    let path = PathBuf::from(name);
    private(&path)?;
    let held = OpenOptions::new().write(true).open(&path)?;
    held.try_lock().map_err(|_| {
        io::Error::other(format!(
            "{} is in use by another Bauta process; end that one, or give this one a file of its own",
            file.display()
        ))
    })?;
    Ok(held)
}

fn private(path: &Path) -> io::Result<()> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map(drop)
}

/// Sixteen MiB, used when there is so much to write: a transaction that does not fit spills pages
/// into the write-ahead log and writes them again.
const WRITER_CACHE: &str = "-16384";

const FIXED: [u32; 3] = [3, 51, 3];

#[cfg(test)]
mod tests;
