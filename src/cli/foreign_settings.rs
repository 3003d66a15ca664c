//! Refuses a subcommand whose ENV, TENANTS_DIR or tenant collection give other topics than the
//! gateway's. It would work on topics that nobody has, and report success.
//!
//! `main` checks the settings before a subcommand uses them, by the topics that `serve` notes in
//! the store at each start.

use anyhow::bail;

use crate::domain::settings::Settings;
use crate::store::Store;

/// Refuses settings by which a tenant's entities have none of the topics that were noted for them.
/// A tenant for whose entities none was noted tells nothing, and the next one is asked about.
pub async fn refuse(store: &dyn Store, settings: &Settings) -> anyhow::Result<()> {
    for enabled in store.list().await? {
        let mut foreign = None;
        for (subject, topic) in settings.subjects(&enabled.tenant) {
            let noted = store.topics_of(&enabled.tenant, &subject).await?;
            if noted.contains(&topic) {
                return Ok(());
            }
            foreign = foreign.or(noted.into_iter().next().map(|noted| (subject, topic, noted)));
        }
        if let Some((subject, topic, noted)) = foreign {
            bail!(
                "the topic of `{}` is `{topic}` here, but `{noted}` in the gateway: give this \
                 command the gateway's ENV, TENANTS_DIR and KAFKA_PRODUCER_TENANT_COLLECTION",
                subject.as_str()
            );
        }
    }
    Ok(())
}
