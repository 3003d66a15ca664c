//! Stories about lanes and all else that follows the log: a real store, a Kafka in memory.

mod held;
mod lanes;
mod parking;
mod relay;
mod restore;
mod restore_parked;
mod several_sinks;
mod went_back;
