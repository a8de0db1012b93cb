//! A simulated OpenID provider: good enough for a browser, strict enough for a client, and able to
//! lie on request.

mod authorize;
mod keys;
mod lie;
mod logout;
mod people;
mod token;

pub use keys::Alg;
pub use lie::{Lie, LogoutLie};
pub use people::{Client, Person};

use crate::answer::Answer;
use crate::canary::Canary;
use crate::clock::Clock;
use crate::outbound::Outbound;
use crate::page;
use crate::request::Request;
use crate::seed::Seed;
use crate::server::{Counterpart, Simulator};
use http::{Method, StatusCode};
use keys::Keys;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A running simulated identity provider.
pub type Idp = Simulator<Provider>;

/// What the identity provider knows at its start.
#[derive(Clone, Debug)]
pub struct Options {
    /// The people on the sign-in page.
    pub people: Vec<Person>,
    /// The applications that may send people here. More with [`Idp::register`].
    pub clients: Vec<Client>,
    /// Whether ID tokens carry names and addresses although nobody asked for them.
    pub leaky: bool,
    /// The algorithm that signs.
    pub alg: Alg,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            people: Person::everyone(),
            clients: Vec::new(),
            leaky: false,
            alg: Alg::Rs256,
        }
    }
}

/// The state of a simulated identity provider.
#[derive(Debug)]
pub struct Provider {
    issuer: String,
    clock: Clock,
    seed: Seed,
    outbound: Outbound,
    leaky: bool,
    book: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    keys: Keys,
    people: Vec<Person>,
    clients: Vec<Client>,
    /// Authorization requests on the sign-in page.
    asked: BTreeMap<String, authorize::Asked>,
    codes: BTreeMap<String, token::Code>,
    access: BTreeMap<String, String>,
    sessions: BTreeMap<String, Session>,
    lies: VecDeque<Lie>,
    unattended: Option<String>,
}

/// A person signed in on one browser.
#[derive(Clone, Debug)]
struct Session {
    sub: String,
    at_s: i64,
    clients: Vec<String>,
}

