//! The verbs of the command line, one file each.
//!
//! Called by `main` with parts that are open; what they print on stdout is for pipes.

pub mod backup;
pub mod lanes;
pub mod restore;
pub mod serve;
pub mod tenants;
pub mod topics;
