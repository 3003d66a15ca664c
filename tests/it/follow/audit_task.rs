//! Stories about the audits that a gateway makes by itself: its metrics keep a defect until it is
//! gone, and tell of no audit that failed.

use std::sync::Arc;
use std::time::Duration;

use crash::until;
use event_gateway::clock::{Clock, Manual, System};
use event_gateway::domain::time::Time;

use crate::support::harness::{Harness, tenants};

/// Returns the value of a metric.
fn value(harness: &Harness, name: &str) -> i64 {
    let text = harness.parts.metrics.text();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("event_gateway_{name} ")));
    line.unwrap_or_else(|| panic!("{name} is not in {text}")).parse().unwrap()
}

fn altered(harness: &Harness) -> i64 {
    value(harness, "audit_defects{defect=\"altered\"}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_defect_is_told_until_an_audit_of_the_same_events_finds_none() {
    let mut harness = Harness::with_published(&tenants(1), 5).await;
    let clock = Arc::new(Manual::new(System.now()));
    harness.parts.clock = clock.clone();
    harness.parts.audit_every = Some(Duration::from_millis(50));
    let whole = harness.kafka.state(|state| state.records[3].payload.clone());
    harness.kafka.state(|state| state.records[3].payload = "{}".into());
    let now = clock.now().as_ms();
    // The audit looks back by two intervals: the events are from before that.
    clock.set(Time::from_ms(now - 1_000));
    let followers = harness.follow();
    until("the defect is found", async || altered(&harness) == 1).await;

    let later = now + 3_600_000;
    clock.set(Time::from_ms(later));
    until("there is a later audit", async || {
        value(&harness, "audited_time_seconds") == later / 1_000
    })
    .await;
    assert_eq!(altered(&harness), 1, "nobody has repaired it");

    harness.kafka.state(|state| state.away = true);
    until("an audit fails", async || value(&harness, "task_failures_total{task=\"audit\"}") > 0)
        .await;
    clock.set(Time::from_ms(later + 60_000));
    let failed = value(&harness, "task_failures_total{task=\"audit\"}");
    until("later audits fail", async || {
        value(&harness, "task_failures_total{task=\"audit\"}") > failed + 1
    })
    .await;
    assert_eq!((altered(&harness), value(&harness, "audited_time_seconds")), (1, later / 1_000));

    harness.kafka.state(|state| {
        state.away = false;
        state.records[3].payload = whole;
    });
    until("it is repaired, and audited", async || {
        altered(&harness) == 0 && value(&harness, "audited_time_seconds") == later / 1_000 + 60
    })
    .await;
    followers.stop().await;
}
