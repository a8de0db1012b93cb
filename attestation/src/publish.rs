//! The feed to the gateway: one numbered, signed sequence, the same for every reader.
//!
//! A page says what happened after the number the reader has, and which manifest is in force. The
//! manifest travels with the proof that the log has it, so this plane cannot show one gateway a key
//! that the auditors do not see.

use std::sync::{Arc, atomic::Ordering};

use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bauta_audit::{
    export::Disclosure,
    note::Signer,
    proof::Plan,
    store::{Head, LogStore, StoreError},
    tile::Tile,
};
use bauta_token::{
    keys::IssuerKey,
    manifest::{self, GateTerm, Manifest, ManifestError, VERSION},
    notice::Page,
    units::UnixMillis,
};
use thiserror::Error;

use crate::{
    Plane,
    http::chain,
    log::exported,
    oauth::fields::{Fields, Query},
    ports::grants::Seal,
};

/// The route of the feed. It needs no credential: everything in it is signed, and says nothing
/// about a person.
pub fn routes() -> Router<Arc<Plane>> {
    Router::new()
        .route("/feed", get(feed))
        .route("/log/identity/checkpoint", get(checkpoint))
        .route("/log/identity/{*tile}", get(tile))
}

/// The newest signed checkpoint: kept elsewhere, it shows a log that was rewritten.
async fn checkpoint(State(plane): State<Arc<Plane>>) -> Response {
    match plane.log().head().await {
        Ok(head) if head.note.is_empty() => StatusCode::NOT_FOUND.into_response(),
        Ok(head) => kept(head.note, "text/plain; charset=utf-8", "no-store"),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// Hashes of the tree. Leaves about members are salted, so a hash says nothing about one.
async fn tile(State(plane): State<Arc<Plane>>, Path(path): Path<String>) -> Response {
    let Ok(tile) = path.parse::<Tile>() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match tile.contents(&*plane.log()).await {
        Ok(Some(hashes)) => kept(hashes, "application/octet-stream", FOR_EVER),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn kept(body: impl IntoResponse, kind: &'static str, cache: &'static str) -> Response {
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, cache)];
    (headers, body).into_response()
}

/// A tile never changes; a partial one is another path.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// Why there is no page.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The reader has a number that was never given: one of the two databases was set back.
    #[error("the reader is ahead of this feed")]
    Ahead,
    /// No gateway would accept the manifest.
    #[error("the manifest cannot be published")]
    Manifest(#[from] ManifestError),
    /// The log's key cannot sign.
    #[error("the log has no signer")]
    Signer,
    /// The log has no proof of its own leaf.
    #[error("the log has no proof of the manifest")]
    Proof,
    /// The page has no form.
    #[error("the page cannot be written")]
    Form(#[source] serde_json::Error),
    /// Storage gave no answer.
    #[error("the feed has no answer")]
    Store(#[from] StoreError),
}

impl Plane {
    /// What happened after the notice numbered `after`, as a signed note whose text is one line of
    /// JSON.
    ///
    /// # Errors
    ///
    /// [`PublishError`]. The reader then keeps what it has until that is too old.
    pub async fn page(&self, after: u64) -> Result<String, PublishError> {
        let manifest = self.manifest().await?;
        // The time first: what happens while the rest is read is told by a later page.
        let at = self.clock.now();
        self.heard.store(at.0, Ordering::Relaxed);
        let told = self.store.notices(after, AT_MOST).await?;
        if after > told.last {
            return Err(PublishError::Ahead);
        }
        let page = Page {
            after,
            last: told.last,
            at,
            notices: told.notices,
            manifest: Some(manifest),
        };
        let text = serde_json::to_string(&page).map_err(PublishError::Form)?;
        Ok(self.log_signer()?.sign(&text))
    }

    /// The manifest in force with its proof, put into the log first when it is not there yet.
    ///
    /// # Errors
    ///
    /// [`PublishError`].
    pub async fn manifest(&self) -> Result<String, PublishError> {
        let (index, leaf) = self.published().await?;
        let head = self.store.head().await?;
        let plan = Plan::inclusion(index, head.size).ok_or(PublishError::Proof)?;
        let nodes: Vec<_> = plan.nodes().collect();
        let hashes = self.store.nodes(&nodes).await?;
        let known = |id| {
            let place = nodes.iter().position(|node| *node == id)?;
            hashes.get(place).copied()
        };
        let proof = plan.prove(known).ok_or(PublishError::Proof)?;
        Ok(manifest::prove(&leaf, index, &proof, &head.note))
    }

    /// Moves what is queued into the identity log and signs a checkpoint, also when there was
    /// nothing: then it says that the log lives. Gives the new head.
    ///
    /// # Errors
    ///
    /// [`PublishError`]. What was not moved is moved by the next call.
    pub async fn seal(&self) -> Result<Head, PublishError> {
        let signer = self.log_signer()?;
        let mut before = self.store.head().await?.size;
        loop {
            let head = self
                .store
                .seal(Seal {
                    signer: Arc::clone(&signer),
                    now: self.clock.now(),
                    at_most: AT_MOST,
                })
                .await?;
            if head.size.saturating_sub(before) < u64::from(AT_MOST) {
                return Ok(head);
            }
            before = head.size;
        }
    }

    /// Puts into the log that it is about to be exported, before it is.
    ///
    /// # Errors
    ///
    /// [`PublishError`]. Nothing may be exported then.
    pub async fn disclose(&self, told: &Disclosure) -> Result<(), PublishError> {
        let event = exported(told, self.clock.now(), &*self.randomness);
        self.store.note(&[event]).await?;
        self.seal().await.map(drop)
    }

    async fn published(&self) -> Result<(u64, String), PublishError> {
        let newest = self.store.manifest().await?;
        let now = self.clock.now();
        let mut wanted = self.wanted(now);
        if let Some((index, leaf)) = newest {
            let issued_at = Manifest::read(&leaf).map(|held| held.issued_at);
            // A manifest never follows a younger one, also when a clock went back.
            wanted.issued_at = issued_at.unwrap_or(now);
            if wanted.leaf()? == leaf {
                return Ok((index, leaf));
            }
            wanted.issued_at = now.max(UnixMillis(wanted.issued_at.0.saturating_add(1)));
        }
        let leaf = wanted.leaf()?;
        let signer = self.log_signer()?;
        let index = self.store.publish(leaf.clone(), signer, now).await?;
        tracing::info!(index, "a manifest was published");
        Ok((index, leaf))
    }

    /// What the configuration, the keys and the policies say now.
    fn wanted(&self, now: UnixMillis) -> Manifest {
        let gates = self.policies.all().map(|policy| GateTerm {
            gate: policy.gate(),
            effective_from: policy.effective_from(),
        });
        Manifest {
            v: VERSION,
            issuer: self.issuer(),
            audience: self.audience(),
            keys: sorted(self.issuer_keys()),
            scopes: self.scopes.values().map(|rule| rule.terms()).collect(),
            gates: gates.collect(),
            issued_at: now,
        }
    }

    /// The identity log.
    #[must_use]
    pub fn log(&self) -> Arc<dyn LogStore> {
        Arc::clone(&self.store) as Arc<dyn LogStore>
    }

    /// Signs checkpoints of the identity log, and pages.
    ///
    /// # Errors
    ///
    /// When the host of the public URL cannot name a log.
    pub fn log_signer(&self) -> Result<Arc<Signer>, PublishError> {
        let signer = self.keys.log_signer(&self.settings.public_url);
        signer.map(Arc::new).ok_or(PublishError::Signer)
    }
}

fn sorted(mut keys: Vec<IssuerKey>) -> Vec<IssuerKey> {
    keys.sort_by_key(|key| (key.not_before, key.kid));
    keys
}

async fn feed(State(plane): State<Arc<Plane>>, Query(query): Query) -> Response {
    let after = query.ok().as_ref().and_then(number);
    let Some(after) = after else {
        return (
            StatusCode::BAD_REQUEST,
            "after: the number of the last notice you have\n",
        )
            .into_response();
    };
    match plane.page(after).await {
        Ok(page) => (
            [
                (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
                (header::CACHE_CONTROL, "no-store"),
            ],
            page,
        )
            .into_response(),
        Err(PublishError::Ahead) => (StatusCode::CONFLICT, "ahead\n").into_response(),
        Err(error) => {
            tracing::error!(error = chain(&error), "the feed has no page");
            (StatusCode::SERVICE_UNAVAILABLE, "no page\n").into_response()
        }
    }
}

/// Digits and nothing else: no sign, no space, no zero in front.
fn number(query: &Fields) -> Option<u64> {
    let text = query.find("after")?;
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// A reader that is further behind asks again; a longer queue is sealed in several batches.
const AT_MOST: u32 = 1_000;
