//! Facts on their way into the tables: one row for a request that began and ended in between.

use std::{borrow::Cow, collections::HashMap};

use bauta_proxy::{
    log,
    ports::{Outcome, RequestId, Tokens},
};

use super::{
    fact::{Begun, Closed, Fact, Turned},
    ledger::Sum,
};
use crate::gateway_log::Untold;

/// What one transaction writes.
#[derive(Default)]
pub(crate) struct Landing {
    /// Rows that are new.
    pub(crate) rows: Vec<Row>,
    /// Ends of rows that are in the tables already.
    pub(crate) ends: Vec<Closed>,
    /// Where budgets stand after it.
    pub(crate) sums: Vec<Sum>,
    /// The last file of the spool that is in it.
    pub(crate) through: u32,
}

/// A row that is new.
pub(crate) enum Row {
    /// A request that was sent; `None` while it runs.
    Sent(Begun, Option<Closed>),
    /// One that was refused.
    Refused(Turned),
}

impl Landing {
    /// What `facts`, in their order, come to.
    pub(super) fn of(facts: Vec<Fact>, sums: Vec<Sum>, through: u32) -> Self {
        let mut landing = Self {
            rows: Vec::with_capacity(facts.len()),
            sums,
            through,
            ..Self::default()
        };
        let mut places = HashMap::with_capacity(facts.len());
        for fact in facts {
            match fact {
                Fact::Begun(begun) => {
                    places.insert(begun.id, landing.rows.len());
                    landing.rows.push(Row::Sent(begun, None));
                }
                Fact::Closed(closed) => {
                    let place = places.get(&closed.id).copied();
                    let row = place.and_then(|place| landing.rows.get_mut(place));
                    match row {
                        Some(Row::Sent(_, end)) => *end = Some(closed),
                        _ => landing.ends.push(closed),
                    }
                }
                Fact::Refused(turned) => landing.rows.push(Row::Refused(turned)),
            }
        }
        landing
    }
}

impl Landing {
    /// What the log has to tell of the rows that are new.
    pub(crate) fn untold(&self) -> Vec<Untold<'_>> {
        self.rows.iter().map(untold).collect()
    }
}

fn untold(row: &Row) -> Untold<'_> {
    match row {
        Row::Sent(begun, end) => Untold {
            row: log::Row {
                id: RequestId::from_bytes(begun.id.0),
                grant: begun.grant.as_str().into(),
                scope: begun.scope.as_str().into(),
                dialect: (&*begun.dialect).into(),
                route: (&*begun.route).into(),
                model: begun.model.as_str().into(),
                gate: begun.gate.as_deref().map(Cow::from),
                targets: begun.targets.as_str().into(),
                started_at: begun.at,
                held: begun.held,
                ended: end.as_ref().map(ended),
            },
            intent_logged: false,
        },
        Row::Refused(turned) => Untold {
            row: log::Row {
                id: RequestId::from_bytes(turned.id.0),
                grant: turned.grant.as_str().into(),
                scope: turned.scope.as_str().into(),
                dialect: (&*turned.dialect).into(),
                route: (&*turned.route).into(),
                model: turned.model.as_str().into(),
                gate: None,
                targets: Cow::Borrowed(""),
                started_at: turned.at,
                held: 0,
                ended: Some(log::Ended {
                    outcome: Outcome::Refused.as_str().into(),
                    reason: Some((&*turned.reason).into()),
                    status: Some(turned.status),
                    upstream: None,
                    served_model: None,
                    tokens: None,
                    charged: Some(0),
                    at: turned.at,
                }),
            },
            // Nothing was to be sent.
            intent_logged: true,
        },
    }
}

fn ended(end: &Closed) -> log::Ended<'_> {
    let count = |n: i64| u64::try_from(n).unwrap_or(0);
    log::Ended {
        outcome: (&*end.outcome).into(),
        reason: None,
        status: end.status,
        upstream: end.upstream.as_deref().map(Cow::from),
        served_model: end.served_model.as_deref().map(Cow::from),
        tokens: end.tokens.map(|[input, output, read, write]| Tokens {
            input: count(input),
            output: count(output),
            cache_read: count(read),
            cache_write: count(write),
        }),
        charged: Some(end.charged),
        at: end.at,
    }
}
