//! The plane is put together.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, atomic::AtomicI64},
};

use bauta_audit::{
    note::{Signer, Verifier},
    store::StoreError,
};
use bauta_token::{
    ambient::{self, Clock, Randomness},
    scope::Name,
};
use thiserror::Error;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use crate::{
    Gateway, admit,
    config::{GuardConfig, ModelConfig, UpstreamConfig},
    federation::Issuer,
    follow::{FollowError, Follower},
    forward::{Credential, Forwarder, Showing, Timeouts, UpstreamError, Upstreams},
    meter::Meter,
    metrics::Metrics,
    ports::{Feed, FeedBook, GatewayBook, Journal, ReplicaId, Replicas, RequestIds},
    read::Room,
    record::{Queue, Writer},
    redeem::Redeemer,
    refuse::Away,
    reserve::limit::Limits,
    route::{Finding, Models, breaker::Patience, health::Health},
    scrub::{CacheSeal, Guard},
    settings::ClaudeCode,
    trace::Tracer,
};

/// What the plane is made of.
#[expect(clippy::exhaustive_structs, reason = "built in one place, whole")]
pub struct Parts {
    /// The gateway's database.
    pub book: Arc<dyn GatewayBook>,
    /// Who else writes to it.
    pub replicas: Replicas,
    /// Where pages of the feed come from.
    pub feed: Arc<dyn Feed>,
    /// The key of the identity log, which signs pages and proves manifests.
    pub identity_log: Verifier,
    /// The key of the gateway log.
    pub log: Signer,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where unpredictable bytes come from.
    pub randomness: Arc<dyn Randomness>,
    /// Where tasks run that shutdown waits for.
    pub tasks: TaskTracker,
    /// The `[[upstream]]` tables.
    pub upstreams: Vec<UpstreamConfig>,
    /// The keys we show to each of them, by name, in the order in which they are tried.
    pub credentials: HashMap<Name, Vec<Credential>>,
    /// Who signs for upstreams that federate; public under `/federation/`.
    pub issuer: Option<Arc<Issuer>>,
    /// The `[[model]]` tables.
    pub models: Vec<ModelConfig>,
    /// Keys the values that clients send to find a provider's cache again.
    pub cache_key: Zeroizing<[u8; 32]>,
    /// The `[guard]` table.
    pub guard: GuardConfig,
    /// The `[claude_code]` table.
    pub claude_code: ClaudeCode,
    /// Where a member verifies; the link in a refusal for want of it.
    pub verify_url: String,
    /// The longest life of a token that is believed, in seconds.
    pub max_token_life_seconds: i64,
    /// What a request may be.
    pub limits: admit::Limits,
    /// How long upstreams are waited for.
    pub timeouts: Timeouts,
    /// Which requests are traced, and where to; none when left out.
    pub tracer: Option<Tracer>,
}

impl Gateway {
    /// Opens the plane: what a crash left open is closed as unknown, what was heard before is in
    /// force again, and the journal's writer runs on `parts.tasks` until [`Gateway::close`].
    ///
    /// Nothing passes before the first [`Gateway::follow`].
    ///
    /// # Errors
    ///
    /// [`StartError`] names what is missing or wrong.
    pub async fn open(mut parts: Parts) -> Result<Arc<Self>, StartError> {
        let (models, findings) =
            Models::load(&parts.models, &parts.upstreams).map_err(StartError::Models)?;
        for finding in findings {
            tracing::warn!("{}", finding.sentence);
        }
        let replica = ReplicaId(ambient::bytes(&*parts.randomness));
        let journal = Arc::clone(&parts.book) as Arc<dyn Journal>;
        let queue = Queue::over(Arc::clone(&parts.clock), Arc::clone(&journal));
        let writer = Writer::new(Arc::clone(&queue), journal, replica, parts.replicas);
        let reaped = writer.recover().await?;
        if reaped > 0 {
            tracing::warn!(
                requests = reaped,
                "closed as unknown: a process ended before them"
            );
        }
        let follower = Follower::open(
            Arc::clone(&parts.feed),
            Arc::clone(&parts.book) as Arc<dyn FeedBook>,
            parts.identity_log.clone(),
            Arc::clone(&parts.clock),
        )
        .await?;
        let upstreams = connect(&mut parts)?;
        parts.tasks.spawn(writer.run());
        Ok(Arc::new(assemble(
            parts, models, upstreams, follower, queue, replica,
        )))
    }
}

