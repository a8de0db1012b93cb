//! Whether everything works: each part is tried when the page is opened, and each line says what is
//! wrong and how it is mended.
//!
//! The gateway is not asked about anything (ADR 6): of it only this is known, that it follows the
//! feed.

use std::{sync::Arc, sync::atomic::Ordering};

use axum::{extract::State, response::Response};
use bauta_audit::store::StoreError;
use bauta_token::{scope::Privacy, units::UnixMillis};

use super::{
    Area,
    census::Census,
    enter,
    view::{self, Check, Light, Section},
    words,
};
use crate::{
    Plane,
    attest::redact::LATE,
    config::{Environment, VendorEnvironment},
    fetch::FetchError,
    http::chain,
    login::{SignedInMember, discovery::DiscoveryError},
    portal::{self, page as render, unavailable},
    ports::people::{RedactionRow, RedactionState},
    verify::{Vendor, VendorError},
};

pub(super) async fn page(State(plane): State<Arc<Plane>>, who: SignedInMember) -> Response {
    let desk = match enter(&plane, &who, Area::Setup) {
        Ok(desk) => desk,
        Err(closed) => return *closed,
    };
    match plane.tried().await {
        Ok(sections) => render(&shown(desk, sections, plane.clock.now())),
        Err(error) => unavailable(&error),
    }
}

fn shown(desk: view::Desk, sections: Vec<Section>, now: UnixMillis) -> view::Setup {
    let all = || sections.iter().flat_map(|section| &section.checks);
    let mends = all().filter(|check| check.light == Light::Mend).count();
    let heading = match mends {
        0 => "Everything works".to_owned(),
        1 => "One thing to mend".to_owned(),
        some => format!("{some} things to mend"),
    };
    view::Setup {
        frame: desk.frame,
        desk,
        heading,
        lead: if mends == 0 {
            "Each line was tried just now. People can sign in, verify and get tokens.".to_owned()
        } else {
            "Each line was tried just now. What is marked keeps somebody out, or lets something \
             lie that should be gone."
                .to_owned()
        },
        green: mends == 0,
        at: words::instant(now),
        sections,
    }
}

impl Plane {
    async fn tried(&self) -> Result<Vec<Section>, StoreError> {
        let census = self.census().await?;
        let mut sign_in = self.try_provider().await;
        sign_in.push(self.administrators(&census));
        let mut verification = self.try_verifiers(&census).await;
        verification.push(self.redactions().await?);
        Ok(vec![
            Section {
                title: "Sign-in",
                checks: sign_in,
            },
            Section {
                title: "Verification",
                checks: verification,
            },
            Section {
                title: "Tokens",
                checks: self.tokens(&census),
            },
            Section {
                title: "Log and keys",
                checks: self.try_log().await,
            },
            Section {
                title: "The gateway and what is behind it",
                checks: self.gateway(),
            },
        ])
    }

    /// The identity provider's document and keys, fetched anew, and its clock beside ours.
    async fn try_provider(&self) -> Vec<Check> {
        let what = format!("The identity provider {}", self.settings.sso.issuer);
        let before = self.clock.now();
        match self.discovery.probe().await {
            Ok(probe) => vec![
                good(
                    what,
                    format!(
                        "Its discovery document names itself as configured, and its {} {} read.",
                        probe.keys,
                        if probe.keys == 1 {
                            "key was"
                        } else {
                            "keys were"
                        }
                    ),
                ),
                clocks(probe.at, before, self.clock.now()),
            ],
            Err(error) => vec![mend(
                what,
                format!("Nobody can sign in: {}.", chain(&error)),
                provider_mend(&error),
            )],
        }
    }

    fn administrators(&self, census: &Census) -> Check {
        let what = "Administrators";
        let second = self.settings.admin.second;
        match census.admins {
            ..=1 if second => mend(
                what,
                "Reinstating and erasing wait for a second administrator, and only one has signed \
                 in.",
                "Have a second person of the group in [sso.roles] admin sign in once, or write \
                 second = false under [admin].",
            ),
            one_or_more if second => good(
                what,
                format!("{one_or_more} have signed in; reinstating and erasing take two of them."),
            ),
            _ => note(
                what,
                "One alone may do everything. With second = true under [admin], reinstating and \
                 erasing take two.",
            ),
        }
    }

    async fn try_verifiers(&self, census: &Census) -> Vec<Check> {
        let mut checks = Vec::new();
        for vendor in &self.vendors {
            checks.push(try_vendor(vendor.as_ref()).await);
        }
        if self.officer.is_some() {
            checks.push(officers(census.officers, self.vendors.is_empty()));
        }
        if checks.is_empty() {
            checks.push(mend(
                "Verifiers",
                "There is none, so nobody can be verified.",
                "Write a [[verifier]] into bauta.toml: a vendor, or kind = \"officer\".",
            ));
        }
        checks
    }

