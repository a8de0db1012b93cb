//! What was asked and how it ended: the journal, and the budgets it spends.

use std::sync::Arc;

use async_trait::async_trait;
use bauta_audit::{
    note::Signer,
    store::{Head, StoreError},
};
use bauta_proxy::{
    log::Leaf,
    ports::{
        Charge, Closing, Entry, GrantUsage, Intent, Journal, ModelUsage, OVER_BUDGET, Outcome,
        Refused, ReplicaId, Replicas, Sealing, Standing, Tokens, TurnedAway, Verdict, Window,
    },
};
use bauta_token::{
    pseudonym::Pseudonym,
    units::{MicroUsd, UnixMillis},
};
use sqlx::query;

use crate::{
    Conn, GatewayStore, gateway_log,
    log::{self, corrupt},
};

#[async_trait]
impl Journal for GatewayStore {
    async fn commit(&self, batch: Arc<[Entry]>) -> Result<Vec<Verdict>, StoreError> {
        self.db
            .write("journal", move |db| {
                let batch = Arc::clone(&batch);
                Box::pin(async move {
                    let mut verdicts = Vec::with_capacity(batch.len());
                    for entry in batch.iter() {
                        verdicts.push(write(db, entry).await?);
                    }
                    Ok(verdicts)
                })
            })
            .await
    }

    async fn renew(&self, replica: ReplicaId, lease_until: UnixMillis) -> Result<(), StoreError> {
        self.db
            .write("lease", move |db| Box::pin(renew(db, replica, lease_until)))
            .await
    }

    async fn reap(&self, replicas: Replicas, now: UnixMillis) -> Result<u64, StoreError> {
        self.db
            .write("reap", move |db| Box::pin(reap(db, replicas, now)))
            .await
    }

    async fn usage(
        &self,
        grant: &Pseudonym,
        window_start: UnixMillis,
    ) -> Result<GrantUsage, StoreError> {
        let grant = grant.clone();
        self.db
            .read("usage", move |db| {
                let grant = grant.clone();
                Box::pin(async move {
                    Ok(GrantUsage {
                        models: by_model(db, &grant).await?,
                        standing: standing(db, &grant, window_start).await?,
                    })
                })
            })
            .await
    }

