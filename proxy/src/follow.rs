//! Applies what the identity plane broadcasts, and denies when it can no longer hear it.
//!
//! The feed is pulled, page after page; every reader gets the same signed bytes, so asking says
//! nothing about any member. A page is taken whole or not at all: signed by the identity log's
//! key, joined to the last one without a gap, never older than it, and with a manifest only when
//! the log proves it. What a page says is in force before it is stored; a page that could not be
//! stored is kept and stored with the next one.
//!
//! Freshness is reckoned by our own clock from when a pull began, and only a page signed later
//! than the last one renews it: so a page that is replayed renews nothing, and two clocks that
//! differ by a minute do no harm.

use std::sync::Arc;

use bauta_audit::note::{NoteError, Verifier};
use bauta_token::{
    ambient::Clock,
    manifest::{Manifest, ManifestError},
    notice::{Numbered, Page},
    units::UnixMillis,
};
use thiserror::Error;
use tokio::sync::Mutex;

pub use self::view::{Asks, Taken, View, Views};
use crate::ports::{Feed, FeedBook, FeedError, Heard, StoreError};

mod view;

/// The reader of the feed.
pub struct Follower {
    feed: Arc<dyn Feed>,
    book: Arc<dyn FeedBook>,
    log: Verifier,
    clock: Arc<dyn Clock>,
    views: Arc<Views>,
    place: Mutex<Place>,
}

/// How far the feed was followed.
#[derive(Default)]
struct Place {
    seq: u64,
    page_at: UnixMillis,
    /// The manifest in force as it came last, with the proof of that moment.
    proved: Option<String>,
    /// Heard and not stored yet.
    unsaved: Vec<Numbered>,
    unsaved_manifest: Option<String>,
    saved_at: UnixMillis,
}

/// What a pull brought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Followed {
    /// The number of the last notice applied.
    pub seq: u64,
    /// How many notices were new.
    pub news: usize,
}

