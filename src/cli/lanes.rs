//! `lanes list` shows which replica works on which lane, and for how many tenants; `lanes resize`
//! changes the number of lanes.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::deps::{self, Deps};
use crate::clock::Clock;
use crate::config::{LANES_MAX, PartsOptions, StoreOptions, whole};
use crate::domain::trail::Act;
use crate::follow::resize;
use crate::store::{Access, Store};

/// The subcommands of `lanes`.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Prints a line for each lane, with the replica that works on it.
    List(Box<StoreOptions>),
    /// Changes the number of lanes, while no replica runs.
    ///
    /// Afterwards, start the replicas with LANES set to the new number.
    Resize(Box<ResizeOptions>),
}

/// Options of `lanes resize`.
#[derive(Debug, Clone, Args)]
pub struct ResizeOptions {
    /// The new number of lanes.
    #[arg(value_parser = whole::<u16, 1, LANES_MAX>)]
    pub count: u16,
    /// The log, the topics and the sinks.
    #[command(flatten)]
    pub parts: PartsOptions,
}

impl Command {
    /// Runs the subcommand.
    pub async fn run(self, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
        match self {
            Self::List(store) => list(&*deps::attached(&store, clock).await?).await,
            Self::Resize(options) => resize(&options, clock).await,
        }
    }
}

/// Prints a line for each lane, then one with the replicas that run.
async fn list(store: &dyn Store) -> anyhow::Result<()> {
    let mut tenants = BTreeMap::new();
    for enabled in store.list().await? {
        *tenants.entry(enabled.lane).or_insert(0) += 1;
    }
    let members = store.members().await?;
    let mut out = super::stdout();
    writeln!(out, "{:>4}{:>8}{:>8}  REPLICA", "LANE", "TERM", "TENANTS")?;
    for lease in members.lanes {
        let holder = lease.holder.as_deref().unwrap_or("-");
        let tenants = tenants.get(&lease.lane).unwrap_or(&0);
        writeln!(out, "{:>4}{:>8}{tenants:>8}  {holder}", lease.lane.number(), lease.term)?;
    }
    writeln!(out, "replicas: {}", members.replicas.join(" "))?;
    Ok(())
}

/// Changes the number of lanes, and prints what was done.
async fn resize(options: &ResizeOptions, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let (lanes, by) = (options.count, clock.new_id().to_string());
    let deps = Deps::open(&options.parts, Access::Alone, lanes, clock).await?;
    let Deps { store, sinks, .. } = &deps;
    let entry = super::actor::actor().does(Act::ResizeLanes).on(lanes);
    let resized = resize::resize(&**store, sinks, &by, lanes, &entry).await?;
    let resize::Resized { from, moved } = resized;
    let mut out = super::stdout();
    let tenants = if moved == 1 { "tenant" } else { "tenants" };
    let now = if lanes == 1 { "lane" } else { "lanes" };
    writeln!(
        out,
        "{lanes} {now} now ({from} before); {moved} {tenants} changed lane. Start with \
         LANES={lanes}"
    )?;
    Ok(())
}
