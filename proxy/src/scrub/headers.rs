//! Which headers leave: an allow-list, in the form in which they leave.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::clients;
use crate::dialect::Dialect;

/// The headers of a request that may leave. `None` when one of them is not visible ASCII.
///
/// A name that is not here does not exist for any later stage: addresses, cookies, sessions,
/// installations, credentials, ids of organisations.
pub(crate) fn kept(request: &HeaderMap, dialect: Dialect) -> Option<HeaderMap> {
    let mut kept = HeaderMap::with_capacity(8);
    for (name, value) in request {
        let leaves = match dialect {
            Dialect::Anthropic => is_capability(name),
            Dialect::OpenAi => *name == OPENAI_BETA,
        };
        if !leaves {
            continue;
        }
        let text = value
            .to_str()
            .ok()
            .filter(|text| text.len() <= VALUE_BYTES)?;
        if *name == ANTHROPIC_BETA {
            let betas = without_tags(text);
            if !betas.is_empty() {
                kept.append(name.clone(), HeaderValue::try_from(betas.as_ref()).ok()?);
            }
        } else if !text.contains('@') {
            kept.append(name.clone(), value.clone());
        }
    }
    let agent = request.get(header::USER_AGENT);
    let agent = clients::user_agent(agent.and_then(|value| value.to_str().ok()));
    kept.insert(header::USER_AGENT, agent);
    Some(kept)
}

/// What is sent beside what was kept. Nothing is unpacked here, so nothing may come packed.
pub(super) fn complete(kept: &HeaderMap, stream: bool) -> HeaderMap {
    let mut headers = kept.clone();
    let accept = if stream {
        "text/event-stream"
    } else {
        "application/json"
    };
    headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
    headers.insert(
        header::ACCEPT_ENCODING,
        HeaderValue::from_static("identity"),
    );
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers
}

/// Whether a header of the `anthropic-` family switches something on. The family is open, since
/// clients update themselves and a capability without its header is a hard error; a name that
/// speaks of who asks is not a capability.
fn is_capability(name: &HeaderName) -> bool {
    name.as_str()
        .strip_prefix("anthropic-")
        .is_some_and(|rest| !WHO.iter().any(|word| rest.contains(word)))
}

/// The list without the switch for request tags, which name a group of people; the tags
/// themselves go from the body.
fn without_tags(list: &str) -> Cow<'_, str> {
    if !list.contains(TAGS) {
        return Cow::Borrowed(list);
    }
    let others = list.split(',').map(str::trim);
    let others: Vec<&str> = others.filter(|beta| !beta.starts_with(TAGS)).collect();
    Cow::Owned(others.join(","))
}

const WHO: &[&str] = &[
    "user",
    "profile",
    "organi",
    "account",
    "session",
    "device",
    "client",
    "agent",
    "member",
    "email",
    "billing",
    "ratelimit",
    "key",
    "token",
    "auth",
];

const ANTHROPIC_BETA: HeaderName = HeaderName::from_static("anthropic-beta");
const OPENAI_BETA: HeaderName = HeaderName::from_static("openai-beta");
const TAGS: &str = "request-tags-";

