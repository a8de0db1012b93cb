//! The spool's way into the tables. Only SQLite has a spool, so its statements are here.

use bauta_proxy::ports::{Outcome, Standing};
use bauta_token::{
    pseudonym::Pseudonym,
    units::{MicroUsd, UnixMillis},
};
use sqlx::{AssertSqlSafe, QueryBuilder, query, query_scalar};

use crate::{
    Conn, Db,
    log::corrupt,
    many::portions,
    spool::{
        fact::{Closed, Hex16},
        landing::{Landing, Row},
        ledger::{Held, Ledger, Sum},
    },
};

/// Writes `landing`, unless it is in the tables already; says whether it did. The new rows are
/// marked as in the log when `logged`, by whoever puts them there in the same transaction.
pub(crate) async fn land(db: &mut Conn, landing: &Landing, logged: bool) -> sqlx::Result<bool> {
    if landed(db).await? >= landing.through {
        return Ok(false);
    }
    for rows in portions(&landing.rows) {
        insert(db, rows, logged).await?;
    }
    for end in &landing.ends {
        close(db, end).await?;
    }
    for sums in portions(&landing.sums) {
        put(db, sums).await?;
    }
    // A number, so nothing in it is SQL; a pragma takes no argument. It is in the file's header and
    // part of the transaction.
    let mark = format!("PRAGMA user_version = {}", landing.through);
    query(AssertSqlSafe(mark)).execute(db).await?;
    Ok(true)
}

/// Fills `ledger` from the tables, and gives the number of the last file of the spool in them.
pub(crate) async fn load(db: &mut Conn, ledger: &mut Ledger) -> sqlx::Result<u32> {
    let open = query!(
        r#"SELECT id AS "id!: Vec<u8>", grant_sub AS "grant_sub!: String",
                  window_start AS "window_start?: i64", held AS "held!: i64"
           FROM journal
           WHERE outcome IS NULL"#
    )
    .fetch_all(&mut *db)
    .await?;
    for row in open {
        let id = row
            .id
            .try_into()
            .map_err(|_| corrupt("a request id is not 16 bytes"))?;
        let held = Held {
            grant: grant(row.grant_sub)?,
            window: row.window_start.map(UnixMillis),
            amount: money(row.held)?,
        };
        ledger.is_open(Hex16(id), held);
    }
    let sums = query!(
        r#"SELECT grant_sub AS "grant_sub!: String", window_start AS "window_start!: i64",
                  held AS "held!: i64", spent AS "spent!: i64"
           FROM spending"#
    )
    .fetch_all(&mut *db)
    .await?;
    for row in sums {
        ledger.stands(Sum {
            grant: grant(row.grant_sub)?,
            window: UnixMillis(row.window_start),
            standing: Standing {
                held: money(row.held)?,
                spent: money(row.spent)?,
            },
        });
    }
    landed(db).await
}

async fn landed(db: &mut Conn) -> sqlx::Result<u32> {
    let version: i64 = query_scalar("PRAGMA user_version").fetch_one(db).await?;
    u32::try_from(version).map_err(|_| corrupt("the place in the spool is negative"))
}

