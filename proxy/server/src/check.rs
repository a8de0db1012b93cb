//! What is wrong with a configuration, found before anybody is refused because of it.

use std::path::Path;

use bauta_audit::note::Verifier;
use bauta_proxy::route::Models;
use serde_json::{Value, json};

use crate::{
    cli::print::Style,
    config::Config,
    secret::SecretRef,
    serve::{Role, feed_origin, gateway_root, identity_signer, key_material, outbound},
};

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

/// Looks at keys, secrets, models, databases and the other sides, as far as `role` needs them.
/// Changes nothing.
pub async fn findings(config: &Config, base: &Path, role: Role) -> Vec<Finding> {
    let mut found = vec![Finding::good("the configuration is understood")];
    if role.has_identity() {
        found.push(told("keys.pepper and keys.kek", key_material(config, base)));
    }
    if role.has_gateway() {
        found.push(told("keys.gateway", gateway_root(config, base)));
    }
    found.extend(secrets(config, base, role));
    found.extend(models(config));
    found.extend(databases(config, base, role));
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

/// What the gateway of another process must be told, when the keys can be used.
fn log_key(config: &Config, base: &Path) -> Option<Finding> {
    let signer = identity_signer(config, base).ok()?;
    Some(Finding::note(
        "the gateway's configuration needs the identity log's key",
        format!("server.identity_log_key = \"{}\"", signer.vkey()),
    ))
}

/// Whether the identity plane answers, and its log is signed by the key that was written down.
async fn identity_plane(config: &Config) -> Finding {
    let origin = feed_origin(config);
    let what = format!("the identity plane at {origin}");
    let Some(key) = &config.server.identity_log_key else {
        return Finding::bad(
            "server.identity_log_key is absent",
            "the gateway takes the feed by it; `bauta check --role identity` shows it on the other \
             side",
        );
    };
    let Ok(verifier) = Verifier::parse(key) else {
        return Finding::bad(
            "server.identity_log_key is no key",
            "copy it as `bauta check --role identity` shows it on the other side",
        );
    };
    match checkpoint(origin).await {
        Ok(note) if verifier.checkpoint(&note).is_ok() => Finding::good(what),
        Ok(_) => Finding::bad(
            what,
            "its log is signed by another key than server.identity_log_key; look at both",
        ),
        Err(error) => Finding::bad(
            what,
            format!("{error:#}; start it, or mend server.feed_url"),
        ),
    }
}

async fn checkpoint(origin: &str) -> anyhow::Result<String> {
    let url = format!("{origin}/log/identity/checkpoint");
    let answer = outbound()?.get(url).send().await?.error_for_status()?;
    Ok(answer.text().await?)
}

fn told<T>(what: &str, outcome: anyhow::Result<T>) -> Finding {
    match outcome {
        Ok(_) => Finding::good(what),
        Err(error) => Finding::bad(what, format!("{error:#}")),
    }
}

fn secrets(config: &Config, base: &Path, role: Role) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut look = |what: String, secret: &SecretRef| {
        found.push(told(&what, secret.text(base).map_err(Into::into)));
    };
    if let Some(sso) = config.sso.as_ref().filter(|_| role.has_identity()) {
        look("sso.client_secret".to_owned(), &sso.client_secret);
    }
    let verifiers = config.verifier.iter().enumerate();
    for (place, verifier) in verifiers.filter(|_| role.has_identity()) {
        // Resolving visits each secret of a section once, whatever its kind.
        let visited = verifier.clone().resolve(|secret| {
            look(
                format!("a secret of verifier {}", place.saturating_add(1)),
                &secret,
            );
            Ok::<_, std::convert::Infallible>(())
        });
        drop(visited);
    }
    for upstream in config.upstream.iter().filter(|_| role.has_gateway()) {
        if let Some(source) = &upstream.credential {
            look(
                format!("the credential of upstream {}", upstream.name),
                &source.into(),
            );
        }
    }
    found
}

fn models(config: &Config) -> Vec<Finding> {
    let what = "models and upstreams";
    match Models::load(&config.model, &config.upstream) {
        Ok((_, notes)) => {
            let count = config.model.len();
            let good = Finding::good(format!("{count} models, each with its targets"));
            let note = |it: bauta_proxy::route::Finding| Finding::note(what, it.sentence);
            std::iter::once(good)
                .chain(notes.into_iter().map(note))
                .collect()
        }
        Err(bad) => {
            let bad = bad.into_iter();
            bad.map(|it| Finding::bad(what, it.sentence)).collect()
        }
    }
}

fn databases(config: &Config, base: &Path, role: Role) -> Vec<Finding> {
    let storage = &config.storage;
    let sides = [
        ("storage.identity", &storage.identity, role.has_identity()),
        ("storage.gateway", &storage.gateway, role.has_gateway()),
    ];
    let needed = sides.into_iter().filter(|(_, _, needed)| *needed);
    needed
        .map(|(key, url, _)| database(key, url.as_deref(), base))
        .collect()
}

fn database(key: &str, url: Option<&str>, base: &Path) -> Finding {
    let Some(url) = url else {
        return Finding::bad(
            format!("{key} is absent"),
            "this role needs it: write sqlite://path or postgres://user@host/name",
        );
    };
    let Some(path) = url.strip_prefix("sqlite://") else {
        return Finding::good(format!("{key} is a server's"));
    };
    let folder = base.join(path);
    let folder = folder.parent().unwrap_or(base);
    if folder.is_dir() {
        Finding::good(format!("{key} has a place"))
    } else {
        Finding::bad(
            format!("{key} is a file in {}", folder.display()),
            "make that folder, readable by the server's user only",
        )
    }
}

/// Whether the identity provider is who the configuration says, byte for byte.
async fn provider(config: &Config) -> Finding {
    let Some(sso) = &config.sso else {
        return Finding::bad("[sso] is absent", "the identity plane needs it");
    };
    let what = format!("the identity provider {}", sso.issuer);
    match discovered(&sso.issuer).await {
        Ok(issuer) if issuer == sso.issuer => Finding::good(what),
        Ok(issuer) => Finding::bad(
            what,
            format!("its discovery document says \"{issuer}\"; write exactly that"),
        ),
        Err(error) => Finding::bad(what, format!("{error:#}")),
    }
}

async fn discovered(issuer: &str) -> anyhow::Result<String> {
    let url = format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    );
    let answer = outbound()?.get(url).send().await?.error_for_status()?;
    let document: Value = answer.json().await?;
    let issuer = document.get("issuer").and_then(Value::as_str);
    Ok(issuer.unwrap_or_default().to_owned())
}
