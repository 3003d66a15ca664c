//! `publish-pending`: waits until a running gateway has published everything that is pending. It is
//! hexkit's verb; the relay publishes by itself, so this makes no run of its own.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::deps;
use super::output::{Output, OutputOptions, say};
use super::progress::Progress;
use crate::clock::Clock;
use crate::config::{StoreOptions, whole};
use crate::domain::follower::Follower;
use crate::domain::parked::{Parked, Request, State};
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::trail::Act;
use crate::follow::parking::requests;
use crate::store::{Store, TenantLog};

/// The interval at which the logs are counted.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The time without any progress after which a warning asks why.
const STALLED_AFTER: Duration = Duration::from_secs(10);

/// Options of `publish-pending`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The tenant; without one, it waits for all tenants.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// First asks for the release of everything that is parked.
    #[arg(long)]
    pub release: bool,
    /// The most seconds to wait; without it, it waits as long as it takes.
    #[arg(long, value_parser = whole::<u64, 1, 604_800>)]
    pub wait: Option<u64>,
    /// The form of the output.
    #[command(flatten)]
    output: OutputOptions,
    /// The log.
    #[command(flatten)]
    pub store: StoreOptions,
}

/// The events that are not published.
#[derive(Debug, Clone, Copy, Default)]
struct Unpublished {
    /// The positions that the relay has not passed. Events that were removed may be among them.
    pending: u64,
    parked: u64,
    releasing: u64,
    /// Whether the relay has ever published anything of these logs.
    has_published: bool,
}

impl Unpublished {
    fn waits_for(self) -> u64 {
        self.pending + self.releasing
    }

    /// Returns what is waited for.
    fn told(self) -> String {
        let pending = super::counted(self.pending, "event");
        let releasing = match self.releasing {
            0 => String::new(),
            events => format!(", {events} to be released"),
        };
        format!("at most {pending} pending{releasing}")
    }

    /// Returns what is waited for, and why it may last for ever.
    fn doubt(self) -> String {
        let why = match self.has_published {
            true => "does a gateway run, and reach Kafka?",
            false => "none was ever published from this store: does a gateway run with KAFKA_HOST?",
        };
        format!("{}: {why}", self.told())
    }
}

/// A thing that is told once.
#[derive(Debug, PartialEq, Eq)]
enum Notice {
    /// The wait begins.
    Begins,
    /// Nothing has gone on for a while.
    Stalled,
}

/// The progress so far.
struct Waited {
    began: Instant,
    /// The most and the least that was waited for.
    most: u64,
    least: u64,
    /// When the least was first seen; `None` once its age was told.
    stands_since: Option<Instant>,
}

impl Waited {
    fn begin() -> Self {
        Self { began: Instant::now(), most: 0, least: u64::MAX, stands_since: None }
    }

    /// Takes note of what is left. Returns what is to be told: that the wait begins, and once that
    /// nothing goes on.
    fn sees(&mut self, left: Unpublished) -> Option<Notice> {
        let waits_for = left.waits_for();
        let begins = self.most == 0 && waits_for > 0;
        self.most = self.most.max(waits_for);
        if waits_for < self.least {
            (self.least, self.stands_since) = (waits_for, Some(Instant::now()));
        }
        if waits_for > 0 && self.stands_since.is_some_and(|at| at.elapsed() >= STALLED_AFTER) {
            self.stands_since = None;
            return Some(Notice::Stalled);
        }
        begins.then_some(Notice::Begins)
    }
}

