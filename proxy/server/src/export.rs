//! Exports of either log to a file. One plane, one file, never joined.

use std::{
    fs::OpenOptions,
    io::{BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
};

use anyhow::{Context, anyhow};
use bauta_attestation::{
    Plane as IdentityPlane,
    log::exported,
    ports::{Store, grants::Seal},
};
use bauta_audit::{
    export::{
        Disclosure, Durability, Filter, Plane, Profile, Request, Summary, Window, measure,
        open_kept, write,
    },
    note::{Checkpoint, Signer},
    store::LogStore,
};
use bauta_proxy::{Gateway, ports::GatewayBook};
use bauta_token::ambient::{Clock, bytes};

use crate::{
    ambient::{SystemClock, SystemRandomness},
    config::Config,
    serve::{gateway_root, gateway_signer, identity_signer},
};

/// What of a log is exported.
pub struct Whole {
    /// When the events happened, half-open.
    pub window: Window,
    /// Which of them.
    pub filter: Filter,
    /// What for.
    pub profile: Profile,
    /// What a commit means.
    pub durability: Durability,
    /// What the log is proved to continue, as [`bauta_audit::export::kept`] reads it.
    pub previous: Option<String>,
}

impl Whole {
    /// Everything so far.
    #[must_use]
    pub fn until_now() -> Self {
        Self {
            window: everything(),
            filter: Filter::everything(),
            profile: Profile::default(),
            durability: Durability::default(),
            previous: None,
        }
    }

    fn request(&self, plane: Plane, signer: &Signer) -> anyhow::Result<Request> {
        let previous = self.previous.as_ref().map(|text| kept(text, signer));
        Ok(Request {
            plane,
            window: self.window.clone(),
            filter: self.filter.clone(),
            profile: self.profile,
            durability: self.durability,
            previous: previous.transpose()?,
        })
    }
}

/// Every type of event that `plane`'s log holds.
#[must_use]
pub const fn types(plane: Plane) -> &'static [&'static str] {
    match plane {
        Plane::Identity => bauta_attestation::log::TYPES.as_slice(),
        Plane::Gateway => bauta_proxy::log::TYPES.as_slice(),
        _ => &[],
    }
}

/// The checkpoint in what was kept of this log.
fn kept(text: &str, signer: &Signer) -> anyhow::Result<Checkpoint> {
    let ours = signer.verifier();
    open_kept(text, ours).map_err(|cause| {
        let (then, now) = (named(text), ours.name());
        match then {
            Some(then) if then != now => anyhow!(
                "the log was named {then} when that was made, and the configuration now names it \
                 {now}: it is another plane's, or {} was changed. A log goes on only under the name \
                 it had",
                if now.ends_with("/log/gateway") {
                    "server.gateway_url"
                } else {
                    "server.public_url"
                }
            ),
            _ => anyhow::Error::new(cause).context(
                "what was kept was not signed by this log's key: it is of another server, or the \
                 key was changed",
            ),
        }
    })
}

/// What a kept export or checkpoint calls its log. Nothing of it is believed yet.
fn named(text: &str) -> Option<String> {
    if !text.starts_with('{') {
        return text.lines().next().map(str::to_owned);
    }
    let header: serde_json::Value = serde_json::from_str(text).ok()?;
    let (name, _) = header.get("key")?.as_str()?.split_once('+')?;
    Some(name.to_owned())
}

/// Exports the identity log to `file`.
///
/// # Errors
///
/// When the log cannot be read or the file cannot be written.
pub async fn identity(
    plane: &IdentityPlane,
    whole: &Whole,
    file: &Path,
) -> anyhow::Result<Summary> {
    plane.seal().await?;
    let signer = plane.log_signer()?;
    let request = whole.request(Plane::Identity, &signer)?;
    let told = told(&*plane.log(), &signer, &request).await?;
    plane.disclose(&told).await.context(UNRECORDED)?;
    to_file(&*plane.log(), &signer, &request, file).await
}

/// Exports the gateway log to `file`.
///
/// # Errors
///
/// When the log cannot be read or the file cannot be written.
pub async fn gateway(gateway: &Gateway, whole: &Whole, file: &Path) -> anyhow::Result<Summary> {
    gateway.seal().await?;
    let signer = gateway.signer();
    let request = whole.request(Plane::Gateway, &signer)?;
    let told = told(&*gateway.log(), &signer, &request).await?;
    gateway.disclose(&told).await.context(UNRECORDED)?;
    to_file(&*gateway.log(), &signer, &request, file).await
}

