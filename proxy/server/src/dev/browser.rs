//! A browser that needs no screen: keeps cookies per origin, follows redirects, sends forms.
//!
//! `bauta dev` uses it to sign its first member in, and `--walk` to do the main job, through the
//! same pages and over the same sockets as a person.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use http::{HeaderMap, Method, StatusCode, header};
use reqwest::{Client, Url};

/// One person's browser.
pub struct Browser {
    http: Client,
    /// Origin to cookie name to value.
    cookies: BTreeMap<String, BTreeMap<String, String>>,
}

/// Where a browser came to rest.
pub struct Page {
    /// After all redirects.
    pub url: Url,
    /// Its status.
    pub status: StatusCode,
    /// Its text.
    pub body: String,
}

impl Browser {
    /// A browser that has been nowhere. `http` must not follow redirects itself.
    #[must_use]
    pub fn new(http: Client) -> Self {
        Self {
            http,
            cookies: BTreeMap::new(),
        }
    }

    /// Opens a page.
    ///
    /// # Errors
    ///
    /// When nobody answers, or the way leads in a circle.
    pub async fn open(&mut self, url: &str) -> anyhow::Result<Page> {
        self.travel(Method::GET, Url::parse(url)?, None).await
    }

    /// Sends a form, as a page of the same origin would.
    ///
    /// # Errors
    ///
    /// When nobody answers, or the way leads in a circle.
    pub async fn submit(&mut self, url: &str, fields: &[(&str, &str)]) -> anyhow::Result<Page> {
        let form = form(fields);
        self.travel(Method::POST, Url::parse(url)?, Some(form))
            .await
    }

    /// Opens a page without following where it leads.
    ///
    /// # Errors
    ///
    /// When nobody answers, or the way leads in a circle.
    pub async fn peek(&mut self, url: &str) -> anyhow::Result<Option<Url>> {
        let url = Url::parse(url)?;
        let (_, headers, _) = self.once(&Method::GET, &url, None).await?;
        self.keep(&url, &headers);
        Ok(location(&url, &headers))
    }

    async fn travel(
        &mut self,
        method: Method,
        url: Url,
        form: Option<String>,
    ) -> anyhow::Result<Page> {
        let (mut method, mut url, mut form) = (method, url, form);
        for _ in 0..MOST_REDIRECTS {
            let (status, headers, body) = self.once(&method, &url, form.take()).await?;
            self.keep(&url, &headers);
            let Some(next) = location(&url, &headers).filter(|_| status.is_redirection()) else {
                return Ok(Page { url, status, body });
            };
            (method, url) = (Method::GET, next);
        }
        bail!(
            "{} redirected more than {MOST_REDIRECTS} times",
            origin(&url)
        )
    }

    async fn once(
        &self,
        method: &Method,
        url: &Url,
        form: Option<String>,
    ) -> anyhow::Result<(StatusCode, HeaderMap, String)> {
        let mut request = self.http.request(method.clone(), url.clone());
        if let Some(jar) = self.cookies.get(&origin(url)) {
            let pairs: Vec<_> = jar.iter().map(|(k, v)| format!("{k}={v}")).collect();
            if !pairs.is_empty() {
                request = request.header(header::COOKIE, pairs.join("; "));
            }
        }
        if let Some(form) = form {
            request = request
                .header("sec-fetch-site", "same-origin")
                .header(header::ORIGIN, origin(url))
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form);
        }
        let answer = request
            .send()
            .await
            .with_context(|| format!("{} did not answer", origin(url)))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        Ok((status, headers, answer.text().await?))
    }

    fn keep(&mut self, url: &Url, headers: &HeaderMap) {
        let jar = self.cookies.entry(origin(url)).or_default();
        for value in headers.get_all(header::SET_COOKIE) {
            let Some((name, rest)) = value.to_str().ok().and_then(|v| v.split_once('=')) else {
                continue;
            };
            let (value, attributes) = rest.split_once(';').unwrap_or((rest, ""));
            if value.is_empty() || attributes.to_ascii_lowercase().contains("max-age=0") {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

fn location(base: &Url, headers: &HeaderMap) -> Option<Url> {
    base.join(headers.get(header::LOCATION)?.to_str().ok()?)
        .ok()
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn form(fields: &[(&str, &str)]) -> String {
    let mut url = Url::parse("http://form/").ok();
    if let Some(url) = &mut url {
        url.query_pairs_mut().extend_pairs(fields);
    }
    url.and_then(|u| u.query().map(str::to_owned))
        .unwrap_or_default()
}

/// A sign-in takes five.
const MOST_REDIRECTS: usize = 12;
