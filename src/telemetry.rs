//! Logs: to stderr, as text on a terminal and as JSON otherwise.
//!
//! Started once by `main`. Fields are `tenant`, `event_id`, `topic`, `position`; never tokens,
//! bodies or credentials.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// Starts logging at that level: `info`, `debug`, or directives such as `info,event_gateway=debug`.
pub fn start(level: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(level)?;
    let log = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        log.init();
    } else {
        log.json().flatten_event(true).init();
    }
    Ok(())
}
