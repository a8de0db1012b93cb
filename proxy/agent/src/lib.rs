//! The member's side: signs a machine in, keeps what comes of it, and renews it.
//!
//! What runs here is on a member's own machine and holds that member's own tokens. It knows neither
//! plane; what it asks of the server, any program could ask by the same standards.
//!
//! * [`origin`]: who may be talked to at all
//! * [`grant`]: the tokens of each scope
//! * [`keep`]: where they rest, and who may change them

pub mod grant;
pub mod keep;
pub mod origin;
