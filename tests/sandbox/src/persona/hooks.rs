//! Events, and the webhooks that carry them: signed, repeated, late, out of order.

mod signing;

pub use signing::Signing;

use super::{Book, Environment, Office, Persona, blocklist};
use crate::clock::rfc3339;
use bytes::Bytes;
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use signing::{sign, signatures};

/// A webhook as set up on the dashboard.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Where events go.
    pub url: String,
    /// The secrets that sign, the newest first. More than one during a rotation.
    pub secrets: Vec<String>,
    /// Events of which side it gets.
    pub environment: Environment,
    /// Attributes that its payloads leave out.
    pub blocklist: Vec<String>,
    /// The events it gets; all when empty.
    pub events: Vec<String>,
}

impl Hook {
    /// A webhook for all events of the sandbox side.
    #[must_use]
    pub fn new(url: &str, secret: &str) -> Self {
        Self {
            url: url.to_owned(),
            secrets: vec![secret.to_owned()],
            environment: Environment::Sandbox,
            blocklist: Vec::new(),
            events: Vec::new(),
        }
    }

    fn wants(&self, event: &Event) -> bool {
        self.environment == event.environment
            && (self.events.is_empty() || self.events.contains(&event.name))
    }
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// `evt_...`.
    pub id: String,
    /// `inquiry.approved`, ...
    pub name: String,
    /// When, in milliseconds since 1970. No two events share one.
    pub created_ms: i64,
    environment: Environment,
    object: Value,
}

impl Event {
    /// Whether the event's object has this id.
    #[must_use]
    pub fn is_about(&self, id: &str) -> bool {
        self.object.get("id").and_then(Value::as_str) == Some(id)
    }

    pub(super) fn document(&self, cut: &[String]) -> Value {
        let mut object = self.object.clone();
        blocklist::cut(cut, &mut object);
        json!({"data": {
            "type": "event",
            "id": self.id,
            "attributes": {
                "name": self.name,
                "environment": self.environment.name(),
                "created-at": rfc3339(self.created_ms),
                "redacted-at": null,
                "payload": {"data": object, "included": []},
            },
        }})
    }

    pub(super) fn environment(&self) -> Environment {
        self.environment
    }
}

/// One attempt to deliver an event.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The event.
    pub event: String,
    /// The receiver.
    pub url: String,
    /// The attempt, from 1.
    pub attempt: u32,
    /// The receiver's answer; `None` when none came in time.
    pub status: Option<u16>,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

impl Delivery {
    /// Whether the receiver took it: 200, 201, 202 or 204.
    #[must_use]
    pub fn taken(&self) -> bool {
        matches!(self.status, Some(200 | 201 | 202 | 204))
    }
}

/// An attempt to come.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    event: String,
    url: String,
    number: u32,
    first_ms: i64,
    due_ms: i64,
}

impl Office {
    /// Records that an inquiry changed. Gives the event's id.
    pub(super) fn tell_inquiry(&self, book: &mut Book, id: &str, event: &str) -> String {
        let Some(inquiry) = book.inquiries.get(id) else {
            return String::new();
        };
        let (object, environment) = (inquiry.document(), inquiry.environment);
        self.tell(book, event, object, environment)
    }

    /// Records that something happened, and lines it up for every webhook that wants it.
    pub(super) fn tell(
        &self,
        book: &mut Book,
        name: &str,
        object: Value,
        environment: Environment,
    ) -> String {
        let now_ms = self.clock.now_ms();
        let created_ms = now_ms.max(book.last_event_ms.saturating_add(1));
        book.last_event_ms = created_ms;
        let event = Event {
            id: self.seed.name("evt_"),
            name: name.to_owned(),
            created_ms,
            environment,
            object,
        };
        for hook in book.hooks.iter().filter(|hook| hook.wants(&event)) {
            book.queue.push(Attempt {
                event: event.id.clone(),
                url: hook.url.clone(),
                number: 1,
                first_ms: now_ms,
                due_ms: now_ms,
            });
        }
        let id = event.id.clone();
        book.events.push(event);
        self.bell.notify_one();
        id
    }

