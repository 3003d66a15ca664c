//! `topics obsolete`: lists the topics that no file names any more, and deletes those that are
//! empty.

use std::io::Write;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::SomeTopicsOptions;
use crate::cli::deps::Deps;
use crate::cli::output::{Output, stdout};
use crate::clock::Clock;
use crate::follow::topics::obsolete::{self, ObsoleteTopic};
use crate::follow::topics::report::{describe, describe_deletion};

/// Options of `topics obsolete`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Deletes those that are empty.
    #[arg(long)]
    pub delete: bool,
    /// The topics.
    #[command(flatten)]
    pub some: SomeTopicsOptions,
}

/// Prints the obsolete topics of one tenant, or of all. With `--delete`, those that can be deleted
/// are, and the others are told with the reason.
pub async fn run(options: &Options, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let (tenant, form) = (options.some.tenant.as_ref(), options.some.output.form);
    let by = options.delete.then(|| clock.new_id().to_string());
    let opened = Deps::with_broker(&options.some.topics, clock).await?;
    let deps = opened.topics()?;
    super::refuse_unknown(deps.store, tenant).await?;
    let folder = std::path::absolute(&options.some.topics.tenants.tenants_dir);
    let folder = folder.map(|folder| folder.display().to_string()).unwrap_or_default();
    tracing::info!("went by the tenants' files in `{}` (TENANTS_DIR)", folder.escape_debug());
    let mut all = obsolete::obsolete(deps, tenant).await?;
    if let Some(by) = &by {
        all = obsolete::delete(deps, all, by, &super::super::actor::actor()).await?;
    }
    let mut out = stdout();
    for topic in &all {
        match (form, &by) {
            (Output::Table, None) => writeln!(out, "{}", describe(topic))?,
            (Output::Table, Some(_)) => writeln!(out, "{}", describe_deletion(topic))?,
            (Output::Json, _) => {
                let ObsoleteTopic { topic, tenants, kept } = topic;
                let object = json!({
                    "topic": topic.as_str(),
                    "tenants": super::names(tenants),
                    "deleted": by.is_some() && kept.is_none(),
                    "kept": kept.as_ref().map(ToString::to_string),
                    "tenantsDir": folder,
                });
                writeln!(out, "{object}")?;
            }
        }
    }
    Ok(())
}