    /// What vendors still hold and should not.
    async fn redactions(&self) -> Result<Check, StoreError> {
        let now = self.clock.now();
        let what = "Evidence at vendors";
        // Each is looked at hourly, so that within two hours every one is due.
        let due = self
            .store
            .redactions_due(now.plus_seconds(7_200), MOST_DUE)
            .await?;
        let late = due.iter().filter(|row| is_late(row, now)).count();
        if late > 0 {
            return Ok(mend(
                what,
                format!(
                    "{late} {} not deleted though it was due days ago.",
                    if late == 1 {
                        "person’s evidence is"
                    } else {
                        "people’s evidence is"
                    }
                ),
                "Ask the vendor’s support to delete it, and look into the server’s log for what it \
                 answered.",
            ));
        }
        let held = self.store.unredacted().await?;
        Ok(match held.oldest {
            None => good(what, "None is held anywhere."),
            Some(oldest) => good(
                what,
                format!(
                    "{} not confirmed deleted yet, the oldest since {}; none is overdue.",
                    held.sessions,
                    portal::words::day(oldest.day())
                ),
            ),
        })
    }

    fn tokens(&self, census: &Census) -> Vec<Check> {
        let mut checks = vec![match self.token_key() {
            Some(_) => good(
                "The key that signs tokens",
                "It is there, and its successor is made two days before it ends.",
            ),
            None => mend(
                "The key that signs tokens",
                "There is none in force, so nobody gets a token.",
                "Look at this machine’s clock first, then into the server’s log for why no key \
                 could be made.",
            ),
        }];
        checks.push(members(census));
        if self.scopes.is_empty() {
            checks.push(mend(
                "Scopes",
                "There is none, so no token opens anything.",
                "Write a [[scope]] into bauta.toml.",
            ));
        }
        for rule in self.scopes.values() {
            let crowd = census.crowds.get(&rule.name).copied().unwrap_or_default();
            let what = format!("Scope {}", rule.name);
            checks.push(match rule.privacy {
                Privacy::Anonymous if crowd < SMALLEST_CROWD && !census.cut => mend(
                    what,
                    format!(
                        "Only {crowd} verified members may use it; among fewer than \
                         {SMALLEST_CROWD} nobody is hidden."
                    ),
                    "Open it to more groups, or do without it until more have verified.",
                ),
                _ if crowd == 0 => note(
                    what,
                    "No verified member may use it yet. Its groups are judged when somebody signs \
                     in.",
                ),
                _ => good(
                    what,
                    format!(
                        "{}{crowd} verified {} may use it.",
                        if census.cut { "At least " } else { "" },
                        if crowd == 1 { "member" } else { "members" }
                    ),
                ),
            });
        }
        if self.settings.environment == Environment::Development {
            checks.push(note(
                "This is a development system",
                "Simulated checks count here, and what it issues proves nothing.",
            ));
        }
        checks
    }

    /// Signs the log, as the server does every half minute.
    async fn try_log(&self) -> Vec<Check> {
        let what = "The identity log";
        let log = match self.seal().await {
            Ok(head) => good(
                what,
                format!("It was signed just now over {} entries.", head.size),
            ),
            Err(error) => mend(
                what,
                format!("It takes no entries: {}.", chain(&error)),
                "Nothing is done without its record, so mend this first: is the disk full, was \
                 the database set back?",
            ),
        };
        let peppers = self.keys.peppers().count();
        vec![
            log,
            good(
                "Pepper and key-encryption key",
                format!(
                    "They are those that this database was begun with; {} in use.",
                    if peppers == 1 {
                        "one pepper is".to_owned()
                    } else {
                        format!("{peppers} peppers are")
                    }
                ),
            ),
        ]
    }

    fn gateway(&self) -> Vec<Check> {
        let what = "A gateway follows";
        let now = self.clock.now();
        let heard = UnixMillis(self.heard.load(Ordering::Relaxed));
        let ago = now.seconds().saturating_sub(heard.seconds());
        let mut checks = vec![if heard.0 == 0 {
            mend(
                what,
                "None has asked for the feed since this process started, so tokens open nothing.",
                "Start “bauta serve --role gateway”, and look at server.feed_url and \
                 server.identity_log_key of its configuration.",
            )
        } else if ago > STALE {
            mend(
                what,
                format!("The feed was last asked for {ago} seconds ago; a gateway denies after 5."),
                "See whether the gateway runs and reaches server.feed_url.",
            )
        } else {
            good(
                what,
                "It asked for the feed moments ago, so that a suspension reaches it within \
                 seconds.",
            )
        }];
        checks.extend(self.settings.providers.iter().map(|provider| {
            note(
                format!("Upstream {provider}"),
                "The gateway alone knows how it is: this side never asks it. There, “bauta check \
                 --role gateway” tries it.",
            )
        }));
        checks
    }
}

