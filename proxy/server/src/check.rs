//! What is wrong with a configuration, found before anybody is refused because of it.

use std::path::Path;

use bauta_proxy::route::{Gravity, Models};
use bauta_storage::Identity;
use serde_json::{Value, json};

pub(crate) use self::sides::discovered;
use self::{
    databases::databases,
    sides::{identity_plane, provider},
};
use crate::{
    chain::chain,
    cli::print::Style,
    config::Config,
    secret::SecretRef,
    serve::{
        Role, Start, collector_shown, examine_doors, examine_gateway, examine_identity,
        examine_workloads, federation_issuer, gateway_root, identity_signer, key_material,
    },
};

mod databases;
mod sides;
#[cfg(test)]
mod tests;

/// One thing that was looked at.
#[derive(Debug)]
pub struct Finding {
    what: String,
    verdict: Verdict,
}

#[derive(Debug)]
enum Verdict {
    Good,
    /// Works, and could be better.
    Note(String),
    /// Must be mended before anybody is served.
    Mend(String),
}

impl Finding {
    fn good(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            verdict: Verdict::Good,
        }
    }

    fn bad(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            verdict: Verdict::Mend(mend.into()),
        }
    }

    fn note(what: impl Into<String>, note: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            verdict: Verdict::Note(note.into()),
        }
    }

    /// How to mend it; `None` when it works.
    #[must_use]
    pub fn mend(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::Mend(mend) => Some(mend),
            Verdict::Good | Verdict::Note(_) => None,
        }
    }

    fn is_good(&self) -> bool {
        self.mend().is_none()
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let note = match &self.verdict {
            Verdict::Note(note) => Some(note),
            Verdict::Good | Verdict::Mend(_) => None,
        };
        json!({ "what": self.what, "good": self.mend().is_none(), "mend": self.mend(), "note": note })
    }

    /// A row of the table.
    #[must_use]
    pub fn row(&self, style: Style) -> String {
        match &self.verdict {
            Verdict::Good => format!("{}  {}", style.good("ok  "), self.what),
            Verdict::Note(note) => format!("{}  {}: {note}", style.dim("note"), self.what),
            Verdict::Mend(mend) => format!("{}  {}\n      {mend}", style.bold("MEND"), self.what),
        }
    }
}

/// Looks at keys, secrets, models, databases and the other sides, as far as `role` needs them, with
/// the eyes of the server that will start: what it would refuse is found here. Changes nothing.
pub async fn findings(config: &Config, base: &Path, role: Role) -> Vec<Finding> {
    let mut found = vec![Finding::good("the configuration is understood")];
    let mut own = Vec::new();
    if role.has_identity() {
        own.push(told("keys.pepper and keys.kek", key_material(config, base)));
        own.extend(secrets(&identity_secrets(config), base));
    }
    if role.has_gateway() {
        found.push(told("keys.gateway", gateway_root(config, base)));
        found.extend(upstream_keys(config, base));
        let collector = config.telemetry.as_ref();
        if collector.is_some_and(|it| it.authorization.is_some()) {
            let shown = collector_shown(config, base);
            found.push(told("telemetry.authorization", shown));
        }
    }
    let (stored, store) = databases(config, base, role).await;
    if role.has_identity() && own.iter().all(Finding::is_good) && config.sso.is_some() {
        // Only then: what is missing was said, and would be said again.
        let start = Start::new(config, base);
        own.extend(listed(store.as_ref()).await);
        own.push(told(
            "[sso], every [[verifier]], [policy], [[scope]] and [[workload]]",
            examine_identity(&start, store.clone()).await,
        ));
        if own.iter().all(Finding::is_good) {
            own.extend(workloads(&start, store).await);
        }
    }
    found.extend(own);
    found.extend(stored);
    found.extend(models(config));
    if role.has_gateway() && found.iter().all(Finding::is_good) {
        let what = "every [[upstream]]";
        found.push(told(what, examine_gateway(&Start::new(config, base))));
    }
    found.push(told("the listeners", examine_doors(config, base)));
    found.extend(exposed(config, role));
    if role.has_identity() {
        found.push(provider(config).await);
    }
    match role {
        Role::All => {}
        Role::Identity => found.extend(log_key(config, base)),
        Role::Gateway => found.push(identity_plane(config).await),
    }
    found
}

/// How many of those the directory lists have signed in: when it is none, the two name people by
/// different values, and a leaver is not found.
async fn listed(store: Option<&Identity>) -> Option<Finding> {
    let census = store?.census().await.ok()?;
    if census.users == 0 {
        return None;
    }
    let (what, joined) = ("sso.subject_claim and sso.scim_subject", census.joined);
    Some(if joined == 0 {
        Finding::note(
            what,
            format!(
                "the directory lists {} people and none of them has signed in; if some have, the two do \
                 not carry the same value, and no leaver will be found",
                census.users
            ),
        )
    } else {
        let text = format!("{what}: {joined} of {} listed have signed in", census.users);
        Finding::good(text)
    })
}

