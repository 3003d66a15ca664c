//! `tenants list`: the enabled tenants, each with its log, its lane, its head and how far it is
//! published.

use std::io::Write;

use crate::domain::follower::Follower;
use crate::store::Store;

/// Prints a line for each enabled tenant.
pub async fn list(store: &dyn Store) -> anyhow::Result<()> {
    let mut out = super::stdout();
    writeln!(
        out,
        "{:<32}{:<38}{:>6}{:>12}{:>12}",
        "TENANT", "LOG_ID", "LANE", "HEAD", "PUBLISHED"
    )?;
    for enabled in store.list().await? {
        let cursor = store.load(&enabled.tenant, &Follower::relay()).await?;
        let published = cursor
            .filter(|c| c.log_id == enabled.log_id)
            .map_or("-".to_owned(), |c| c.position.to_string());
        let (tenant, log_id) = (enabled.tenant.to_string(), enabled.log_id.to_string());
        writeln!(
            out,
            "{tenant:<32}{log_id:<38}{:>6}{:>12}{published:>12}",
            enabled.lane.number(),
            enabled.head
        )?;
    }
    Ok(())
}
