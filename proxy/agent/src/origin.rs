//! Who may be talked to: a server over TLS, or one on this machine.

use std::{fmt, net::IpAddr};

use url::{Host, Url};

/// An origin that may be sent a secret: `https`, or plain `http` on loopback; no path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Origin(Url);

impl Origin {
    /// Reads an origin as servers write it. `None` for anything with a path, a name or a query in
    /// it, and for plain `http` to another machine.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let safe = match url.scheme() {
            "https" => true,
            "http" => is_loopback(&url),
            _ => false,
        };
        let written = url.origin().ascii_serialization();
        let exact = text == written || text.strip_suffix('/') == Some(&written);
        (safe && exact).then_some(Self(url))
    }

    /// Reads what a person types: `https://` may be left out.
    #[must_use]
    pub fn typed(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.contains("://") {
            return Self::parse(&text.to_ascii_lowercase());
        }
        Self::parse(&format!("https://{}", text.to_ascii_lowercase()))
    }

    /// The address of `path`, which begins with a slash.
    #[must_use]
    pub fn at(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(path);
        url
    }

    /// The address in `text`, if it is here and nowhere else.
    #[must_use]
    pub fn own(&self, text: &str) -> Option<Url> {
        let url = Url::parse(text).ok()?;
        let plain = url.username().is_empty() && url.password().is_none();
        (plain && url.fragment().is_none() && url.origin() == self.0.origin()).then_some(url)
    }

    /// Whether it is this machine.
    #[must_use]
    pub fn is_here(&self) -> bool {
        is_loopback(&self.0)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tls_or_this_machine_is_talked_to() {
        for good in [
            "https://ai.example.com",
            "https://ai.example.com:8443",
            "https://ai.example.com/",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "http://localhost:8080",
        ] {
            assert!(Origin::parse(good).is_some(), "{good}");
        }
        for bad in [
            "http://ai.example.com",
            "http://10.0.0.1",
            "http://localhost.evil.example",
            "ftp://127.0.0.1",
            "https://ai.example.com/path",
            "https://ai.example.com?x",
            "https://ada@ai.example.com",
            "https://ai.example.com:443",
            "HTTPS://ai.example.com",
            "ai.example.com",
            "",
        ] {
            assert!(Origin::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_person_may_leave_the_scheme_out_and_never_gets_plain_http_for_it() {
        let typed = |text: &str| Origin::typed(text).map(|origin| origin.to_string());

        assert_eq!(typed("AI.example.com ").unwrap(), "https://ai.example.com");
        assert_eq!(typed("http://127.0.0.1:1").unwrap(), "http://127.0.0.1:1");
        assert_eq!(typed("http://ai.example.com"), None);
    }

    #[test]
    fn an_address_elsewhere_is_not_its_own() {
        let origin = Origin::parse("https://ai.example.com").unwrap();

        assert!(origin.own("https://ai.example.com/oauth/token").is_some());
        for bad in [
            "https://ai.example.com.evil.example/oauth/token",
            "https://ai.example.com:8443/oauth/token",
            "http://ai.example.com/oauth/token",
            "https://x@ai.example.com/oauth/token",
            "https://ai.example.com/oauth/token#x",
            "/oauth/token",
        ] {
            assert!(origin.own(bad).is_none(), "{bad}");
        }
    }
}
