//! The models of a configuration, checked whole.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    num::NonZeroU32,
    sync::Arc,
};

use bauta_token::scope::{ModelName, Name};

use crate::{
    admit::segment,
    config::{EndUser, Metadata, ModelConfig, TargetConfig, UpstreamConfig},
    dialect::Dialect,
    price::{Price, list},
};

/// The models that can be asked for. One exists only when nothing in it breaks a rule.
#[derive(Clone, Debug, Default)]
pub struct Models {
    models: Vec<Model>,
    /// By name, and by the exact names at the targets; the first is the best match.
    by_name: HashMap<ModelName, Vec<usize>>,
}

impl Models {
    /// Checks `models` against `upstreams` and against one another.
    ///
    /// # Errors
    ///
    /// Everything that was found, when one finding is [`Gravity::Error`].
    pub fn load(
        models: &[ModelConfig],
        upstreams: &[UpstreamConfig],
    ) -> Result<(Self, Vec<Finding>), Vec<Finding>> {
        let mut findings = Vec::new();
        check_upstreams(upstreams, &mut findings);
        for (place, model) in models.iter().enumerate() {
            if models.iter().take(place).any(|it| it.name == model.name) {
                findings.push(Finding::error(format!(
                    "model {}: defined twice",
                    model.name
                )));
            }
            check_targets(model, upstreams, &mut findings);
        }
        check_aliases(models, &mut findings);
        check_doors(models, &mut findings);
        if findings.iter().any(|it| it.gravity == Gravity::Error) {
            return Err(findings);
        }
        let built: Vec<Model> = models.iter().map(|it| build(it, upstreams)).collect();
        Ok((Self::index(built), findings))
    }

    /// The model of `scope` that answers to `asked`: its name, or the exact name at a target.
    #[must_use]
    pub fn find(&self, asked: &ModelName, scope: &[ModelName]) -> Option<&Model> {
        let places = self.by_name.get(asked)?.iter();
        let mut models = places.filter_map(|place| self.models.get(*place));
        models.find(|model| scope.contains(&model.name))
    }

    /// The names of those of `scope` that are asked in `dialect`.
    #[must_use]
    pub fn spoken(&self, dialect: Dialect, scope: &[ModelName]) -> Vec<ModelName> {
        let open = self.iter().filter(|model| scope.contains(&model.name));
        let spoken = open.filter(|model| model.doors.iter().any(|door| door.dialect == dialect));
        spoken.map(|model| model.name.clone()).collect()
    }

    /// All of them, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &Model> {
        self.models.iter()
    }

    fn index(models: Vec<Model>) -> Self {
        let mut by_name: HashMap<ModelName, Vec<usize>> = HashMap::new();
        for (place, model) in models.iter().enumerate() {
            by_name.insert(model.name.clone(), vec![place]);
        }
        for (place, model) in models.iter().enumerate() {
            for alias in &model.aliases {
                by_name.entry(alias.clone()).or_default().push(place);
            }
        }
        for (place, model) in models.iter().enumerate() {
            for door in model.doors.iter().filter(|door| !door.fallback) {
                by_name.entry(door.model.clone()).or_default().push(place);
            }
        }
        Self { models, by_name }
    }
}

/// What clients may ask for.
#[derive(Clone, Debug)]
pub struct Model {
    name: ModelName,
    aliases: Vec<ModelName>,
    gated_by: Option<Name>,
    doors: Vec<Door>,
    max_output: u32,
    context: u32,
    spread: bool,
}

impl Model {
    /// What clients ask for.
    #[must_use]
    pub const fn name(&self) -> &ModelName {
        &self.name
    }

    /// What else clients call it.
    #[must_use]
    pub fn aliases(&self) -> &[ModelName] {
        &self.aliases
    }

    /// The policy a member must satisfy.
    #[must_use]
    pub const fn gated_by(&self) -> Option<&Name> {
        self.gated_by.as_ref()
    }

    /// Who answers, targets before fallbacks, each in the order of the configuration.
    #[must_use]
    pub fn doors(&self) -> &[Door] {
        &self.doors
    }

