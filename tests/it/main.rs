//! One binary of integration tests: what crosses more than one package.

mod audit;
mod canary;
mod journey;
mod kill;
mod schema;
mod unlinkable;
mod wall;
