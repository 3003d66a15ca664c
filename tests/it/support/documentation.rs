//! A reader of the documentation, who runs the commands of a page in order, in one shell, beside the
//! real binary and the real Kafka, and compares what they print with what the page shows.
//!
//! [`block`] reads the blocks of a page, [`page`] runs them, [`output`] compares.

pub mod block;
#[cfg(feature = "services")]
mod names;
pub mod output;
#[cfg(feature = "services")]
pub mod page;
#[cfg(feature = "services")]
mod shell;
