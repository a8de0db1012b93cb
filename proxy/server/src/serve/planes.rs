//! Builds each plane from its own sections and its own secrets. A role resolves nothing of the
//! other plane.

use std::{collections::HashMap, fs::File, io::Read, path::Path, sync::Arc};

use anyhow::Context;
use async_trait::async_trait;
use bauta_attestation::{
    Parts as IdentityParts, Plane,
    config::{
        Environment, SecretText, Settings, Span, Sso, VendorEnvironment, VerifierConfig,
        WorkloadRule,
    },
    keys::{KeyMaterial, Keys},
};
use bauta_audit::note::{Signer, Verifier};
use bauta_proxy::{
    Gateway, Parts as GatewayParts,
    admit::Limits,
    federation::{AssertionKey, Issuer},
    forward::{Credential, Timeouts},
    ports::{Feed, FeedError},
    trace::Tracer,
};
use bauta_token::{
    scope::Name,
    secret::{Root, WeakKey},
};
use reqwest::Url;
use tokio_util::task::TaskTracker;

use super::{Start, outbound, stores::durability};
use crate::{
    config::Config,
    secret::{SecretError, SecretRef},
};

/// The identity plane of `start`.
pub(super) async fn identity(start: &Start<'_>) -> anyhow::Result<Arc<Plane>> {
    let url = needed(start.config.storage.identity.as_ref(), "storage.identity")?;
    let store = bauta_storage::identity(url, start.base).await?;
    let plane = plane(start, settings(start)?, store).await?;
    plane.claim().await?;
    Ok(plane)
}

/// The same on the files of a server that may be running.
pub(super) async fn joined_identity(start: &Start<'_>) -> anyhow::Result<Arc<Plane>> {
    let url = needed(start.config.storage.identity.as_ref(), "storage.identity")?;
    let store = bauta_storage::join_identity(url, start.base).await?;
    plane(start, unlocked(start)?, store).await
}

/// The settings of a plane that signs nobody in and asks no vendor: the secrets for that stay where
/// they are, so that an administrator does not need them.
fn unlocked(start: &Start<'_>) -> anyhow::Result<Settings> {
    let unread = |_: SecretRef| {
        let text = zeroize::Zeroizing::new("not read".to_owned());
        Ok::<_, SecretError>(SecretText::new(text))
    };
    let config = start.config;
    let sso = needed(config.sso.as_ref(), "[sso]")?
        .clone()
        .resolve(unread)?;
    let mut settings = settings_with(start, sso, Vec::new())?;
    let real = |it: &VerifierConfig<_>| match it {
        VerifierConfig::Persona(it) => it.environment == VendorEnvironment::Production,
        _ => true,
    };
    if !config.verifier.iter().all(real) {
        // Only a `bauta dev` serves such files, and it counts what its vendor says.
        settings.environment = Environment::Development;
    }
    Ok(settings)
}

async fn plane(
    start: &Start<'_>,
    settings: Settings,
    store: bauta_storage::Identity,
) -> anyhow::Result<Arc<Plane>> {
    let (config, base) = (start.config, start.base);
    let plane = Plane::open(IdentityParts {
        settings,
        keys: key_material(config, base)?,
        store,
        clock: Arc::clone(&start.clock),
        randomness: Arc::clone(&start.randomness),
        http: outbound()?,
    })
    .await?;
    Ok(plane)
}

/// The identity plane's two keys.
pub(crate) fn key_material(config: &Config, base: &Path) -> anyhow::Result<KeyMaterial> {
    let pepper = needed(config.keys.pepper.as_ref(), "keys.pepper")?;
    let kek = needed(config.keys.kek.as_ref(), "keys.kek")?;
    Ok(KeyMaterial {
        peppers: vec![pepper.key(base)?],
        kek: kek.key(base)?,
    })
}

pub(super) fn settings(start: &Start<'_>) -> anyhow::Result<Settings> {
    let (config, base) = (start.config, start.base);
    let resolve = |secret: SecretRef| -> Result<SecretText, SecretError> {
        secret.text(base).map(SecretText::new)
    };
    let sso = needed(config.sso.as_ref(), "[sso]")?
        .clone()
        .resolve(resolve)?;
    let verifiers = config.verifier.iter().cloned();
    let verifiers = verifiers.map(|v| v.resolve(resolve));
    let mut settings = settings_with(start, sso, verifiers.collect::<Result<_, _>>()?)?;
    let introspection = config.introspection.as_ref();
    settings.introspection = introspection
        .map(|it| resolve(it.secret.clone()))
        .transpose()?;
    for rule in &mut settings.workloads {
        read_keys(rule, base)?;
    }
    Ok(settings)
}

