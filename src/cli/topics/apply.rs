//! `topics apply`: creates the topics that are missing, and gives the others the settings of the
//! files, where that is safe.

use std::io::Write;
use std::sync::Arc;

use anyhow::bail;
use clap::Args;

use super::SomeTopicsOptions;
use crate::cli::actor::actor;
use crate::cli::deps::Deps;
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
                writeln!(super::super::stdout(), "{topic}: created")?;
            }
            Ok(done) => {
                let mut out = super::super::stdout();
                for it in done {
                    let (name, found, wanted) = (it.setting.name(), it.found, it.wanted);
                    writeln!(out, "{topic}: {name} is {wanted} now ({found} before)")?;
                }
                left(&mut out, compared, shorten)?;
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
fn left(out: &mut impl Write, compared: &ComparedTopic, shorten: Shorten) -> std::io::Result<()> {
    let topic = &compared.wanted.spec.topic;
    for difference in &compared.differences {
        match compared.remedy(difference) {
            Remedy::Apply => {}
            Remedy::Shorten if shorten == Shorten::Yes => {}
            Remedy::Shorten => writeln!(
                out,
                "{topic}: left as it is: {difference} (topics apply --shorten: Kafka removes \
                 records, which the log need not have any more)"
            )?,
            Remedy::Grow => writeln!(out, "{topic}: left as it is: {difference} (topics grow)")?,
            Remedy::None => writeln!(out, "{topic}: left as it is: {difference}")?,
        }
    }
    Ok(())
}
