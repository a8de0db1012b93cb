//! How the plane starts, and why it may not.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock, atomic::AtomicI64},
};

use bauta_audit::store::StoreError;
use bauta_token::{ambient::bytes, notice::Notice, units::UnixMillis};
use thiserror::Error;
use tokio::sync::Semaphore;

use crate::{
    Parts, Plane,
    config::{Environment, OfficerConfig, SecretText, Settings, SettingsError, VerifierConfig},
    issue::ClientKind,
    keys::{self, KeyError, KeyMaterial, KeyRing, Keys},
    login::discovery::Discovery,
    ports::{
        Lookup, Role, Store,
        directory::{GroupRule, GroupRules},
        people::PolicyRow,
    },
    qualify::policy::{Policies, PolicyError, hex},
    verify::{Vendor, persona::Persona},
    workload::Workloads,
};

/// Why the plane does not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The settings are refused.
    #[error("the configuration is refused")]
    Settings(#[from] SettingsError),
    /// A key is refused.
    #[error("the keys are refused")]
    Keys(#[from] KeyError),
    /// A policy is refused.
    #[error("the policies are refused")]
    Policies(#[from] PolicyError),
    /// Storage gave no answer.
    #[error("storage gave no answer at start")]
    Store(#[from] StoreError),
    /// Production was started on what a simulation wrote, or the reverse.
    #[error(
        "this database was begun by {}: what is in it would count for what it is not. Start with a \
         new one",
        if *.0 == Environment::Production { "`bauta dev`" } else { "a production server" }
    )]
    Environment(Environment),
}

impl Plane {
    /// Opens the plane: checks settings and keys against what is stored, announces new versions of
    /// policies, makes the first signing key.
    ///
    /// # Errors
    ///
    /// [`StartError`], before anything is served.
    pub async fn open(parts: Parts) -> Result<Arc<Self>, StartError> {
        let mut settings = parts.settings;
        settings.check()?;
        let keys = Keys::new(parts.keys)?;
        check_fingerprints(&keys, &*parts.store).await?;
        let fresh = Lookup(bytes(&*parts.randomness));
        let salt = parts.store.fingerprint("organisation-salt", fresh).await?;
        let now = parts.clock.now();
        let kept = parts.store.policies().await?;
        let (policies, new) = Policies::new(&settings.policies, &kept, now)?;
        let scopes = settings.scopes.iter();
        let scopes: BTreeMap<_, _> = scopes
            .map(|rule| (rule.name.clone(), Arc::new(rule.clone())))
            .collect();
        let workloads = std::mem::take(&mut settings.workloads);
        let workloads = Workloads::new(workloads, &keys, &parts.http);
        let verifiers = std::mem::take(&mut settings.verifiers);
        let link_origins = verifiers
            .iter()
            .flat_map(VerifierConfig::link_origins)
            .collect();
        let group_rules = Arc::new(group_rules(&settings, &keys));
        let (vendors, officer) = hire(verifiers, &parts.http, &parts.randomness);
        let plane = Arc::new(Self {
            discovery: Discovery::new(parts.http.clone(), &settings.sso),
            workloads,
            settings,
            scopes,
            policies,
            keys,
            ring: RwLock::default(),
            store: parts.store,
            clock: parts.clock,
            randomness: parts.randomness,
            http: parts.http,
            vendors,
            link_origins,
            officer,
            salt: salt.0,
            hashing: Semaphore::new(HASHING_AT_ONCE),
            metrics: crate::metrics::Metrics::default(),
            heard: AtomicI64::new(0),
            door: crate::scim::Door::default(),
            group_rules,
        });
        plane.adopt(new).await?;
        plane.turn_keys().await?;
        Ok(plane)
    }

    /// What [`Plane::open`] would refuse, found without changing anything: of the settings and the
    /// keys, and of what `store` remembers of them when a plane was opened on it before.
    ///
    /// # Errors
    ///
    /// [`StartError`], as [`Plane::open`] would give it.
    pub async fn examine(
        settings: &Settings,
        keys: KeyMaterial,
        store: Option<&dyn Store>,
        now: UnixMillis,
    ) -> Result<(), StartError> {
        settings.check()?;
        let keys = Keys::new(keys)?;
        let mut kept = Vec::new();
        if let Some(store) = store {
            // Whoever made the first signing key had left the fingerprints before it, so that asking
            // for them leaves none.
            if !store.signing_keys().await?.is_empty() {
                check_fingerprints(&keys, store).await?;
            }
            kept = store.policies().await?;
        }
        Policies::new(&settings.policies, &kept, now)?;
        Ok(())
    }

    /// Tells the gateway of new versions of policies, then notes that it was told: a crash in
    /// between tells it twice, which changes nothing.
    async fn adopt(&self, new: Vec<PolicyRow>) -> Result<(), StoreError> {
        for row in new {
            let policy = self.policies.all().find(|policy| {
                let gate = policy.gate();
                gate.policy().as_str() == row.policy && gate.version().as_str() == row.version
            });
            let Some(policy) = policy else { continue };
            let gate = policy.gate();
            let event = self.scribe(row.adopted_at).policy_adopted(
                gate.policy(),
                gate.version(),
                &policy.hash_text(),
                row.effective_from,
            );
            let effective_from = row.effective_from;
            self.announce(vec![Notice::Gate {
                gate,
                effective_from,
            }])
            .await?;
            self.store.adopt_policy(&row, &event).await?;
        }
        Ok(())
    }

    /// Reads the signing keys, and makes the next one when it is time.
    pub(crate) async fn turn_keys(&self) -> Result<(), StartError> {
        let now = self.clock.now();
        let mut ring = KeyRing::open(&self.store.signing_keys().await?, self.keys.kek())?;
        if let Some(from) = ring.next_begins(now) {
            self.add_key(from, now).await?;
            ring = KeyRing::open(&self.store.signing_keys().await?, self.keys.kek())?;
        }
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
        Ok(())
    }

    async fn add_key(&self, from: UnixMillis, now: UnixMillis) -> Result<(), StartError> {
        let longest = self.longest_token();
        let row = keys::fresh(from, longest, self.keys.kek(), &*self.randomness)?;
        let scribe = self.scribe(now);
        let event = scribe.key_created(&hex(&row.kid), row.not_before, row.signs_until);
        // Whichever replica comes first makes it; the others take what it made.
        self.store
            .add_signing_key(&row, keys::enough_until(now), &event)
            .await?;
        Ok(())
    }

    /// Seconds that any token may live.
    fn longest_token(&self) -> i64 {
        let lives = self
            .scopes
            .values()
            .flat_map(|rule| [Some(rule.token_ttl), rule.max_label_ttl]);
        lives
            .flatten()
            .map(crate::config::Span::as_seconds)
            .max()
            .unwrap_or(3_600)
    }
}

impl Plane {
    /// To be called before anything is served: a database belongs to the environment that it was
    /// begun in, because tokens outlive the server that made them; and so do those that its
    /// configuration would not have given.
    ///
    /// # Errors
    ///
    /// [`StartError::Environment`] when it was begun in the other one; [`StartError::Store`] when
    /// storage does not answer.
    pub async fn claim(&self) -> Result<(), StartError> {
        let environment = self.settings.environment;
        let name: &[u8] = match environment {
            Environment::Production => b"production",
            Environment::Development => b"development",
        };
        let ours = self.keys.lookup("bauta/environment/v1", &[name]);
        if self.store.fingerprint("environment", ours).await? != ours {
            return Err(StartError::Environment(environment));
        }
        self.end_strayed().await?;
        Ok(())
    }

    /// Ends what the configuration as it is now would not have given: to builds by a rule that is
    /// gone, to devices when there is no signing in by code any more.
    async fn end_strayed(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        for build in self.store.builds(now).await? {
            if !self.workloads.knows(build.rule) {
                self.end_kept(&build.grant, None, "workload_removed")
                    .await?;
            }
        }
        let device = ClientKind::Device;
        if !self.serves(device) {
            for grant in self.store.of_client(device.as_str(), now).await? {
                self.end_kept(&grant, None, "client_removed").await?;
            }
        }
        Ok(())
    }
}

/// A wrong key file opens nothing and finds nobody: found here, not when members cannot sign in.
async fn check_fingerprints(keys: &Keys, store: &dyn Store) -> Result<(), StartError> {
    for (name, fingerprint) in keys.fingerprints() {
        if store.fingerprint(name, *fingerprint).await? != *fingerprint {
            return Err(KeyError::Foreign(name.clone()).into());
        }
    }
    Ok(())
}

/// What each group in the configuration opens, by the keyed hash of its name.
fn group_rules(settings: &Settings, keys: &Keys) -> GroupRules {
    let mut opened = BTreeMap::<&str, GroupRule>::new();
    let of = |group| GroupRule {
        name: crate::scim::group_name(keys, group),
        roles: BTreeSet::new(),
        scopes: BTreeSet::new(),
    };
    let roles = &settings.sso.roles;
    for (role, groups) in [
        (Role::Admin, &roles.admin),
        (Role::Officer, &roles.officer),
        (Role::Auditor, &roles.auditor),
    ] {
        for group in groups {
            let rule = opened.entry(group).or_insert_with(|| of(group));
            rule.roles.insert(role);
        }
    }
    for scope in &settings.scopes {
        for group in &scope.groups {
            let rule = opened.entry(group).or_insert_with(|| of(group));
            rule.scopes.insert(scope.name.clone());
        }
    }
    GroupRules(opened.into_values().collect())
}

fn hire(
    verifiers: Vec<VerifierConfig<SecretText>>,
    http: &reqwest::Client,
    randomness: &Arc<dyn bauta_token::ambient::Randomness>,
) -> (Vec<Arc<dyn Vendor>>, Option<OfficerConfig>) {
    let (mut vendors, mut officer) = (Vec::<Arc<dyn Vendor>>::new(), None);
    for verifier in verifiers {
        match verifier {
            VerifierConfig::Persona(config) => {
                let persona = Persona::new(http.clone(), Arc::clone(randomness), config);
                vendors.push(Arc::new(persona));
            }
            VerifierConfig::Officer(config) => officer = Some(config),
        }
    }
    (vendors, officer)
}

/// Each takes 46 MiB for a tenth of a second.
const HASHING_AT_ONCE: usize = 2;
