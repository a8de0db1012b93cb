//! Where a request comes from, coarsely and as a keyed hash: open endpoints are bounded by it, and
//! no address is kept.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::request::Parts,
};

use crate::{Plane, ports::Lookup};

/// Where a request comes from, coarsely and only as a keyed hash: to count and to compare.
pub(crate) struct Network(pub(crate) Option<Lookup>);

impl FromRequestParts<Arc<Plane>> for Network {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        plane: &Arc<Plane>,
    ) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        // Behind a proxy on this machine everybody comes from it: that says nothing, and to count by
        // it would let one shut the door on all.
        let far = peer
            .map(|peer| peer.ip().to_canonical())
            .filter(|ip| !ip.is_loopback());
        Ok(Self(far.map(|ip| plane.network(ip))))
    }
}

impl Plane {
    /// IPv4 by /24, IPv6 by /48: a house, not a device.
    fn network(&self, address: IpAddr) -> Lookup {
        let coarse = match address.to_canonical() {
            IpAddr::V4(v4) => v4.octets().get(..3).unwrap_or_default().to_vec(),
            IpAddr::V6(v6) => v6.octets().get(..6).unwrap_or_default().to_vec(),
        };
        self.keys.lookup("bauta/network/v1", &[&coarse])
    }

    /// What a row holds when nobody knows where a request came from.
    pub(crate) fn nowhere(&self) -> Lookup {
        self.keys.lookup("bauta/network/v1", &[])
    }
}
