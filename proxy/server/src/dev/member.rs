//! A member of the simulated company, who does what a person does, through the same pages.

use std::time::Duration;

use anyhow::{Context, bail};
use bauta_sandbox::persona::Decision;
use http::StatusCode;
use serde_json::Value;
use tokio::time::sleep;

use super::{
    browser::{Browser, Page},
    stage::Scene,
};

/// One person at a browser and a terminal.
pub struct Member<'a> {
    scene: &'a Scene,
    name: String,
    /// Their browser.
    pub browser: Browser,
}

/// What a terminal gets when its member allowed it.
pub struct Tokens {
    /// For the gateway.
    pub access: String,
    /// For the next access token.
    pub refresh: String,
    /// Seconds until `access` expires.
    pub expires_in: i64,
}

impl<'a> Member<'a> {
    /// `name` as the simulated identity provider's sign-in page writes it.
    #[must_use]
    pub fn new(scene: &'a Scene, name: &str) -> Self {
        Self {
            browser: Browser::new(scene.http.clone()),
            name: name.to_owned(),
            scene,
        }
    }

    /// Signs in with corporate SSO.
    ///
    /// # Errors
    ///
    /// When a side refuses; the text says which page and what it said.
    pub async fn sign_in(&mut self) -> anyhow::Result<Page> {
        let login = self.at("/login");
        let asked = self.browser.peek(&login).await?;
        let asked = asked.context("/login does not lead to the identity provider")?;
        let back = self
            .scene
            .sandbox
            .idp
            .sign_in(asked.as_str(), &self.name)
            .await?;
        let page = self.browser.open(&back).await?;
        good(page)
    }

    /// Goes through verification once, with `decision` as its end. Gives the vendor's inquiry.
    ///
    /// # Errors
    ///
    /// When a side refuses, or the vendor's word does not arrive within ten seconds.
    pub async fn verify(&mut self, decision: Decision) -> anyhow::Result<String> {
        let inquiry = self.begin_verification().await?;
        self.scene
            .sandbox
            .persona
            .decide(&inquiry, decision)
            .context("the simulated vendor does not know its own inquiry")?;
        self.until_decided(&inquiry).await?;
        Ok(inquiry)
    }

    /// Begins a verification and goes to the vendor's page. Gives the vendor's inquiry.
    ///
    /// # Errors
    ///
    /// When a side refuses.
    pub async fn begin_verification(&mut self) -> anyhow::Result<String> {
        let before = self.scene.sandbox.persona.inquiries();
        let page = self.browser.open(&self.at("/verify")).await?;
        let agree = hidden(&page.body, "notice_version").context("/verify offers no start")?;
        let vendor = hidden(&page.body, "vendor").context("/verify offers no vendor")?;
        let start = self.at("/verify/start");
        let fields = [
            ("vendor", vendor.as_str()),
            ("notice_version", agree.as_str()),
        ];
        let page = good(self.browser.submit(&start, &fields).await?)?;
        let inquiries = self.scene.sandbox.persona.inquiries();
        let new = inquiries.into_iter().find(|id| !before.contains(id));
        new.with_context(|| format!("no inquiry was begun; the browser is at {}", page.url))
    }