    /// The most tokens one answer can hold.
    #[must_use]
    pub const fn max_output(&self) -> u32 {
        self.max_output
    }

    /// The most tokens it reads.
    #[must_use]
    pub const fn context(&self) -> u32 {
        self.context
    }

    /// Whether any of its targets share the work.
    pub(super) const fn is_spread(&self) -> bool {
        self.spread
    }
}

/// One place that answers for a model.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Door {
    upstream: usize,
    name: Name,
    provider: Name,
    dialect: Dialect,
    model: ModelName,
    price: Price,
    tiers: Arc<BTreeMap<Name, Price>>,
    fallback: bool,
    weight: Option<NonZeroU32>,
    metadata: Metadata,
    end_user: EndUser,
}

impl Door {
    /// The upstream's place in the configuration.
    #[must_use]
    pub const fn upstream(&self) -> usize {
        self.upstream
    }

    /// The upstream's name.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// Whose pseudonym it sees.
    #[must_use]
    pub const fn provider(&self) -> &Name {
        &self.provider
    }

    /// What it speaks.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// What the model is called there.
    #[must_use]
    pub const fn model(&self) -> &ModelName {
        &self.model
    }

    /// What it costs there.
    #[must_use]
    pub const fn price(&self) -> Price {
        self.price
    }

    /// The same at the price of `tier`, if that has one here.
    #[must_use]
    pub fn at(&self, tier: &Name) -> Option<Self> {
        let price = *self.tiers.get(tier)?;
        Some(Self {
            price,
            ..self.clone()
        })
    }

    /// Whether it is another model than the one asked for, and the answer has to say so.
    #[must_use]
    pub const fn is_fallback(&self) -> bool {
        self.fallback
    }

    /// Its share of the work among its neighbours that have one too.
    #[must_use]
    pub const fn weight(&self) -> Option<NonZeroU32> {
        self.weight
    }

    /// Whether asking it would get round a check by which `refused` has turned the organisation
    /// away: the same model, whatever it is called here, or the same provider.
    #[must_use]
    pub fn leads_round(&self, refused: &Self) -> bool {
        self.provider == refused.provider || is_same(&self.model, &refused.model)
    }

    /// What becomes of the `metadata` of a client.
    pub(crate) const fn metadata(&self) -> Metadata {
        self.metadata
    }

    /// In which field the pseudonym is put when the client names none.
    pub(crate) const fn end_user(&self) -> EndUser {
        self.end_user
    }
}

/// `upstream/model`, as `bauta-served-by` shows it.
impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.model)
    }
}

/// Something about a configuration that its operator should know.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// Whether it can be lived with.
    pub gravity: Gravity,
    /// What it is, for people.
    pub sentence: String,
}

impl Finding {
    const fn error(sentence: String) -> Self {
        Self {
            gravity: Gravity::Error,
            sentence,
        }
    }

    const fn warning(sentence: String) -> Self {
        Self {
            gravity: Gravity::Warning,
            sentence,
        }
    }
}

/// Whether a finding can be lived with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Gravity {
    /// The configuration is refused.
    Error,
    /// It works, but not as well as it could.
    Warning,
}

fn check_upstreams(upstreams: &[UpstreamConfig], findings: &mut Vec<Finding>) {
    for (place, upstream) in upstreams.iter().enumerate() {
        let name = &upstream.name;
        if upstreams.iter().take(place).any(|it| it.name == *name) {
            findings.push(Finding::error(format!("upstream {name}: defined twice")));
        }
        if let Err(error) = upstream.endpoint() {
            findings.push(Finding::error(format!("upstream {name}: {error}")));
        }
    }
}

/// A name means one model.
fn check_aliases(models: &[ModelConfig], findings: &mut Vec<Finding>) {
    for (place, model) in models.iter().enumerate() {
        for alias in &model.aliases {
            let taken = models.iter().enumerate().any(|(other, it)| {
                it.name == *alias || (other != place && it.aliases.contains(alias))
            });
            if taken {
                findings.push(Finding::error(format!(
                    "model {}: its alias {alias} is another model's name or alias",
                    model.name
                )));
            }
        }
    }
}