/// The key set of a platform that this machine does not reach. Public, so any mode will do.
fn read_keys(rule: &mut WorkloadRule, base: &Path) -> anyhow::Result<()> {
    let Some(file) = &rule.keys_file else {
        return Ok(());
    };
    let path = base.join(file);
    let told = || format!("workload.keys_file {} cannot be read", path.display());
    let file = File::open(&path).with_context(told)?;
    let mut keys = Vec::new();
    file.take(LONGEST_KEY_SET)
        .read_to_end(&mut keys)
        .with_context(told)?;
    rule.keys = Some(keys);
    Ok(())
}

fn settings_with(
    start: &Start<'_>,
    sso: Sso<SecretText>,
    verifiers: Vec<VerifierConfig<SecretText>>,
) -> anyhow::Result<Settings> {
    let config = start.config;
    let mut providers: Vec<Name> = config
        .upstream
        .iter()
        .map(|u| u.provider().clone())
        .collect();
    providers.sort();
    providers.dedup();
    Ok(Settings {
        public_url: Url::parse(&config.server.public_url)?,
        gateway_url: Url::parse(&config.server.gateway_url)?,
        environment: start.environment,
        sso,
        admin: config.admin,
        oauth: config.oauth.clone(),
        scim: config.scim,
        verifiers,
        policies: config.policy.clone(),
        scopes: config.scope.clone(),
        workloads: config.workload.clone(),
        gates: config
            .model
            .iter()
            .filter_map(|model| Some((model.name.clone(), model.gated_by.clone()?)))
            .collect(),
        providers,
        introspection: None,
    })
}

/// The gateway plane of `start`. With the identity plane in the same process the feed comes through
/// a channel, else over HTTP; the bytes are the same.
pub(super) async fn gateway(
    start: &Start<'_>,
    plane: Option<&Arc<Plane>>,
    tasks: &TaskTracker,
    tracer: Option<Tracer>,
) -> anyhow::Result<Arc<Gateway>> {
    let (config, base) = (start.config, start.base);
    let url = needed(config.storage.gateway.as_ref(), "storage.gateway")?;
    let root = gateway_root(config, base)?;
    let handle = bauta_storage::gateway(url, base, durability(&config.storage)).await?;
    let (feed, key) = feed(config, plane)?;
    let gateway = Gateway::open(GatewayParts {
        book: handle.book,
        replicas: handle.replicas,
        feed,
        identity_log: Verifier::parse(&key).context("server.identity_log_key is no key")?,
        log: gateway_signer(&root, config)?,
        clock: Arc::clone(&start.gateway_clock),
        randomness: Arc::clone(&start.randomness),
        tasks: tasks.clone(),
        credentials: credentials(config, base)?,
        issuer: federation_issuer(config, base)?.map(Arc::new),
        upstreams: config.upstream.clone(),
        models: config.model.clone(),
        cache_key: root.derive("cache-seal/v1"),
        guard: config.guard,
        claude_code: config.claude_code.clone(),
        verify_url: format!("{}/verify", config.server.public_url),
        max_token_life_seconds: longest_life(config),
        limits: Limits::default(),
        timeouts: Timeouts::default(),
        tracer,
    })
    .await?;
    Ok(gateway)
}

/// Where pages come from, and the key they are signed with.
fn feed(config: &Config, plane: Option<&Arc<Plane>>) -> anyhow::Result<(Arc<dyn Feed>, String)> {
    if let Some(plane) = plane {
        let key = plane.log_signer()?.vkey();
        return Ok((Arc::new(InProcess(Arc::clone(plane))), key));
    }
    let key = config.server.identity_log_key.clone();
    let key = needed(key, "server.identity_log_key")?;
    let feed = OverHttp {
        http: outbound()?,
        origin: feed_origin(config).to_owned(),
    };
    Ok((Arc::new(feed), key))
}

/// Where the gateway of a process of its own reaches the identity plane.
pub(crate) fn feed_origin(config: &Config) -> &str {
    let server = &config.server;
    server.feed_url.as_deref().unwrap_or(&server.public_url)
}