impl Follower {
    /// Puts what was heard before a restart in force again. Nothing is fresh until the first
    /// [`Follower::follow`].
    ///
    /// # Errors
    ///
    /// When storage does not answer, or holds a manifest that the log's key does not prove.
    pub async fn open(
        feed: Arc<dyn Feed>,
        book: Arc<dyn FeedBook>,
        log: Verifier,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, FollowError> {
        let heard = book.heard(clock.now()).await?;
        let mut view = View::default();
        if let Some(proved) = &heard.manifest {
            view.adopt(Manifest::accept(proved, &log)?)?;
        }
        for numbered in heard.notices {
            view.apply(numbered.notice);
        }
        let place = Place {
            seq: heard.seq,
            page_at: heard.page_at,
            proved: heard.manifest,
            saved_at: heard.page_at,
            ..Place::default()
        };
        Ok(Self {
            feed,
            book,
            log,
            clock,
            views: Arc::new(Views::new(view, heard.page_at)),
            place: Mutex::new(place),
        })
    }

    /// What is in force, for those who ask at every request.
    #[must_use]
    pub const fn views(&self) -> &Arc<Views> {
        &self.views
    }

    /// Pulls until nothing is missing, and puts it in force.
    ///
    /// # Errors
    ///
    /// [`FollowError`] when no page came or one was refused: what was in force stays so, and goes
    /// stale. [`FollowError::Store`] alone means that all is in force and not stored yet.
    pub async fn follow(&self) -> Result<Followed, FollowError> {
        let mut place = self.place.lock().await;
        let mut news = 0_usize;
        loop {
            let began = self.clock.now();
            let text = self.feed.pull(place.seq).await?;
            let page = read(&text, &self.log)?;
            let caught_up = self.take(&mut place, &page, began)?;
            news = news.saturating_add(page.notices.len());
            if caught_up {
                break;
            }
        }
        self.save(&mut place).await?;
        Ok(Followed {
            seq: place.seq,
            news,
        })
    }

    /// Puts a page in force. Whether nothing is missing after it.
    fn take(&self, place: &mut Place, page: &Page, began: UnixMillis) -> Result<bool, FollowError> {
        let last = joined(place, page)?;
        let manifest = self.manifest(place, page)?;
        if manifest.is_some() || !page.notices.is_empty() {
            let mut view = View::clone(&self.views.current());
            if let Some(manifest) = manifest {
                view.adopt(manifest)?;
                place.unsaved_manifest.clone_from(&page.manifest);
            }
            for numbered in &page.notices {
                view.apply(numbered.notice.clone());
            }
            view.forget(began);
            self.views.replace(view);
        }
        if page.manifest.is_some() {
            place.proved.clone_from(&page.manifest);
        }
        place.unsaved.extend(page.notices.iter().cloned());
        place.seq = last;
        let caught_up = last == page.last;
        // The first page after a start may be the very one that was stored.
        let first = self.views.age_ms(began).is_none();
        if caught_up && (first || page.at > place.page_at) {
            self.views.renew(began, page.at);
        }
        place.page_at = page.at;
        if !caught_up && page.notices.is_empty() {
            return Err(FollowError::Gap);
        }
        Ok(caught_up)
    }

    /// The manifest of the page, if it is not the one in force. Its proof changes as the log grows;
    /// that alone is no news.
    fn manifest(&self, place: &Place, page: &Page) -> Result<Option<Manifest>, FollowError> {
        let Some(proved) = &page.manifest else {
            return Ok(None);
        };
        if place.proved.as_ref() == Some(proved) {
            return Ok(None);
        }
        let manifest = Manifest::accept(proved, &self.log)?;
        let view = self.views.current();
        let held = view.manifest().map(Arc::as_ref);
        Ok((held != Some(&manifest)).then_some(manifest))
    }

    /// Stores what is new. A page that says nothing new is stored once a minute: its time is the
    /// floor below which no clock can take us.
    async fn save(&self, place: &mut Place) -> Result<(), StoreError> {
        let old = place.page_at.0.saturating_sub(place.saved_at.0) < 60_000;
        if place.unsaved.is_empty() && place.unsaved_manifest.is_none() && old {
            return Ok(());
        }
        let news = Arc::new(Heard {
            seq: place.seq,
            page_at: place.page_at,
            manifest: place.unsaved_manifest.clone(),
            notices: place.unsaved.clone(),
        });
        self.book.hear(news, self.clock.now()).await?;
        place.unsaved.clear();
        place.unsaved_manifest = None;
        place.saved_at = place.page_at;
        Ok(())
    }
}

/// The page that a note carries: one line of JSON.
fn read(text: &str, log: &Verifier) -> Result<Page, FollowError> {
    let text = log.open(text)?;
    serde_json::from_str(text).map_err(|_| FollowError::Page)
}

/// The number of the last notice of `page`, if it continues where we are.
fn joined(place: &Place, page: &Page) -> Result<u64, FollowError> {
    if page.after != place.seq || page.last < page.after {
        return Err(FollowError::Gap);
    }
    if page.at < place.page_at {
        return Err(FollowError::Older);
    }
    let mut last = page.after;
    for numbered in &page.notices {
        if Some(numbered.seq) != last.checked_add(1) {
            return Err(FollowError::Gap);
        }
        last = numbered.seq;
    }
    if last > page.last {
        return Err(FollowError::Gap);
    }
    Ok(last)
}

/// Why the feed was not followed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FollowError {
    /// No page came.
    #[error("no page of the feed came")]
    Feed(#[from] FeedError),
    /// The identity log's key did not sign it.
    #[error("a page of the feed is not signed by the identity log")]
    Note(#[from] NoteError),
    /// Signed, but no page.
    #[error("a page of the feed is not of its form")]
    Page,
    /// It does not begin where the last one ended, or leaves notices out.
    #[error("a page of the feed does not continue the last one")]
    Gap,
    /// It was signed before the last one.
    #[error("a page of the feed is older than the last one")]
    Older,
    /// The log does not prove its manifest.
    #[error("the manifest of a page is refused")]
    Manifest(#[from] ManifestError),
    /// Its manifest is older than the one in force.
    #[error("the manifest of a page is older than the one in force")]
    OldManifest,
    /// All is in force, and not stored.
    #[error("what was heard could not be stored")]
    Store(#[from] StoreError),
}

#[cfg(test)]
mod tests;
