//! What the identity plane broadcast, kept across a restart.

use std::sync::Arc;

use async_trait::async_trait;
use bauta_audit::store::StoreError;
use bauta_proxy::ports::{FeedBook, Heard, forget_after};
use bauta_token::{
    notice::{Notice, Numbered},
    units::UnixMillis,
};
use sqlx::query;

use crate::{Conn, GatewayStore, log::corrupt};

#[async_trait]
impl FeedBook for GatewayStore {
    async fn heard(&self, now: UnixMillis) -> Result<Heard, StoreError> {
        self.db
            .read("heard", move |db| Box::pin(heard(db, now)))
            .await
    }

    async fn hear(&self, news: Arc<Heard>, now: UnixMillis) -> Result<(), StoreError> {
        self.db
            .write("hear", move |db| {
                let news = Arc::clone(&news);
                Box::pin(async move { hear(db, &news, now).await })
            })
            .await
    }
}

async fn heard(db: &mut Conn, now: UnixMillis) -> sqlx::Result<Heard> {
    let place = query!(
        r#"SELECT seq AS "seq!: i64", page_at AS "page_at!: i64", manifest AS "manifest?: String"
           FROM feed
           WHERE id = 1"#
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(place) = place else {
        return Ok(Heard::default());
    };
    let rows = query!(
        r#"SELECT seq AS "seq!: i64", notice AS "notice!: String"
           FROM heard
           WHERE forget_after IS NULL OR forget_after >= $1
           ORDER BY seq"#,
        now.0,
    )
    .fetch_all(db)
    .await?;
    let notices = rows
        .into_iter()
        .map(|row| {
            Ok(Numbered {
                seq: unsigned(row.seq)?,
                notice: serde_json::from_str(&row.notice)
                    .map_err(|_| corrupt("a notice is not JSON"))?,
            })
        })
        .collect::<sqlx::Result<_>>()?;
    Ok(Heard {
        seq: unsigned(place.seq)?,
        page_at: UnixMillis(place.page_at),
        manifest: place.manifest,
        notices,
    })
}

async fn hear(db: &mut Conn, news: &Heard, now: UnixMillis) -> sqlx::Result<()> {
    for numbered in &news.notices {
        let seq = signed(numbered.seq)?;
        if let Notice::Lifted { pseudonym } = &numbered.notice {
            let pseudonym = pseudonym.clone();
            lift(db, seq, &Notice::Suspended { pseudonym }).await?;
        } else {
            insert(db, seq, &numbered.notice).await?;
        }
    }
    query!("DELETE FROM heard WHERE forget_after < $1", now.0)
        .execute(&mut *db)
        .await?;
    step(db, news).await
}

async fn insert(db: &mut Conn, seq: i64, notice: &Notice) -> sqlx::Result<()> {
    let (text, until) = (text(notice)?, forget_after(notice).map(|until| until.0));
    query!(
        "INSERT INTO heard (seq, notice, forget_after)
         VALUES ($1, $2, $3)
         ON CONFLICT (seq) DO NOTHING",
        seq,
        text,
        until,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A lifted suspension is forgotten whole: the row would otherwise say for ever who was suspended.
async fn lift(db: &mut Conn, seq: i64, suspended: &Notice) -> sqlx::Result<()> {
    let text = text(suspended)?;
    query!(
        "DELETE FROM heard
         WHERE notice = $1 AND seq < $2",
        text,
        seq,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The place in the feed only goes forward, whichever replica writes last.
async fn step(db: &mut Conn, news: &Heard) -> sqlx::Result<()> {
    let seq = signed(news.seq)?;
    query!(
        "INSERT INTO feed (id, seq, page_at, manifest)
         VALUES (1, $1, $2, $3)
         ON CONFLICT (id) DO UPDATE
         SET seq = CASE WHEN excluded.seq > feed.seq THEN excluded.seq ELSE feed.seq END,
             manifest = CASE WHEN excluded.manifest IS NOT NULL
                                  AND excluded.page_at >= feed.page_at
                             THEN excluded.manifest ELSE feed.manifest END,
             page_at = CASE WHEN excluded.page_at > feed.page_at
                            THEN excluded.page_at ELSE feed.page_at END",
        seq,
        news.page_at.0,
        news.manifest,
    )
    .execute(db)
    .await?;
    Ok(())
}

fn text(notice: &Notice) -> sqlx::Result<String> {
    serde_json::to_string(notice).map_err(|cause| sqlx::Error::Encode(Box::new(cause)))
}

fn signed(number: u64) -> sqlx::Result<i64> {
    i64::try_from(number).map_err(|_| corrupt("a number of the feed is out of range"))
}

fn unsigned(number: i64) -> sqlx::Result<u64> {
    u64::try_from(number).map_err(|_| corrupt("a number of the feed is negative"))
}
