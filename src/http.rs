//! In: the HTTP surface, whose every route stands in `routes`.
//!
//! Fed by modules, tenant admins and probes; feeds `intake` with drafts, and reads what the store
//! and `follow` know. Every answer of a handler that isn't a success is a `problem`; every body is
//! bounded in bytes, in time and together with all others; whose log is touched is in the type of
//! each handler that touches one.

mod body;
mod body_guard;
mod cached;
mod config;
mod connections;
mod context;
mod delete_all;
mod domain_events;
mod gate;
mod gateway;
mod header;
mod health;
mod items;
mod media_type;
mod metrics;
mod middleware;
mod observe;
mod parked;
mod path;
mod percent;
mod prefer;
mod problem;
mod process_events;
mod query;
mod receipt_view;
mod routes;
mod server;
mod submit;
mod token;

pub use config::Config;
pub use gateway::HttpDeps;
pub use server::server;
pub use token::Auth;
