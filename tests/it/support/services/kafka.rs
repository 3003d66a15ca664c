//! Kafka as tests see it: the records that a plain consumer reads, sealed events made by hand, and
//! (with the feature `services`) the real cluster to write to.

#[cfg(feature = "services")]
mod cluster;
pub mod envelopes;

pub use crash::kafka::*;

#[cfg(feature = "services")]
pub use cluster::{
    TestTopic, abort_open, add_partitions, address, create_topic, create_topic_on, delete_topic,
    env, leave_open, produce, produce_again, set, set_all, settings, write_and_abort,
};