    async fn turn_away(&self, counts: Arc<[TurnedAway]>) -> Result<(), StoreError> {
        self.db
            .write("turned away", move |db| {
                let counts = Arc::clone(&counts);
                Box::pin(async move {
                    for away in counts.iter() {
                        turn_away(db, away).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    async fn seal(
        &self,
        signer: Arc<Signer>,
        seed: [u8; 32],
        now: UnixMillis,
    ) -> Result<Sealing, StoreError> {
        let before = self.db.signed.last();
        let sealing = self
            .db
            .write("seal", move |db| {
                let signer = Arc::clone(&signer);
                Box::pin(async move {
                    log::lock(db).await?;
                    log::continues(db, before).await?;
                    gateway_log::seal(db, &signer, &seed, now, &[]).await
                })
            })
            .await?;
        self.db.signed.remember(&sealing.head);
        Ok(sealing)
    }

    async fn disclose(
        &self,
        leaf: Leaf,
        signer: Arc<Signer>,
        now: UnixMillis,
    ) -> Result<Head, StoreError> {
        let before = self.db.signed.last();
        let head = self
            .db
            .write("disclose", move |db| {
                let (leaf, signer) = (leaf.clone(), Arc::clone(&signer));
                Box::pin(async move {
                    log::lock(db).await?;
                    log::continues(db, before).await?;
                    let entry = log::Entry {
                        salt: Some(leaf.salt),
                        event: leaf.event,
                    };
                    log::append(db, &signer, now.0, &[entry]).await
                })
            })
            .await?;
        self.db.signed.remember(&head);
        Ok(head)
    }
}

async fn write(db: &mut Conn, entry: &Entry) -> sqlx::Result<Verdict> {
    match entry {
        Entry::Begin(intent) => begin(db, intent).await,
        Entry::Close(closing) => close(db, closing).await,
        Entry::Refuse(refused) => refuse(db, refused).await,
    }
}

async fn begin(db: &mut Conn, intent: &Intent) -> sqlx::Result<Verdict> {
    let fresh = insert(db, intent).await?;
    let Some(window) = intent.budget else {
        return Ok(Verdict::Begun(None));
    };
    if !fresh {
        let now = standing(db, &intent.grant, window.start).await?;
        return Ok(Verdict::Begun(Some(now)));
    }
    if let Some(now) = set_aside(db, &intent.grant, window, intent.held).await? {
        return Ok(Verdict::Begun(Some(now)));
    }
    turn_into_refusal(db, intent).await?;
    let now = standing(db, &intent.grant, window.start).await?;
    Ok(Verdict::OverBudget(now))
}

/// Whether the row is new.
async fn insert(db: &mut Conn, intent: &Intent) -> sqlx::Result<bool> {
    let gate = intent.gate.as_ref().map(ToString::to_string);
    let window_start = intent.budget.map(|window| window.start.0);
    let inserted = query!(
        "INSERT INTO journal (id, replica, grant_sub, scope, dialect, route, model, gate, targets,
                              started_at, window_start, held, intent_logged, outcome_logged)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, FALSE, FALSE)
         ON CONFLICT (id) DO NOTHING",
        intent.id.as_bytes().as_slice(),
        intent.replica.0.as_slice(),
        intent.grant.as_str(),
        intent.scope.as_str(),
        intent.dialect,
        intent.route,
        intent.model,
        gate,
        intent.targets,
        intent.started_at.0,
        window_start,
        intent.held.get(),
    )
    .execute(db)
    .await?
    .rows_affected();
    Ok(inserted == 1)
}

/// The ceiling is in the statement: nobody looks first and writes then.
async fn set_aside(
    db: &mut Conn,
    grant: &Pseudonym,
    window: Window,
    amount: MicroUsd,
) -> sqlx::Result<Option<Standing>> {
    // The first row of a window has nothing to be compared with.
    if amount > window.limit {
        return Ok(None);
    }
    let row = query!(
        r#"INSERT INTO spending (grant_sub, window_start, held, spent)
           VALUES ($1, $2, $3, 0)
           ON CONFLICT (grant_sub, window_start) DO UPDATE
           SET held = spending.held + excluded.held
           WHERE spending.held + spending.spent + excluded.held <= $4
           RETURNING held AS "held!: i64", spent AS "spent!: i64""#,
        grant.as_str(),
        window.start.0,
        amount.get(),
        window.limit.get(),
    )
    .fetch_optional(db)
    .await?;
    row.map(|row| stands(row.held, row.spent)).transpose()
}

async fn turn_into_refusal(db: &mut Conn, intent: &Intent) -> sqlx::Result<()> {
    let outcome = Outcome::Refused.as_str();
    query!(
        "UPDATE journal
         SET outcome = $2, reason = $3, status = 429, window_start = NULL, held = 0, charged = 0,
             ended_at = started_at, intent_logged = TRUE
         WHERE id = $1",
        intent.id.as_bytes().as_slice(),
        outcome,
        OVER_BUDGET,
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn standing(
    db: &mut Conn,
    grant: &Pseudonym,
    window_start: UnixMillis,
) -> sqlx::Result<Standing> {
    let row = query!(
        r#"SELECT held AS "held!: i64", spent AS "spent!: i64"
           FROM spending
           WHERE grant_sub = $1 AND window_start = $2"#,
        grant.as_str(),
        window_start.0,
    )
    .fetch_optional(db)
    .await?;
    row.map_or(Ok(Standing::default()), |row| stands(row.held, row.spent))
}

/// A row is closed once: the first closing wins, whoever writes it.
pub(crate) async fn close(db: &mut Conn, closing: &Closing) -> sqlx::Result<Verdict> {
    let charge = match closing.charge {
        Charge::Amount(amount) => Some(amount.get()),
        Charge::Held => None,
    };
    let upstream = closing.served.as_ref().map(|s| s.upstream.as_str());
    let model = closing.served.as_ref().map(|s| s.model.as_str());
    let tokens = closing.tokens.map(|t| columns(&t));
    let row = query!(
        r#"UPDATE journal
           SET outcome = $2, status = $3, upstream = $4, served_model = $5, input_tokens = $6,
               output_tokens = $7, cache_read = $8, cache_write = $9,
               charged = coalesce($10, held), ended_at = $11
           WHERE id = $1 AND outcome IS NULL
           RETURNING grant_sub AS "grant_sub!: String", window_start AS "window_start?: i64",
                     held AS "held!: i64", charged AS "charged!: i64""#,
        closing.id.as_bytes().as_slice(),
        closing.outcome.as_str(),
        closing.status.map(i64::from),
        upstream,
        model,
        tokens.map(|[input, ..]| input),
        tokens.map(|[_, output, ..]| output),
        tokens.map(|[_, _, read, _]| read),
        tokens.map(|[.., write]| write),
        charge,
        closing.ended_at.0,
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else {
        return Ok(Verdict::ClosedBefore);
    };
    if let Some(window_start) = row.window_start {
        query!(
            "UPDATE spending
             SET held = held - $3, spent = spent + $4
             WHERE grant_sub = $1 AND window_start = $2",
            row.grant_sub,
            window_start,
            row.held,
            row.charged,
        )
        .execute(db)
        .await?;
    }
    Ok(Verdict::Closed)
}

async fn refuse(db: &mut Conn, refused: &Refused) -> sqlx::Result<Verdict> {
    query!(
        "INSERT INTO journal (id, replica, grant_sub, scope, dialect, route, model, targets,
                              started_at, held, outcome, reason, status, charged, ended_at,
                              intent_logged, outcome_logged)
         VALUES ($1, $2, $3, $4, $5, $6, $7, '', $8, 0, $9, $10, $11, 0, $8, TRUE, FALSE)
         ON CONFLICT (id) DO NOTHING",
        refused.id.as_bytes().as_slice(),
        refused.replica.0.as_slice(),
        refused.grant.as_str(),
        refused.scope.as_str(),
        refused.dialect,
        refused.route,
        refused.model,
        refused.at.0,
        Outcome::Refused.as_str(),
        refused.reason,
        i64::from(refused.status),
    )
    .execute(db)
    .await?;
    Ok(Verdict::Refused)
}

async fn renew(db: &mut Conn, replica: ReplicaId, lease_until: UnixMillis) -> sqlx::Result<()> {
    query!(
        "INSERT INTO replica (id, lease_until)
         VALUES ($1, $2)
         ON CONFLICT (id) DO UPDATE
         SET lease_until = excluded.lease_until",
        replica.0.as_slice(),
        lease_until.0,
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn reap(db: &mut Conn, replicas: Replicas, now: UnixMillis) -> sqlx::Result<u64> {
    // Alone, every lease is from a process that is gone.
    let alive_from = match replicas {
        Replicas::Sole => i64::MAX,
        Replicas::Several => now.0,
    };
    query!("DELETE FROM replica WHERE lease_until < $1", alive_from)
        .execute(&mut *db)
        .await?;
    let orphans = sqlx::query_scalar!(
        r#"SELECT id AS "id!: Vec<u8>"
           FROM journal
           WHERE outcome IS NULL AND replica NOT IN (SELECT id FROM replica)"#
    )
    .fetch_all(&mut *db)
    .await?;
    let mut reaped = 0_u64;
    for id in orphans {
        let closing = Closing::unknown(gateway_log::request_id(id)?, now);
        if close(db, &closing).await? == Verdict::Closed {
            reaped = reaped.saturating_add(1);
        }
    }
    Ok(reaped)
}

async fn by_model(db: &mut Conn, grant: &Pseudonym) -> sqlx::Result<Vec<ModelUsage>> {
    let refused = Outcome::Refused.as_str();
    let rows = query!(
        r#"SELECT model AS "model!: String", count(*) AS "requests!: i64",
                  CAST(coalesce(sum(input_tokens), 0) AS BIGINT) AS "input!: i64",
                  CAST(coalesce(sum(output_tokens), 0) AS BIGINT) AS "output!: i64",
                  CAST(coalesce(sum(cache_read), 0) AS BIGINT) AS "cache_read!: i64",
                  CAST(coalesce(sum(cache_write), 0) AS BIGINT) AS "cache_write!: i64",
                  CAST(coalesce(sum(charged), 0) AS BIGINT) AS "charged!: i64"
           FROM journal
           WHERE grant_sub = $1 AND (outcome IS NULL OR outcome <> $2)
           GROUP BY model
           ORDER BY model"#,
        grant.as_str(),
        refused,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(ModelUsage {
                model: row.model,
                requests: unsigned(row.requests)?,
                tokens: Tokens {
                    input: unsigned(row.input)?,
                    output: unsigned(row.output)?,
                    cache_read: unsigned(row.cache_read)?,
                    cache_write: unsigned(row.cache_write)?,
                },
                charged: money(row.charged)?,
            })
        })
        .collect()
}

async fn turn_away(db: &mut Conn, away: &TurnedAway) -> sqlx::Result<()> {
    let count = i64::try_from(away.count).unwrap_or(i64::MAX);
    query!(
        "INSERT INTO turned_away (minute, reason, n, logged)
         VALUES ($1, $2, $3, 0)
         ON CONFLICT (minute, reason) DO UPDATE
         SET n = turned_away.n + excluded.n",
        away.minute.0,
        away.reason,
        count,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Input, output, cache read and cache write, as columns hold them.
pub(crate) fn columns(tokens: &Tokens) -> [i64; 4] {
    [
        tokens.input,
        tokens.output,
        tokens.cache_read,
        tokens.cache_write,
    ]
    .map(|n| i64::try_from(n).unwrap_or(MOST_TOKENS).min(MOST_TOKENS))
}

fn stands(held: i64, spent: i64) -> sqlx::Result<Standing> {
    Ok(Standing {
        held: money(held)?,
        spent: money(spent)?,
    })
}

fn money(amount: i64) -> sqlx::Result<MicroUsd> {
    MicroUsd::new(amount).ok_or_else(|| corrupt("an amount of money is negative"))
}

fn unsigned(number: i64) -> sqlx::Result<u64> {
    u64::try_from(number).map_err(|_| corrupt("a count is negative"))
}

/// A provider that counts more in one answer is wrong, and no sum over rows may overflow for it.
const MOST_TOKENS: i64 = 1_000_000_000_000;
