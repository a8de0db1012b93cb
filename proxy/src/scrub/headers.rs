//! Which headers leave: an allow-list, in the form in which they leave.

use http::{HeaderMap, HeaderValue, header};

use super::{
    clients,
    table::{self, HeaderBecomes},
};
use crate::dialect::Dialect;

/// The headers of a request that may leave. `None` when one of them is not visible ASCII.
///
/// A name that the table does not let out does not exist for any later stage: addresses, cookies,
/// sessions, installations, credentials, ids of organisations.
pub(crate) fn kept(request: &HeaderMap, dialect: Dialect) -> Option<HeaderMap> {
    let mut kept = HeaderMap::with_capacity(8);
    for (name, value) in request {
        let text = || value.to_str().ok().filter(|it| it.len() <= VALUE_BYTES);
        let plain = match becomes(name.as_str(), dialect) {
            HeaderBecomes::Version => Some(text()?).filter(|it| is_version(it)).map(str::to_owned),
            HeaderBecomes::Switches => {
                Some(switches(text()?, dialect)).filter(|list| !list.is_empty())
            }
            // It is the last below, once, and there even where the client sent none.
            HeaderBecomes::Product | HeaderBecomes::Ours | HeaderBecomes::Nothing => None,
        };
        if let Some(plain) = plain {
            kept.append(name.clone(), HeaderValue::try_from(plain).ok()?);
        }
    }
    let agent = request.get(header::USER_AGENT);
    let agent = clients::user_agent(agent.and_then(|value| value.to_str().ok()));
    kept.insert(header::USER_AGENT, agent);
    Some(kept)
}

/// What is not in the table stays here.
fn becomes(name: &str, dialect: Dialect) -> HeaderBecomes {
    table::header(name)
        .filter(|row| row.dialects.contains(&dialect))
        .map_or(HeaderBecomes::Nothing, |row| row.becomes)
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

/// A version is a date.
fn is_version(text: &str) -> bool {
    !text.is_empty() && text.len() <= 16 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-')
}

/// The switches of a list that look like switches: words and dates. The list is open, since
/// clients update themselves and a capability without its switch is a hard error; but whatever
/// has another form may be a person. The switch for request tags, which name a group of people,
/// goes too, as the tags themselves go from the body.
fn switches(list: &str, dialect: Dialect) -> String {
    // `assistants=v2` is how the other dialect spells them.
    let joins = |b: u8| dialect == Dialect::OpenAi && matches!(b, b'=' | b'_');
    let words = list.split(',').map(str::trim).filter(|word| {
        let is_word = !word.is_empty()
            && word.len() <= SWITCH_BYTES
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || joins(b));
        is_word && !word.starts_with(TAGS)
    });
    words.collect::<Vec<_>>().join(",")
}

const TAGS: &str = "request-tags-";

/// No list of capabilities is longer.
const VALUE_BYTES: usize = 4_096;

/// No switch is longer.
const SWITCH_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use http::HeaderName;

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
        assert_eq!(names(&sent, Dialect::Gemini), ["user-agent"]);
    }

    #[test]
    fn prv_08_nothing_of_google_s_clients_leaves_but_product_and_version() {
        let sent = [
            ("user-agent", "google-genai-sdk/3.4.0 gl-python/3.11.7"),
            (
                "x-goog-api-client",
                "google-genai-sdk/3.4.0 gl-python/3.11.7",
            ),
            ("x-goog-user-project", "ada-project"),
            ("x-gemini-api-privileged-user-id", "5d1c"),
            ("x-goog-request-params", "ada"),
            ("x-server-timeout", "60"),
        ];

        let kept = kept(&map(&sent), Dialect::Gemini).unwrap();

        assert_eq!(kept.len(), 1);
        assert_eq!(kept.get("user-agent").unwrap(), "google-genai-sdk/3.4.0");
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
    fn capabilities_leave_and_nothing_else_of_their_family() {
        let sent = [
            ("anthropic-version", "2023-06-01"),
            ("anthropic-beta", "claude-code-20250219, effort-2025-11-24"),
            ("anthropic-beta", "unheard-of-2027-01-01"),
            ("anthropic-workspace-id", "wrkspc_1"),
            ("anthropic-note", "ada"),
            ("anthropic-dangerous-direct-browser-access", "true"),
        ];

        let kept = kept(&map(&sent), Dialect::Anthropic).unwrap();

        assert_eq!(kept.get("anthropic-version").unwrap(), "2023-06-01");
        let betas: Vec<_> = kept.get_all("anthropic-beta").iter().collect();
        assert_eq!(
            betas,
            [
                "claude-code-20250219,effort-2025-11-24",
                "unheard-of-2027-01-01"
            ]
        );
        assert_eq!(kept.keys().count(), 3);
    }

    #[test]
    fn prv_08_what_is_no_switch_is_taken_out_of_the_list() {
        let sent = [
            ("anthropic-version", "ada"),
            (
                "anthropic-beta",
                "ada@corp, a-2026-01-01,Ada Lovelace,user=ada,",
            ),
        ];
        let openai = [("openai-beta", "assistants=v2, ada@corp")];

        let ours = kept(&map(&sent), Dialect::Anthropic).unwrap();

        assert_eq!(ours.get("anthropic-beta").unwrap(), "a-2026-01-01");
        assert!(!ours.contains_key("anthropic-version"));
        let theirs = kept(&map(&openai), Dialect::OpenAi).unwrap();
        assert_eq!(theirs.get("openai-beta").unwrap(), "assistants=v2");
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
