//! What is wrong with a configuration, found before anybody is refused because of it.

use std::path::Path;

use bauta_proxy::route::Models;
use serde_json::{Value, json};

use crate::{
    cli::print::Style,
    config::Config,
    secret::SecretRef,
    serve::{gateway_root, key_material, outbound},
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

/// Looks at keys, secrets, models, databases and the other sides. Changes nothing.
pub async fn findings(config: &Config, base: &Path) -> Vec<Finding> {
    let mut found = vec![Finding::good("the configuration is understood")];
    found.push(told("keys.pepper and keys.kek", key_material(config, base)));
    found.push(told("keys.gateway", gateway_root(config, base)));
    found.extend(secrets(config, base));
    found.extend(models(config));
    found.push(databases(config, base));
    found.push(provider(config).await);
    found
}

fn told<T>(what: &str, outcome: anyhow::Result<T>) -> Finding {
    match outcome {
        Ok(_) => Finding::good(what),
        Err(error) => Finding::bad(what, format!("{error:#}")),
    }
}

fn secrets(config: &Config, base: &Path) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut look = |what: String, secret: &SecretRef| {
        found.push(told(&what, secret.text(base).map_err(Into::into)));
    };
    if let Some(sso) = &config.sso {
        look("sso.client_secret".to_owned(), &sso.client_secret);
    }
    for (place, verifier) in config.verifier.iter().enumerate() {
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
    for upstream in &config.upstream {
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

fn databases(config: &Config, base: &Path) -> Finding {
    for (key, url) in [
        ("storage.identity", &config.storage.identity),
        ("storage.gateway", &config.storage.gateway),
    ] {
        let Some(path) = url.as_ref().and_then(|url| url.strip_prefix("sqlite://")) else {
            continue;
        };
        let folder = base.join(path);
        let folder = folder.parent().unwrap_or(base);
        if !folder.is_dir() {
            return Finding::bad(
                format!("{key} is a file in {}", folder.display()),
                "make that folder, readable by the server's user only",
            );
        }
    }
    Finding::good("databases have a place")
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
