//! The real binary in a process of its own, as this build made it.

use std::path::Path;

use crash::serve::Setup;

/// The set-up of one gateway, with the project's entities for these tenants.
pub fn setup(tenants: &[&str]) -> Setup {
    Setup::new(Path::new(env!("CARGO_BIN_EXE_event-gateway")), tenants)
}
