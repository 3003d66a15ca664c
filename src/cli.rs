//! The subcommands of the command line, one file each.
//!
//! Each file has a subcommand's options and what it does; `command` is the list of them, which `main`
//! reads and runs. What they print on stdout is made for pipes.

use std::io::{self, Write};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

use crate::domain::tenant::TenantId;
use crate::domain::trail::{Act, TrailEntry};
use crate::store::{Store, TenantLog};

mod actor;
mod audit;
mod backup;
mod command;
mod deps;
mod descriptor;
mod erasures;
pub mod exit;
mod foreign_settings;
mod interrupt;
mod lanes;
mod publish_pending;
mod replays;
mod republish;
mod restore;
mod serve;
mod sinks;
mod subscriptions;
mod tenants;
mod topics;
mod trail;
mod usage;

#[cfg(test)]
mod tests;

pub use command::{Cli, parse};
pub use usage::Usage;

/// Returns the log of this tenant, or all logs. Every subcommand of a tenant asks first.
async fn logs(store: &dyn Store, tenant: Option<&TenantId>) -> anyhow::Result<Vec<TenantLog>> {
    match tenant {
        Some(tenant) => Ok(vec![log_of(store, tenant).await?]),
        None => Ok(store.list().await?),
    }
}

/// Returns the log of this tenant, enabled or not.
async fn log_of(store: &dyn Store, tenant: &TenantId) -> anyhow::Result<TenantLog> {
    let found = store.find_tenant(tenant).await?;
    found.with_context(|| {
        format!("tenant `{tenant}` has no log; `tenants list` shows the tenants that have one")
    })
}

/// Begins the entry of an act of whoever runs this process, on a tenant.
fn act(act: Act, tenant: &TenantId) -> TrailEntry {
    actor::actor().does(act).of(tenant)
}

/// Returns a number with its noun, such as `1 event` and `2 events`.
fn counted(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Returns a bar on stderr that says how much of how much is done, and after that what `rest`
/// spells in indicatif's words. Nothing is drawn if stderr is no terminal.
fn bar(rest: &str) -> anyhow::Result<ProgressBar> {
    let style = format!("{{msg}} {{wide_bar}} {{human_pos}} of {{human_len}}, {rest}");
    Ok(ProgressBar::new(0).with_style(ProgressStyle::with_template(&style)?))
}

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