/// No list of capabilities is longer.
const VALUE_BYTES: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hdr_01_addresses_never_leave() {
        let sent = [
            ("x-forwarded-for", "192.0.2.1"),
            ("x_forwarded_for", "192.0.2.1"),
            ("forwarded", "for=192.0.2.1"),
            ("x-real-ip", "192.0.2.1"),
            ("via", "1.1 laptop"),
            ("true-client-ip", "192.0.2.1"),
        ];

        assert_eq!(names(&sent, Dialect::Anthropic), ["user-agent"]);
        assert_eq!(names(&sent, Dialect::OpenAi), ["user-agent"]);
    }

    #[test]
    fn hdr_02_no_credential_and_no_organisation_leaves() {
        let sent = [
            ("authorization", "Bearer secret"),
            ("x-api-key", "secret"),
            ("x-goog-api-key", "secret"),
            ("proxy-authorization", "Basic secret"),
            ("cookie", "a=b"),
            ("openai-organization", "org-1"),
            ("openai-project", "proj_1"),
            ("anthropic-user-profile-id", "uprof_1"),
            ("anthropic-organization-id", "org"),
            ("anthropic-api-key", "secret"),
            ("x-goog-api-client", "x"),
        ];

        assert_eq!(names(&sent, Dialect::Anthropic), ["user-agent"]);
        assert_eq!(names(&sent, Dialect::OpenAi), ["user-agent"]);
    }

    #[test]
    fn prv_08_what_clients_say_about_a_machine_stays_here() {
        let sent = [
            ("user-agent", "claude-cli/2.1.329 (external, sdk-cli)"),
            ("x-app", "cli"),
            ("x-claude-code-session-id", "5d1c"),
            ("x-claude-code-agent-id", "5d1c"),
            ("x-cc-anything", "1"),
            ("x-client-app", "desktop"),
            ("x-stainless-os", "Linux"),
            ("x-stainless-arch", "x64"),
            ("x-codex-turn-metadata", "{\"workspaces\":{}}"),
            ("session-id", "1"),
            ("thread-id", "1"),
            ("originator", "codex"),
            ("x-gemini-api-privileged-user-id", "1"),
            ("referer", "https://intranet.example"),
            ("traceparent", "00-1-1-00"),
            ("idempotency-key", "stainless-1"),
            ("accept-language", "de-AT"),
        ];

        let kept = kept(&map(&sent), Dialect::Anthropic).unwrap();

        assert_eq!(kept.len(), 1);
        assert_eq!(kept.get("user-agent").unwrap(), "claude-cli/2.1.329");
    }

    #[test]
    fn capabilities_leave_verbatim() {
        let sent = [
            ("anthropic-version", "2023-06-01"),
            ("anthropic-beta", "claude-code-20250219, effort-2025-11-24"),
            ("anthropic-beta", "unheard-of-2027-01-01"),
            ("anthropic-workspace-id", "wrkspc_1"),
            ("anthropic-dangerous-direct-browser-access", "true"),
        ];

        let kept = kept(&map(&sent), Dialect::Anthropic).unwrap();

        assert_eq!(kept.get("anthropic-version").unwrap(), "2023-06-01");
        let betas: Vec<_> = kept.get_all("anthropic-beta").iter().collect();
        assert_eq!(
            betas,
            [
                "claude-code-20250219, effort-2025-11-24",
                "unheard-of-2027-01-01"
            ]
        );
        assert_eq!(kept.get("anthropic-workspace-id").unwrap(), "wrkspc_1");
        assert!(kept.contains_key("anthropic-dangerous-direct-browser-access"));
    }

    #[test]
    fn the_switch_for_request_tags_is_taken_out_of_the_list() {
        let one = [("anthropic-beta", "a-1,request-tags-2026-08-21, b-2")];
        let only = [("anthropic-beta", "request-tags-2026-08-21")];

        let kept_one = kept(&map(&one), Dialect::Anthropic).unwrap();
        let kept_only = kept(&map(&only), Dialect::Anthropic).unwrap();

        assert_eq!(kept_one.get("anthropic-beta").unwrap(), "a-1,b-2");
        assert!(!kept_only.contains_key("anthropic-beta"));
    }

    #[test]
    fn hdr_05_a_value_that_is_not_visible_ascii_is_refused_where_it_would_leave() {
        let mut sent = HeaderMap::new();
        let value = HeaderValue::from_bytes(b"a\xffb").unwrap();
        sent.insert("x-anything", value.clone());
        assert!(kept(&sent, Dialect::Anthropic).is_some());

        sent.insert("anthropic-beta", value);

        assert!(kept(&sent, Dialect::Anthropic).is_none());
    }

    #[test]
    fn an_address_in_an_unknown_capability_stays_here() {
        let sent = [("anthropic-note", "ada@example.com")];

        assert_eq!(names(&sent, Dialect::Anthropic), ["user-agent"]);
    }

    #[test]
    fn nothing_packed_is_asked_for() {
        let headers = complete(&HeaderMap::new(), true);

        assert_eq!(headers.get("accept-encoding").unwrap(), "identity");
        assert_eq!(headers.get("accept").unwrap(), "text/event-stream");
    }

    fn names(sent: &[(&'static str, &'static str)], dialect: Dialect) -> Vec<String> {
        let kept = kept(&map(sent), dialect).unwrap();
        kept.keys().map(ToString::to_string).collect()
    }

    fn map(sent: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = sent.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(name, value);
        }
        map
    }
}
