//! How many connections there are, in all and from one peer.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::ConnectInfo;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The open connections. An address is known for as long as one from it is open, and never told.
#[derive(Debug)]
pub(super) struct Peers {
    all: Arc<Semaphore>,
    total: u32,
    per_peer: u32,
    open: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

/// A place among the open connections, given up when dropped.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Crowd,
    _one: OwnedSemaphorePermit,
}

/// How crowded it is around one connection.
#[derive(Clone, Debug)]
pub(super) struct Crowd {
    peer: IpAddr,
    all: Arc<Semaphore>,
    total: u32,
    per_peer: u32,
    open: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

impl Crowd {
    /// Whether more than half of all places are taken, or of this peer's.
    pub(super) fn is_dense(&self) -> bool {
        let free = u32::try_from(self.all.available_permits()).unwrap_or(u32::MAX);
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let own = open.get(&self.peer).copied().unwrap_or(0);
        let is_most = |taken: u32, of: u32| taken > of.saturating_sub(taken);
        is_most(self.total.saturating_sub(free), self.total) || is_most(own, self.per_peer)
    }
}

impl Peers {
    /// Nobody yet, and room for so many.
    pub(super) fn new(total: u32, per_peer: u32) -> Self {
        let all = usize::try_from(total).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            all: Arc::new(Semaphore::new(all.min(Semaphore::MAX_PERMITS))),
            total,
            per_peer,
            open: Arc::default(),
        }
    }

    /// A place for one more from `peer`, if there is one.
    pub(super) fn admit(&self, peer: IpAddr) -> Option<Place> {
        let one = Arc::clone(&self.all).try_acquire_owned().ok()?;
        let peer = network(peer);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(peer).or_insert(0);
        if *count >= self.per_peer {
            return None;
        }
        *count = count.saturating_add(1);
        drop(open);
        Some(Place {
            crowd: Crowd {
                peer,
                all: Arc::clone(&self.all),
                total: self.total,
                per_peer: self.per_peer,
                open: Arc::clone(&self.open),
            },
            _one: one,
        })
    }

    /// Waits until every place is given up.
    pub(super) async fn gone(&self) {
        // An error would mean that the semaphore was closed, which nothing does.
        drop(self.all.acquire_many(self.total).await);
    }
}

impl Place {
    /// The house that a request comes from, an IPv4 network of 24 bits or an IPv6 one of 48: all that
    /// a route may know of a peer. It is what a person is told about who asks for a device login.
    pub(super) fn house(&self) -> ConnectInfo<SocketAddr> {
        let house: IpAddr = match self.crowd.peer {
            IpAddr::V4(four) => {
                let [a, b, c, _] = four.octets();
                Ipv4Addr::new(a, b, c, 0).into()
            }
            IpAddr::V6(six) => {
                let [a, b, c, ..] = six.segments();
                Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into()
            }
        };
        ConnectInfo(SocketAddr::new(house, 0))
    }

    /// How crowded it is around this place, also later.
    pub(super) fn crowd(&self) -> Crowd {
        self.crowd.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Crowd { peer, open, .. } = &self.crowd;
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(peer) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(peer);
            }
        }
    }
}

/// Whom an address stands for: itself, or with IPv6 the network of 64 bits that one household has.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        four @ IpAddr::V4(_) => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_peer_over_its_cap_leaves_room_for_others() {
        let peers = Peers::new(10, 2);
        let _first = peers.admit(ip("192.0.2.1")).unwrap();
        let second = peers.admit(ip("::ffff:192.0.2.1")).unwrap();

        assert!(peers.admit(ip("192.0.2.1")).is_none());
        assert!(peers.admit(ip("192.0.2.2")).is_some());

        drop(second);
        assert!(peers.admit(ip("192.0.2.1")).is_some());
    }

    #[test]
    fn a_route_learns_the_house_and_not_the_device() {
        let peers = Peers::new(10, 10);
        let house = |text| peers.admit(ip(text)).unwrap().house().0.to_string();

        assert_eq!(house("192.0.2.77"), "192.0.2.0:0");
        assert_eq!(house("2001:db8:1:2:3:4:5:6"), "[2001:db8:1::]:0");
    }

    #[test]
    fn one_ipv6_network_is_one_peer() {
        let peers = Peers::new(10, 1);
        let _first = peers.admit(ip("2001:db8:0:1::1")).unwrap();

        assert!(peers.admit(ip("2001:db8:0:1:ffff::2")).is_none());
        assert!(peers.admit(ip("2001:db8:0:2::1")).is_some());
    }

    #[test]
    fn a_refused_peer_takes_no_place_from_all() {
        let peers = Peers::new(2, 1);
        let _first = peers.admit(ip("192.0.2.1")).unwrap();
        for _ in 0..5 {
            assert!(peers.admit(ip("192.0.2.1")).is_none());
        }

        let _second = peers.admit(ip("192.0.2.2")).unwrap();
        assert!(peers.admit(ip("192.0.2.3")).is_none());
    }

    #[test]
    fn it_is_dense_when_more_than_half_of_a_peers_or_of_all_places_are_taken() {
        let peers = Peers::new(8, 4);
        let first = peers.admit(ip("192.0.2.1")).unwrap();
        let second = peers.admit(ip("192.0.2.1")).unwrap();
        assert!(!first.crowd().is_dense());

        let third = peers.admit(ip("192.0.2.1")).unwrap();
        let other = peers.admit(ip("192.0.2.2")).unwrap();
        assert!(first.crowd().is_dense());
        assert!(!other.crowd().is_dense());

        let _last = peers.admit(ip("192.0.2.3")).unwrap();
        assert!(other.crowd().is_dense());
        drop((second, third));
        assert!(!first.crowd().is_dense());
    }

    #[test]
    fn an_address_is_forgotten_with_its_last_connection() {
        let peers = Peers::new(2, 2);
        let first = peers.admit(ip("192.0.2.1")).unwrap();
        let second = peers.admit(ip("192.0.2.1")).unwrap();

        drop((first, second));

        assert!(peers.open.lock().unwrap().is_empty());
    }
}
