//! Whom a request is addressed to, and whether that is us.

use std::{
    collections::BTreeSet,
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

use thiserror::Error;

/// The names we answer to: each a host, or a host and a port. Without a port, every port will do.
#[derive(Clone, Debug)]
pub struct Hosts {
    ours: Box<[Authority<Box<str>>]>,
    /// Whether every one of them is this machine.
    local: bool,
    /// Names that were asked for and are not ours, each told once.
    strangers: Arc<Mutex<BTreeSet<Box<str>>>>,
}

/// Why a list of hosts was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HostsError {
    /// With no name of its own a server would answer to any, or to none.
    #[error("the list of hosts is empty")]
    Empty,
    /// A pattern, a URL or another thing that is not `host` or `host:port`.
    #[error("not a host or host:port: {0:?}")]
    NotAHost(String),
}

impl Hosts {
    /// Reads a list of `host` or `host:port`.
    ///
    /// # Errors
    ///
    /// [`HostsError`] when the list is empty or an entry is anything else, a wildcard included.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, HostsError> {
        let parse = |name: &str| {
            let Authority { host, port } = Authority::parse(name.as_bytes())
                .ok_or_else(|| HostsError::NotAHost(name.to_owned()))?;
            let host = host.to_ascii_lowercase().into_boxed_str();
            Ok(Authority { host, port })
        };
        let hosts: Box<[_]> = names.into_iter().map(parse).collect::<Result<_, _>>()?;
        if hosts.is_empty() {
            return Err(HostsError::Empty);
        }
        let local = hosts.iter().all(|ours| is_loopback(&ours.host));
        Ok(Self {
            ours: hosts,
            local,
            strangers: Arc::default(),
        })
    }

    /// Whether `asked` is one of us.
    pub(super) fn contain(&self, asked: &Authority<&str>) -> bool {
        self.ours.iter().any(|ours| {
            let port = ours.port.is_none() || ours.port == asked.port;
            port && ours.host.eq_ignore_ascii_case(asked.host)
        })
    }

    /// Tells the operator of a name that is not ours: a proxy that sends its own, or a URL in the
    /// configuration that people do not use. Each name once and no more than a few, since anybody
    /// can ask for any.
    pub(super) fn turn_away(&self, asked: &Authority<&str>) {
        let asked = asked.to_string();
        let mut strangers = self
            .strangers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if strangers.len() < MOST_STRANGERS && strangers.insert(asked.clone().into_boxed_str()) {
            tracing::warn!(
                asked,
                ours = self.names(),
                "a request was for a name that is not ours; server.public_url and \
                 server.gateway_url say which are"
            );
        }
    }

    /// The names, for whoever may know them: on a server of this machine alone, everybody who
    /// reaches it.
    pub(super) fn told(&self) -> Option<String> {
        self.local.then(|| self.names())
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.ours.iter().map(ToString::to_string).collect();
        names.join(", ")
    }
}

/// A host and perhaps a port, and nothing else: no user, no path, no zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Authority<T> {
    host: T,
    port: Option<u16>,
}

impl<T: fmt::Display> fmt::Display for Authority<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => self.host.fmt(f),
        }
    }
}

impl<'a> Authority<&'a str> {
    /// Reads the value of a `Host` field. Names are letters, digits, dots and hyphens: an
    /// internationalised name travels as its A-label.
    pub(super) fn parse(value: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        if let Some(rest) = text.strip_prefix('[') {
            let (inner, after) = rest.split_once(']')?;
            inner.parse::<Ipv6Addr>().ok()?;
            let host = text.get(..inner.len().checked_add(2)?)?;
            let port = match after {
                "" => None,
                _ => Some(port(after.strip_prefix(':')?)?),
            };
            return Some(Self { host, port });
        }
        let (host, port) = match text.split_once(':') {
            Some((host, digits)) => (host, Some(port(digits)?)),
            None => (text, None),
        };
        let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
        let fits = !host.is_empty() && host.len() <= 255;
        (fits && host.bytes().all(name)).then_some(Self { host, port })
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_matches(['[', ']']);
    let address = bare.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn port(digits: &str) -> Option<u16> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let port = plain.then(|| digits.parse().ok()).flatten()?;
    (port != 0).then_some(port)
}

/// Enough to see what is wrong.
const MOST_STRANGERS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_on_a_machine_that_keeps_to_itself() {
        let local = Hosts::new(["127.0.0.1:8080", "localhost:8080", "[::1]"]).unwrap();
        let public = Hosts::new(["127.0.0.1:8080", "ai.example.com"]).unwrap();

        assert_eq!(
            local.told().unwrap(),
            "127.0.0.1:8080, localhost:8080, [::1]"
        );
        assert_eq!(public.told(), None);
    }

    #[test]
    fn a_strange_name_is_told_once_and_not_for_ever() {
        let hosts = Hosts::new(["127.0.0.1"]).unwrap();

        for port in 1..200_u16 {
            let name = format!("evil.example:{port}");
            let asked = Authority::parse(name.as_bytes()).unwrap();
            hosts.turn_away(&asked);
            hosts.turn_away(&asked);
        }

        assert_eq!(hosts.strangers.lock().unwrap().len(), MOST_STRANGERS);
    }

    #[test]
    fn an_entry_without_a_port_answers_on_every_port() {
        let hosts = Hosts::new(["AI.example.com", "127.0.0.1:8080", "[::1]"]).unwrap();
        let contains = |value: &str| hosts.contain(&Authority::parse(value.as_bytes()).unwrap());

        assert!(contains("ai.example.com"));
        assert!(contains("Ai.Example.Com:443"));
        assert!(contains("127.0.0.1:8080"));
        assert!(contains("[::1]:9"));
        assert!(!contains("127.0.0.1"));
        assert!(!contains("127.0.0.1:8081"));
        assert!(!contains("ai.example.com."));
        assert!(!contains("example.com"));
    }

    #[test]
    fn what_is_not_a_host_is_not_read_as_one() {
        for value in [
            "",
            ":",
            ":80",
            "a b",
            "x/#@evil",
            "u@h",
            "u:p@h",
            "h:",
            "h:0",
            "h:99999",
            "h:+80",
            "h:8 0",
            "h:80:80",
            "h/",
            "h?",
            "h#",
            "h\\",
            "a,b",
            "*",
            "*.x",
            "[",
            "[]",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]:",
            "[fe80::1%eth0]",
            "[1.2.3.4]",
            "h_h",
            "bücher",
            "h\t",
        ] {
            assert_eq!(Authority::parse(value.as_bytes()), None, "{value:?}");
        }
        assert_eq!(Authority::parse(b"h\xff"), None);
        assert_eq!(Authority::parse(&[b'a'; 256]), None);
    }

    #[test]
    fn an_empty_list_and_a_wildcard_are_refused() {
        assert_eq!(Hosts::new([]).unwrap_err(), HostsError::Empty);
        assert!(Hosts::new(["*"]).is_err());
        assert!(Hosts::new(["https://ai.example.com"]).is_err());
    }
}
