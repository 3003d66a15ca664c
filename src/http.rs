//! In: the HTTP surface. `routes` lists every route.
//!
//! Modules, tenant admins and probes call it. It hands drafts to `intake`, and reads the store and
//! `follow`. Every answer that isn't a success is a `problem`. Each body is bounded in bytes and in
//! time, and all bodies together in bytes. Every route but those for probes is closed to callers
//! without the permission that its handler's type names (`allowed`).

mod allowed;
mod body;
mod body_guard;
mod cached;
mod claims;
mod closed;
mod config;
mod connections;
mod context;
mod delete_all;
mod denied;
mod docs;
mod document;
mod domain_events;
mod erasures;
mod gate;
mod gateway;
mod header;
mod health;
mod items;
mod limit_headers;
mod media_type;
mod metrics;
mod middleware;
mod missing;
mod object;
mod observe;
mod openapi;
mod operation;
mod parked;
mod path;
mod prefer;
mod problem;
mod process_events;
mod query;
mod quota;
mod receipt_view;
mod replays;
mod routes;
mod schema;
mod server;
mod spans;
mod stopping;
mod submit;
mod subscriptions;
mod tenants;
mod token;
mod trail;
mod turn;

pub use config::{BATCH_CHANGES_MAX, Config};
pub use gateway::HttpDeps;
pub use operation::Access;
pub use problem::kind::did_nothing;
pub use routes::access;
pub use server::{openapi, server};
