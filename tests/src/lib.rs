//! The harness: Bauta and its simulated counterparties in one process, on a free port, with a clock
//! that a test can move.
//!
//! ```no_run
//! # async fn test() {
//! use bauta_tests::{Backend, World};
//!
//! let world = World::new(Backend::Sqlite).await;
//! let mut ada = world.member("Ada");
//! ada.sign_in().await.unwrap();
//! # }
//! ```

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bauta::{
    dev::{
        hands::Hands,
        member::Member,
        stage::{Setting, Stage},
    },
    telemetry,
};
use bauta_token::ambient::Clock;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;

/// Where both planes keep what they keep.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Backend {
    /// Two files.
    Sqlite,
    /// Two databases of the server that `BAUTA_TEST_POSTGRES_URL` names. Without it the test fails:
    /// a backend that was not tried is not a backend that works.
    Postgres,
}

impl Backend {
    /// Both, for tests that must hold on each.
    pub const BOTH: [Self; 2] = [Self::Sqlite, Self::Postgres];
}

/// A running system and the folder it writes to.
pub struct World {
    /// The system.
    pub stage: Stage,
    /// Its clock, which is also its counterparties'.
    pub hands: Arc<Hands>,
    databases: Vec<String>,
    folder: TempDir,
}

impl World {
    /// A system nobody has used yet.
    pub async fn new(backend: Backend) -> Self {
        Self::with(backend, |_| {}).await
    }

    /// The same, with its setting changed first.
    pub async fn with(backend: Backend, change: impl FnOnce(&mut Setting)) -> Self {
        telemetry::start_at("trace", Some(&process_log())).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let hands = Arc::new(Hands::default());
        let mut setting = Setting::new(folder.path().join("bauta"));
        setting.clock = Arc::clone(&hands) as Arc<dyn Clock>;
        setting.sandbox.clock = hands.told();
        let mut databases = Vec::new();
        if backend == Backend::Postgres {
            let (identity, gateway) = (fresh("identity").await, fresh("gateway").await);
            setting.databases = Some((at(&identity), at(&gateway)));
            databases = vec![identity, gateway];
        }
        change(&mut setting);
        Self {
            stage: Stage::open(setting).await.unwrap(),
            hands,
            databases,
            folder,
        }
    }

    /// Somebody of the simulated company: Ada, Bob, Carol or Dave.
    pub fn member(&self, name: &str) -> Member<'_> {
        Member::new(&self.stage.scene, name)
    }

    /// Everything the system writes is under here, or in its databases.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The names of its PostgreSQL databases, identity first.
    pub fn databases(&self) -> &[String] {
        &self.databases
    }

    /// Ends the system and gives the folder it wrote to.
    pub async fn end(self) -> TempDir {
        self.stage.close().await;
        self.folder
    }
}

/// An empty PostgreSQL database of a name nobody else has.
pub async fn fresh(plane: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("it_{plane}_{}_{next}", std::process::id());
    let mut admin = PgConnection::connect(&at("postgres")).await.unwrap();
    let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    admin.execute(AssertSqlSafe(drop)).await.unwrap();
    let create = format!("CREATE DATABASE {name}");
    admin.execute(AssertSqlSafe(create)).await.unwrap();
    name
}

/// The URL of a database of the test server.
pub fn at(database: &str) -> String {
    let server = std::env::var("BAUTA_TEST_POSTGRES_URL")
        .expect("BAUTA_TEST_POSTGRES_URL names no server; ./tests/run starts one");
    format!("{}/{database}", server.trim_end_matches('/'))
}

/// Where this process logs, at the finest level: everything a test run says can be searched.
pub fn process_log() -> PathBuf {
    let folder = root().join("target/it");
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(format!("{}.log", std::process::id()))
}

/// Every value of every table of a PostgreSQL database, as text.
pub async fn dump(database: &str) -> String {
    let mut connection = PgConnection::connect(&at(database)).await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let mut out = String::new();
    for table in tables {
        let all = format!("SELECT t::text FROM \"{table}\" t");
        let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(all))
            .fetch_all(&mut connection)
            .await
            .unwrap();
        out.push_str(&rows.join("\n"));
    }
    out
}

/// The checkout's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// A tool that `./tests/run` installs, named by an environment variable; `fallback` elsewhere.
pub fn tool(variable: &str, fallback: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| fallback.into(), PathBuf::from)
}