    /// Waits until the plane has heard the vendor and decided.
    ///
    /// # Errors
    ///
    /// When that takes longer than ten seconds.
    pub async fn until_decided(&mut self, inquiry: &str) -> anyhow::Result<()> {
        for _ in 0..200 {
            let deliveries = self.scene.sandbox.persona.deliveries();
            let events = self.scene.sandbox.persona.events();
            let last = events.iter().rfind(|event| event.is_about(inquiry));
            let taken = last
                .is_some_and(|event| deliveries.iter().any(|d| d.event == event.id && d.taken()));
            if taken {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
        bail!("the vendor's webhook was not taken within ten seconds")
    }

    /// The member's number, from their own privacy page.
    ///
    /// # Errors
    ///
    /// When the page does not show it.
    pub async fn number(&mut self) -> anyhow::Result<String> {
        let page = good(self.browser.open(&self.at("/privacy")).await?)?;
        let mut words = page
            .body
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let number = words.find(|word| word.starts_with("mbr_"));
        number
            .map(str::to_owned)
            .context("/privacy shows no number")
    }

    /// The code that the member's page shows, to be told to an officer in person.
    ///
    /// # Errors
    ///
    /// When the page shows none.
    pub async fn meeting_code(&mut self) -> anyhow::Result<String> {
        let page = self.at("/verify/in-person");
        let page = good(self.browser.submit(&page, &[]).await?)?;
        let shown = page.body.split_once("id=\"meeting-code\"");
        let (_, shown) = shown.context("/verify/in-person shows no code")?;
        let code = shown.split(['<', '>']).map(str::trim);
        let code = code.into_iter().find(|text| text.len() == CODE_LETTERS);
        code.map(str::to_owned)
            .context("/verify/in-person shows no code")
    }

    /// Says, as an officer, that whoever told this code was seen in person with a document.
    ///
    /// # Errors
    ///
    /// When the server refuses the officer's word.
    pub async fn vouch_for(&mut self, code: &str) -> anyhow::Result<()> {
        let page = self.at("/officer");
        let page = good(self.browser.submit(&page, &[("code", code)]).await?)?;
        let notice = hidden(&page.body, "notice_version").context("/officer asks for no word")?;
        let word = [
            ("code", code),
            ("notice_version", notice.as_str()),
            ("seen", "yes"),
        ];
        let page = self.at("/officer/vouch");
        good(self.browser.submit(&page, &word).await?).map(drop)
    }

    /// Signs a terminal in with a code (RFC 8628), and allows it in the browser.
    ///
    /// # Errors
    ///
    /// When a side refuses; the text is the server's.
    pub async fn device_token(&mut self, scope: &str) -> anyhow::Result<Tokens> {
        let asked = self
            .post("/oauth/device_authorization", &[("scope", scope)])
            .await?;
        let code = text(&asked, "user_code")?;
        let page = self.at("/device");
        good(self.browser.submit(&page, &[("user_code", &code)]).await?)?;
        let answer = self.at("/device/answer");
        let fields = [
            ("user_code", code.as_str()),
            ("scope", scope),
            ("answer", "allow"),
        ];
        good(self.browser.submit(&answer, &fields).await?)?;
        let device_code = text(&asked, "device_code")?;
        let grant = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", device_code.as_str()),
        ];
        tokens(&self.post("/oauth/token", &grant).await?)
    }

    /// Makes a labelled token on the portal's page, for a tool that cannot sign in.
    ///
    /// # Errors
    ///
    /// When the page refuses; the text is the page's.
    pub async fn labelled_token(
        &mut self,
        scope: &str,
        label: &str,
        days: u32,
    ) -> anyhow::Result<String> {
        let page = self.at("/tokens");
        let days = days.to_string();
        let fields = [("label", label), ("scope", scope), ("days", days.as_str())];
        let page = good(self.browser.submit(&page, &fields).await?)?;
        let token = page
            .body
            .split(|c: char| !(c.is_ascii_alphanumeric() || "_-.".contains(c)));
        let token = token.into_iter().find(|word| word.starts_with("bauta_ey"));
        token.map(str::to_owned).context("/tokens shows no token")
    }

    /// Whether the gateway takes `token` as it is now.
    ///
    /// # Errors
    ///
    /// When the gateway does not answer.
    pub async fn may_ask_with(&self, token: &str) -> anyhow::Result<bool> {
        let models = self.scene.http.get(self.at("/v1/models"));
        let answer = models.bearer_auth(token).send().await?;
        Ok(answer.status().is_success())
    }

    /// The next pair of tokens.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn refresh(&self, tokens: &Tokens) -> anyhow::Result<Tokens> {
        let grant = [
            ("grant_type", "refresh_token"),
            ("refresh_token", tokens.refresh.as_str()),
        ];
        self::tokens(&self.post("/oauth/token", &grant).await?)
    }

    /// Sends a form to the server as a terminal does, without a cookie.
    ///
    /// # Errors
    ///
    /// When the answer is not a success; the text is the server's.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> anyhow::Result<Value> {
        let answer = self
            .scene
            .http
            .post(self.at(path))
            .form(form)
            .send()
            .await?;
        let status = answer.status();
        let body = answer.text().await?;
        if !status.is_success() {
            bail!("{path} answered {status}: {body}");
        }
        serde_json::from_str(&body).with_context(|| format!("{path} answered no JSON"))
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.scene.url)
    }
}

fn tokens(answer: &Value) -> anyhow::Result<Tokens> {
    Ok(Tokens {
        access: text(answer, "access_token")?,
        refresh: text(answer, "refresh_token").unwrap_or_default(),
        expires_in: answer
            .get("expires_in")
            .and_then(Value::as_i64)
            .unwrap_or(0),
    })
}

fn text(answer: &Value, member: &str) -> anyhow::Result<String> {
    let found = answer.get(member).and_then(Value::as_str);
    found
        .map(str::to_owned)
        .with_context(|| format!("the answer has no {member}"))
}

fn good(page: Page) -> anyhow::Result<Page> {
    if page.status.is_success() || page.status == StatusCode::NOT_FOUND && page.body.is_empty() {
        return Ok(page);
    }
    bail!(
        "{} answered {}: {}",
        page.url.path(),
        page.status,
        page.body
    )
}

/// The value of the hidden field `name`, as our own pages write one.
fn hidden(page: &str, name: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\""))?;
    rest.split_once('"').map(|(value, _)| value.to_owned())
}

/// `XXXX-XXXX`.
const CODE_LETTERS: usize = 9;
