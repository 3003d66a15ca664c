//! The stories and the contracts, in one binary.
//!
//! Actors (`gateway`, …) tell the stories; a contract runs against every adapter of its port.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod broker_embedded;
#[cfg(feature = "services")]
mod broker_kafka;
#[cfg(feature = "services")]
mod exactly_once;
mod fake_kafka;
mod gateway;
mod held;
mod http_bad_bodies;
mod http_bad_input;
mod http_bad_requests;
mod http_connections;
mod http_headers;
mod http_heads;
#[cfg(feature = "services")]
mod http_java;
mod http_observed;
mod http_post;
mod http_read;
mod http_trouble;
mod intake;
mod intake_bisect;
mod kafka;
mod lanes;
mod log;
mod main_job;
#[cfg(feature = "services")]
mod mongodb;
mod moody_store;
#[cfg(feature = "services")]
mod outage;
#[cfg(feature = "services")]
mod parked;
mod parking;
mod parking_release;
mod parking_topics;
mod parking_truth;
#[cfg(feature = "services")]
mod postgres;
mod relay;
#[cfg(feature = "services")]
mod replicas;
mod restore;
mod restore_parked;
mod serve;
mod settings;
mod sqlite_files;
mod sqlite_place;
mod store_contract;
mod store_faults;
#[cfg(feature = "services")]
mod store_outage;
mod supervised;
mod tidy;
#[cfg(feature = "services")]
mod unwritable;
mod went_back;
