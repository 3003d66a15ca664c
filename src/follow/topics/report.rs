//! The report about a tenant's topics that its upgrade gives: those that differ from the files, and
//! those that are obsolete.
//!
//! Tenant jobs put its sentences into their messages.

use super::obsolete::{self, ObsoleteTopic};
use super::{ComparedTopic, Error, TopicDeps, compare, wanted};
use crate::domain::tenant::TenantId;
use crate::domain::tenant_job::ObsoleteTopics;
use crate::domain::trail::Actor;

/// The most sentences of a report.
const SENTENCES_MAX: usize = 100;

/// Returns a sentence for each topic of a tenant that differs from the files or is obsolete; `by`
/// names this process in the leases, and the actor, who has asked for it, stands in the trail.
pub async fn report(
    deps: TopicDeps<'_>,
    tenant: &TenantId,
    act: ObsoleteTopics,
    by: &str,
    actor: &Actor,
) -> Result<Vec<String>, Error> {
    let all = compare(deps, wanted(deps, Some(tenant)).await?).await?;
    let mut sentences: Vec<_> = all.iter().flat_map(differing).collect();
    let obsolete = obsolete::obsolete(deps, Some(tenant)).await?;
    sentences.extend(match act {
        ObsoleteTopics::Tell => obsolete.iter().map(describe).collect::<Vec<_>>(),
        ObsoleteTopics::Delete => {
            let done = obsolete::delete(deps, obsolete, by, actor).await?;
            done.iter().map(describe_deletion).collect()
        }
    });
    let more = sentences.len().saturating_sub(SENTENCES_MAX);
    if more > 0 {
        sentences.truncate(SENTENCES_MAX);
        sentences.push(format!("and {more} more: `topics diff` and `topics obsolete` list them"));
    }
    Ok(sentences)
}

fn differing(compared: &ComparedTopic) -> Vec<String> {
    let topic = &compared.wanted.spec.topic;
    let missing = compared.found.is_none().then(|| format!("topic {topic}: it is missing"));
    let differences = compared.differences.iter().map(|it| format!("topic {topic}: {it}"));
    missing.into_iter().chain(differences).collect()
}

/// Says of an obsolete topic whether it can be deleted.
pub fn describe(obsolete: &ObsoleteTopic) -> String {
    let ObsoleteTopic { topic, kept, .. } = obsolete;
    match kept {
        None => format!("topic {topic}: no file names it any more; it is empty and can be deleted"),
        Some(kept) => format!("topic {topic}: no file names it any more; {kept}"),
    }
}

/// Says of an obsolete topic whether it was deleted.
pub fn describe_deletion(obsolete: &ObsoleteTopic) -> String {
    match &obsolete.kept {
        None => format!("topic {}: no file names it any more; it was deleted", obsolete.topic),
        Some(_) => describe(obsolete),
    }
}
