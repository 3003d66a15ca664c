//! `trail list`: prints the trail, of one tenant or all, oldest first; also of tenants that have no
//! log any more.

use std::io::Write;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;

use super::deps;
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
    /// Prints a JSON object for each act.
    #[arg(long)]
    pub json: bool,
    /// The log.
    #[command(flatten)]
    pub store: StoreOptions,
}

/// The form in which rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A line for each row, under a head.
    Text,
    /// A JSON object for each row, each on a line.
    Json,
}

impl Command {
    /// Runs the subcommand.
    pub async fn run(self, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
        let Self::List(options) = self;
        list(*options, clock).await
    }
}

/// Prints the rows that are wanted.
async fn list(options: ListOptions, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let ListOptions { tenant, act, from, to, json, store } = options;
    let mut scan = TrailScan { tenant, act, from, to, rows_max: PAGE_ROWS, ..TrailScan::default() };
    let form = if json { Form::Json } else { Form::Text };
    let store = deps::attached(&store, clock).await?;
    let mut out = super::stdout();
    if form == Form::Text {
        writeln!(out, "{:<25}{:<24}{:<20}{:<40}OBJECT", "TIME", "TENANT", "ACT", "WHO")?;
    }
    loop {
        let rows = store.trail(&scan).await?;
        for row in &rows {
            match form {
                Form::Text => print(&mut out, row)?,
                Form::Json => writeln!(out, "{}", as_json(row))?,
            }
        }
        if rows.len() < PAGE_ROWS {
            return Ok(());
        }
        scan.after = rows.last().map(|row| row.place.clone());
    }
}

/// Prints a row. What callers have named is escaped, so that it stays on the line.
fn print(out: &mut impl Write, row: &TrailRow) -> std::io::Result<()> {
    let TrailRow { place, actor, act, tenant, object, reason } = row;
    let (time, who) = (place.time.to_string(), actor.who.escape_debug().to_string());
    let (tenant, act) = (tenant.as_ref().map_or("-", TenantId::as_str), act.escape_debug());
    let act = act.to_string();
    write!(out, "{time:<25}{tenant:<24}{act:<20}{who:<40}{}", object.escape_debug())?;
    if let Some(reason) = reason {
        write!(out, " ({})", reason.escape_debug())?;
    }
    writeln!(out)
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
