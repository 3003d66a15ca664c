//! The subcommands of the command line, one file each.
//!
//! `main` calls them with parts that are open. Their listings on stdout are made for pipes.

use std::io::{self, Write};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

use crate::domain::tenant::TenantId;
use crate::domain::trail::{Act, TrailEntry};
use crate::store::{Store, TenantLog};

mod actor;
pub mod audit;
pub mod backup;
pub mod descriptor;
pub mod erasures;
pub mod exit;
pub mod foreign_settings;
mod interrupt;
pub mod lanes;
pub mod publish_pending;
pub mod replays;
pub mod republish;
pub mod restore;
pub mod serve;
pub mod sinks;
pub mod subscriptions;
pub mod tenants;
pub mod topics;
pub mod trail;

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
