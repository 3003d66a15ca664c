//! The put-back: a backup of the store is made, the load goes on, and the store is put back to the
//! backup. The gateway must notice, and `event-gateway restore` repairs the logs.
//!
//! SQLite's backup and its restore are the gateway's own subcommands; a server is killed, and its data
//! folder is copied.

use std::process::Output;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use crate::PATIENCE;
use crate::evidence::{OnlyInKafka, PutBack, Restored};
use crate::harness::Harness;
use crate::store::Server;
use crate::tenants::{TENANTS, VISITOR};

/// The changes between the backup and the moment at which the store is put back.
const LOST: usize = 60;
/// The changes to the older log before it is repaired.
const BEFORE_REPAIR: usize = 20;
/// The pause before something is tried again.
const AGAIN: Duration = Duration::from_millis(500);

impl Harness {
    /// Puts the store back to a backup, and repairs the logs. If a replica is named, all of them die
    /// while the store is down.
    pub async fn put_back(&mut self, dead: Option<usize>) {
        self.actors.replayer.rest().await;
        self.actors.era.fetch_add(1, Ordering::SeqCst);
        let era = self.actors.era.load(Ordering::SeqCst);
        self.back_up().await;
        self.actors.load.more(LOST).await;
        self.actors.publish_observer.more().await;
        self.bring_back(dead).await;
        self.actors.load.more(BEFORE_REPAIR).await;
        // The log of the tenant that comes and goes is repaired, too, but nobody knows what it had.
        self.actors.purger.rest().await;
        self.repair(VISITOR).await;
        let mut restored = Vec::new();
        for tenant in TENANTS {
            restored.extend(self.repair(tenant).await);
        }
        self.actors.era.fetch_add(1, Ordering::SeqCst);
        println!("{}", told(&restored));
        self.put_backs.push(PutBack { era, restored });
        self.actors.purger.go_on();
        self.actors.replayer.go_on();
    }

    async fn back_up(&mut self) {
        if let Server::Sqlite(_) = &self.store {
            let file = self.backup.join("event-gateway.db");
            let _ = std::fs::remove_file(&file);
            let done = self.run(&["backup", file.to_str().unwrap()]);
            assert!(done.status.success(), "{done:?}: {}", self.replicas[0].setup.log());
            return;
        }
        block_in_place(|| self.store.kill());
        copy(&self.store.data(), &self.backup);
        self.store.restart().await;
    }

    /// Puts the backup in place, while replicas run or after they were killed. SQLite's is dead.
    async fn bring_back(&mut self, dead: Option<usize>) {
        let is_sqlite = matches!(self.store, Server::Sqlite(_));
        if dead.is_some() || is_sqlite {
            (0..self.replicas.len()).for_each(|of| self.kill(of));
        }
        block_in_place(|| self.store.kill());
        // Whoever gets an answer to what is sent from now on gets it from the older store.
        self.actors.era.fetch_add(1, Ordering::SeqCst);
        if is_sqlite {
            let file = self.backup.join("event-gateway.db");
            let done = self.run(&["restore-backup", file.to_str().unwrap()]);
            assert!(done.status.success(), "{done:?}: {}", self.replicas[0].setup.log());
        } else {
            copy(&self.backup, &self.store.data());
            self.store.restart().await;
        }
        self.replicas.iter_mut().filter(|replica| !replica.is_running()).for_each(|replica| {
            replica.start();
        });
        self.reopen().await;
    }

    /// Runs a subcommand of the gateway.
    fn run(&self, arguments: &[&str]) -> Output {
        block_in_place(|| self.replicas[0].setup.command(arguments).output().unwrap())
    }

    /// Repairs a tenant's log, if it has one that differs from what the sinks have: the gateway must
    /// have noticed that by itself.
    async fn repair(&self, tenant: &str) -> Option<Restored> {
        let until = Instant::now() + PATIENCE;
        loop {
            let shown = self.run(&["restore", tenant]);
            let text = String::from_utf8(shown.stdout).unwrap();
            let has_log = tenant != VISITOR || self.has_log(tenant);
            if shown.status.success() || !has_log {
                return None;
            }
            if text.contains(": Kafka and log") {
                self.stopped(tenant, true).await;
            }
            let accepted = self.run(&["restore", tenant, "--accept"]);
            let text = String::from_utf8(accepted.stdout).unwrap();
            if accepted.status.success() && text.contains("accepted: its log is") {
                self.stopped(tenant, false).await;
                return Some(restored(tenant, &text));
            }
            let log = || self.replicas[0].setup.log();
            assert!(Instant::now() < until, "{tenant} is not repaired: {text} {}", log());
            sleep(AGAIN).await;
        }
    }