    /// Sends everything whose time has come, in the order of the events.
    pub(crate) async fn deliver_due(&self) -> Vec<Delivery> {
        let now_ms = self.clock.now_ms();
        let due: Vec<Attempt> = {
            let mut book = self.lock();
            book.queue
                .extract_if(.., |attempt| attempt.due_ms <= now_ms)
                .collect()
        };
        let mut done = Vec::new();
        for attempt in due {
            let Some(delivery) = self.send(&attempt, Signing::Honest).await else {
                continue;
            };
            if !delivery.taken() {
                self.again(attempt);
            }
            done.push(delivery);
        }
        done
    }

    /// Waits for the next event, or for a moment in which a retry may have come due.
    pub(crate) async fn deliver_for_ever(&self) {
        loop {
            drop(self.deliver_due().await);
            drop(
                tokio::time::timeout(std::time::Duration::from_millis(200), self.bell.notified())
                    .await,
            );
        }
    }

    pub(crate) fn delivers(&self) -> bool {
        self.deliveries == super::Deliveries::Background
    }

    fn again(&self, attempt: Attempt) {
        let made = usize::try_from(attempt.number).unwrap_or(usize::MAX);
        let Some(wait_s) = made.checked_sub(1).and_then(|at| RETRIES_S.get(at)) else {
            return;
        };
        let due_ms = self
            .clock
            .now_ms()
            .saturating_add(wait_s.saturating_mul(1000));
        self.lock().queue.push(Attempt {
            number: attempt.number.saturating_add(1),
            due_ms,
            ..attempt
        });
    }

    async fn send(&self, attempt: &Attempt, signing: Signing) -> Option<Delivery> {
        let (headers, body) = self.letter(attempt, signing)?;
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let reply = self
            .outbound
            .send(Method::POST, &attempt.url, &headers, body, self.patience)
            .await;
        let delivery = Delivery {
            event: attempt.event.clone(),
            url: attempt.url.clone(),
            attempt: attempt.number,
            status: reply.ok().map(|reply| reply.status.as_u16()),
            at_ms: self.clock.now_ms(),
        };
        self.lock().deliveries.push(delivery.clone());
        Some(delivery)
    }

    /// Headers and body of a webhook.
    fn letter(
        &self,
        attempt: &Attempt,
        signing: Signing,
    ) -> Option<(Vec<(String, String)>, Bytes)> {
        let now_s = self.clock.now_s();
        let (hook, event) = {
            let book = self.lock();
            let hook = book
                .hooks
                .iter()
                .find(|hook| hook.url == attempt.url)
                .cloned()?;
            let event = book
                .events
                .iter()
                .find(|event| event.id == attempt.event)
                .cloned()?;
            (hook, event)
        };
        let body = event.document(&hook.blocklist).to_string();
        let mut headers: Vec<(String, String)> = [
            ("content-type", "application/json".to_owned()),
            ("user-agent", "Persona Webhooks (simulated)".to_owned()),
            ("persona-webhook-attempts-made", attempt.number.to_string()),
            (
                "persona-webhook-attempts-left",
                MOST.saturating_sub(attempt.number).to_string(),
            ),
            (
                "persona-webhook-first-attempted-at",
                attempt.first_ms.div_euclid(1000).to_string(),
            ),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec();
        for value in signatures(&hook.secrets, now_s, body.as_bytes(), signing) {
            headers.push(("persona-signature".to_owned(), value));
        }
        let body = if signing == Signing::Tampered {
            body.replacen("\"type\":\"event\"", "\"type\": \"event\"", 1)
        } else {
            body
        };
        Some((headers, body.into()))
    }
}

impl Persona {
    /// Adds a webhook, or replaces the one with the same address.
    pub fn hook(&self, hook: Hook) {
        let mut book = self.state.lock();
        book.hooks.retain(|known| known.url != hook.url);
        book.hooks.push(hook);
    }

    /// Removes a webhook and cancels what was to be sent to it.
    pub fn unhook(&self, url: &str) {
        let mut book = self.state.lock();
        book.hooks.retain(|hook| hook.url != url);
        book.queue.retain(|attempt| attempt.url != url);
    }

    /// Gives a webhook a new secret beside the ones it has.
    #[must_use]
    pub fn rotate_secret(&self, url: &str) -> Option<String> {
        let secret = self.state.seed.name("wbhsec_");
        let mut book = self.state.lock();
        let hook = book.hooks.iter_mut().find(|hook| hook.url == url)?;
        hook.secrets.insert(0, secret.clone());
        Some(secret)
    }

