//! The consumer that docs/consumers.md describes: it reads several partitions, in any order between them, and
//! drops what an epoch has made void.

use std::collections::BTreeMap;

use event_gateway::domain::draft::Draft;
use event_gateway::domain::envelope::Envelope;
use event_gateway::domain::event::EventType;
use fastrand::Rng;

use crate::support::drafts::deleted;
use crate::support::harness::Harness;
use crate::support::ids::diku;
use crate::support::parking::{ITEM, delete_all_of, draft};

const PARTITIONS: usize = 3;

/// A consumer's state of one topic.
#[derive(Default)]
struct Consumer {
    /// The position of the last DELETE_ALL that it knows of.
    epoch: u64,
    /// The last record of each key, with its epoch; `None` once it was deleted.
    records: BTreeMap<String, (u64, Option<u64>)>,
}

impl Consumer {
    /// Takes the next record of any partition.
    fn take(&mut self, record: &Envelope) {
        let headers = record.record_headers();
        let header = |name: &str| headers.iter().find(|(its, _)| *its == name).map(|(_, it)| it);
        let epoch = header("epoch").map_or(0, |epoch| epoch.parse().unwrap());
        let position: u64 = header("position").unwrap().parse().unwrap();
        let is_delete_all = header("type") == Some("DELETE_ALL");
        self.begin(if is_delete_all { position } else { epoch });
        if !is_delete_all && epoch >= self.epoch {
            let is_delete = header("type") == Some("DELETE");
            let state = (!is_delete).then_some(position);
            self.records.insert(record.key.to_string(), (epoch, state));
        }
    }

    /// Drops what a DELETE_ALL has made void, whichever record tells of it first.
    fn begin(&mut self, epoch: u64) {
        if epoch > self.epoch {
            self.epoch = epoch;
            self.records.retain(|_, (of, _)| *of >= epoch);
        }
    }

    fn state(self) -> BTreeMap<String, u64> {
        let live = |(key, (_, state)): (String, (u64, Option<u64>))| Some((key, state?));
        self.records.into_iter().filter_map(live).collect()
    }
}

/// Returns the state that the log has in the end.
fn folded(log: &[Envelope]) -> BTreeMap<String, u64> {
    let mut state = BTreeMap::new();
    for event in log {
        match event.event_type {
            EventType::DeleteAll => state.clear(),
            EventType::Delete => drop(state.remove(event.key.as_str())),
            _ => drop(state.insert(event.key.to_string(), event.position.number())),
        }
    }
    state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_folds_by_epoch_has_the_same_state_however_partitions_are_interleaved() {
    let mut random = Rng::with_seed(5);
    for round in 0..8 {
        let harness = Harness::new(1, &[diku()]).await;
        let random_draft = |id: u128| match random.u8(0..20) {
            0 => delete_all_of(&diku(), ITEM, id),
            1..5 => {
                let key = format!("k{}", random.u8(0..9));
                Draft { content: deleted("{}"), ..draft(&diku(), ITEM, &key, id) }
            }
            _ => draft(&diku(), ITEM, &format!("k{}", random.u8(0..9)), id),
        };
        let drafts: Vec<_> = (1..=120).map(random_draft).collect();
        harness.append(&diku(), drafts).await;
        harness.publish(&[diku()]).await;
        let expected = folded(&harness.log(&diku()).await);
        let records = harness.kafka.state(|state| state.records.clone());
        let partition = |key: &str| key.bytes().map(usize::from).sum::<usize>() % PARTITIONS;
        for _ in 0..50 {
            let mut partitions: Vec<Vec<&Envelope>> = vec![Vec::new(); PARTITIONS];
            for record in records.iter().rev() {
                partitions[partition(record.key.as_str())].push(record);
            }
            let mut consumer = Consumer::default();
            while partitions.iter().any(|left| !left.is_empty()) {
                let next = partitions[random.usize(0..PARTITIONS)].pop();
                next.into_iter().for_each(|record| consumer.take(record));
            }
            assert_eq!(consumer.state(), expected, "round {round}");
        }
    }
}