    /// Returns whether a tenant has a log, and is not being purged.
    fn has_log(&self, tenant: &str) -> bool {
        let listed = self.run(&["tenants", "list"]);
        assert!(listed.status.success(), "{listed:?}");
        let listed = String::from_utf8(listed.stdout).unwrap();
        let its = listed.lines().find(|line| line.split(' ').next() == Some(tenant));
        its.is_some_and(|line| !line.ends_with("being purged"))
    }

    /// Waits until a replica reports that the tenant is stopped, or until none does. Its whole lane
    /// is, if its purge has forgotten its cursors already and the store that was put back knows of
    /// no purge.
    async fn stopped(&self, tenant: &str, wanted: bool) {
        let (until, name) = (Instant::now() + PATIENCE, format!("tenant {tenant}"));
        let named = format!("no cursor of {name},");
        loop {
            let mut is_stopped = false;
            for replica in &self.replicas {
                let ready = reqwest::get(format!("{}/readyz", replica.setup.url())).await;
                if let Ok(ready) = ready {
                    let ready: Value = ready.json().await.unwrap_or_default();
                    let mut troubles = ready["troubles"].as_object().into_iter().flatten();
                    is_stopped |= troubles.any(|(component, why)| {
                        *component == name || why.as_str().is_some_and(|why| why.contains(&named))
                    });
                }
            }
            if is_stopped == wanted {
                return;
            }
            assert!(Instant::now() < until, "{name}: stopped is {is_stopped}, not {wanted}");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Copies a data folder, with its owners, over another.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    if to.exists() {
        std::fs::remove_dir_all(to).unwrap();
    }
    let mut command = std::process::Command::new("cp");
    let status = block_in_place(|| command.arg("-a").arg(from).arg(to).status().unwrap());
    assert!(status.success(), "{} is not copied", from.display());
}

/// Reads what `restore` has told of a tenant.
fn restored(tenant: &str, text: &str) -> Restored {
    let after = |name: &str| {
        let line = text.lines().find_map(|line| line.trim_start().strip_prefix(name))?;
        Some(line.trim_start().to_owned())
    };
    let number = |name: &str| {
        let line = after(name).unwrap_or_default();
        let digits = line.trim_start_matches("position ");
        digits.split(|c: char| !c.is_ascii_digit()).next().and_then(|it| it.parse().ok())
    };
    let rows = text.lines().filter_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        // Of an ERASED event, more is told after its key.
        let [partition, offset, position, event_id, _time, topic, _key, ..] = fields.as_slice()
        else {
            return None;
        };
        position.parse::<u64>().ok()?;
        Some(OnlyInKafka {
            topic: (*topic).to_owned(),
            partition: partition.parse().ok()?,
            offset: offset.parse().ok()?,
            event_id: (*event_id).to_owned(),
        })
    });
    let log_id = after("accepted: its log is").unwrap_or_default();
    Restored {
        tenant: tenant.to_owned(),
        common: number("both are the same up to").unwrap_or_default(),
        again: number("in both after that").unwrap_or_default(),
        only_in_kafka: rows.collect(),
        log_id: log_id.split_whitespace().next().unwrap_or_default().to_owned(),
    }
}

/// Describes the repair.
fn told(restored: &[Restored]) -> String {
    let lost: usize = restored.iter().map(|it| it.only_in_kafka.len()).sum();
    let again: u64 = restored.iter().map(|it| it.again).sum();
    let logs = restored.len();
    format!("{:14}{logs} logs restored: {lost} events only in Kafka, {again} sent again", "")
}

#[cfg(test)]
mod tests {
    use super::restored;
    use crate::evidence::{OnlyInKafka, Restored};

    #[test]
    fn what_restore_has_told_is_read() {
        let text = "\
diku: Kafka and log 0b96a642-5e7f-452d-9cae-9cee66c9a892 differ
  the relay stands at     position 9, event e of 2026-01-31T12:00:00Z
  the log ends at         position 8
  both are the same up to position 5, event d of 2026-01-31T12:00:00Z
  only in the log         2 events, to be published
  in both after that      3 events, to be published again
  only in Kafka           2 records, which will stay there
    PARTITION    OFFSET  POSITION  EVENT_ID, TIME, TOPIC, KEY
            2        17         9  e 2026-01-31T12:00:00Z crash.diku.inventory.item k
            1        18        10  f 2026-01-31T12:00:00Z crash.diku.inventory.item k (erased: accepting erases it again)
  accepted: its log is 1b96a642-5e7f-452d-9cae-9cee66c9a892 from now on
";
        let only = |partition, offset, event_id: &str| OnlyInKafka {
            topic: "crash.diku.inventory.item".to_owned(),
            partition,
            offset,
            event_id: event_id.to_owned(),
        };
        let wanted = Restored {
            tenant: "diku".to_owned(),
            common: 5,
            again: 3,
            only_in_kafka: vec![only(2, 17, "e"), only(1, 18, "f")],
            log_id: "1b96a642-5e7f-452d-9cae-9cee66c9a892".to_owned(),
        };
        assert_eq!(restored("diku", text), wanted);
    }
}
