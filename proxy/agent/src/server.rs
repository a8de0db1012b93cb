//! What the server says about itself (RFC 8414), believed as far as it can be checked.

use serde::Deserialize;
use url::Url;

use crate::{
    call::{CallError, Caller},
    origin::Origin,
};

/// A server that was asked what it is, and where its endpoints are.
pub struct Server {
    pub(crate) issuer: Origin,
    pub(crate) gateway: Origin,
    pub(crate) authorize: Url,
    pub(crate) token: Url,
    pub(crate) revoke: Url,
    pub(crate) device: Option<Url>,
    pub(crate) caller: Caller,
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    revocation_endpoint: String,
    device_authorization_endpoint: Option<String>,
    #[serde(default)]
    code_challenge_methods_supported: Vec<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    /// RFC 9728, section 4.
    #[serde(default)]
    protected_resources: Vec<String>,
}

impl Server {
    /// Asks the server at `issuer`. Its name must be that address to the letter, and its endpoints
    /// must be there: whoever could name another one would be sent the member's secrets.
    ///
    /// # Errors
    ///
    /// When it is not reached, or is not what it was taken for.
    pub async fn discover(issuer: &Origin) -> Result<Self, CallError> {
        let caller = Caller::new(issuer)?;
        let answer = caller.get(issuer.at(METADATA)).await?;
        let said: Metadata = answer.read()?;
        if said.issuer != issuer.to_string() {
            return Err(CallError::Imposter(plain(&said.issuer)));
        }
        let own = |text: &str| issuer.own(text).ok_or(CallError::Garbled);
        let gateway = said.protected_resources.first();
        let gateway = gateway.and_then(|text| Origin::parse(text));
        let pkce = said.code_challenge_methods_supported.iter();
        if !pkce.into_iter().any(|it| it == "S256")
            || !said.authorization_response_iss_parameter_supported
        {
            return Err(CallError::Garbled);
        }
        let device = said.device_authorization_endpoint.as_deref();
        Ok(Self {
            authorize: own(&said.authorization_endpoint)?,
            token: own(&said.token_endpoint)?,
            revoke: own(&said.revocation_endpoint)?,
            device: device.map(own).transpose()?,
            gateway: gateway.ok_or(CallError::Garbled)?,
            issuer: issuer.clone(),
            caller,
        })
    }

    /// Its own address.
    #[must_use]
    pub const fn issuer(&self) -> &Origin {
        &self.issuer
    }

    /// Where its tokens are used.
    #[must_use]
    pub const fn gateway(&self) -> &Origin {
        &self.gateway
    }
}

/// What a terminal may be shown of a text that a server wrote.
pub(crate) fn plain(text: &str) -> String {
    let shown = text.chars().take(LONGEST_SHOWN);
    shown.filter(|c| (' '..='~').contains(c)).collect()
}

const METADATA: &str = "/.well-known/oauth-authorization-server";
const LONGEST_SHOWN: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;

    async fn discovered(edit: impl Fn(String) -> String) -> Result<Server, CallError> {
        let fake = Fake::start().await;
        fake.answers(200, edit(fake.metadata()));
        Server::discover(&fake.origin()).await
    }

    #[tokio::test]
    async fn a_server_that_says_who_it_is_is_known_with_its_gateway() {
        let server = discovered(|text| text).await.unwrap();

        assert!(server.issuer().is_here());
        assert_eq!(server.gateway().to_string(), "https://gw.example.com");
        assert!(server.device.is_some());
    }

    #[tokio::test]
    async fn a_server_of_another_name_or_with_endpoints_elsewhere_is_refused() {
        type Edit = fn(String) -> String;
        let imposters: [Edit; 2] = [
            |text| text.replacen("127.0.0.1", "127.0.0.2", 1),
            |text| text.replacen("\",\"auth", "/\",\"auth", 1),
        ];
        for edit in imposters {
            let error = discovered(edit).await.err().unwrap();
            assert!(matches!(error, CallError::Imposter(_)), "{error}");
        }
        let garbled: [Edit; 6] = [
            |text| {
                text.replacen(
                    "\"token_endpoint\":\"http://127.0.0.1",
                    "\"token_endpoint\":\"http://127.0.0.2",
                    1,
                )
            },
            |text| {
                text.replacen(
                    "\"revocation_endpoint\":\"http",
                    "\"revocation_endpoint\":\"https",
                    1,
                )
            },
            |text| text.replace("S256", "plain"),
            |text| text.replace("true", "false"),
            |text| text.replace("https://gw", "http://gw"),
            |_| "x".repeat(70_000),
        ];
        for (n, edit) in garbled.into_iter().enumerate() {
            let error = discovered(edit).await.err().unwrap();
            assert!(matches!(error, CallError::Garbled), "{n}: {error}");
        }
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let fake = Fake::start().await;
        fake.leads_to("/elsewhere");

        let error = Server::discover(&fake.origin()).await.err().unwrap();

        assert!(matches!(error, CallError::Garbled), "{error}");
        assert_eq!(fake.requests().len(), 1);
    }

    #[test]
    fn what_a_server_writes_cannot_take_over_a_terminal() {
        assert_eq!(plain("a\u{1b}[2J\nb\u{202e}é"), "a[2Jb");
        assert_eq!(plain(&"a".repeat(999)).len(), 500);
    }
}
