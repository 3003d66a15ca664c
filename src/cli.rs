//! The subcommands of the command line, one file each.
//!
//! `main` calls them with parts that are open. Their listings on stdout are made for pipes.

use std::io::{self, Write};

use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};

use crate::store::{EnabledTenant, Store};

pub mod audit;
pub mod backup;
pub mod erasures;
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

/// Returns the tenant of this id, or all enabled tenants.
async fn enabled(store: &dyn Store, tenant: Option<&str>) -> anyhow::Result<Vec<EnabledTenant>> {
    let mut enabled = store.list().await?;
    enabled.retain(|enabled| tenant.is_none_or(|tenant| enabled.tenant.as_str() == tenant));
    if let (Some(tenant), true) = (tenant, enabled.is_empty()) {
        bail!("tenant `{tenant}` is not enabled");
    }
    Ok(enabled)
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
