//! `topics list`: the topics of the enabled tenants, and what each is created with.

use std::io::Write;

use crate::domain::settings::Settings;
use crate::store::Store;

/// Prints a line for each topic.
pub async fn list(store: &dyn Store, settings: &Settings) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{:<64}{:>11}{:>16}{:>11}", "TOPIC", "PARTITIONS", "RETENTION_MS", "COMPACTED")?;
    for enabled in store.list().await? {
        for spec in settings.specs(&enabled.tenant) {
            let compacted = if spec.compacted { "yes" } else { "no" };
            let topic = spec.topic.to_string();
            writeln!(out, "{topic:<64}{:>11}{:>16}{compacted:>11}", spec.partitions, spec.retention_ms)?;
        }
    }
    Ok(())
}
