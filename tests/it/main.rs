//! One binary of integration tests: what crosses more than one package.

mod audit;
mod canary;
mod claude;
mod cli;
mod commands;
mod corpus;
mod dashboards;
mod desk;
mod failover;
mod federation;
mod first;
mod idp;
mod journey;
mod kill;
mod newcomer;
mod oauth;
mod pages;
mod race;
mod schema;
mod sdk;
mod serve;
mod server;
mod split;
mod threats;
mod unlinkable;
mod wall;
