//! `sinks list` shows how far each sink has come; `sinks forget` forgets one that is gone, which
//! would keep events from being removed for ever.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::bail;

use crate::domain::follower::Follower;
use crate::domain::trail::Act;
use crate::sink::Sinks;
use crate::store::Store;

/// Prints a line for each sink that the store knows.
pub async fn list(store: &dyn Store) -> anyhow::Result<()> {
    let mut sinks: BTreeMap<Follower, (u64, u64)> = BTreeMap::new();
    for enabled in store.list().await? {
        for (follower, cursor) in store.stands(&enabled.tenant).await? {
            let passed = enabled.passed_by(cursor);
            let (logs, events) = sinks.entry(follower).or_default();
            *logs += u64::from(cursor.is_some());
            *events += enabled.head.number().saturating_sub(passed.number());
        }
    }
    let mut out = super::stdout();
    writeln!(out, "{:<24}{:>8}{:>14}", "SINK", "LOGS", "NOT PASSED")?;
    for (follower, (logs, events)) in sinks {
        writeln!(out, "{:<24}{logs:>8}{events:>14}", follower.as_str())?;
    }
    Ok(())
}

/// Forgets a sink, unless it is configured.
pub async fn forget(store: &dyn Store, sinks: &Sinks, sink: &Follower) -> anyhow::Result<()> {
    if sinks.sinks.iter().any(|configured| configured.follower() == sink) {
        bail!("the sink `{sink}` is configured: it is forgotten only once no replica uses it");
    }
    let by = super::actor::actor().does(Act::ForgetSink).on(sink);
    let Some(logs) = store.forget_follower(sink, None, Some(&by)).await? else {
        bail!("no replica was ever configured with a sink `{sink}`; `sinks list` shows the sinks");
    };
    writeln!(super::stdout(), "{sink}: forgotten in {}", super::counted(logs, "log"))?;
    Ok(())
}
