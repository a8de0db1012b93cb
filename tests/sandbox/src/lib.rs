//! Simulated counterparties: an identity provider, a verification vendor and three model providers.
//!
//! They speak HTTP only and share no code with what they judge, so that a mistake cannot be made on
//! both sides at once. `bauta dev` shows them to a newcomer; the integration tests script their
//! faults.

mod answer;
pub mod anthropic;
mod canary;
mod clock;
mod fault;
mod federation;
pub mod gemini;
pub mod idp;
mod model;
pub mod openai;
mod outbound;
mod page;
pub mod persona;
mod request;
mod script;
mod seed;
mod server;
mod sse;
mod tape;
#[cfg(test)]
mod testing;

pub use answer::Answer;
pub use anthropic::Anthropic;
pub use canary::Canary;
pub use clock::Clock;
pub use fault::{Fault, Storm};
pub use federation::Trust;
pub use gemini::Gemini;
pub use idp::Idp;
pub use model::{Call, Options as ModelOptions, Reply, Usage};
pub use openai::OpenAi;
pub use persona::Persona;
pub use request::Request;
pub use server::Simulator;
pub use sse::Frame;

use federation::Trustee;
use model::Desk;
use seed::Seed;
use server::{Listener, launch};
use std::io;
use std::sync::Arc;
use tape::Tape;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// How a sandbox is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The time that all simulators believe in.
    pub clock: Clock,
    /// What ids and keys are drawn from. Fresh unless set: a database that outlives the sandbox must
    /// not meet the same ids twice.
    pub seed: u64,
    /// Where the simulators listen.
    pub ports: Ports,
    /// The identity provider.
    pub idp: idp::Options,
    /// The verification vendor.
    pub persona: persona::Options,
    /// The first model provider.
    pub anthropic: ModelOptions,
    /// The second model provider.
    pub openai: ModelOptions,
    /// The third model provider.
    pub gemini: ModelOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Clock::system(),
            seed: seed::fresh(),
            ports: Ports::default(),
            idp: idp::Options::default(),
            persona: persona::Options::default(),
            anthropic: ModelOptions::serving(&ANTHROPIC_MODELS),
            openai: ModelOptions::serving(&OPENAI_MODELS),
            gemini: ModelOptions::serving(&GEMINI_MODELS),
        }
    }
}

/// Ports on 127.0.0.1; 0 takes any free one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ports {
    /// The identity provider's.
    pub idp: u16,
    /// The verification vendor's.
    pub persona: u16,
    /// The first model provider's.
    pub anthropic: u16,
    /// The second model provider's.
    pub openai: u16,
    /// The third model provider's.
    pub gemini: u16,
}

/// The running simulators. Dropped, they and all their connections end at once.
#[derive(Debug)]
pub struct Sandbox {
    /// The identity provider.
    pub idp: Idp,
    /// The verification vendor.
    pub persona: Persona,
    /// The first model provider.
    pub anthropic: Anthropic,
    /// The second model provider.
    pub openai: OpenAi,
    /// The third model provider.
    pub gemini: Gemini,
    /// The time that all of them believe in.
    pub clock: Clock,
    tasks: JoinSet<()>,
}

impl Sandbox {
    /// Starts every simulator on 127.0.0.1.
    ///
    /// # Errors
    ///
    /// When a port is taken, and outside an asynchronous runtime.
    pub fn start(options: Options) -> io::Result<Self> {
        Handle::try_current().map_err(io::Error::other)?;
        let mut tasks = JoinSet::new();
        let clock = options.clock;
        let seed = |label| Seed::new(options.seed, label);
        let tape = || Arc::new(Tape::new(clock.clone()));

        let listener = Listener::bind(options.ports.idp)?;
        let provider = idp::Provider::new(options.idp, listener.url(), clock.clone(), seed("idp"))?;
        let idp = launch(listener, Arc::new(provider), tape(), &mut tasks);

        let listener = Listener::bind(options.ports.persona)?;
        let office = persona::Office::new(
            options.persona,
            listener.url(),
            clock.clone(),
            seed("persona"),
        );
        let office = Arc::new(office);
        if office.delivers() {
            let office = Arc::clone(&office);
            tasks.spawn(async move { office.deliver_for_ever().await });
        }
        let persona = launch(listener, office, tape(), &mut tasks);

        let listener = Listener::bind(options.ports.anthropic)?;
        let desk = Desk::new(options.anthropic, clock.clone(), seed("anthropic"));
        let trustee = Trustee::new(clock.clone(), seed("anthropic-tokens"));
        let messages = Arc::new(anthropic::Messages { desk, trustee });
        let anthropic = launch(listener, messages, tape(), &mut tasks);

        let listener = Listener::bind(options.ports.openai)?;
        let desk = Desk::new(options.openai, clock.clone(), seed("openai"));
        let trustee = Trustee::new(clock.clone(), seed("openai-tokens"));
        let completions = Arc::new(openai::Completions { desk, trustee });
        let openai = launch(listener, completions, tape(), &mut tasks);

        let listener = Listener::bind(options.ports.gemini)?;
        let desk = Desk::new(options.gemini, clock.clone(), seed("gemini"));
        let contents = Arc::new(gemini::Contents { desk });
        let gemini = launch(listener, contents, tape(), &mut tasks);

        Ok(Self {
            idp,
            persona,
            anthropic,
            openai,
            gemini,
            clock,
            tasks,
        })
    }

    /// Ends every simulator and waits until its ports are free.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
    }

    /// Everything planted here that says who somebody is.
    #[must_use]
    pub fn canaries(&self) -> Vec<Canary> {
        let mut all = self.idp.canaries();
        all.extend(self.persona.canaries());
        all
    }
}

/// The models of the simulated Anthropic.
pub const ANTHROPIC_MODELS: [&str; 3] =
    ["claude-opus-4-8", "claude-sonnet-4-6", "claude-haiku-4-5"];
/// The models of the simulated `OpenAI`.
pub const OPENAI_MODELS: [&str; 3] = ["gpt-5.2", "gpt-5.2-mini", "text-embedding-3-small"];
/// The models of the simulated Gemini API.
pub const GEMINI_MODELS: [&str; 3] = ["gemini-3-pro", "gemini-3-flash", "gemini-embedding-001"];
