//! What would answer if a provider disappeared now.
//!
//! Reckoned with the rules of [`route`](super::route): the same doors, in the same order, with one
//! provider taken away. Nothing is sent.

use std::collections::BTreeSet;

use bauta_token::scope::{ModelName, Name};

use super::{Door, Model, Models, allowed};
use crate::dialect::Dialect;

/// Who asks, as far as it matters here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Asker {
    /// Who satisfies the gate of the model, or asks a model without one.
    Opens,
    /// Who does not satisfy it.
    Shut,
}

/// One model in one dialect, for one kind of member, without one provider.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Row {
    /// What clients ask for.
    pub model: ModelName,
    /// In which wire format.
    pub dialect: Dialect,
    /// By whom.
    pub asker: Asker,
    /// `upstream/model` that answers, and whether it is another model than the one asked for.
    pub answer: Option<(String, bool)>,
}

/// The providers that any model has a door to, by name.
#[must_use]
pub fn providers(models: &Models) -> BTreeSet<Name> {
    let doors = models.iter().flat_map(Model::doors);
    doors.map(|door| door.provider().clone()).collect()
}

/// What answers without `gone`. `is_there` says whether an upstream, by its place in the
/// configuration, can be reached now.
///
/// A row for each model, dialect and kind of member that is answered at all while every upstream
/// is there: what never answers is no loss.
#[must_use]
pub fn without(models: &Models, gone: &Name, is_there: impl Fn(usize) -> bool) -> Vec<Row> {
    let mut rows = Vec::new();
    for model in models.iter() {
        for dialect in [Dialect::Anthropic, Dialect::OpenAi, Dialect::Gemini] {
            for asker in askers(model) {
                let doors: Vec<&Door> = allowed(model, dialect, *asker == Asker::Opens).collect();
                if doors.is_empty() {
                    continue;
                }
                let mut left = doors.into_iter().filter(|door| door.provider() != gone);
                rows.push(Row {
                    model: model.name().clone(),
                    dialect,
                    asker: *asker,
                    answer: left
                        .find(|door| is_there(door.upstream()))
                        .map(|door| (door.to_string(), door.is_fallback())),
                });
            }
        }
    }
    rows
}

fn askers(model: &Model) -> &'static [Asker] {
    match model.gated_by() {
        Some(_) => &[Asker::Opens, Asker::Shut],
        None => &[Asker::Opens],
    }
}