/// Exports `plane`'s log from the files of a server, whether it runs or not. What is on record and
/// not in the log yet is moved there first. Gives the key that the export is verified under.
///
/// # Errors
///
/// When the keys or the database cannot be used, or the file cannot be written.
pub(crate) async fn from_files(
    config: &Config,
    base: &Path,
    plane: Plane,
    whole: &Whole,
    file: &Path,
) -> anyhow::Result<(Summary, String)> {
    let randomness = SystemRandomness::default();
    match plane {
        Plane::Identity => {
            let (store, signer) = sealed_identity(config, base).await?;
            let request = whole.request(plane, &signer)?;
            let told = told(&*store, &signer, &request).await?;
            let event = exported(&told, SystemClock.now(), &randomness);
            store.note(&[event]).await.context(UNRECORDED)?;
            seal(&store, &signer).await.context(UNRECORDED)?;
            let summary = to_file(&*store, &signer, &request, file).await?;
            Ok((summary, signer.vkey()))
        }
        Plane::Gateway => {
            let (book, signer) = sealed_gateway(config, base).await?;
            let request = whole.request(plane, &signer)?;
            let told = told(&*book, &signer, &request).await?;
            let now = SystemClock.now();
            let leaf = bauta_proxy::log::exported(&told, now, &randomness)?;
            let disclosed = book.disclose(leaf, Arc::clone(&signer), now).await;
            disclosed.context(UNRECORDED)?;
            let summary = to_file(&*book, &signer, &request, file).await?;
            Ok((summary, signer.vkey()))
        }
        _ => anyhow::bail!("there is no such log"),
    }
}

/// What the log is to say of this export.
async fn told(
    log: &dyn LogStore,
    signer: &Signer,
    request: &Request,
) -> anyhow::Result<Disclosure> {
    let found = measure(log, signer, request).await?;
    Ok(Disclosure::new(request, "jsonl", found))
}

async fn sealed_identity(
    config: &Config,
    base: &Path,
) -> anyhow::Result<(Arc<dyn Store>, Arc<Signer>)> {
    let url = config.storage.identity.as_ref();
    let url = url.context("the configuration has no storage.identity")?;
    let signer = Arc::new(identity_signer(config, base)?);
    let store = bauta_storage::join_identity(url, base).await?;
    seal(&store, &signer).await?;
    Ok((store, signer))
}

async fn seal(store: &Arc<dyn Store>, signer: &Arc<Signer>) -> anyhow::Result<()> {
    let mut before = store.head().await?.size;
    loop {
        let head = store
            .seal(Seal {
                signer: Arc::clone(signer),
                now: SystemClock.now(),
                at_most: AT_MOST,
            })
            .await?;
        if head.size.saturating_sub(before) < u64::from(AT_MOST) {
            return Ok(());
        }
        before = head.size;
    }
}

async fn sealed_gateway(
    config: &Config,
    base: &Path,
) -> anyhow::Result<(Arc<dyn GatewayBook>, Arc<Signer>)> {
    let url = config.storage.gateway.as_ref();
    let url = url.context("the configuration has no storage.gateway")?;
    let signer = Arc::new(gateway_signer(&gateway_root(config, base)?, config)?);
    let book = bauta_storage::join_gateway(url, base).await?;
    let randomness = SystemRandomness::default();
    loop {
        let seed = bytes(&randomness);
        let sealing = book
            .seal(Arc::clone(&signer), seed, SystemClock.now())
            .await?;
        if !sealing.more {
            return Ok((book, signer));
        }
    }
}

/// Before an export is written it is on record in the log it is made of, or it is not written.
const UNRECORDED: &str = "the export was not written, because the log could not record it first; \
                          mend the database and export again";

/// How many entries one commit moves.
const AT_MOST: u32 = 1_000;

/// Writes beside the file and renames, so that a broken export never stands where a good one did.
pub(crate) async fn to_file(
    log: &dyn LogStore,
    signer: &Signer,
    request: &Request,
    file: &Path,
) -> anyhow::Result<Summary> {
    let mut name = file.as_os_str().to_owned();
    name.push(".part");
    let part = Path::new(&name);
    let place = || format!("{} cannot be written", file.display());
    let out = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(part)
        .with_context(place)?;
    let mut out = BufWriter::new(out);
    let summary = write(log, signer, request, &mut out).await?;
    out.flush().with_context(place)?;
    out.into_inner()?.sync_all().with_context(place)?;
    std::fs::rename(part, file).with_context(place)?;
    Ok(summary)
}

#[expect(
    clippy::expect_used,
    reason = "two constants in order; a test reads them"
)]
fn everything() -> Window {
    Window::new("1970-01-01T00:00:00.000Z", "9999-12-31T00:00:00.000Z").expect("a window")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_was_renamed_is_told_from_a_forged_one() {
        let signer = |name: &str, seed| Signer::new(name, &[seed; 32]).unwrap();
        let root = bauta_audit::tree::Hash([7; 32]);
        let old = signer("old.example/log/gateway", 1);
        let new = signer("new.example/log/gateway", 1);
        let other = signer("new.example/log/gateway", 2);
        let note = old.checkpoint(3, &root);
        let header = format!("{{\"key\":\"{}\"}}", old.vkey());

        for text in [&note, &header] {
            let told = kept(text, &new).unwrap_err().to_string();
            assert!(told.contains("was named old.example/log/gateway"), "{told}");
            assert!(told.contains("names it new.example/log/gateway"), "{told}");
            assert!(told.contains("server.gateway_url"), "{told}");
        }
        let forged = kept(&other.checkpoint(3, &root), &new).unwrap_err();
        assert!(forged.to_string().contains("not signed by this log's key"));
        assert_eq!(kept(&note, &old).unwrap().size, 3);
    }

    #[test]
    fn everything_is_a_window() {
        assert_eq!(everything().from(), "1970-01-01T00:00:00.000Z");
    }
}
