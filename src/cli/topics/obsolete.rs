//! `topics obsolete`: lists the topics that no file names any more, and deletes those that are
//! empty.

use std::io::Write;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::{Form, SomeTopicsOptions};
use crate::cli::deps::Deps;
use crate::clock::Clock;
use crate::follow::topics::obsolete::{self, ObsoleteTopic};
use crate::follow::topics::report::{describe, describe_deletion};

/// Options of `topics obsolete`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Deletes those that are empty.
    #[arg(long)]
    pub delete: bool,
    /// Prints a JSON object for each topic, on a line of its own.
    #[arg(long)]
    pub json: bool,
    /// The topics.
    #[command(flatten)]
    pub some: SomeTopicsOptions,
}

/// Prints the obsolete topics of one tenant, or of all. With `--delete`, those that can be deleted
/// are, and the others are told with the reason.
pub async fn run(options: &Options, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let (tenant, form) = (options.some.tenant.as_ref(), Form::of(options.json));
    let by = options.delete.then(|| clock.new_id().to_string());
    let opened = Deps::with_broker(&options.some.topics, clock).await?;
    let deps = opened.topics()?;
    super::refuse_unknown(deps.store, tenant).await?;
    let mut all = obsolete::obsolete(deps, tenant).await?;
    if let Some(by) = &by {
        all = obsolete::delete(deps, all, by, &super::super::actor::actor()).await?;
    }
    let mut out = super::super::stdout();
    for topic in &all {
        match (form, &by) {
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
