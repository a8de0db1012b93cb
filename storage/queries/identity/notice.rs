//! What the gateway is told, and the manifests it was shown.

use bauta_attestation::ports::grants::Told;
use bauta_audit::{note::Signer, tree::Hash};
use bauta_token::{
    notice::{Notice, Numbered},
    units::UnixMillis,
};
use sqlx::{query, query_scalar};

use crate::{
    Conn,
    log::{self, corrupt},
};

/// Appends under the next number. Serializable, so that no number is given twice or left out.
pub(super) async fn append(db: &mut Conn, notice: &Notice) -> sqlx::Result<()> {
    let body = serde_json::to_string(notice).map_err(|e| sqlx::Error::Encode(e.into()))?;
    let until = match notice {
        Notice::Revoked { until, .. } | Notice::Ended { until, .. } => Some(until.0),
        _ => None,
    };
    let seq = last(db).await?.saturating_add(1);
    query!(
        "INSERT INTO published_notice (seq, body, until)
         VALUES ($1, $2, $3)",
        seq,
        body,
        until
    )
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn after(db: &mut Conn, after: u64, at_most: u32) -> sqlx::Result<Told> {
    let (from, limit) = (i64::try_from(after).unwrap_or(i64::MAX), i64::from(at_most));
    let rows = query!(
        r#"SELECT seq AS "seq!: i64", body AS "body!: String"
           FROM published_notice
           WHERE seq > $1
           ORDER BY seq
           LIMIT $2"#,
        from,
        limit
    )
    .fetch_all(&mut *db)
    .await?;
    let notices = rows
        .into_iter()
        .map(|row| {
            Ok(Numbered {
                seq: unsigned(row.seq)?,
                notice: serde_json::from_str(&row.body)
                    .map_err(|_| corrupt("a notice is not one"))?,
            })
        })
        .collect::<sqlx::Result<_>>()?;
    Ok(Told {
        last: unsigned(last(db).await?)?,
        notices,
    })
}

/// The number stays, the name goes: the tokens it spoke of have expired.
pub(super) async fn blank(db: &mut Conn, now: UnixMillis) -> sqlx::Result<()> {
    let body = serde_json::to_string(&Notice::Revoked {
        token: String::new(),
        until: UnixMillis(0),
    })
    .map_err(|e| sqlx::Error::Encode(e.into()))?;
    query!(
        "UPDATE published_notice
         SET body = $2, until = NULL
         WHERE until <= $1",
        now.0,
        body
    )
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn publish(
    db: &mut Conn,
    text: String,
    signer: &Signer,
    before: Option<(u64, Hash)>,
    now: UnixMillis,
) -> sqlx::Result<u64> {
    log::lock(db).await?;
    log::continues(db, before).await?;
    if let Some((index, newest)) = manifest(db).await?
        && newest == text
    {
        return Ok(index);
    }
    let entry = log::Entry {
        salt: None,
        event: text.clone(),
    };
    let head = log::append(db, signer, now.0, &[entry]).await?;
    let index = head.size.saturating_sub(1);
    let place = i64::try_from(index).map_err(|_| corrupt("a log index is out of range"))?;
    query!(
        "INSERT INTO published_manifest (idx, body)
         VALUES ($1, $2)",
        place,
        text
    )
    .execute(db)
    .await?;
    Ok(index)
}

pub(super) async fn manifest(db: &mut Conn) -> sqlx::Result<Option<(u64, String)>> {
    let row = query!(
        r#"SELECT idx AS "idx!: i64", body AS "body!: String"
           FROM published_manifest
           ORDER BY idx DESC
           LIMIT 1"#
    )
    .fetch_optional(db)
    .await?;
    row.map(|row| Ok((unsigned(row.idx)?, row.body)))
        .transpose()
}

async fn last(db: &mut Conn) -> sqlx::Result<i64> {
    let newest = query_scalar!(
        r#"SELECT coalesce(max(seq), 0) AS "seq!: i64"
           FROM published_notice"#
    )
    .fetch_one(db)
    .await?;
    Ok(newest)
}

fn unsigned(number: i64) -> sqlx::Result<u64> {
    u64::try_from(number).map_err(|_| corrupt("a number is negative"))
}
