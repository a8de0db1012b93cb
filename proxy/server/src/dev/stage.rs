//! Bauta and its simulated counterparties, started together.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, anyhow, bail};
use bauta_attestation::config::Environment;
use bauta_sandbox::{
    Sandbox,
    idp::Client,
    persona::{Hook, SANDBOX_KEY},
};
use bauta_token::ambient::{Clock, Randomness};
use tokio::net::TcpListener;

use crate::{
    ambient::{SystemClock, SystemRandomness},
    cli::init::{KEYS, new_key, private_folder},
    config::Config,
    serve::{Running, Start, outbound},
};

/// How a stage is set.
pub struct Setting {
    /// Everything it writes is under here.
    pub folder: PathBuf,
    /// Loopback; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The two databases; files under `folder` when `None`.
    pub databases: Option<(String, String)>,
    /// Who verifies.
    pub vendor: Vendor,
    /// What time it is, for both planes.
    pub clock: Arc<dyn Clock>,
    /// What time it is for the gateway, when that is another clock.
    pub gateway_clock: Option<Arc<dyn Clock>>,
    /// Where unpredictable bytes come from.
    pub randomness: Arc<dyn Randomness>,
    /// The counterparties.
    pub sandbox: bauta_sandbox::Options,
    /// Real upstreams by name, used instead of the simulated ones: base URL and API key.
    pub upstreams: Vec<RealUpstream>,
    /// Appended to the configuration; for tests.
    pub more: String,
    /// What becomes of the configuration before it is written; for tests.
    pub edit: Box<dyn Fn(String) -> String + Send + Sync>,
}

/// Who verifies, and with that what environment the plane takes itself to be in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Vendor {
    /// A simulated vendor, or two officers. What comes of it says that it proves nothing.
    Simulated,
    /// Two officers and nobody else, as a production server may have it: nothing is simulated about
    /// that.
    Officers,
}

/// A model provider to be asked for real.
#[derive(Clone)]
pub struct RealUpstream {
    /// `anthropic`, `openai` or `gemini`.
    pub name: &'static str,
    /// Where it is.
    pub base_url: &'static str,
    /// The environment variable with its key.
    pub key: &'static str,
}

impl Setting {
    /// The default: SQLite under `folder`, the machine's clock, everything simulated.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            databases: None,
            vendor: Vendor::Simulated,
            clock: Arc::new(SystemClock),
            gateway_clock: None,
            randomness: Arc::new(SystemRandomness::default()),
            sandbox: bauta_sandbox::Options::default(),
            upstreams: Vec::new(),
            more: String::new(),
            edit: Box::new(|text| text),
        }
    }
}

/// Everything around Bauta, and the settings it runs on, written and ready.
pub struct Scene {
    /// The counterparties.
    pub sandbox: Sandbox,
    /// Where members and clients reach Bauta.
    pub url: String,
    /// Everything it writes is under here; its settings are in `bauta.toml`.
    pub folder: PathBuf,
    /// For calls from outside.
    pub http: reqwest::Client,
}

impl Scene {
    /// Starts the counterparties and writes keys and settings for a server at `address`.
    ///
    /// # Errors
    ///
    /// When a port is taken or the folder cannot be written.
    pub fn set(setting: &Setting, address: SocketAddr) -> anyhow::Result<Self> {
        drop(rustls::crypto::ring::default_provider().install_default());
        let url = format!("http://{address}");
        let folder = setting.folder.clone();
        for name in ["", "keys", "data", "exports"] {
            private_folder(&folder.join(name))?;
        }
        let sandbox = start_sandbox(setting, address.port())?;
        introduce(&sandbox, &url);
        keys(&folder)?;
        let text = (setting.edit)(configuration(setting, &sandbox, &url, address));
        fs::write(folder.join("bauta.toml"), text)?;
        Ok(Self {
            sandbox,
            url,
            folder,
            http: outbound()?,
        })
    }
}

/// Bauta and its simulated counterparties, running in this process.
pub struct Stage {
    /// What is around it.
    pub scene: Scene,
    /// The server.
    pub running: Running,
}

impl Stage {
    /// Starts everything.
    ///
    /// # Errors
    ///
    /// When a port is taken, the folder cannot be written, or the server does not start.
    pub async fn open(setting: Setting) -> anyhow::Result<Self> {
        let listener = bind(setting.listen).await?;
        Self::open_on(setting, listener).await
    }

    /// The same on an address that is ours already: nothing is written for one that is not.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written, or the server does not start.
    pub async fn open_on(setting: Setting, listener: TcpListener) -> anyhow::Result<Self> {
        let scene = Scene::set(&setting, listener.local_addr()?)?;
        let config = Config::read(&scene.folder.join("bauta.toml"))?;
        let start = Start {
            environment: match setting.vendor {
                Vendor::Simulated => Environment::Development,
                Vendor::Officers => Environment::Production,
            },
            gateway_clock: setting
                .gateway_clock
                .unwrap_or_else(|| Arc::clone(&setting.clock)),
            clock: setting.clock,
            randomness: setting.randomness,
            listener: Some(listener),
            ..Start::new(&config, &scene.folder)
        };
        let running = start.run().await?;
        Ok(Self { scene, running })
    }

    /// Ends everything, the server first.
    pub async fn close(self) {
        self.running.stop().await;
        self.scene.sandbox.shutdown().await;
    }
}

