//! `trail list`: prints the trail, of one tenant or all, oldest first; also of tenants that have no
//! log any more.

use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;

use super::deps;
use super::output::{Column, OutputOptions, Rows};
use crate::clock::Clock;
use crate::config::StoreOptions;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::{Act, TrailRow};
use crate::store::TrailScan;

/// The rows that are read at once.
const PAGE_ROWS: usize = 500;

/// The subcommands of `trail`.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Prints a line for each act, oldest first: when, in which tenant, what, who, and on what.
    List(Box<ListOptions>),
}

/// Options of `trail list`.
#[derive(Debug, Clone, Args)]
pub struct ListOptions {
    /// The tenant, which may have no log any more; without one, all are listed.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// The act, such as replay-start.
    #[arg(long, value_parser = Act::parse)]
    pub act: Option<Act>,
    /// The earliest time, such as 2026-11-26T08:00:00Z.
    #[arg(long, value_parser = Time::parse)]
    pub from: Option<Time>,
    /// The time before which the rows are.
    #[arg(long, value_parser = Time::parse)]
    pub to: Option<Time>,
    /// The form of the output.
    #[command(flatten)]
    output: OutputOptions,
    /// The log.
    #[command(flatten)]
    pub store: StoreOptions,
}

const COLUMNS: [Column; 6] = [
    ("TIME", "time", -24, "-"),
    ("TENANT", "tenant", -23, "-"),
    ("ACT", "act", -19, "-"),
    ("WHO", "who", -39, "-"),
    ("OBJECT", "object", -40, "-"),
    ("REASON", "reason", -1, "-"),
];

impl Command {
    /// Runs the subcommand.
    pub async fn run(self, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
        let Self::List(options) = self;
        list(*options, clock).await
    }
}

/// Prints the rows that are wanted.
async fn list(options: ListOptions, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let ListOptions { tenant, act, from, to, output, store } = options;
    let mut scan = TrailScan { tenant, act, from, to, rows_max: PAGE_ROWS, ..TrailScan::default() };
    let store = deps::attached(&store, clock).await?;
    let mut rows = Rows::begin(output.form, &COLUMNS)?;
    loop {
        let page = store.trail(&scan).await?;
        page.iter().try_for_each(|row| rows.row(&as_json(row)))?;
        if page.len() < PAGE_ROWS {
            return Ok(());
        }
        scan.after = page.last().map(|row| row.place.clone());
    }
}

fn as_json(row: &TrailRow) -> serde_json::Value {
    let TrailRow { place, actor, act, tenant, object, reason } = row;
    json!({
        "place": place.to_string(),
        "time": place.time.to_string(),
        "tenant": tenant.as_ref().map(TenantId::as_str),
        "act": act,
        "who": actor.who,
        "issuer": actor.issuer,
        "object": object,
        "reason": reason,
        "requestId": actor.request_id,
    })
}
