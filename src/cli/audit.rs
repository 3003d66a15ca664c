//! `audit`: compares the tenants' logs with their topics, and lists what is missing, duplicated,
//! reordered or altered. With `--repair`, it starts the replays of what is missing; else it changes
//! nothing.

use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use super::deps::Deps;
use super::output::{Output, OutputOptions, stdout};
use super::progress;
use super::replays::Watched;
use crate::clock::Clock;
use crate::config::TopicsOptions;
use crate::domain::filter::TopicPattern;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::Act;
use crate::follow::audit::{
    self, Audit, AuditDeps, Defect, Finding, Progress, Run, Scope, TopicAudit,
};
use crate::follow::replay::submit::{SubmitDeps, Submitted};
use crate::store::TenantLog;

/// The error of an audit that has found defects.
#[derive(Debug, thiserror::Error)]
#[error("{0} found: see the list")]
pub struct DefectsFound(String);

/// Options of `audit`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The tenant to audit; without one, all tenants are audited.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// The topics to audit, by name or by pattern; in one, * stands for anything but a dot, and **
    /// for anything. It may be repeated; without it, all topics are audited.
    #[arg(long, value_parser = TopicPattern::parse)]
    pub topic: Vec<TopicPattern>,
    /// The earliest time of the events to compare; for example 2026-11-26T08:00:00Z. Without it,
    /// all events are compared.
    #[arg(long, value_parser = Time::parse)]
    pub since: Option<Time>,
    /// Replays the events that are missing; each goes to its topic, with the newer events of their
    /// keys. A running gateway does it.
    #[arg(long)]
    pub repair: bool,
    /// The form of the output.
    #[command(flatten)]
    output: OutputOptions,
    /// The log and the topics.
    #[command(flatten)]
    pub topics: TopicsOptions,
}

/// Audits one tenant, or all; `--repair` replays what is missing. Returns [`DefectsFound`] if there
/// is any.
pub async fn run(options: &Options, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let deps = Deps::with_broker(&options.topics, clock.clone()).await?;
    let submit = deps.replays(clock);
    let repair = options.repair.then_some(&submit);
    let form = options.output.form;
    let scope = Scope { topics: options.topic.clone(), since: options.since };
    let enabled = super::logs(&*deps.store, options.tenant.as_ref()).await?;
    refuse_unmatched(&deps, &enabled, &scope.topics).await?;
    let Some(kafka) = &deps.sinks.repair else {
        bail!("a log is compared with what Kafka has of it: set KAFKA_HOST");
    };
    let bar = progress::Progress::begin("{eta} left")?;
    let mut defects = 0;
    let (store, settings) = (&*deps.store, &*deps.settings);
    let audit_deps = AuditDeps { store, kafka: &**kafka, settings };
    for enabled in &enabled {
        let report = |progress: Progress<'_>| show(&bar, enabled.tenant.as_str(), progress);
        let audited = audit::audit(audit_deps, enabled, &scope, &report).await;
        let audited = audited.with_context(|| format!("tenant {}", enabled.tenant))?;
        defects += audited.defects();
        bar.suspend(|| match form {
            Output::Table => print(&audited),
            Output::Json => writeln!(stdout(), "{}", as_json(&audited)),
        })?;
        if let Some(submit) = repair {
            bar.end();
            let tenant = &enabled.tenant;
            let mended = mend(submit, &audited, form).await;
            if mended.with_context(|| format!("tenant {tenant}"))? == Watched::Left {
                bail!(
                    "the replay was left, so {tenant} and what comes after it may still lack \
                     events: once it has ended, run `audit --repair` again"
                );
            }
        }
    }
    bar.end();
    if defects > 0 { Err(DefectsFound(spell(defects)).into()) } else { Ok(()) }
}

/// Refuses a pattern that matches no topic of any of these tenants: nothing would be compared, and
/// nothing found.
async fn refuse_unmatched(
    deps: &Deps,
    enabled: &[TenantLog],
    patterns: &[TopicPattern],
) -> anyhow::Result<()> {
    let mut unmatched = patterns.to_vec();
    for TenantLog { tenant, .. } in enabled {
        if unmatched.is_empty() {
            break;
        }
        let topics = deps.store.topics(tenant).await?;
        let left = deps.settings.unmatched(tenant, &topics, &unmatched);
        unmatched = left.into_iter().map(|index| unmatched[index].clone()).collect();
    }
    match unmatched.first() {
        Some(pattern) => bail!("no topic matches `{}`: `topics list` shows them", pattern.as_str()),
        None => Ok(()),
    }
}

