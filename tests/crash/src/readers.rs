//! Two consumers that read along: one of committed records, one of all.
//!
//! The times at which each sees a record show how long open transactions held readers of committed
//! records back. They outlive Kafka's deaths.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::message::Message;
use rdkafka::topic_partition_list::Offset;

use crate::kafka::{self, Isolation};

type Place = (String, i32, i64);

/// The longest time between the arrival of a record at the reader of all records and at the reader
/// of committed ones.
#[derive(Debug, Clone, Copy, Default)]
pub struct HeldBack {
    /// While Kafka was up all the time.
    pub kafka_up: Duration,
    /// While Kafka was down at some time in between.
    pub kafka_down: Duration,
}

/// The arrival times of records that the other reader has not seen yet.
struct Arrivals {
    waiting: HashMap<Place, Instant>,
    /// The records that were seen as committed first, since the reader of all records is late.
    ahead: HashSet<Place>,
    /// The time since which Kafka is up; `None` while it is down.
    up_since: Option<Instant>,
    held_back: HeldBack,
}

/// Both readers at work.
pub struct Readers {
    arrivals: Arc<Mutex<Arrivals>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Starts to read these topics, each of so many partitions.
    pub fn start(broker: &str, topics: &[String], partitions: usize) -> Self {
        let arrivals = Arc::new(Mutex::new(Arrivals {
            waiting: HashMap::new(),
            ahead: HashSet::new(),
            up_since: Some(Instant::now()),
            held_back: HeldBack::default(),
        }));
        let stop = Arc::<AtomicBool>::default();
        let read = |isolation| {
            let consumer = kafka::consumer(broker, isolation);
            kafka::assign_all(&consumer, topics, partitions, Offset::Beginning);
            let (arrivals, stop) = (arrivals.clone(), stop.clone());
            std::thread::spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else {
                        continue;
                    };
                    let place = (message.topic().to_owned(), message.partition(), message.offset());
                    arrivals.lock().unwrap().came(place, isolation);
                }
            })
        };
        let threads = [Isolation::ReadCommitted, Isolation::ReadUncommitted].map(read).into();
        Self { arrivals, stop, threads }
    }

    /// Notes that Kafka is down from now on.
    pub fn kafka_down(&self) {
        self.arrivals.lock().unwrap().up_since = None;
    }

    /// Notes that Kafka is up again.
    pub fn kafka_up(&self) {
        self.arrivals.lock().unwrap().up_since = Some(Instant::now());
    }

    /// Stops reading.
    pub fn finish(self) -> HeldBack {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().unwrap();
        }
        self.arrivals.lock().unwrap().held_back
    }
}

impl Arrivals {
    fn came(&mut self, place: Place, isolation: Isolation) {
        let now = Instant::now();
        match isolation {
            Isolation::ReadUncommitted if !self.ahead.remove(&place) => {
                self.waiting.insert(place, now);
            }
            Isolation::ReadUncommitted => {}
            Isolation::ReadCommitted => match self.waiting.remove(&place) {
                Some(since) => self.waited(since, now),
                None => drop(self.ahead.insert(place)),
            },
        }
    }

    fn waited(&mut self, since: Instant, now: Instant) {
        let kafka_was_up = self.up_since.is_some_and(|up_since| up_since < since);
        let HeldBack { kafka_up, kafka_down } = &mut self.held_back;
        let longest = if kafka_was_up { kafka_up } else { kafka_down };
        *longest = (*longest).max(now - since);
    }
}