/// Listens at `address`, which is on this machine.
///
/// # Errors
///
/// When it is not, or somebody else listens there.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    if !address.ip().is_loopback() {
        bail!(
            "`bauta dev` listens on loopback only, since what it issues proves nothing; {} is not",
            address.ip()
        );
    }
    TcpListener::bind(address).await.map_err(|cause| {
        anyhow!("{address} cannot be listened on: {cause}; name another address with --listen")
    })
}

/// On the ports after ours, so that a member keeps the same issuer, and with it the same tag, at
/// the next start; on free ones where those are taken.
fn start_sandbox(setting: &Setting, port: u16) -> anyhow::Result<Sandbox> {
    let after = |n: u16| match setting.listen.port() {
        0 => 0,
        _ => port.checked_add(n).unwrap_or(0),
    };
    let mut options = setting.sandbox.clone();
    options.ports = bauta_sandbox::Ports {
        idp: after(1),
        persona: after(2),
        anthropic: after(3),
        openai: after(4),
        gemini: after(5),
    };
    Sandbox::start(options).with_context(|| {
        format!("the simulators want the five ports after {port}; name another port with --listen")
    })
}

/// Tells the counterparties about us, as an administrator would on their dashboards.
fn introduce(sandbox: &Sandbox, url: &str) {
    let mut client = Client::new("bauta", SSO_SECRET, &format!("{url}/callback"));
    client.post_logout_redirect_uris = vec![format!("{url}/")];
    client.backchannel_logout_uri = Some(format!("{url}/logout/backchannel"));
    sandbox.idp.register(client);
    let hook = Hook::new(&format!("{url}/hooks/persona"), WEBHOOK_SECRET);
    sandbox.persona.hook(hook);
}

/// Root keys are made once; what the simulators know is written anew.
fn keys(folder: &Path) -> anyhow::Result<()> {
    let keys = folder.join("keys");
    for name in KEYS {
        let path = keys.join(name);
        if !path.exists() {
            new_key(&path)?;
        }
    }
    for (name, secret) in [
        ("sso", SSO_SECRET),
        ("persona", SANDBOX_KEY),
        ("persona-webhook", WEBHOOK_SECRET),
        ("upstream", UPSTREAM_KEY),
    ] {
        OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(keys.join(name))
            .and_then(|mut file| file.write_all(secret.as_bytes()))
            .with_context(|| format!("{} cannot be written", keys.join(name).display()))?;
    }
    Ok(())
}

fn configuration(setting: &Setting, sandbox: &Sandbox, url: &str, listen: SocketAddr) -> String {
    let (identity, gateway) = setting.databases.clone().unwrap_or_else(|| {
        (
            "sqlite://data/identity.db".to_owned(),
            "sqlite://data/gateway.db".to_owned(),
        )
    });
    let vendor = match setting.vendor {
        Vendor::Simulated => PERSONA.replace("@PERSONA@", &sandbox.persona.api_base()),
        Vendor::Officers => String::new(),
    };
    let upstream = |name: &str, simulated: String| {
        let real = setting.upstreams.iter().find(|real| real.name == name);
        let (base, credential) = match real {
            Some(real) => (
                real.base_url.to_owned(),
                format!("{{ env = \"{}\" }}", real.key),
            ),
            None => (simulated, "{ file = \"keys/upstream\" }".to_owned()),
        };
        format!("base_url = \"{base}\"\ncredential = {credential}")
    };
    let real: Vec<_> = setting.upstreams.iter().map(|it| it.name).collect();
    let around = match real.as_slice() {
        [] => "Everything here is simulated and on this machine.".to_owned(),
        some => format!(
            "Simulated and on this machine, except {}.",
            some.join(" and ")
        ),
    };
    TEMPLATE
        .replace("@AROUND@", &around)
        .replace("@URL@", url)
        .replace("@LISTEN@", &listen.to_string())
        .replace("@IDENTITY@", &identity)
        .replace("@GATEWAY@", &gateway)
        .replace("@ISSUER@", &sandbox.idp.issuer())
        .replace("@VENDOR@", &vendor)
        .replace(
            "@ANTHROPIC@",
            &upstream("anthropic", sandbox.anthropic.url()),
        )
        .replace(
            "@OPENAI@",
            &upstream("openai", format!("{}/v1", sandbox.openai.url())),
        )
        .replace("@GEMINI@", &upstream("gemini", sandbox.gemini.url()))
        + &setting.more
}

/// What `bauta dev` runs on. Written to `DIR/bauta.toml`, where it can be read.
const TEMPLATE: &str = include_str!("stage.toml");

const PERSONA: &str = r#"
[[verifier]]
kind           = "persona"
template       = "itmpl_simulated"
api_key        = { file = "keys/persona" }
webhook_secret = { file = "keys/persona-webhook" }
api_base       = "@PERSONA@"
environment    = "simulated"
redact_after   = "0s"
"#;

/// Known to both sides of a simulation, worth nothing anywhere else.
const SSO_SECRET: &str = "simulated-sso-secret-worth-nothing";
const WEBHOOK_SECRET: &str = "wbhsec_simulated-worth-nothing";
const UPSTREAM_KEY: &str = "simulated-upstream-key-worth-nothing";