/// What is listened on by more than this machine, and should not be as it is.
fn exposed(config: &Config, role: Role) -> Vec<Finding> {
    let server = &config.server;
    let mut found = Vec::new();
    let doors = [
        ("server.listen", Some(server.listen), true),
        (
            "server.gateway_listen",
            server.gateway_listen,
            role.has_gateway(),
        ),
    ];
    for (key, address, here) in doors {
        let Some(address) = address.filter(|it| here && !it.ip().is_loopback()) else {
            continue;
        };
        if server.tls.is_none() {
            found.push(Finding::note(
                format!("{key} is {address}, without TLS"),
                "tokens and cookies cross the network as they are; write [server.tls], or listen on \
                 127.0.0.1 behind a proxy that ends TLS",
            ));
        }
    }
    if let Some(address) = server.ops_listen.filter(|it| !it.ip().is_loopback()) {
        found.push(Finding::note(
            format!("server.ops_listen is {address}"),
            "it asks nobody for a credential; keep it away from the public",
        ));
    }
    found
}

/// What the gateway of another process must be told, when the keys can be used.
fn log_key(config: &Config, base: &Path) -> Option<Finding> {
    let signer = identity_signer(config, base).ok()?;
    Some(Finding::note(
        "the gateway's configuration needs the identity log's key",
        format!("server.identity_log_key = \"{}\"", signer.vkey()),
    ))
}

fn told<T>(what: &str, outcome: anyhow::Result<T>) -> Finding {
    match outcome {
        Ok(_) => Finding::good(what),
        Err(error) => Finding::bad(what, chain(error.as_ref())),
    }
}

fn identity_secrets(config: &Config) -> Vec<(String, SecretRef)> {
    let sso = config.sso.iter();
    let mut all: Vec<_> = sso
        .map(|sso| ("sso.client_secret".to_owned(), sso.client_secret.clone()))
        .collect();
    if let Some(introspection) = &config.introspection {
        let secret = introspection.secret.clone();
        all.push(("introspection.secret".to_owned(), secret));
    }
    for verifier in &config.verifier {
        let of = |(key, secret): (&str, &SecretRef)| {
            (
                format!("the {key} of verifier {}", verifier.kind()),
                secret.clone(),
            )
        };
        all.extend(verifier.secrets().into_iter().map(of));
    }
    all
}

/// The platforms of builds, and the members who answer for them.
async fn workloads(start: &Start<'_>, store: Option<Identity>) -> Vec<Finding> {
    match examine_workloads(start, store).await {
        Ok(found) => found
            .into_iter()
            .map(|it| match it.wrong {
                None => Finding::good(it.what),
                Some(mend) => Finding::bad(it.what, mend),
            })
            .collect(),
        Err(error) => vec![Finding::bad("every [[workload]]", chain(error.as_ref()))],
    }
}

/// Every key of every upstream, and what a provider is told where there is none.
fn upstream_keys(config: &Config, base: &Path) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Ok(root) = gateway_root(config, base) {
        for upstream in &config.upstream {
            let name = &upstream.name;
            let sources = upstream.credential.iter().flat_map(|keys| &keys.all);
            found.extend(sources.map(|source| {
                let secret = SecretRef::from(&source.secret);
                let read = secret.upstream_key(base, name, &root);
                told(
                    &format!("the credential of upstream {name}"),
                    read.map_err(Into::into),
                )
            }));
        }
    }
    match federation_issuer(config, base) {
        Ok(None) => {}
        Ok(Some(issuer)) => found.push(Finding::note(
            "[federation]",
            format!(
                "providers are told to trust the issuer {}; `bauta keys issuer` shows its keys",
                issuer.url()
            ),
        )),
        Err(error) => found.push(Finding::bad("[federation]", chain(error.as_ref()))),
    }
    found
}

fn secrets(all: &[(String, SecretRef)], base: &Path) -> Vec<Finding> {
    all.iter()
        .map(|(what, secret)| told(what, secret.text(base).map_err(Into::into)))
        .collect()
}

fn models(config: &Config) -> Vec<Finding> {
    let what = "models and upstreams";
    let said = |it: bauta_proxy::route::Finding| match it.gravity {
        Gravity::Warning => Finding::note(what, it.sentence),
        _ => Finding::bad(what, it.sentence),
    };
    match Models::load(&config.model, &config.upstream) {
        Ok((_, notes)) => {
            let count = config.model.len();
            let good = Finding::good(format!("{count} models, each with its targets"));
            std::iter::once(good)
                .chain(notes.into_iter().map(said))
                .collect()
        }
        Err(found) => found.into_iter().map(said).collect(),
    }
}
