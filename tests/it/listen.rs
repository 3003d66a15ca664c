//! Stories about the listener: Kafka's own clients read the logs from the gateway.

mod access;
mod addresses;
mod bounds;
mod compressed;
mod crashes;
mod credentials;
#[cfg(feature = "services")]
mod export;
#[cfg(feature = "services")]
mod filed;
mod forms;
mod groups;
#[cfg(feature = "services")]
mod java;
#[cfg(feature = "services")]
mod kcat;
mod limits;
mod malformed;
mod observed;
mod partitions;
#[cfg(feature = "services")]
mod python;
#[cfg(feature = "services")]
mod realm;
#[cfg(feature = "services")]
mod records;
#[cfg(feature = "services")]
mod replicas;
#[cfg(feature = "services")]
mod stretches;
mod tls;
#[cfg(feature = "services")]
mod tools;
mod writing;
