//! Stories about the sinks themselves: pages go in, and a plain consumer reads what is there.

mod embedded;
#[cfg(feature = "services")]
mod kafka;