fn check_targets(model: &ModelConfig, upstreams: &[UpstreamConfig], findings: &mut Vec<Finding>) {
    let name = &model.name;
    let dialect = |target: &TargetConfig| {
        let mut found = upstreams.iter().filter(|it| it.name == target.upstream);
        found.next().map(|it| it.dialect)
    };
    if model.targets.is_empty() {
        findings.push(Finding::error(format!("model {name}: no target")));
    }
    for target in model.targets.iter().chain(&model.fallback) {
        if dialect(target).is_none() {
            findings.push(Finding::error(format!(
                "model {name}: no upstream is named {}",
                target.upstream
            )));
        }
    }
    for target in model.targets.iter().chain(&model.fallback) {
        let in_path = dialect(target) == Some(Dialect::Gemini);
        for written in [&target.model, name] {
            if in_path && segment(written.as_str()).is_none() {
                findings.push(Finding::error(format!(
                    "model {name}: {written} cannot stand in a path, and the gemini dialect puts \
                     it there: use letters, digits, '.', '_' and '-' (no `models/` before it)"
                )));
            }
        }
    }
    for target in model.targets.iter().chain(&model.fallback) {
        let mut found = upstreams.iter().filter(|it| it.name == target.upstream);
        if found
            .next()
            .is_some_and(|it| costs(model, target, it).is_none())
        {
            findings.push(Finding::error(format!(
                "model {name}: nobody says what {} costs at {}: write `price = {{ input = \"5.00\", \
                 output = \"25.00\" }}` (dollars per million tokens), or `price = \"free\"`",
                target.model, target.upstream
            )));
        }
    }
    let mut dialects: Vec<Dialect> = model.targets.iter().filter_map(dialect).collect();
    dialects.dedup();
    for spoken in &dialects {
        if !model.fallback.iter().any(|it| dialect(it) == Some(*spoken)) {
            findings.push(Finding::warning(format!(
                "model {name}: no fallback speaks {}, so nothing answers when its targets do not",
                spoken.name()
            )));
        }
    }
    for target in &model.fallback {
        if dialect(target).is_some_and(|it| !dialects.contains(&it)) {
            findings.push(Finding::warning(format!(
                "model {name}: the fallback at {} speaks another dialect than every target, so it \
                 never answers",
                target.upstream
            )));
        }
    }
}

/// A gated model is behind its gate at every door.
///
/// Whoever is refused it by one name must not get it by another: not as a fallback, not as a
/// second model without the gate or behind a lighter one, not under a broker's spelling of it.
fn check_doors(models: &[ModelConfig], findings: &mut Vec<Finding>) {
    let gated = models.iter().filter(|it| it.gated_by.is_some());
    for behind in gated {
        for target in &behind.targets {
            let same = |it: &&TargetConfig| is_same(&it.model, &target.model);
            for other in models {
                if other.fallback.iter().any(|it| same(&it)) {
                    findings.push(Finding::error(format!(
                        "model {}: its fallback is {}, which is gated as {}",
                        other.name, target.model, behind.name
                    )));
                }
                if other.gated_by != behind.gated_by && other.targets.iter().any(|it| same(&it)) {
                    findings.push(Finding::error(format!(
                        "model {}: leads to {}, which is gated as {}, without that gate",
                        other.name, target.model, behind.name
                    )));
                }
            }
        }
    }
}

/// Whether two names may be of one model.
///
/// A provider makes names by adding to a name: a date, a speed, a mode. So a name that goes on
/// after another (at a dash) is the same model, unless it goes on with a word that names a smaller
/// one of another product line. A gate that is too wide is noticed by its operator; one that is
/// too narrow is not.
fn is_same(one: &ModelName, other: &ModelName) -> bool {
    let (one, other) = (essence(one), essence(other));
    let (short, long) = if one.len() <= other.len() {
        (&one, &other)
    } else {
        (&other, &one)
    };
    let Some(rest) = long.strip_prefix(short.as_str()) else {
        return false;
    };
    if rest.is_empty() {
        return true;
    }
    let added = rest.strip_prefix('-');
    added.is_some_and(|added| {
        let word = added.split('-').next().unwrap_or_default();
        !SMALLER.contains(&word)
    })
}