/// The signer of the identity log.
pub(crate) fn identity_signer(config: &Config, base: &Path) -> anyhow::Result<Signer> {
    let keys = Keys::new(key_material(config, base)?)?;
    let host = Url::parse(&config.server.public_url)?;
    keys.log_signer(&host)
        .context("server.public_url has a host that no log can be named after")
}

/// The gateway's root key.
pub(crate) fn gateway_root(config: &Config, base: &Path) -> anyhow::Result<Root> {
    let key = needed(config.keys.gateway.as_ref(), "keys.gateway")?.key(base)?;
    Root::new(&*key)
        .map_err(|cause: WeakKey| anyhow::anyhow!("keys.gateway cannot be used: {cause}"))
}

/// The signer of the gateway log.
pub(crate) fn gateway_signer(root: &Root, config: &Config) -> anyhow::Result<Signer> {
    let url = Url::parse(&config.server.gateway_url)?;
    let authority = url.authority();
    Signer::new(
        &format!("{authority}/log/gateway"),
        &root.derive("gateway-log-signer/v1"),
    )
    .context("server.gateway_url has a host that no log can be named after")
}

/// The keys of every upstream that has any.
pub(crate) fn credentials(
    config: &Config,
    base: &Path,
) -> anyhow::Result<HashMap<Name, Vec<Credential>>> {
    let mut found = HashMap::new();
    let root = gateway_root(config, base)?;
    for upstream in &config.upstream {
        let Some(sources) = &upstream.credential else {
            continue;
        };
        let keys = sources.all.iter().map(|source| {
            let secret = SecretRef::from(&source.secret);
            let secret = secret.upstream_key(base, &upstream.name, &root)?;
            let key = Credential::new(&secret).with_context(|| {
                format!(
                    "a credential of upstream {} cannot stand in a header",
                    upstream.name
                )
            })?;
            Ok(match source.weight {
                Some(weight) => key.weighing(weight),
                None => key,
            })
        });
        let keys = keys.collect::<anyhow::Result<_>>()?;
        found.insert(upstream.name.clone(), keys);
    }
    Ok(found)
}

/// The gateway as an issuer, where the configuration makes it one.
pub(crate) fn federation_issuer(config: &Config, base: &Path) -> anyhow::Result<Option<Issuer>> {
    let Some(federation) = &config.federation else {
        return Ok(None);
    };
    let keys = federation.keys.iter().map(|secret| {
        let bytes = secret.whole(base)?;
        AssertionKey::read(&bytes)
            .map_err(|cause| anyhow::anyhow!("a key of federation.keys cannot be used: {cause}"))
    });
    let keys = keys.collect::<anyhow::Result<_>>()?;
    Ok(Some(Issuer::new(&config.server.gateway_url, keys)?))
}

fn longest_life(config: &Config) -> i64 {
    let spans = config.scope.iter().flat_map(|scope| {
        [Some(scope.token_ttl), scope.max_label_ttl]
            .into_iter()
            .flatten()
    });
    spans.map(Span::as_seconds).max().unwrap_or(3_600)
}

fn needed<T>(value: Option<T>, key: &str) -> anyhow::Result<T> {
    value.with_context(|| format!("the configuration has no {key}, which this role needs"))
}

struct InProcess(Arc<Plane>);

#[async_trait]
impl Feed for InProcess {
    async fn pull(&self, after: u64) -> Result<String, FeedError> {
        self.0.page(after).await.map_err(FeedError::new)
    }
}

struct OverHttp {
    http: reqwest::Client,
    origin: String,
}

#[async_trait]
impl Feed for OverHttp {
    async fn pull(&self, after: u64) -> Result<String, FeedError> {
        let url = format!("{}/feed?after={after}", self.origin);
        let mut answer = self
            .http
            .get(url)
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(FeedError::new)?;
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(FeedError::new)? {
            if text.len().saturating_add(chunk.len()) > LONGEST_PAGE {
                return Err(FeedError::new("a page of the feed is longer than any page"));
            }
            text.extend_from_slice(&chunk);
        }
        String::from_utf8(text).map_err(FeedError::new)
    }
}

/// A signed note is never longer.
const LONGEST_PAGE: usize = 2_000_000;
/// A byte more than a key set may have, so that one that is cut is refused.
const LONGEST_KEY_SET: u64 = 256 * 1024 + 1;
