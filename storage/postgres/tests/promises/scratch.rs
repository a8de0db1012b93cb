//! Empty databases of one suite, so that suites that run at once do not meet.

use std::{
    env, process,
    sync::atomic::{AtomicU32, Ordering},
};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

pub(crate) struct Scratch {
    server: String,
    suite: &'static str,
    made: AtomicU32,
}

impl Scratch {
    pub(crate) fn new(suite: &'static str) -> Self {
        let server = env::var("BAUTA_TEST_POSTGRES_URL")
            .expect("BAUTA_TEST_POSTGRES_URL names no server; ./tests/run starts one");
        Self {
            server,
            suite,
            made: AtomicU32::new(0),
        }
    }

    /// The URL of one that is new.
    pub(crate) async fn database(&self) -> String {
        let name = self.name(self.made.fetch_add(1, Ordering::Relaxed));
        // A run that was killed leaves its databases, and numbers of processes come again.
        self.run(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            .await;
        self.run(&format!("CREATE DATABASE {name}")).await;
        format!("{}/{name}", self.server)
    }

    pub(crate) async fn drop_all(self) {
        for n in 0..self.made.load(Ordering::Relaxed) {
            let name = self.name(n);
            self.run(&format!("DROP DATABASE {name} WITH (FORCE)"))
                .await;
        }
    }

    fn name(&self, n: u32) -> String {
        format!("bauta_{}_{}_{n}", self.suite, process::id())
    }

    async fn run(&self, statement: &str) {
        let url = format!("{}/postgres", self.server);
        let mut admin = PgConnection::connect(&url).await.unwrap();
        let statement = AssertSqlSafe(statement.to_owned());
        admin.execute(statement).await.unwrap();
        admin.close().await.unwrap();
    }
}
