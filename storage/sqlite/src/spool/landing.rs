//! Facts on their way into the tables: one row for a request that began and ended in between.

use std::collections::HashMap;

use super::{
    fact::{Begun, Closed, Fact, Turned},
    ledger::Sum,
};

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
    pub(super) fn of(facts: &[Fact], sums: Vec<Sum>, through: u32) -> Self {
        let mut landing = Self {
            sums,
            through,
            ..Self::default()
        };
        let mut places = HashMap::new();
        for fact in facts {
            match fact {
                Fact::Begun(begun) => {
                    places.insert(begun.id, landing.rows.len());
                    landing.rows.push(Row::Sent(begun.clone(), None));
                }
                Fact::Closed(closed) => {
                    let place = places.get(&closed.id).copied();
                    let row = place.and_then(|place| landing.rows.get_mut(place));
                    match row {
                        Some(Row::Sent(_, end)) => *end = Some(closed.clone()),
                        _ => landing.ends.push(closed.clone()),
                    }
                }
                Fact::Refused(turned) => landing.rows.push(Row::Refused(turned.clone())),
            }
        }
        landing
    }
}