    /// Leaves a webhook its newest secret only.
    pub fn retire_secrets(&self, url: &str) {
        let mut book = self.state.lock();
        for hook in book.hooks.iter_mut().filter(|hook| hook.url == url) {
            hook.secrets.truncate(1);
        }
    }

    /// Every event so far, oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.state.lock().events.clone()
    }

    /// Lets an event of any name happen to an inquiry. Gives its id.
    #[must_use]
    pub fn emit(&self, inquiry: &str, name: &str) -> Option<String> {
        let mut book = self.state.lock();
        let book = &mut *book;
        book.inquiries.get(inquiry)?;
        Some(self.state.tell_inquiry(book, inquiry, name))
    }

    /// The ids of the events that no receiver has taken yet, in the order of sending.
    #[must_use]
    pub fn pending(&self) -> Vec<String> {
        let book = self.state.lock();
        book.queue
            .iter()
            .map(|attempt| attempt.event.clone())
            .collect()
    }

    /// Cancels everything that was to be sent.
    pub fn discard_pending(&self) {
        self.state.lock().queue.clear();
    }

    /// Every attempt so far.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.state.lock().deliveries.clone()
    }

    /// Sends what is due by the sandbox's clock, retries included.
    pub async fn deliver_due(&self) -> Vec<Delivery> {
        self.state.deliver_due().await
    }

    /// Sends one event so many times, one after the other, whether or not it was sent before.
    pub async fn deliver(&self, event: &str, times: usize) -> Vec<Delivery> {
        let mut done = Vec::new();
        for _ in 0..times {
            done.extend(self.deliver_signed(event, Signing::Honest).await);
        }
        done
    }

    /// Sends one event so many times at once.
    pub async fn deliver_at_once(&self, event: &str, times: usize) -> Vec<Delivery> {
        let sent = (0..times).map(|_| self.deliver_signed(event, Signing::Honest));
        join_all(sent).await.into_iter().flatten().collect()
    }

    /// Sends one event, signed this way, to every webhook that wants it.
    pub async fn deliver_signed(&self, event: &str, signing: Signing) -> Vec<Delivery> {
        let mut done = Vec::new();
        for attempt in self.state.first_attempts(event) {
            let Some(delivery) = self.state.send(&attempt, signing).await else {
                continue;
            };
            if delivery.taken() {
                let sent =
                    |queued: &Attempt| queued.event == attempt.event && queued.url == attempt.url;
                self.state.lock().queue.retain(|queued| !sent(queued));
            }
            done.push(delivery);
        }
        done
    }

    /// Headers and body of an event as its first webhook would get it, to be sent by hand.
    #[must_use]
    pub fn letter(&self, event: &str, signing: Signing) -> Option<(Vec<(String, String)>, Bytes)> {
        let attempt = self.state.first_attempts(event).into_iter().next()?;
        self.state.letter(&attempt, signing)
    }

    /// The signature header that a webhook's newest secret gives any body now.
    #[must_use]
    pub fn sign(&self, url: &str, body: &[u8]) -> Option<String> {
        let secret = {
            let book = self.state.lock();
            let hook = book.hooks.iter().find(|hook| hook.url == url)?;
            hook.secrets.first().cloned()?
        };
        let now_s = self.state.clock.now_s();
        Some(format!("t={now_s},v1={}", sign(&secret, now_s, body)))
    }
}

impl Office {
    fn first_attempts(&self, event: &str) -> Vec<Attempt> {
        let now_ms = self.clock.now_ms();
        let book = self.lock();
        let Some(event) = book.events.iter().find(|known| known.id == event) else {
            return Vec::new();
        };
        let hooks = book.hooks.iter().filter(|hook| hook.wants(event));
        hooks
            .map(|hook| Attempt {
                event: event.id.clone(),
                url: hook.url.clone(),
                number: 1,
                first_ms: now_ms,
                due_ms: now_ms,
            })
            .collect()
    }
}

/// Seconds until the second, third, ... attempt.
const RETRIES_S: [i64; 7] = [3, 64, 729, 4096, 15_625, 46_656, 117_649];
/// All attempts together.
const MOST: u32 = 8;
