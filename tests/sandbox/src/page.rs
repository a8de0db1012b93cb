//! The few pages a newcomer clicks through. Plain HTML, one stylesheet, no script.

use crate::answer::Answer;
use http::StatusCode;

/// A page that says what is simulated. `body` is HTML; whatever is not ours went through [`text`].
///
/// `onward` are the origins that a form on the page may lead to: a browser checks them on every
/// redirect after the click.
pub(crate) fn page(
    status: StatusCode,
    title: &str,
    what: &str,
    body: &str,
    onward: &[&str],
) -> Answer {
    let document = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} (simulated)</title>\n<link rel=\"stylesheet\" href=\"/style.css\">\n</head>\n\
         <body>\n<main>\n<p class=\"mark\" role=\"note\"><strong>Simulated.</strong> {what}</p>\n\
         <h1>{title}</h1>\n{body}\n</main>\n</body>\n</html>\n",
        title = text(title),
        what = text(what),
    );
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action 'self' {}; frame-ancestors 'none'; base-uri 'none'",
        onward.join(" "),
    );
    Answer::bytes(status, "text/html; charset=utf-8", document)
        .with("content-security-policy", &policy)
        .with("cache-control", "no-store")
        .with("referrer-policy", "no-referrer")
        .with("x-content-type-options", "nosniff")
}

/// The stylesheet of every page.
pub(crate) fn style() -> Answer {
    Answer::bytes(StatusCode::OK, "text/css; charset=utf-8", STYLE)
}

/// Text made harmless inside HTML, attributes included.
pub(crate) fn text(raw: &str) -> String {
    raw.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// Scheme, host and port of a URL, for a policy header.
pub(crate) fn origin(url: &str) -> String {
    url::Url::parse(url).map_or_else(
        |_| "'none'".to_owned(),
        |url| url.origin().ascii_serialization(),
    )
}

const STYLE: &str = "\
:root { color-scheme: light dark; --ink: #1d1b22; --paper: #fbfaf7; --line: #c9c4ba; --mark: #fff1c2; --accent: #6b2136; }
@media (prefers-color-scheme: dark) { :root { --ink: #eeeae2; --paper: #1b1a1f; --line: #57535e; --mark: #45391a; --accent: #f0b8c6; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1.05rem/1.55 system-ui, sans-serif; }
main { max-width: 38rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; }
.mark { background: var(--mark); border-left: .35rem solid var(--accent); padding: .75rem 1rem; margin: 0 0 1.5rem; }
form { margin: 0 0 1rem; }
fieldset { border: 1px solid var(--line); border-radius: .4rem; padding: 1rem; margin: 0 0 1rem; }
label { display: block; padding: .2rem 0; }
button { font: inherit; padding: .6rem 1rem; min-height: 2.75rem; border: 1px solid var(--accent); border-radius: .4rem; background: transparent; color: var(--accent); cursor: pointer; }
button:hover, button:focus-visible { background: var(--accent); color: var(--paper); }
button:focus-visible, input:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
ul.people { list-style: none; padding: 0; }
ul.people li { display: flex; align-items: center; justify-content: space-between; gap: 1rem; padding: .6rem 0; border-top: 1px solid var(--line); }
ul.people form { margin: 0; }
.row { display: flex; flex-wrap: wrap; gap: .75rem; }
.quiet { font-size: .95rem; opacity: .85; }
code { font-size: .95em; overflow-wrap: anywhere; }
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_client_sends_becomes_markup() {
        let sent = "<script>alert('x')</script>\" onload=\"y";

        let shown = text(sent);

        assert!(!shown.contains(['<', '>', '"', '\'']));
    }
}
