//! The member's side: signs a machine in, keeps what comes of it, and renews it.
//!
//! What runs here is on a member's own machine and holds that member's own tokens. It knows neither
//! plane; what it asks of the server, any program could ask by the same standards.
//!
//! * [`origin`]: who may be talked to at all
//! * [`call`]: one request, bounded; [`server`]: what the server says about itself (RFC 8414)
//! * [`grant`]: the tokens of each scope
//! * [`keep`]: where they rest, and who may change them
//! * [`login`], [`renew`], [`end`]: how they come, stay and go

pub mod call;
pub mod end;
pub mod grant;
pub mod keep;
pub mod login;
pub mod origin;
pub mod renew;
pub mod server;

#[cfg(test)]
mod fake;
