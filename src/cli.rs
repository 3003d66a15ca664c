//! The verbs of the command line, one file each.
//!
//! Called by `main` with parts that are open; what they print on stdout is for pipes.

use std::io::{self, Write};

pub mod backup;
pub mod lanes;
pub mod restore;
pub mod serve;
pub mod tenants;
pub mod topics;

/// Returns stdout for a listing; what it does not take is told with its name.
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

/// With the same kind: a pipe that nobody reads any more is no error.
fn named(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("failed to write to stdout: {error}"))
}
