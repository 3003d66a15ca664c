//! Stories about lanes and all other followers of the log: on a real store, with a Kafka in memory.

mod audit;
mod audit_task;
mod epochs;
mod erasure;
mod expansion;
mod held;
#[cfg(feature = "services")]
mod hexkit;
mod holds;
mod lanes;
mod lifetimes;
mod parking;
mod posted_again;
mod relay;
mod removal;
mod replays;
mod restore;
mod restore_parked;
mod restore_progress;
mod several_sinks;
mod went_back;
