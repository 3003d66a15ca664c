//! The actors of the stories, and the helpers that stories share. No story is in here.
#![cfg_attr(
    not(feature = "services"),
    allow(dead_code, reason = "some have their stories with real services alone")
)]

#[cfg(feature = "services")]
pub mod cluster;
pub mod collector;
pub mod commits;
pub mod documentation;
pub mod drafts;
pub mod dropped;
pub mod erasures;
pub mod fake_documents;
pub mod fake_sink;
pub mod faulty_store;
pub mod gateway;
pub mod harness;
#[cfg(feature = "services")]
pub mod helm;
#[cfg(feature = "services")]
pub mod hexkit;
pub mod ids;
pub mod kafka_clients;
pub mod kafka_wire;
pub mod keycloak;
pub mod malformed;
#[cfg(feature = "services")]
pub mod metrics;
#[cfg(feature = "services")]
pub mod observed;
pub mod parking;
pub mod pem;
#[cfg(feature = "services")]
pub mod pod;
#[cfg(feature = "services")]
pub mod prometheus;
pub mod raw_http;
#[cfg(feature = "services")]
pub mod readers;
pub mod real_keycloak;
pub mod replays;
pub mod restore;
pub mod serve;
pub mod services;
pub mod sink_cursors;
pub mod sqlite;
pub mod store_fixture;
pub mod store_parking;
pub mod subscriber;
pub mod tenants;
pub mod terminal;
pub mod tokens;
pub mod trail;
#[cfg(feature = "services")]
pub mod whole_way;
