//! The door on loopback that a browser brings the answer to.
//!
//! Any program and any web page of this machine can knock here. Only who knows the `state` is
//! listened to; everybody else is sent away and the wait goes on, so that nobody can end it either.

use std::{io, time::Duration};

use bauta_token::secret::ct_eq;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::LoginError;
use crate::{call::Refusal, origin::Origin};

/// A listener on a free port of 127.0.0.1.
pub(super) struct Door {
    listener: TcpListener,
    host: String,
}

/// Who brought the answer: a browser that waits for a page.
pub(super) struct Visitor(TcpStream);

/// What the answer is.
pub(super) enum Heard {
    /// Good for one exchange.
    Code(Zeroizing<String>),
    /// None.
    Refused(Refusal),
}

impl Door {
    pub(super) async fn open() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let host = listener.local_addr()?.to_string();
        Ok(Self { listener, host })
    }

    /// What the server is told to answer to: the address, never a name that a resolver may bend.
    pub(super) fn redirect(&self) -> String {
        format!("http://{}{PATH}", self.host)
    }

    /// The one answer that knows `state`; closes after five minutes.
    pub(super) async fn answer(
        &self,
        state: &str,
        issuer: &Origin,
    ) -> Result<(Visitor, Heard), LoginError> {
        let heard = timeout(PATIENCE, self.listen(state, issuer)).await;
        heard.map_err(|_| LoginError::Late)?
    }

    async fn listen(&self, state: &str, issuer: &Origin) -> Result<(Visitor, Heard), LoginError> {
        // Browsers open connections ahead of need and leave them silent: none may block the others.
        let mut heads = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if heads.len() < AT_ONCE => {
                    let (stream, _) = accepted.map_err(LoginError::Listen)?;
                    heads.spawn(head(stream));
                }
                Some(read) = heads.join_next() => {
                    let Ok(Some((stream, head))) = read else { continue };
                    let visitor = Visitor(stream);
                    match judge(&head, &self.host, state, &issuer.to_string()) {
                        Judged::Heard(answer) => return Ok((visitor, answer)),
                        Judged::Foreign => {
                            visitor.failed().await;
                            return Err(LoginError::Foreign);
                        }
                        Judged::Stranger => visitor.turned_away().await,
                    }
                }
            }
        }
    }
}

impl Visitor {
    pub(super) async fn done(self) {
        self.show(
            "200 OK",
            "",
            "You are signed in",
            "Go back to the terminal; you can close this tab.",
        )
        .await;
    }

    pub(super) async fn failed(self) {
        let text = "Nothing was given. The terminal says why.";
        self.show("502 Bad Gateway", "", "You are not signed in", text)
            .await;
    }

    /// Sends the browser on to where that can be mended.
    pub(super) async fn refused(self, refusal: Refusal, issuer: &Origin) {
        let path = match refusal {
            Refusal::Verify => "/verify",
            Refusal::SignIn => "/",
            _ => {
                let text = "Nothing was given. The terminal says why.";
                return self.show("200 OK", "", "You are not signed in", text).await;
            }
        };
        let there = format!("Location: {}\r\n", issuer.at(path));
        self.show("303 See Other", &there, "You are not signed in yet", "")
            .await;
    }

    async fn turned_away(self) {
        let text = "Nobody waits for this. Run `bauta login` again.";
        self.show("404 Not Found", "", "Nothing is here", text)
            .await;
    }

    /// Best effort: the terminal says the same.
    async fn show(mut self, status: &str, more: &str, heading: &str, text: &str) {
        let body = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{heading}</title>\
             <h1>{heading}</h1><p>{text}</p></html>"
        );
        let answer = format!(
            "HTTP/1.1 {status}\r\n{more}Content-Type: text/html; charset=utf-8\r\n\
             Content-Length: {}\r\nContent-Security-Policy: default-src 'none'; \
             frame-ancestors 'none'\r\nReferrer-Policy: no-referrer\r\nCache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let say = async {
            self.0.write_all(answer.as_bytes()).await?;
            self.0.shutdown().await
        };
        drop(timeout(PAGE, say).await);
    }
}

/// The head of a request, if one comes soon and is short.
async fn head(mut stream: TcpStream) -> Option<(TcpStream, Zeroizing<String>)> {
    let mut read = Zeroizing::new(Vec::with_capacity(LONGEST));
    let read_on = async {
        while !read.windows(4).any(|end| end == b"\r\n\r\n") {
            let room = LONGEST.checked_sub(read.len()).filter(|room| *room > 0)?;
            let mut part = (&mut stream).take(u64::try_from(room).ok()?);
            if part.read_buf(&mut *read).await.ok()? == 0 {
                return None;
            }
        }
        std::str::from_utf8(&read).ok().map(str::to_owned)
    };
    let head = timeout(HEAD, read_on).await.ok().flatten()?;
    Some((stream, Zeroizing::new(head)))
}

enum Judged {
    Heard(Heard),
    /// Knows the state and names another server: a mix-up (RFC 9207).
    Foreign,
    Stranger,
}

