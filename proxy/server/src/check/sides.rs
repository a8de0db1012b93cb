//! The other sides: the identity provider, and the identity plane of another process.

use bauta_audit::note::Verifier;
use serde_json::Value;

use super::Finding;
use crate::{
    chain::chain,
    config::Config,
    serve::{feed_origin, outbound},
};

/// Whether the identity plane answers, and its log is signed by the key that was written down.
pub(super) async fn identity_plane(config: &Config) -> Finding {
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
            format!(
                "{}; start it, or mend server.feed_url",
                chain(error.as_ref())
            ),
        ),
    }
}

async fn checkpoint(origin: &str) -> anyhow::Result<String> {
    let url = format!("{origin}/log/identity/checkpoint");
    let answer = outbound()?.get(url).send().await?.error_for_status()?;
    Ok(answer.text().await?)
}

/// Whether the identity provider is who the configuration says, byte for byte.
pub(super) async fn provider(config: &Config) -> Finding {
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
        Err(error) => Finding::bad(
            what,
            format!(
                "is sso.issuer right, and can this machine reach it? {}",
                chain(error.as_ref())
            ),
        ),
    }
}

/// The issuer that the provider's discovery document names.
pub(crate) async fn discovered(issuer: &str) -> anyhow::Result<String> {
    let url = format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    );
    let answer = outbound()?.get(url).send().await?.error_for_status()?;
    let document: Value = answer.json().await?;
    let issuer = document.get("issuer").and_then(Value::as_str);
    Ok(issuer.unwrap_or_default().to_owned())
}
