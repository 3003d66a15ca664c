//! The faults, and the ways in which they strike the harness.
//!
//! The schedule chooses them. After each fault everything is up again, though perhaps not yet at
//! work.

use std::time::{Duration, Instant};

use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::harness::Harness;
use crate::schedule::{Before, Fault, Kind};
use crate::store::Server;

impl Harness {
    /// Waits until it is time for the fault.
    pub async fn wait(&self, before: Before) {
        let (Before::Changes(changes) | Before::ChangesAndPublished(changes)) = before;
        self.actors.load.more(changes).await;
        if let Before::ChangesAndPublished(_) = before {
            self.actors.publish_observer.more().await;
        }
    }

    /// Lets a fault strike.
    pub async fn suffer(&mut self, fault: &Fault) {
        *self.figures.faults.entry(fault.kind).or_default() += 1;
        if self.actors.replayer.open() > 0 && fault.kind.is_of_kafka() {
            self.figures.replays_without_kafka += 1;
        }
        let of = fault.replica;
        match fault.kind {
            Kind::Killed => {
                self.kill(of);
                self.replicas[of].start();
            }
            Kind::KilledForLong => self.kill_until_taken_over(of).await,
            Kind::Frozen => {
                self.replicas[of].signal("STOP");
                sleep(Duration::from_secs(fault.seconds)).await;
                self.replicas[of].signal("CONT");
            }
            Kind::Stopped => self.restart(of),
            Kind::Rolled => (0..self.replicas.len()).for_each(|of| self.restart(of)),
            Kind::Cut => self.replicas[of].proxy.cut_all(),
            Kind::Flapping => self.flap(fault.seconds).await,
            Kind::Held => {
                self.replicas[of].proxy.hold();
                self.meanwhile(fault).await;
                self.replicas[of].proxy.go_on();
            }
            Kind::ClockOff => {
                self.replicas[of].stop();
                self.replicas[of].start_with_clock(&self.clock, fault.clock_off_s).await;
            }
            Kind::KafkaKilled => {
                self.actors.readers.kafka_down();
                self.kafka.kill();
                self.meanwhile(fault).await;
                block_in_place(|| self.kafka.restart());
                self.actors.readers.kafka_up();
            }
            Kind::PutBack => self.put_back(fault.meanwhile).await,
            // SQLite lives in its replica.
            Kind::StoreKilled if matches!(self.store, Server::Sqlite(_)) => {
                self.kill(of);
                self.meanwhile(fault).await;
                self.replicas[of].start();
            }
            Kind::StoreKilled => {
                block_in_place(|| self.store.kill());
                self.meanwhile(fault).await;
                self.store.restart().await;
            }
        }
        if let Some(dead) = fault.meanwhile.filter(|dead| !self.replicas[*dead].is_running()) {
            self.replicas[dead].start();
        }
    }

    pub(crate) fn kill(&mut self, of: usize) {
        self.figures.kills += 1;
        self.replicas[of].kill();
    }

    fn restart(&mut self, of: usize) {
        self.replicas[of].stop();
        self.replicas[of].start();
    }

    /// The death whose takeover is measured, while everything else is up.
    async fn kill_until_taken_over(&mut self, of: usize) {
        if let Server::Sqlite(_) = &self.store {
            // Its leases go by the clock of its replica, which may be off until that starts again.
            self.restart(of);
        }
        self.lanes.until_shared(self.replicas.len()).await;
        let lost = self.lanes.held_by(self.replicas[of].name).await;
        let since = Instant::now();
        self.kill(of);
        if self.replicas.len() == 1 {
            // Nobody else can take them.
            self.replicas[of].start();
        }
        self.figures.takeovers.extend(self.lanes.taken_over(&lost, since).await);
        if !self.replicas[of].is_running() {
            self.replicas[of].start();
        }
    }

    /// Kafka comes and goes for all replicas: no connection lasts longer than a second.
    async fn flap(&mut self, seconds: u64) {
        for _ in 0..seconds * 3 {
            self.replicas.iter().for_each(|replica| replica.proxy.cut_all());
            sleep(Duration::from_millis(fastrand::u64(50..1_000))).await;
        }
    }

    /// A server stays down for a while, in the middle of which a replica may be killed.
    async fn meanwhile(&mut self, fault: &Fault) {
        let half = Duration::from_secs(fault.seconds) / 2;
        sleep(half).await;
        if let Some(of) = fault.meanwhile {
            self.kill(of);
        }
        sleep(half).await;
    }
}
