//! A name is looked up at each connection, and what it leads to is judged then.
//!
//! A base URL is checked when the configuration is loaded; the address behind a name is not known
//! before, and may change at any time. A name that leads to the metadata service of a cloud, or
//! back to this machine, would be sent the gateway's credential.

use std::{
    error::Error as StdError,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    vec,
};

use hyper_util::client::legacy::connect::dns::Name;
use tower::Service;

use crate::config::may_be_upstream;

/// A resolver whose answers are addresses that an upstream may have.
#[derive(Clone)]
pub(super) struct Guarded<R> {
    inner: R,
    is_tls: bool,
}

impl<R> Guarded<R> {
    /// Judges what `inner` finds. Without TLS an upstream is on this machine and nowhere else.
    pub(super) const fn new(inner: R, is_tls: bool) -> Self {
        Self { inner, is_tls }
    }
}

impl<R, A> Service<Name> for Guarded<R>
where
    R: Service<Name, Response = A>,
    R::Error: StdError + Send + Sync + 'static,
    R::Future: Send + 'static,
    A: Iterator<Item = SocketAddr>,
{
    type Response = vec::IntoIter<SocketAddr>;
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Fault>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        // `localhost` is the one name that a configuration may give this machine.
        let is_here = name.as_str().eq_ignore_ascii_case("localhost");
        let is_tls = self.is_tls;
        let finding = self.inner.call(name);
        Box::pin(async move {
            let found = finding.await?;
            let good = |it: &SocketAddr| match (is_here, is_tls) {
                (true, _) => it.ip().is_loopback(),
                (false, true) => may_be_upstream(it.ip()) && !it.ip().is_loopback(),
                (false, false) => false,
            };
            let kept: Vec<_> = found.filter(good).collect();
            if kept.is_empty() {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, REFUSED).into());
            }
            Ok(kept.into_iter())
        })
    }
}

type Fault = Box<dyn StdError + Send + Sync>;

const REFUSED: &str = "the name of the upstream leads to no address that an upstream may have";

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future::ready, str::FromStr};

    use tower::{ServiceExt, service_fn};

    use super::*;

    #[tokio::test]
    async fn srf_01_a_name_that_leads_to_an_inner_address_is_not_connected_to() {
        for inner in [
            "169.254.169.254",
            "127.0.0.1",
            "::1",
            "0.0.0.0",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "2001::1",
            "224.0.0.1",
        ] {
            let found = find("api.example.com", &[inner], true).await;

            assert!(
                found.unwrap_err().to_string().contains("no address"),
                "{inner}"
            );
        }
    }

    #[tokio::test]
    async fn srf_01_of_several_addresses_only_the_outer_ones_are_tried() {
        let found = find("api.example.com", &["10.0.0.7", "169.254.169.254"], true).await;

        // An upstream in the organisation's own network, with TLS, is one.
        assert_eq!(found.unwrap(), ["10.0.0.7"]);
    }

    #[tokio::test]
    async fn srf_01_localhost_is_this_machine_and_without_tls_nothing_else_is() {
        let here = find("LocalHost", &["127.0.0.1", "::1", "198.51.100.1"], false).await;

        assert_eq!(here.unwrap(), ["127.0.0.1", "::1"]);
        assert!(find("localhost", &["198.51.100.1"], true).await.is_err());
        assert!(
            find("api.example.com", &["198.51.100.1"], false)
                .await
                .is_err()
        );
    }

    async fn find(name: &str, found: &[&str], is_tls: bool) -> Result<Vec<String>, Fault> {
        let found: Vec<SocketAddr> = found
            .iter()
            .map(|it| SocketAddr::new(it.parse().unwrap(), 443))
            .collect();
        let inner =
            service_fn(move |_: Name| ready(Ok::<_, Infallible>(found.clone().into_iter())));
        let name = Name::from_str(name).unwrap();
        let kept = Guarded::new(inner, is_tls).oneshot(name).await?;
        Ok(kept.map(|it| it.ip().to_string()).collect())
    }
}