fn judge(head: &str, host: &str, state: &str, issuer: &str) -> Judged {
    let Some(query) = query(head, host) else {
        return Judged::Stranger;
    };
    let (mut code, mut error, mut given, mut iss) = (None, None, None, None);
    for (name, value) in form_urlencoded::parse(query.as_bytes()).take(MOST) {
        let slot = match &*name {
            "code" => &mut code,
            "error" => &mut error,
            "state" => &mut given,
            "iss" => &mut iss,
            _ => continue,
        };
        if slot.replace(Zeroizing::new(value.into_owned())).is_some() {
            return Judged::Stranger;
        }
    }
    if !given.is_some_and(|given| ct_eq(given.as_bytes(), state.as_bytes())) {
        return Judged::Stranger;
    }
    if iss.is_none_or(|iss| *iss != issuer) {
        return Judged::Foreign;
    }
    match (code, error) {
        (Some(code), None) => Judged::Heard(Heard::Code(code)),
        (None, Some(error)) => {
            let refusal = Refusal::parse(&error).unwrap_or(Refusal::Request);
            Judged::Heard(Heard::Refused(refusal))
        }
        _ => Judged::Foreign,
    }
}

/// The query of a request for our page, under our address and no other name for it: a page that has
/// its name resolved to this machine comes with that name.
fn query<'h>(head: &'h str, host: &str) -> Option<&'h str> {
    let mut lines = head.split("\r\n");
    let target = lines
        .next()?
        .strip_prefix("GET ")?
        .strip_suffix(" HTTP/1.1")?;
    let mut hosts = lines
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| name.eq_ignore_ascii_case("host"))
        .map(|(_, value)| value.trim());
    let (Some(named), None) = (hosts.next(), hosts.next()) else {
        return None;
    };
    let (path, query) = target.split_once('?')?;
    (named == host && path == PATH).then_some(query)
}

const PATH: &str = "/callback";
const PATIENCE: Duration = Duration::from_mins(5);
const HEAD: Duration = Duration::from_secs(5);
const PAGE: Duration = Duration::from_secs(2);
const AT_ONCE: usize = 16;
const LONGEST: usize = 16 * 1024;
const MOST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "127.0.0.1:49152";
    const ISS: &str = "https://ai.example.com";

    fn said(target: &str) -> Judged {
        let head = format!("GET {target} HTTP/1.1\r\nHost: {HOST}\r\nAccept: */*\r\n\r\n");
        judge(&head, HOST, "xyz", ISS)
    }

    #[test]
    fn the_answer_that_knows_the_state_is_heard() {
        let good = said("/callback?code=bauta_ac_1&state=xyz&iss=https%3A%2F%2Fai.example.com");
        let no = said("/callback?error=access_denied&state=xyz&iss=https://ai.example.com");

        assert!(matches!(good, Judged::Heard(Heard::Code(code)) if *code == "bauta_ac_1"));
        assert!(matches!(no, Judged::Heard(Heard::Refused(Refusal::Denied))));
    }

    #[test]
    fn nobody_without_the_state_is_heard_or_ends_the_wait() {
        for stranger in [
            "/callback?code=evil&state=abc&iss=https://ai.example.com",
            "/callback?code=evil&iss=https://ai.example.com",
            "/callback?error=access_denied&state=&iss=https://ai.example.com",
            "/callback?state=abc&state=xyz&code=evil&iss=https://ai.example.com",
            "/callback?code=a&code=b&state=xyz&iss=https://ai.example.com",
            "/callback",
            "/callback/?code=a&state=xyz&iss=https://ai.example.com",
            "http://127.0.0.1:49152/callback?code=a&state=xyz&iss=https://ai.example.com",
            "/favicon.ico",
        ] {
            assert!(matches!(said(stranger), Judged::Stranger), "{stranger}");
        }
    }

    #[test]
    fn another_name_for_this_machine_is_not_ours() {
        let target = "/callback?code=a&state=xyz&iss=https://ai.example.com";
        for hosts in [
            "Host: evil.example:49152",
            "Host: localhost:49152",
            "Host: 127.0.0.1:1",
            "Host: 127.0.0.1:49152\r\nHost: evil.example",
            "Accept: */*",
        ] {
            let head = format!("GET {target} HTTP/1.1\r\n{hosts}\r\n\r\n");
            assert!(
                matches!(judge(&head, HOST, "xyz", ISS), Judged::Stranger),
                "{hosts}"
            );
        }
        let posted = format!("POST {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
        assert!(matches!(judge(&posted, HOST, "xyz", ISS), Judged::Stranger));
    }

    #[test]
    fn an_answer_of_another_server_is_none() {
        for foreign in [
            "/callback?code=a&state=xyz",
            "/callback?code=a&state=xyz&iss=https://evil.example",
            "/callback?code=a&state=xyz&iss=https://ai.example.com/",
            "/callback?state=xyz&iss=https://ai.example.com",
            "/callback?code=a&error=b&state=xyz&iss=https://ai.example.com",
        ] {
            assert!(matches!(said(foreign), Judged::Foreign), "{foreign}");
        }
    }
}
