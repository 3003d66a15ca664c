//! A follower of one topic in a log of a hundred, and one in a log of that topic alone: what each
//! own event costs.
//!
//! It uses the store's port. The logs are two tenants' in one store. The topics of the long one
//! are random, each as frequent as the others, so that an own event stands on a page of others'.

use std::time::Instant;

use event_gateway::domain::filter::{Filter, TopicPattern};
use event_gateway::domain::position::Position;
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::domain::topic::Topic;
use event_gateway::store::{Batch, Scan};

use crate::contest::{Contest, median};
use crate::port::{OpenStore, draft};
use crate::stores::Store;

const TOPICS: usize = 100;
/// Drafts in an append.
const FILL: usize = 1_000;
/// Events in a page.
const PAGE: usize = 500;
/// Searches for a time in a round.
const TIMES: usize = 20;

/// Fills both logs, then follows by turns.
pub async fn run(kind: Store, events: usize, rounds: usize) {
    let opened = OpenStore::open(kind, "scan").await;
    let (alone, mixed) = (opened.enable("alone").await, opened.enable("mixed").await);
    let own = fill(&opened, &alone, events / TOPICS, 1).await;
    let mixed_own = fill(&opened, &mixed, events, TOPICS).await;
    eprintln!("  {own} events alone, {mixed_own} among {events}");
    let one = topic(0).to_string();
    let all: Vec<_> = (0..8).map(|number| topic(number).to_string()).collect();
    let what = format!("scan, {}, {events} events", kind.name());
    let mut follow = Contest::new(format!("{what}, a follower's"), "us an own event");
    let mut search = Contest::new(format!("{what}, a first page from a time, p50"), "ms");
    for _ in 0..rounds {
        follow.add("one topic of a hundred", opened.follow(&mixed, &[&one]).await);
        follow.add("that topic alone", opened.follow(&alone, &[&one]).await);
        follow.add("a pattern of that topic", opened.follow(&mixed, &["**.entity000"]).await);
        let all: Vec<_> = all.iter().map(String::as_str).collect();
        follow.add("eight topics of a hundred", opened.follow(&mixed, &all).await);
        search.add("a page of the hundred", opened.search(&mixed, &one, events).await);
        search.add("of that topic alone", opened.search(&alone, &one, own).await);
    }
    follow.tell();
    search.tell();
}

/// The topic of a number; all names have the same length.
fn topic(number: usize) -> Topic {
    Topic::parse(&format!("folio.bench.inventory.entity{number:03}")).unwrap()
}

/// Appends events of random topics; returns how many are of the first.
async fn fill(opened: &OpenStore, tenant: &TenantId, events: usize, topics: usize) -> usize {
    let (mut left, mut own) = (events, 0);
    while left > 0 {
        let drafts: Vec<_> = (0..FILL.min(left))
            .map(|_| {
                let number = fastrand::usize(..topics);
                own += usize::from(number == 0);
                draft(tenant, topic(number))
            })
            .collect();
        left -= drafts.len();
        opened.store.append(&[Batch { tenant: tenant.clone(), drafts }]).await.unwrap();
    }
    own
}

impl OpenStore {
    /// Follows patterns of topics from the start to the head; returns the microseconds that each
    /// event took.
    #[allow(clippy::cast_precision_loss, reason = "nobody counts to 2^52")]
    async fn follow(&self, tenant: &TenantId, patterns: &[&str]) -> f64 {
        let (mut after, mut events) = (Position::START, 0);
        let (scan, begin) = (scan(patterns, None), Instant::now());
        loop {
            let slices = self.store.read(&[(tenant.clone(), after.into())], &scan).await.unwrap();
            events += slices[0].events.len();
            after = slices[0].scanned;
            if !slices[0].more {
                return begin.elapsed().as_secs_f64() * 1e6 / events as f64;
            }
        }
    }

    /// Reads pages of a topic from random times on, in ms.
    async fn search(&self, tenant: &TenantId, topic: &str, events: usize) -> f64 {
        let mut times = Vec::new();
        for _ in 0..TIMES {
            let at = Position::new(fastrand::u64(..events as u64)).unwrap();
            let one = Scan { events_each_max: 1, ..scan(&["**"], None) };
            let slices = self.store.read(&[(tenant.clone(), at.into())], &one).await.unwrap();
            let scan =
                Scan { events_each_max: 1, ..scan(&[topic], Some(slices[0].events[0].time)) };
            let (from, begin) = ([(tenant.clone(), Position::START.into())], Instant::now());
            self.store.read(&from, &scan).await.unwrap();
            times.push(begin.elapsed().as_secs_f64() * 1e3);
        }
        median(times)
    }
}

/// The scan of a follower.
fn scan(patterns: &[&str], from: Option<Time>) -> Scan {
    let topics = patterns.iter().map(|text| TopicPattern::parse(text).unwrap()).collect();
    Scan {
        filter: Filter { topics, ..Filter::default() },
        from,
        to: None,
        events_each_max: PAGE,
        events_max: PAGE,
        bytes_max: 4 << 20,
        rows_max: 2_000,
        enabled_only: false,
    }
}