async fn try_vendor(vendor: &dyn Vendor) -> Check {
    let terms = vendor.terms();
    let what = portal::words::vendor(terms.kind);
    let real = terms.environment == VendorEnvironment::Production;
    let works = if real {
        "It takes our key."
    } else {
        "It takes our key; what it says proves nothing, since it is no production key."
    };
    match vendor.reachable().await {
        None => note(what, "It cannot be tried from here."),
        Some(Ok(())) => good(what, works),
        Some(Err(error)) => {
            let refused = matches!(&error, VendorError::Fetch(FetchError::Status(401 | 403)));
            mend(
                what,
                format!("Nobody can verify with it: {}.", chain(&error)),
                if refused {
                    "The key is refused: put a good one where api_key of this [[verifier]] points \
                     to, and reload."
                } else {
                    "Can this machine reach it? Is api_base of this [[verifier]] right?"
                },
            )
        }
    }
}

fn members(census: &Census) -> Check {
    let more = if census.cut { "More than " } else { "" };
    good(
        "Members",
        format!(
            "{more}{} signed in so far: {} verified, {} suspended.",
            census.looked, census.verified, census.suspended
        ),
    )
}

fn officers(count: u64, alone: bool) -> Check {
    let what = "Officers who vouch in person";
    match count {
        0 | 1 if alone => mend(
            what,
            format!(
                "{} signed in whose word counts, and it takes two, neither of them about \
                 themselves.",
                some_officers(count)
            ),
            "Have officers, the people of the group in [sso.roles] officer, sign in once each.",
        ),
        0 | 1 => note(
            what,
            &format!(
                "{} signed in and verified; until there are two, members go to the vendor.",
                some_officers(count)
            ),
        ),
        some => good(what, format!("The word of {some} counts.")),
    }
}

const fn some_officers(count: u64) -> &'static str {
    if count == 0 {
        "No officer has"
    } else {
        "One officer has"
    }
}

/// Ten seconds are forgiven wherever a time is judged.
fn clocks(theirs: Option<UnixMillis>, before: UnixMillis, after: UnixMillis) -> Check {
    let what = "Clocks";
    let Some(theirs) = theirs else {
        return note(
            what,
            "The identity provider does not say what time it is; ours could not be compared.",
        );
    };
    // Its answer is whole seconds, and took the time between.
    let off = if theirs.plus_seconds(1) < before {
        before.seconds().saturating_sub(theirs.seconds())
    } else if theirs > after {
        theirs.seconds().saturating_sub(after.seconds())
    } else {
        0
    };
    if off > FORGIVEN {
        return mend(
            what,
            format!("This machine and the identity provider are {off} seconds apart."),
            "Set this machine’s clock by NTP. Sign-ins are refused from ten seconds on.",
        );
    }
    good(what, "Ours and the identity provider’s agree.")
}

fn provider_mend(error: &DiscoveryError) -> &'static str {
    match error {
        DiscoveryError::Issuer => {
            "Write sso.issuer byte for byte as the provider’s own document does; a slash more is \
             another one."
        }
        DiscoveryError::Endpoint(_) => {
            "Its endpoints are on another host: name that host in sso.hosts."
        }
        DiscoveryError::Fetch(_) => {
            "Is sso.issuer right, and can this machine reach it? Try: curl \
             ISSUER/.well-known/openid-configuration"
        }
        _ => {
            "Ask whoever runs the provider; it must offer the code flow with S256 and sign with \
              RS, PS, ES or EdDSA."
        }
    }
}

fn is_late(row: &RedactionRow, now: UnixMillis) -> bool {
    match row.redaction {
        RedactionState::Due(at) => now >= at.plus_seconds(86_400),
        RedactionState::Requested(at) => now >= at.plus_seconds(LATE),
        RedactionState::Confirmed(_) => false,
    }
}

fn good(what: impl Into<String>, said: impl Into<String>) -> Check {
    Check {
        light: Light::Good,
        what: what.into(),
        said: said.into(),
        mend: String::new(),
    }
}

fn note(what: impl Into<String>, said: &str) -> Check {
    Check {
        light: Light::Note,
        what: what.into(),
        said: said.to_owned(),
        mend: String::new(),
    }
}

fn mend(what: impl Into<String>, said: impl Into<String>, mend: &str) -> Check {
    Check {
        light: Light::Mend,
        what: what.into(),
        said: said.into(),
        mend: mend.to_owned(),
    }
}

impl Plane {
    /// What of all this waits for somebody, without calling anybody.
    pub(super) async fn overdue(&self) -> Result<Option<Check>, StoreError> {
        let check = self.redactions().await?;
        Ok((check.light == Light::Mend).then_some(check))
    }
}

/// Below this many an anonymous scope hides nobody.
const SMALLEST_CROWD: u64 = 20;
/// Seconds after which a gateway that follows would have asked again.
const STALE: i64 = 10;
/// Seconds that two clocks may be apart.
const FORGIVEN: i64 = 10;
const MOST_DUE: u32 = 500;