/// Built at run time, because its length is: every value is bound.
async fn insert(db: &mut Conn, rows: &[Row], logged: bool) -> sqlx::Result<()> {
    let mut text = QueryBuilder::<Db>::new(
        "INSERT INTO journal (id, replica, grant_sub, scope, dialect, route, model, gate, targets,
                              started_at, window_start, held, outcome, reason, status, upstream,
                              served_model, input_tokens, output_tokens, cache_read, cache_write,
                              charged, ended_at, intent_logged, outcome_logged) ",
    );
    text.push_values(rows, |mut to, row| {
        let (begun, end) = match row {
            Row::Sent(begun, end) => (begun, end.as_ref()),
            Row::Refused(turned) => {
                to.push_bind(turned.id.0.as_slice())
                    .push_bind(turned.replica.0.as_slice())
                    .push_bind(turned.grant.as_str())
                    .push_bind(turned.scope.as_str())
                    .push_bind(&*turned.dialect)
                    .push_bind(&*turned.route)
                    .push_bind(turned.model.as_str())
                    .push_bind(None::<&str>)
                    .push_bind("")
                    .push_bind(turned.at.0)
                    .push_bind(None::<i64>)
                    .push_bind(0_i64)
                    .push_bind(Outcome::Refused.as_str())
                    .push_bind(&*turned.reason)
                    .push_bind(turned.status);
                for _ in 0..2 {
                    to.push_bind(None::<&str>);
                }
                for _ in 0..4 {
                    to.push_bind(None::<i64>);
                }
                to.push_bind(0_i64)
                    .push_bind(turned.at.0)
                    .push_bind(true)
                    .push_bind(logged);
                return;
            }
        };
        to.push_bind(begun.id.0.as_slice())
            .push_bind(begun.replica.0.as_slice())
            .push_bind(begun.grant.as_str())
            .push_bind(begun.scope.as_str())
            .push_bind(&*begun.dialect)
            .push_bind(&*begun.route)
            .push_bind(begun.model.as_str())
            .push_bind(begun.gate.as_deref())
            .push_bind(begun.targets.as_str())
            .push_bind(begun.at.0)
            .push_bind(begun.window.map(|window| window.0))
            .push_bind(begun.held)
            .push_bind(end.map(|end| &*end.outcome))
            .push_bind(None::<&str>)
            .push_bind(end.and_then(|end| end.status))
            .push_bind(end.and_then(|end| end.upstream.as_deref()))
            .push_bind(end.and_then(|end| end.served_model.as_deref()));
        let tokens = end.and_then(|end| end.tokens);
        for place in 0..4 {
            to.push_bind(tokens.and_then(|tokens| tokens.get(place).copied()));
        }
        to.push_bind(end.map(|end| end.charged))
            .push_bind(end.map(|end| end.at.0))
            .push_bind(logged)
            .push_bind(logged && end.is_some());
    });
    text.push(" ON CONFLICT (id) DO NOTHING");
    text.build().execute(db).await?;
    Ok(())
}

async fn close(db: &mut Conn, end: &Closed) -> sqlx::Result<()> {
    let tokens = end.tokens;
    query!(
        "UPDATE journal
         SET outcome = $2, status = $3, upstream = $4, served_model = $5, input_tokens = $6,
             output_tokens = $7, cache_read = $8, cache_write = $9, charged = $10, ended_at = $11
         WHERE id = $1 AND outcome IS NULL",
        end.id.0.as_slice(),
        &*end.outcome,
        end.status,
        end.upstream,
        end.served_model,
        tokens.map(|[input, ..]| input),
        tokens.map(|[_, output, ..]| output),
        tokens.map(|[_, _, read, _]| read),
        tokens.map(|[.., write]| write),
        end.charged,
        end.at.0,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What the ledger says takes the place of what the table said.
async fn put(db: &mut Conn, sums: &[Sum]) -> sqlx::Result<()> {
    let mut text =
        QueryBuilder::<Db>::new("INSERT INTO spending (grant_sub, window_start, held, spent) ");
    text.push_values(sums, |mut to, sum| {
        to.push_bind(sum.grant.as_str())
            .push_bind(sum.window.0)
            .push_bind(sum.standing.held.get())
            .push_bind(sum.standing.spent.get());
    });
    text.push(
        " ON CONFLICT (grant_sub, window_start) DO UPDATE
          SET held = excluded.held, spent = excluded.spent",
    );
    text.build().execute(db).await?;
    Ok(())
}

fn grant(text: String) -> sqlx::Result<Pseudonym> {
    Pseudonym::try_from(text).map_err(|_| corrupt("a grant is no pseudonym"))
}

fn money(amount: i64) -> sqlx::Result<MicroUsd> {
    MicroUsd::new(amount).ok_or_else(|| corrupt("an amount of money is negative"))
}