fn connect(parts: &mut Parts) -> Result<Upstreams, StartError> {
    let is_known = |name: &&Name| parts.upstreams.iter().any(|it| it.name == **name);
    if let Some(name) = parts.credentials.keys().find(|name| !is_known(name)) {
        return Err(StartError::Credential(name.clone()));
    }
    let showing = Showing {
        keys: mem::take(&mut parts.credentials),
        issuer: parts.issuer.clone(),
        clock: Arc::clone(&parts.clock),
        randomness: Arc::clone(&parts.randomness),
        tasks: parts.tasks.clone(),
    };
    Ok(Upstreams::open(&parts.upstreams, showing, parts.timeouts)?)
}

fn assemble(
    parts: Parts,
    models: Models,
    upstreams: Upstreams,
    follower: Follower,
    queue: Arc<Queue>,
    replica: ReplicaId,
) -> Gateway {
    let clock = parts.clock;
    let metrics = Arc::new(Metrics::of(&parts.models));
    let tracer = parts.tracer.map(Arc::new);
    let now = clock.now();
    let names: Vec<Name> = parts.upstreams.iter().map(|it| it.name.clone()).collect();
    let health = Health::new(names.len(), Patience::default(), Arc::clone(&clock));
    let health = Arc::new(health);
    let redeemer = Arc::new(Redeemer::new(
        Arc::clone(follower.views()),
        Arc::clone(&clock),
        parts.max_token_life_seconds,
    ));
    Gateway {
        issuer: parts.issuer,
        head: parts.limits,
        models,
        upstreams: names,
        limits: Arc::new(Limits::default()),
        room: Room::default(),
        seal: CacheSeal::new(&parts.cache_key),
        guard: Guard::new(parts.guard),
        ids: RequestIds::new(Arc::clone(&parts.randomness)),
        queue,
        replica,
        forwarder: Forwarder::new(
            upstreams,
            Arc::clone(&health),
            Arc::clone(&redeemer),
            Arc::clone(&clock),
        ),
        meter: Meter::new(
            Arc::clone(&clock),
            Arc::clone(&metrics),
            tracer.clone(),
            Arc::clone(&health),
            parts.timeouts,
        ),
        redeemer,
        health,
        follower,
        book: parts.book,
        signer: Arc::new(parts.log),
        away: Away::new(Arc::clone(&clock)),
        clock,
        randomness: parts.randomness,
        metrics,
        tracer,
        sealed_at: AtomicI64::new(now.0),
        verify_url: parts.verify_url,
        claude_code: parts.claude_code,
    }
}

/// Why the plane does not open.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The models and upstreams break a rule.
    #[error("the [[model]] and [[upstream]] tables are refused: {}", sentences(.0))]
    Models(Vec<Finding>),
    /// A credential for no upstream.
    #[error("a credential is given for {0}, which is no upstream")]
    Credential(Name),
    /// An upstream cannot be used.
    #[error("an upstream cannot be used")]
    Upstream(#[from] UpstreamError),
    /// Storage does not answer.
    #[error("the gateway's database does not answer")]
    Store(#[from] StoreError),
    /// What was heard of the identity plane cannot be put in force again.
    #[error("what was heard of the identity plane is refused")]
    Follow(#[from] FollowError),
}

fn sentences(findings: &[Finding]) -> String {
    let each: Vec<&str> = findings.iter().map(|it| it.sentence.as_str()).collect();
    each.join("; ")
}
