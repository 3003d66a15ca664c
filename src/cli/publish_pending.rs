//! `publish-pending`: waits until a running gateway has published everything that is pending. It is
//! hexkit's verb; the relay publishes by itself, so this makes no run of its own.

use std::io::Write;
use std::time::Duration;

use anyhow::bail;
use tokio::time::{Instant, sleep};

use crate::domain::follower::Follower;
use crate::domain::parked::{Parked, Request, State};
use crate::domain::position::Position;
use crate::follow::parking::requests;
use crate::store::{EnabledTenant, Store};

/// The interval at which the logs are counted.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The events that are not published.
#[derive(Debug, Clone, Copy, Default)]
struct Unpublished {
    pending: u64,
    parked: u64,
    releasing: u64,
}

/// Waits until nothing of one tenant, or of all, is pending, at most for `wait`. With `release`, it
/// asks first for the release of all that is parked, and waits for that too.
pub async fn run(
    store: &dyn Store,
    tenant: Option<&str>,
    release: bool,
    wait: Option<Duration>,
) -> anyhow::Result<()> {
    let enabled = super::enabled(store, tenant).await?;
    if release {
        for enabled in &enabled {
            release_all(store, enabled).await?;
        }
    }
    let bar = super::bar("{eta} left")?;
    let (began, mut most) = (Instant::now(), 0);
    loop {
        let left = count(store, tenant).await?;
        let waits_for = left.pending + left.releasing;
        most = most.max(waits_for);
        bar.set_message(format!("{} pending, {} parked", left.pending, left.parked));
        bar.set_length(most);
        bar.set_position(most - waits_for);
        if waits_for == 0 {
            bar.finish_and_clear();
            writeln!(super::stdout(), "0 events are pending, {} are parked", left.parked)?;
            return Ok(());
        }
        if wait.is_some_and(|wait| began.elapsed() >= wait) {
            bar.finish_and_clear();
            bail!(
                "{} events are still pending: does a gateway run, and reach Kafka?",
                left.pending
            );
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Asks for the release of everything that is parked in a log: topics first, since a key waits for
/// its topic.
async fn release_all(store: &dyn Store, enabled: &EnabledTenant) -> anyhow::Result<()> {
    let (tenant, relay) = (&enabled.tenant, Follower::relay());
    let parked = store.parked(tenant, &relay).await?;
    let waits = |parked: &&Parked| parked.state == State::Parked && parked.requested.is_none();
    let mut scopes: Vec<_> = parked.iter().filter(waits).collect();
    scopes.sort_by_key(|scope| scope.key.is_some());
    for scope in scopes {
        let id = scope.event_id;
        match requests::request(store, (&relay, tenant, id), Request::Release, None).await {
            Ok(_) => writeln!(super::stdout(), "{tenant}: release of {id} requested")?,
            Err(error) => writeln!(super::stdout(), "{tenant}: {id} stays parked: {error}")?,
        }
    }
    Ok(())
}

async fn count(store: &dyn Store, tenant: Option<&str>) -> anyhow::Result<Unpublished> {
    let (mut all, relay) = (Unpublished::default(), Follower::relay());
    for EnabledTenant { tenant, log_id, head, .. } in super::enabled(store, tenant).await? {
        let cursor = store.load(&tenant, &relay).await?.filter(|cursor| cursor.log_id == log_id);
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
