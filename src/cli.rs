//! The subcommands of the command line, one file each.
//!
//! `main` calls them with parts that are open. Their listings on stdout are made for pipes.

use std::io::{self, Write};

pub mod audit;
pub mod backup;
pub mod lanes;
pub mod restore;
pub mod serve;
pub mod tenants;
pub mod topics;

/// Returns stdout for a listing; an error of a write names it.
fn stdout() -> Stdout {
    Stdout(io::stdout().lock())
}

struct Stdout(io::StdoutLock<'static>);

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(named)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(named)
    }
}

/// Names stdout in the error, and keeps its kind: a pipe that is no longer read is not a failure.
fn named(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("failed to write to stdout: {error}"))
}
