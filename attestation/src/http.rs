//! What every route shares: error documents, security headers, the guard of cookie routes.

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ORIGIN},
    },
    middleware::{Next, from_fn, map_response},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    Plane,
    portal::{
        self,
        view::{Frame, Link, Message},
    },
};

/// A refusal on its way to the caller: RFC 9457, or a small page for a person with a browser.
///
/// Nothing in it comes from the request: what a caller sent is never shown back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refusal {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    next: &'static str,
    wait_s: Option<&'static str>,
}

impl Refusal {
    /// A refusal with its status, stable code, one sentence on what happened, and one on what to do.
    #[must_use]
    pub const fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        next: &'static str,
    ) -> Self {
        Self {
            status,
            code,
            title,
            next,
            wait_s: None,
        }
    }

    /// The same, with the number of seconds after which it may be tried again.
    #[must_use]
    pub const fn after(self, wait_s: &'static str) -> Self {
        Self {
            wait_s: Some(wait_s),
            ..self
        }
    }

    /// Storage or a dependency gave no answer.
    #[must_use]
    pub const fn unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            "Bauta cannot answer right now.",
            "Try again in a minute.",
        )
    }

    /// Its status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// Its stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// The refusal in the form that `headers` ask for.
    #[must_use]
    pub fn answer(&self, headers: &HeaderMap) -> Response {
        if wants_page(headers) {
            return self.page();
        }
        self.into_response()
    }

    fn page(&self) -> Response {
        let mut response = portal::page(&Message {
            frame: Frame {
                here: "",
                signed_in: false,
                development: false,
            },
            kicker: self.code,
            heading: self.title.to_owned(),
            text: self.next.to_owned(),
            next: Some(Link::new("/", "Go to the start page")),
        });
        *response.status_mut() = self.status;
        self.with_retry(response)
    }

    fn with_retry(&self, mut response: Response) -> Response {
        let usual = (self.status == StatusCode::SERVICE_UNAVAILABLE).then_some("5");
        if let Some(seconds) = self.wait_s.or(usual) {
            let retry = HeaderValue::from_static(seconds);
            response.headers_mut().insert("retry-after", retry);
        }
        response
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({
            "type": format!("urn:bauta:error:{}", self.code),
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.next,
            "code": self.code,
        });
        let problem = [(CONTENT_TYPE, "application/problem+json")];
        self.with_retry((self.status, problem, body.to_string()).into_response())
    }
}

/// Whether a person with a browser is asking.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    headers
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

/// The headers of every answer, unless the route set its own.
pub fn harden(routes: Router<Arc<Plane>>, plane: &Plane) -> Router<Arc<Plane>> {
    let policy = HeaderValue::from_str(&content_policy(plane)).ok();
    routes.layer(map_response(move |response: Response| {
        let policy = policy.clone();
        async move { security_headers(response, policy) }
    }))
}

/// Nothing from elsewhere. Forms may lead to the identity provider and to vendors, because a
/// browser counts where a form's answer redirects to as part of its action.
fn content_policy(plane: &Plane) -> String {
    let mut targets = vec!["'self'".to_owned()];
    targets.extend(plane.form_targets());
    format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action {}; \
         frame-ancestors 'none'; base-uri 'none'",
        targets.join(" ")
    )
}

fn security_headers(mut response: Response, policy: Option<HeaderValue>) -> Response {
    let headers = response.headers_mut();
    if let Some(policy) = policy
        && !headers.contains_key(CONTENT_SECURITY_POLICY)
    {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in SECURITY {
        let name = HeaderName::from_static(name);
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Puts a guard before routes that go by a cookie: a request that changes something must come from
/// a page of this origin.
pub fn guard(routes: Router<Arc<Plane>>, plane: &Arc<Plane>) -> Router<Arc<Plane>> {
    let origin: Arc<str> = plane.origin().into();
    routes.layer(from_fn(move |request: Request, next: Next| {
        let origin = Arc::clone(&origin);
        async move { same_origin(&origin, request, next).await }
    }))
}

async fn same_origin(origin: &str, request: Request, next: Next) -> Response {
    if is_safe(request.method()) || came_from(origin, request.headers()) {
        return next.run(request).await;
    }
    CROSS_SITE.answer(request.headers())
}

const fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// A browser says where a request comes from in `Sec-Fetch-Site`, and in `Origin` where it does not
/// send that. A request with neither is no browser's, and only browsers hold our cookies.
fn came_from(origin: &str, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
        (Some(site), _) => site == "same-origin",
        (None, Some(from)) => from == origin,
        (None, None) => false,
    }
}

/// An error and everything behind it, for the log. No error of ours holds a secret or a person.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        out.push_str(": ");
        out.push_str(&cause.to_string());
        next = cause.source();
    }
    out
}

const CROSS_SITE: Refusal = Refusal::new(
    StatusCode::FORBIDDEN,
    "cross_site",
    "This request did not come from a page of Bauta.",
    "Go back to the page and try again there.",
);

const SECURITY: [(&str, &str); 5] = [
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn adm_02_only_a_page_of_this_origin_changes_anything() {
        let here = "https://ai.example.com";
        let from = |pairs: &[(&str, &str)]| came_from(here, &headers(pairs));

        assert!(from(&[("sec-fetch-site", "same-origin")]));
        assert!(from(&[("origin", here)]));
        for elsewhere in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[
                ("sec-fetch-site", "cross-site"),
                ("origin", "https://ai.example.com"),
            ],
            &[("origin", "https://ai.example.com.evil.example")],
            &[("origin", "http://ai.example.com")],
            &[("origin", "https://ai.example.com:8443")],
            &[("origin", "null")],
            &[],
        ] {
            assert!(!from(elsewhere), "{elsewhere:?}");
        }
        assert!(is_safe(&Method::GET) && !is_safe(&Method::POST) && !is_safe(&Method::DELETE));
    }

    #[test]
    fn a_refusal_is_a_problem_document_or_a_page_with_the_same_code() {
        let page = CROSS_SITE.answer(&headers(&[("accept", "text/html,*/*")]));
        let problem = CROSS_SITE.answer(&headers(&[("accept", "*/*")]));

        assert_eq!(page.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(problem.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(
            (page.status(), problem.status()),
            (CROSS_SITE.status(), CROSS_SITE.status())
        );
        let wait = Refusal::unavailable().into_response();
        assert_eq!(wait.headers()["retry-after"], "5");
    }
}
