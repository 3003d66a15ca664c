//! `lanes list` shows which replica works on which lane, and for how many tenants; `lanes resize`
//! changes the number of lanes.

use std::collections::BTreeMap;
use std::io::Write;

use crate::domain::trail::Act;
use crate::follow::resize;
use crate::sink::Sinks;
use crate::store::Store;

/// Prints a line for each lane, then one with the replicas that run.
pub async fn list(store: &dyn Store) -> anyhow::Result<()> {
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

/// Changes the number of lanes to `lanes`, and prints what was done; `by` names this process in the
/// leases.
pub async fn resize(store: &dyn Store, sinks: &Sinks, by: &str, lanes: u16) -> anyhow::Result<()> {
    let entry = super::actor::actor().does(Act::ResizeLanes).on(lanes);
    let resize::Resized { from, moved } = resize::resize(store, sinks, by, lanes, &entry).await?;
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
