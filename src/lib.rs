//! event-gateway: modules POST what changed in their records; it becomes durable, then a domain
//! event, then a Kafka record, exactly once and in order.
//!
//! ```text
//! http ──► drafts ──► intake ──► store.append     relay ──► Page ──► lane ──► sink
//!          only legal  group      lock, dedupe,   after Kafka's      one transaction:
//!          old/new/id  commit     seal, commit    cursor             records + cursors
//! ```
//!
//! The log of a tenant is the truth, and everyone else follows it. Arrows between the rooms point
//! one way: `app, cli → http → follow, intake → store, sink → domain`.

// Helpers of several stores have fewer callers in a build without one of them.
#![cfg_attr(not(all(feature = "mongodb", feature = "postgres")), allow(dead_code))]

pub mod domain;

pub mod clock;

pub mod health;

pub mod tasks;

pub mod access;

pub mod tls;

pub mod http;

pub mod intake;

pub mod shares;

pub mod quota;

#[cfg(feature = "mongodb")]
mod mongodb_client;

pub mod store;

pub mod follow;

pub mod sink;

pub mod subscribe;

pub mod listen;

pub mod config;

pub mod app;

pub mod cli;

pub mod metrics;

pub mod telemetry;

pub mod traces;
