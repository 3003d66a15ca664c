//! `trail list`: prints the trail, of one tenant or all, oldest first; also of tenants that have no
//! log any more.

use std::io::Write;

use serde_json::json;

use crate::domain::tenant::TenantId;
use crate::domain::trail::TrailRow;
use crate::store::{Store, TrailScan};

/// The rows that are read at once.
const PAGE_ROWS: usize = 500;

/// The form in which rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A line for each row, under a head.
    Text,
    /// A JSON object for each row, each on a line.
    Json,
}

/// Prints the rows that are wanted.
pub async fn list(store: &dyn Store, mut scan: TrailScan, form: Form) -> anyhow::Result<()> {
    scan.rows_max = PAGE_ROWS;
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