impl Provider {
    pub(crate) fn new(
        options: Options,
        issuer: String,
        clock: Clock,
        seed: Seed,
    ) -> io::Result<Self> {
        let keys = Keys::new(options.alg, &seed)?;
        Ok(Self {
            issuer,
            clock,
            outbound: Outbound::new(),
            leaky: options.leaky,
            book: Mutex::new(Book {
                keys,
                people: options.people,
                clients: options.clients,
                asked: BTreeMap::new(),
                codes: BTreeMap::new(),
                access: BTreeMap::new(),
                sessions: BTreeMap::new(),
                lies: VecDeque::new(),
                unattended: None,
            }),
            seed,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn discovery(&self) -> Answer {
        let lie = self.lock().lie(Lie::in_discovery);
        let at = |path: &str| format!("{}{path}", self.issuer);
        let mut document = json!({
            "issuer": self.issuer,
            "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"),
            "userinfo_endpoint": at("/userinfo"),
            "jwks_uri": at("/jwks"),
            "end_session_endpoint": at("/end-session"),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": self.lock().keys.algs(),
            "scopes_supported": ["openid", "groups", "profile", "email"],
            "claims_supported": ["iss", "aud", "sub", "exp", "iat", "nonce", "groups", "sid", "auth_time", "at_hash"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "backchannel_logout_supported": true,
            "backchannel_logout_session_supported": true,
        });
        let changed = match lie {
            Some(Lie::DiscoveryOtherIssuer) => {
                Some(("issuer", format!("{}.evil.example", self.issuer)))
            }
            Some(Lie::DiscoverySlash) => Some(("issuer", at("/"))),
            Some(Lie::DiscoveryKeysElsewhere) => Some((
                "jwks_uri",
                "http://169.254.169.254/latest/meta-data".to_owned(),
            )),
            _ => None,
        };
        if let (Some((name, value)), Some(document)) = (changed, document.as_object_mut()) {
            document.insert(name.to_owned(), json!(value));
        }
        Answer::json(StatusCode::OK, &document)
    }

    fn jwks(&self) -> Answer {
        let document = json!({"keys": self.lock().keys.public()});
        Answer::json(StatusCode::OK, &document).with("cache-control", "max-age=300")
    }

    fn welcome(&self) -> Answer {
        let names = self
            .lock()
            .people
            .iter()
            .map(people::row)
            .collect::<String>();
        let body = format!(
            "<p>These people exist here. Start at the application: it sends you to this page to sign in.</p>\
             <ul class=\"people\">{names}</ul>"
        );
        page::page(StatusCode::OK, "Company sign-in", WHAT, &body, &[])
    }
}

impl Book {
    fn person(&self, name: &str) -> Option<Person> {
        let wanted =
            |person: &&Person| person.name.eq_ignore_ascii_case(name) || person.sub == name;
        self.people.iter().find(wanted).cloned()
    }

    fn client(&self, id: &str) -> Option<Client> {
        self.clients.iter().find(|client| client.id == id).cloned()
    }

    /// The first lie told at this stage, if one is due.
    fn lie(&mut self, here: impl Fn(Lie) -> bool) -> Option<Lie> {
        let at = self.lies.iter().position(|lie| here(*lie))?;
        self.lies.remove(at)
    }
}

impl Counterpart for Provider {
    fn answer(&self, request: &Request, scripted: Option<Answer>) -> Answer {
        if let Some(scripted) = scripted {
            return scripted;
        }
        match (&request.method, request.path()) {
            (&Method::GET, "/") => self.welcome(),
            (&Method::GET, "/style.css") => page::style(),
            (&Method::GET, "/.well-known/openid-configuration") => self.discovery(),
            (&Method::GET, "/jwks") => self.jwks(),
            (&Method::GET, "/authorize") => authorize::ask(self, request),
            (&Method::POST, "/authorize") => authorize::decide(self, request),
            (&Method::POST, "/token") => token::exchange(self, request),
            (&Method::GET | &Method::POST, "/userinfo") => token::userinfo(self, request),
            (&Method::GET | &Method::POST, "/end-session") => logout::end(self, request),
            _ => Answer::json(StatusCode::NOT_FOUND, &json!({"error": "not_found"})),
        }
    }
}

impl Idp {
    /// The issuer: the base URL, byte for byte.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.state.issuer.clone()
    }

    /// Adds an application, or replaces the one with the same id.
    pub fn register(&self, client: Client) {
        let mut book = self.state.lock();
        book.clients.retain(|known| known.id != client.id);
        book.clients.push(client);
    }

    /// Adds a person, or replaces the one with the same name.
    pub fn hire(&self, person: Person) {
        let mut book = self.state.lock();
        book.people.retain(|known| known.name != person.name);
        book.people.push(person);
    }

    /// Removes a person and ends their sessions, without telling anybody.
    pub fn dismiss(&self, name: &str) {
        let mut book = self.state.lock();
        let Some(person) = book.person(name) else {
            return;
        };
        book.people.retain(|known| known.sub != person.sub);
        book.sessions.retain(|_, session| session.sub != person.sub);
    }

    /// The people of the sign-in page.
    #[must_use]
    pub fn people(&self) -> Vec<Person> {
        self.state.lock().people.clone()
    }

    /// Signs everybody in as this person from now on, without a page; `None` shows the page again.
    pub fn unattended(&self, name: Option<&str>) {
        self.state.lock().unattended = name.map(str::to_owned);
    }

    /// Tells this lie at the next occasion; called again, another one after that.
    pub fn lie(&self, lie: Lie) {
        self.state.lock().lies.push_back(lie);
    }

    /// A new signing key. The old one stays in the key set until [`Idp::retire`].
    ///
    /// # Errors
    ///
    /// When no key can be made.
    pub fn rotate(&self) -> io::Result<()> {
        self.state.lock().keys.rotate(&self.state.seed)
    }

    /// Takes every key but the signing one out of the key set.
    pub fn retire(&self) {
        self.state.lock().keys.retire();
    }

    /// Signs with another algorithm from now on.
    pub fn sign_with(&self, alg: Alg) {
        self.state.lock().keys.alg = alg;
    }

    /// Goes through the sign-in page as this person, as a browser would. Gives the URL to which the
    /// browser is then sent.
    ///
    /// # Errors
    ///
    /// When the page refuses; the message is what the page says.
    pub async fn sign_in(&self, authorize_url: &str, name: &str) -> io::Result<String> {
        let out = &self.state.outbound;
        let patience = Duration::from_secs(10);
        let page = out
            .send(Method::GET, authorize_url, &[], "", patience)
            .await?;
        if let Some(onward) = page.headers.get("location").and_then(|to| to.to_str().ok()) {
            return Ok(onward.to_owned());
        }
        let shown = String::from_utf8_lossy(&page.body).into_owned();
        let request = authorize::hidden(&shown).ok_or_else(|| io::Error::other(shown.clone()))?;
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("request", request)
            .append_pair("person", name)
            .finish();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let url = format!("{}/authorize", self.url());
        let decided = out
            .send(Method::POST, &url, &headers, form, patience)
            .await?;
        let onward = decided
            .headers
            .get("location")
            .and_then(|to| to.to_str().ok());
        onward
            .map(str::to_owned)
            .ok_or_else(|| io::Error::other(String::from_utf8_lossy(&decided.body).into_owned()))
    }

    /// Every value here that says who somebody is: subjects, and with `leaky` names and addresses.
    #[must_use]
    pub fn canaries(&self) -> Vec<Canary> {
        let book = self.state.lock();
        let mut all = Vec::new();
        for person in &book.people {
            all.push(Canary::new("sub", &person.sub));
            if self.state.leaky {
                let claims = people::leaks(person);
                all.extend(claims.iter().filter_map(|(name, value)| {
                    value.as_str().map(|value| Canary::new(name.clone(), value))
                }));
            }
        }
        all
    }
}

/// An error as OAuth writes it.
fn refuse(status: StatusCode, error: &str, description: &str) -> Answer {
    let document: Value = json!({"error": error, "error_description": description});
    Answer::json(status, &document)
        .with("cache-control", "no-store")
        .with("pragma", "no-cache")
}

const WHAT: &str =
    "This stands in for your company's sign-in. Nobody here is real and no password is asked.";

#[cfg(test)]
mod tests;