/// Waits until nothing of one tenant, or of all, is pending, at most for `--wait`. With
/// `--release`, it asks first for the release of all that is parked, and waits for that too.
pub async fn run(options: &Options, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let store = &*deps::attached(&options.store, clock).await?;
    let (tenant, wait) = (options.tenant.as_ref(), options.wait.map(Duration::from_secs));
    let form = options.output.form;
    let enabled = super::logs(store, tenant).await?;
    if options.release {
        for enabled in &enabled {
            release_all(store, enabled, form).await?;
        }
    }
    let progress = Progress::begin("{eta} left")?;
    let mut waited = Waited::begin();
    loop {
        let left = count(store, tenant).await?;
        let waits_for = left.waits_for();
        match waited.sees(left) {
            // A bar shows it.
            Some(Notice::Begins) if progress.is_hidden() => tracing::info!("{}", left.told()),
            Some(Notice::Stalled) => progress.suspend(|| tracing::warn!("{}", left.doubt())),
            Some(Notice::Begins) | None => {}
        }
        let told = format!("{} pending, {} parked", left.pending, left.parked);
        progress.show(told, waited.most - waits_for, waited.most);
        if waits_for == 0 {
            progress.end();
            let done = format!("0 events are pending, {} parked", left.parked);
            return Ok(say(form, done, &json!({ "pending": 0, "parked": left.parked }))?);
        }
        if wait.is_some_and(|wait| waited.began.elapsed() >= wait) {
            progress.end();
            bail!("{}", left.doubt());
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Asks for the release of everything that is parked in a log: topics first, since a key waits for
/// its topic.
async fn release_all(store: &dyn Store, enabled: &TenantLog, form: Output) -> anyhow::Result<()> {
    let (tenant, relay) = (&enabled.tenant, Follower::relay());
    let parked = store.parked(tenant, &relay).await?;
    let waits = |parked: &&Parked| parked.state == State::Parked && parked.requested.is_none();
    let mut scopes: Vec<_> = parked.iter().filter(waits).collect();
    scopes.sort_by_key(|scope| scope.key.is_some());
    for scope in scopes {
        let id = scope.event_id;
        let by = super::act(Act::Release, tenant);
        let of = (&relay, tenant, id);
        let object = |error: Option<String>| {
            let (tenant, id) = (tenant.as_str(), id.to_string());
            json!({ "tenant": tenant, "id": id, "released": error.is_none(), "error": error })
        };
        match requests::request(store, of, Request::Release, None, &by).await {
            Ok(_) => say(form, format!("{tenant}: release of {id} requested"), &object(None))?,
            Err(error) => {
                let stays = format!("{tenant}: {id} stays parked: {error}");
                say(form, stays, &object(Some(error.to_string())))?;
            }
        }
    }
    Ok(())
}

async fn count(store: &dyn Store, tenant: Option<&TenantId>) -> anyhow::Result<Unpublished> {
    let (mut all, relay) = (Unpublished::default(), Follower::relay());
    for TenantLog { tenant, log_id, head, .. } in super::logs(store, tenant).await? {
        let cursor = store.load(&tenant, &relay).await?.filter(|cursor| cursor.log_id == log_id);
        all.has_published |= cursor.is_some();
        let relayed = cursor.map_or(Position::START, |cursor| cursor.position);
        all.pending += head.number().saturating_sub(relayed.number());
        for parked in store.parked(&tenant, &relay).await? {
            let is_on_its_way = parked.requested == Some(Request::Release);
            match parked.state {
                State::Releasing => all.releasing += parked.events.max(1),
                State::Parked if is_on_its_way => all.releasing += parked.events.max(1),
                State::Parked => all.parked += parked.events,
                _ => {}
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::{Notice, STALLED_AFTER, Unpublished, Waited};

    #[tokio::test(start_paused = true)]
    async fn that_nothing_goes_on_is_told_once_after_a_while_whatever_was_published_before() {
        for has_published in [false, true] {
            let mut waited = Waited::begin();
            let mut sees =
                |pending| waited.sees(Unpublished { pending, has_published, ..Default::default() });
            assert_eq!((sees(2), sees(2)), (Some(Notice::Begins), None));
            advance(STALLED_AFTER).await;
            assert_eq!(sees(1), None, "it goes on");
            advance(STALLED_AFTER).await;
            assert_eq!((sees(1), sees(1)), (Some(Notice::Stalled), None));
            advance(STALLED_AFTER).await;
            assert_eq!(sees(1), None);
        }
    }
}
