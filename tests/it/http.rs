//! Stories about HTTP: an in-process server over a store in a folder of its own.

mod access;
mod bad_input;
mod connections;
mod headers;
mod heads;
#[cfg(feature = "services")]
mod java;
mod observed;
mod operators;
mod post;
mod purges;
mod read;
mod removed;
mod store_faults;
mod tenants;
mod trail;
mod trouble;
