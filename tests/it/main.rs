//! The stories and the contracts, in one binary.
//!
//! Actors (`gateway`, …) tell the stories; a contract runs against every adapter of its port.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod follow;
mod http;
mod intake;
mod listen;
mod process;
mod sink;
mod store;
mod subscribe;
mod support;
mod tidy;
mod traces;
