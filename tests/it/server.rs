//! The real binary as processes of their own.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use bauta_tests::{root, tool};

/// A server, killed when the test is over however it ends.
pub(crate) struct Server(Child);

impl Server {
    /// Starts `bauta serve` with `config` and waits until it listens at `address`.
    pub(crate) async fn start(config: &Path, more: &[&str], address: SocketAddr) -> Self {
        Self::begin(config, more, &[], address).await
    }

    /// The same, with secrets in its environment.
    pub(crate) async fn start_with(
        config: &Path,
        secrets: &[(&str, &str)],
        address: SocketAddr,
    ) -> Self {
        Self::begin(config, &[], secrets, address).await
    }

    async fn begin(
        config: &Path,
        more: &[&str],
        secrets: &[(&str, &str)],
        address: SocketAddr,
    ) -> Self {
        let place = config.with_file_name("server.log");
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&place)
            .unwrap();
        let mut server = Self(
            Command::new(binary())
                .args(["serve", "--config"])
                .arg(config)
                .args(more)
                .envs(secrets.iter().copied())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap(),
        );
        for _ in 0..600 {
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return server;
            }
            if server.0.try_wait().unwrap().is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let said = fs::read_to_string(place).unwrap();
        panic!("the server does not listen: {said}");
    }

    /// As an operator ends it: running requests are answered, and what was recorded is in the log.
    pub(crate) fn end(mut self) {
        let pid = self.0.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(told.success());
        self.0.wait().unwrap();
    }

    /// With signal 9: nothing of it runs any more when this returns.
    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What a command of the binary said.
pub(crate) fn run(args: &[&str]) -> Output {
    Command::new(binary()).args(args).output().unwrap()
}

/// The same, when it must succeed: its standard output.
pub(crate) fn told(args: &[&str]) -> String {
    let done = run(args);
    assert!(
        done.status.success(),
        "bauta {args:?}: {}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8(done.stdout).unwrap()
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// An address that no other test takes: its port is below those that are given out, which any
/// connection may have as its own end, and different for each process.
pub(crate) fn free() -> SocketAddr {
    // No two tests of this process, nor two processes, look at the same ports in the same order.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let own = std::process::id().wrapping_mul(97);
    loop {
        let turn = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(13);
        let port = 20_000 + u16::try_from(own.wrapping_add(turn) % 10_000).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// `./tests/run` builds it; so does `cargo build -p bauta`.
pub(crate) fn binary() -> PathBuf {
    tool(
        "BAUTA_TEST_BIN",
        root().join("target/debug/bauta").to_str().unwrap(),
    )
}
