//! `topics apply`: creates the topics that are missing, and gives the others the settings of the
//! files, where that is safe.

use std::sync::Arc;

use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::SomeTopicsOptions;
use crate::cli::actor::actor;
use crate::cli::deps::Deps;
use crate::cli::output::{Output, say};
use crate::clock::Clock;
use crate::follow::topics::{self, ComparedTopic, Remedy, Shorten};

/// Options of `topics apply`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Also sets a shorter retention and another cleanup policy, by which Kafka removes records
    /// that it keeps. The log need not have them any more.
    #[arg(long)]
    pub shorten: bool,
    /// The topics.
    #[command(flatten)]
    pub some: SomeTopicsOptions,
}

/// Applies the files to the topics of one tenant, or of all; prints what was done, and what was
/// not. A topic that Kafka refuses keeps no other from being changed.
pub async fn run(options: &Options, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let shorten = if options.shorten { Shorten::Yes } else { Shorten::No };
    let (tenant, topics) = (options.some.tenant.as_ref(), &options.some.topics);
    let form = options.some.output.form;
    let opened = Deps::with_broker(topics, clock).await?;
    let deps = opened.topics()?;
    super::refuse_unknown(deps.store, tenant).await?;
    let all = topics::compare(deps, topics::wanted(deps, tenant).await?).await?;
    let mut refused = 0;
    for compared in all.iter().filter(|compared| !compared.is_same()) {
        let topic = &compared.wanted.spec.topic;
        match topics::apply(deps, compared, shorten, &actor()).await {
            Ok(done) if compared.found.is_none() => {
                debug_assert!(done.is_empty(), "a new topic differs in nothing");
                let object = json!({ "topic": topic.as_str(), "done": "created" });
                say(form, format!("{topic}: created"), &object)?;
            }
            Ok(done) => {
                for it in done {
                    let (name, found, wanted) = (it.setting.name(), it.found, it.wanted);
                    let told = format!("{topic}: {name} is {wanted} now ({found} before)");
                    let object = json!({
                        "topic": topic.as_str(), "done": "changed", "setting": name,
                        "value": wanted, "before": found,
                    });
                    say(form, told, &object)?;
                }
                left(compared, shorten, form)?;
            }
            Err(error) => {
                refused += 1;
                tracing::error!(%topic, "failed to change the topic: {error}");
            }
        }
    }
    match refused {
        0 => Ok(()),
        1 => bail!("1 topic was not changed"),
        refused => bail!("{refused} topics were not changed"),
    }
}

/// Prints the differences that are left as they are.
fn left(compared: &ComparedTopic, shorten: Shorten, form: Output) -> std::io::Result<()> {
    let topic = &compared.wanted.spec.topic;
    for difference in &compared.differences {
        let way = match compared.remedy(difference) {
            Remedy::Apply => continue,
            Remedy::Shorten if shorten == Shorten::Yes => continue,
            Remedy::Shorten => {
                " (topics apply --shorten: Kafka removes records, which the log need not have any \
                 more)"
            }
            Remedy::Grow => " (topics grow)",
            Remedy::None => "",
        };
        let (name, found) = (difference.setting.name(), &difference.found);
        let object = json!({
            "topic": topic.as_str(), "done": "left", "setting": name, "value": found,
            "wanted": difference.wanted,
        });
        say(form, format!("{topic}: left as it is: {difference}{way}"), &object)?;
    }
    Ok(())
}
