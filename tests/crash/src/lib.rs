//! The crash loop: replicas of the real gateway under load and under faults, and the checker of
//! their promises.
//!
//! ```text
//! schedule ──► harness ──► replicas, proxies, Kafka, store      story ──► checker ──► findings
//!              faults      actors ──► what they observed ─────────┘
//! ```
//!
//! `listened` is a smaller harness without a Kafka, whose groups read from the gateway's listener.
//!
//! The integration tests use the actors too. Nothing here is part of the gateway.
#![allow(clippy::unwrap_used, reason = "a run that can't go on has failed")]

use std::path::{Path, PathBuf};

pub use wait::{PATIENCE, until};

mod wait;

pub mod folder;
pub mod ports;

pub mod kafka;
pub mod mongodb;
pub mod pgbouncer;
pub mod postgres;
pub mod store;

pub mod proxy;
pub mod serve;

pub mod delete_alls;
pub mod documents;
pub mod eraser;
pub mod evidence;
pub mod handlers;
pub mod load;
pub mod members;
pub mod poster;
pub mod publish_observer;
pub mod purger;
pub mod readers;
pub mod receiver;
pub mod replayer;
pub mod replicas_client;
pub mod rest;
pub mod subscribers;
pub mod turns;
pub mod visitor;

pub mod checker;
pub mod story;

pub mod actors;
pub mod faults;
pub mod figures;
pub mod harness;
pub mod lanes;
pub mod listened;
pub mod put_back;
pub mod replica;
pub mod run;
pub mod schedule;
pub mod tenants;

/// The path of the project, whose scripts start the servers.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
