//! `topics obsolete`: lists the topics that no file names any more, and deletes those that are
//! empty.

use std::io::Write;

use serde_json::json;

use super::Form;
use crate::domain::tenant::TenantId;
use crate::follow::topics::TopicDeps;
use crate::follow::topics::obsolete::{self, ObsoleteTopic};
use crate::follow::topics::report::{describe, describe_deletion};

/// Prints the obsolete topics of one tenant, or of all. If `by` names this process, those that can
/// be deleted are, and the others are told with the reason.
pub async fn run(
    deps: TopicDeps<'_>,
    tenant: Option<&TenantId>,
    by: Option<&str>,
    form: Form,
) -> anyhow::Result<()> {
    super::refuse_unknown(deps.store, tenant).await?;
    let mut all = obsolete::obsolete(deps, tenant).await?;
    if let Some(by) = by {
        all = obsolete::delete(deps, all, by, &super::super::actor::actor()).await?;
    }
    let mut out = super::super::stdout();
    for topic in &all {
        match (form, by) {
            (Form::Text, None) => writeln!(out, "{}", describe(topic))?,
            (Form::Text, Some(_)) => writeln!(out, "{}", describe_deletion(topic))?,
            (Form::Json, _) => {
                let ObsoleteTopic { topic, tenants, kept } = topic;
                let object = json!({
                    "topic": topic.as_str(),
                    "tenants": super::names(tenants),
                    "deleted": by.is_some() && kept.is_none(),
                    "kept": kept.as_ref().map(ToString::to_string),
                });
                writeln!(out, "{object}")?;
            }
        }
    }
    Ok(())
}
