//! `subscriptions pause`, `resume` and `skip`: a group gets no events, or goes on.

use std::sync::Arc;

use clap::Args;

use super::print;
use crate::cli::group::{GroupOptions, open};
use crate::clock::Clock;
use crate::domain::position::Position;
use crate::domain::settings::Settings;
use crate::domain::text;
use crate::domain::trail::Act;
use crate::subscribe::Groups;

/// Options of `subscriptions pause` and `subscriptions resume`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The reason, which the trail shows.
    #[arg(long, value_parser = text::reason)]
    reason: Option<String>,
    /// The group.
    #[command(flatten)]
    pub group: GroupOptions,
}

/// Options of `subscriptions skip`.
#[derive(Debug, Clone, Args)]
pub struct SkipOptions {
    /// The position of the event at which the group has halted, as `subscriptions show` has it.
    #[arg(long, value_parser = Position::parse)]
    position: Position,
    /// The reason, which the trail shows.
    #[arg(long, value_parser = text::reason)]
    reason: Option<String>,
    /// The group.
    #[command(flatten)]
    pub group: GroupOptions,
}

/// Pauses a group.
pub(super) async fn pause(options: &Options, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let Options { reason, group: of } = options;
    let store = open(of, clock).await?;
    let groups = Groups { store: &*store, settings: &Settings::default() };
    let by = super::super::act(Act::PauseSubscription, &of.tenant).on(&of.group);
    let by = by.because(reason.as_deref());
    let why = reason.as_deref().unwrap_or("no reason was given");
    print(&groups.pause(&of.tenant, &of.group, why, &by).await?, of.output.form)
}

/// Resumes a group that has halted.
pub(super) async fn resume(options: &Options, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let Options { reason, group: of } = options;
    let store = open(of, clock).await?;
    let groups = Groups { store: &*store, settings: &Settings::default() };
    let by = super::super::act(Act::ResumeSubscription, &of.tenant).on(&of.group);
    let by = by.because(reason.as_deref());
    print(&groups.resume(&of.tenant, &of.group, &by).await?, of.output.form)
}

/// Resumes a group after the event at which it has halted.
pub(super) async fn skip(options: &SkipOptions, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let SkipOptions { position, reason, group: of } = options;
    let store = open(of, clock).await?;
    let groups = Groups { store: &*store, settings: &Settings::default() };
    let by = super::super::act(Act::SkipEvent, &of.tenant);
    let by = by.on(format_args!("{position} of {}", of.group)).because(reason.as_deref());
    print(&groups.skip(&of.tenant, &of.group, *position, &by).await?, of.output.form)
}
