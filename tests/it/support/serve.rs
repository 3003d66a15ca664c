//! The real binary in a process of its own, as this build made it.

use std::path::Path;

use crash::serve::Setup;

/// How one gateway is set up, with the project's entities for these tenants.
pub fn setup(tenants: &[&str]) -> Setup {
    Setup::new(Path::new(env!("CARGO_BIN_EXE_event-gateway")), tenants)
}