/// Words that a name goes on with when it is another, smaller model.
const SMALLER: &[&str] = &[
    "mini", "nano", "micro", "tiny", "small", "lite", "flash", "air", "haiku",
];

/// What a model is, whatever a cloud or a broker calls it: `us.anthropic.claude-x-v1:0`,
/// `anthropic/claude-x`, `claude-x@20260101`, `claude-x-20260101` and `claude-x-2026-01-01` are
/// `claude-x`.
fn essence(model: &ModelName) -> String {
    let lower = model.as_str().to_ascii_lowercase();
    let last = lower.rsplit('/').next().unwrap_or_default();
    let last = last.split(['@', ':']).next().unwrap_or_default();
    // Dots separate vendor from model in clouds, and versions in models: only words go.
    let mut name = last;
    while let Some((word, rest)) = name.split_once('.') {
        if word.is_empty() || !word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') {
            break;
        }
        name = rest;
    }
    let mut parts: Vec<&str> = name.split(['-', '.']).collect();
    // A date may stand before the end: `claude-x-20260101-thinking`.
    let mut at = 1;
    while at < parts.len() {
        let length = parts.get(at..).map_or(0, date_length);
        if length == 0 {
            at = at.saturating_add(1);
        } else {
            parts.drain(at..at.saturating_add(length));
        }
    }
    while let Some(part) = parts.last() {
        let is_revision = part
            .strip_prefix('v')
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
        if parts.len() == 1 || !(is_revision || *part == "latest") {
            break;
        }
        parts.pop();
    }
    parts.join("-")
}

/// How many of the first parts are a date: one of eight digits, or a year, a month and a day.
fn date_length(parts: &[&str]) -> usize {
    let is = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|b| b.is_ascii_digit())
    };
    match parts {
        [whole, ..] if is(whole, 8) => 1,
        [year, month, day, ..] if is(year, 4) && is(month, 2) && is(day, 2) => 3,
        _ => 0,
    }
}

/// What `target` costs, and its tiers: as the target says, as the model says, as the provider's list
/// says. A tier goes with the price it stands beside.
fn costs(
    model: &ModelConfig,
    target: &TargetConfig,
    upstream: &UpstreamConfig,
) -> Option<(Price, BTreeMap<Name, Price>)> {
    let own = target.tiers.clone();
    if let Some(price) = target.price {
        return Some((price, own.unwrap_or_default()));
    }
    let written = own.unwrap_or_else(|| model.tiers.clone());
    if let Some(price) = model.price {
        return Some((price, written));
    }
    let endpoint = upstream.endpoint().ok()?;
    let listed = list::find(endpoint.authority(), &target.model)?;
    let mut tiers = listed.tiers.clone();
    tiers.extend(written);
    Some((listed.price, tiers))
}

fn build(model: &ModelConfig, upstreams: &[UpstreamConfig]) -> Model {
    let door = |target: &TargetConfig, fallback: bool| {
        let mut places = upstreams.iter().enumerate();
        let (upstream, config) = places.find(|(_, it)| it.name == target.upstream)?;
        let (price, tiers) = costs(model, target, config)?;
        Some(Door {
            upstream,
            name: config.name.clone(),
            provider: config.provider().clone(),
            dialect: config.dialect,
            model: target.model.clone(),
            price,
            tiers: Arc::new(tiers),
            fallback,
            weight: target.weight,
            metadata: config.metadata,
            end_user: config.end_user,
        })
    };
    let targets = model.targets.iter().filter_map(|it| door(it, false));
    let fallback = model.fallback.iter().filter_map(|it| door(it, true));
    let doors: Vec<Door> = targets.chain(fallback).collect();
    Model {
        name: model.name.clone(),
        aliases: model.aliases.clone(),
        gated_by: model.gated_by.clone(),
        spread: doors.iter().any(|door| door.weight.is_some()),
        doors,
        max_output: model.max_output,
        context: model.context,
    }
}
