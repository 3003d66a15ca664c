//! Stories about HTTP: an in-process server over a store in a folder of its own.

mod access;
mod bad_input;
mod claims;
mod collisions;
mod connections;
mod handlers;
mod headers;
mod heads;
mod idle;
#[cfg(feature = "services")]
mod java;
mod metrics;
mod observed;
mod openapi;
mod operators;
mod post;
mod purges;
mod puts;
mod quotas;
mod read;
mod removed;
mod shares;
mod store_faults;
mod tenant_jobs;
mod tenants;
mod tls;
mod trail;
mod tricks;
mod trouble;