/// Replays the events that are missing, topic after topic, and shows the progress, unless the
/// operator leaves one.
async fn mend(submit: &SubmitDeps, audited: &Audit, form: Output) -> anyhow::Result<Watched> {
    let tenant = &audited.tenant;
    for topic in &audited.topics {
        let Some(request) = audit::repair(&*submit.store, tenant, topic).await? else { continue };
        match submit.submit(tenant, &request, &super::act(Act::Repair, tenant)).await? {
            Submitted::Replay(replay) => {
                let watched = super::replays::watch_it(submit, *replay, form).await?;
                if watched == Watched::Left {
                    return Ok(watched);
                }
            }
            Submitted::Count(count) => super::replays::print_count(tenant, &count, form)?,
        }
    }
    Ok(Watched::Completed)
}

/// Shows how far an audit is, or the comparison of `restore`.
pub(super) fn show(bar: &progress::Progress, tenant: &str, progress: Progress<'_>) {
    let (what, done, all) = match progress {
        Progress::Log(done, all) => (format!("{tenant}: log"), done, all),
        Progress::Topic(topic, done, all) => (topic.to_string(), done, all),
    };
    bar.show(what, done, all);
}

fn spell(defects: u64) -> String {
    if defects == 0 { "no defect".to_owned() } else { super::counted(defects, "defect") }
}

fn print(audited: &Audit) -> std::io::Result<()> {
    let Audit { tenant, from, to, topics, .. } = audited;
    let mut out = stdout();
    let defects = spell(audited.defects());
    writeln!(out, "{tenant}: positions {from} to {to}: {defects}")?;
    for TopicAudit { topic, counts, defects, findings, .. } in topics {
        let numbers = [
            ("unpublished", counts.unpublished),
            ("expired", counts.expired),
            ("compacted", counts.compacted),
            ("erased", counts.erased),
            ("removed", counts.removed),
            ("foreign", counts.foreign),
            ("former", counts.former),
        ];
        let mut parts = vec![super::counted(counts.events, "event")];
        parts.extend((counts.records > 0).then(|| super::counted(counts.records, "record")));
        parts.extend(numbers.iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{n} {name}")));
        parts.extend(defects.iter().map(|(defect, n)| format!("{n} {}", defect.as_str())));
        writeln!(out, "  {topic}: {}", parts.join(", "))?;
        for Finding { defect, position, place, run } in findings {
            let place = place.map_or(String::new(), |(partition, offset)| {
                format!(", partition {partition}, offset {offset}")
            });
            let run = match run {
                Run::Live => String::new(),
                Run::Replay(id) => format!(", replay {id}"),
            };
            writeln!(out, "    {}: position {position}{place}{run}", defect.as_str())?;
        }
        let listed = findings.len() as u64;
        let left = defects.values().sum::<u64>().saturating_sub(listed);
        if left > 0 {
            writeln!(out, "    and {left} more")?;
        }
    }
    Ok(())
}

fn as_json(audited: &Audit) -> Value {
    let topics: Vec<_> = audited.topics.iter().map(topic_as_json).collect();
    json!({
        "tenant": audited.tenant.as_str(),
        "logId": audited.log_id.to_string(),
        "from": audited.from.number(),
        "to": audited.to.number(),
        "defects": audited.defects(),
        "topics": topics,
    })
}

fn topic_as_json(audited: &TopicAudit) -> Value {
    let counts = &audited.counts;
    let mut object = json!({
        "topic": audited.topic.as_str(),
        "events": counts.events,
        "records": counts.records,
        "unpublished": counts.unpublished,
        "expired": counts.expired,
        "compacted": counts.compacted,
        "erased": counts.erased,
        "removed": counts.removed,
        "foreign": counts.foreign,
        "former": counts.former,
    });
    for defect in Defect::ALL {
        object[defect.as_str()] = json!(audited.defects.get(&defect).copied().unwrap_or_default());
    }
    let finding = |finding: &Finding| {
        let mut object = json!({
            "defect": finding.defect.as_str(),
            "position": finding.position.number(),
        });
        if let Some((partition, offset)) = finding.place {
            object["partition"] = json!(partition);
            object["offset"] = json!(offset);
        }
        if let Run::Replay(id) = &finding.run {
            object["replayId"] = json!(id);
        }
        object
    };
    object["findings"] = audited.findings.iter().map(finding).collect();
    object
}
