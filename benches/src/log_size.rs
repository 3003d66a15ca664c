//! A long log and a short one: the cost of an append, a page and a look-up by key in each.
//!
//! It uses the store's port, with small records, so that 10^7 of them have room.

use std::sync::Arc;
use std::time::{Duration, Instant};

use event_gateway::domain::filter::Filter;
use event_gateway::domain::key::Key;
use event_gateway::domain::position::Position;
use event_gateway::domain::tenant::TenantId;
use event_gateway::store::{Batch, Scan, Store};

use crate::contest::{Contest, median};
use crate::port::{OpenStore, draft, topic};
use crate::stores;

const SHORT: usize = 10_000;
/// Drafts in an append while a log grows, and while it is measured.
const FILL: usize = 1_000;
const APPEND: usize = 64;
/// Events in a page.
const PAGE: usize = 500;
const TIMES: usize = 300;

/// Measures the short one first, then lets the log grow; each rests before it is measured.
pub async fn run(kind: stores::Store, events: usize, rest: Duration) {
    let opened = OpenStore::open(kind, "log_size").await;
    let tenant = opened.enable("t0").await;
    let mut log = Log { store: opened.store.clone(), tenant, keys: Vec::new(), events: 0 };
    let mut figures = Vec::new();
    for size in [SHORT, events] {
        log.fill(size).await;
        tokio::time::sleep(rest).await;
        figures.push(log.measure().await);
    }
    let (long, short) = (figures.pop().unwrap(), figures.pop().unwrap());
    for (index, what) in
        ["an append of 64", "a page of 500", "a look-up by key"].into_iter().enumerate()
    {
        let mut contest = Contest::new(format!("log size, {}, {what}, p50", kind.name()), "ms");
        contest.add(&format!("{events} events"), long[index]);
        contest.add(&format!("{SHORT} events"), short[index]);
        contest.tell();
    }
}

struct Log {
    store: Arc<dyn Store>,
    tenant: TenantId,
    /// The keys of some events.
    keys: Vec<Key>,
    events: usize,
}

impl Log {
    async fn fill(&mut self, size: usize) {
        while self.events < size {
            self.append(FILL.min(size - self.events)).await;
        }
    }

    async fn append(&mut self, drafts: usize) {
        let drafts: Vec<_> = (0..drafts).map(|_| draft(&self.tenant, topic("t0"))).collect();
        self.events += drafts.len();
        // One in a hundred or so is looked up later.
        self.keys.extend(drafts.iter().step_by(100).map(|draft| draft.key.clone()));
        self.store.append(&[Batch { tenant: self.tenant.clone(), drafts }]).await.unwrap();
    }

    /// Appends, pages and look-ups by key, in ms.
    async fn measure(&mut self) -> [f64; 3] {
        let (mut appends, mut pages, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..TIMES {
            let begin = Instant::now();
            self.append(APPEND).await;
            appends.push(begin.elapsed().as_secs_f64() * 1e3);
            let at = fastrand::usize(..self.events - PAGE);
            pages.push(self.read(at, Filter::default(), PAGE).await);
            let key = self.keys[fastrand::usize(..self.keys.len())].clone();
            keys.push(self.read(0, Filter { keys: vec![key], ..Filter::default() }, 1).await);
        }
        [appends, pages, keys].map(median)
    }

    async fn read(&self, after: usize, filter: Filter, events: usize) -> f64 {
        let scan = Scan {
            filter,
            from: None,
            to: None,
            events_each_max: events,
            events_max: events,
            bytes_max: usize::MAX,
            rows_max: events,
            enabled_only: false,
        };
        let after = Position::new(after as u64).unwrap_or(Position::START);
        let begin = Instant::now();
        let slices = self.store.read(&[(self.tenant.clone(), after.into())], &scan).await.unwrap();
        let time = begin.elapsed().as_secs_f64() * 1e3;
        assert_eq!(slices[0].events.len(), events);
        time
    }
}
