//! Stories about the sinks themselves: pages go in, and a plain consumer reads them. The contract
//! is the same for every sink.

mod contract;
#[cfg(feature = "services")]
mod hexkit;
#[cfg(feature = "services")]
mod kafka;
