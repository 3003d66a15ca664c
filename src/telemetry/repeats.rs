//! Repeated errors and warnings: written once and counted.
//!
//! Every ERROR and WARN line passes here, those of libraries too, so that no caller must think of
//! it. In a period, one place in the code may log an equal line once, and a limited number of
//! different lines. The others are held back, and one line tells their number when the period is
//! over.

use std::collections::{HashMap, HashSet};
use std::fmt::{self, Debug, Write};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::TARGET;
use crate::metrics::Metrics;

/// The time for which a written line stands for those that equal it.
const PERIOD: Duration = Duration::from_secs(60);
/// The most different lines of one place that are written in a period.
const DIFFERENT_MAX: usize = 32;

/// The filter that lets lines pass or holds them back.
#[derive(Clone)]
pub(super) struct Repeats {
    places: Arc<Mutex<Places>>,
    metrics: Arc<Metrics>,
}

type Places = HashMap<Identifier, Place>;

/// The lines that one place in the code has logged in a period.
struct Place {
    since: Instant,
    level: Level,
    /// The first line.
    text: String,
    told: HashSet<u64>,
    held_back: u64,
}

impl Repeats {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { places: Arc::default(), metrics }
    }

    /// Logs how many lines were held back, for places whose period is over.
    pub(super) fn tell_ended(&self) {
        self.tell(Instant::now());
    }

    /// Logs how many lines were held back until now, for all places.
    pub(super) fn tell_all(&self) {
        self.tell(Instant::now() + PERIOD);
    }

    fn tell(&self, at: Instant) {
        let ended: Vec<_> = self
            .places()
            .extract_if(|_, place| place.since + PERIOD <= at)
            .map(|(_, place)| place)
            .collect();
        for Place { level, text, held_back, .. } in
            ended.into_iter().filter(|place| place.held_back > 0)
        {
            match level {
                Level::ERROR => {
                    tracing::error!(target: TARGET, held_back, "held back lines like: {text}")
                }
                _ => tracing::warn!(target: TARGET, held_back, "held back lines like: {text}"),
            }
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether the line is written.
    fn admit(&self, place: Identifier, level: Level, line: &Line) -> bool {
        let mut places = self.places();
        let place = places.entry(place).or_insert_with(|| Place {
            since: Instant::now(),
            level,
            text: line.message.clone(),
            told: HashSet::new(),
            held_back: 0,
        });
        let line = line.hash.finish();
        if !place.told.contains(&line) && place.told.len() < DIFFERENT_MAX {
            return place.told.insert(line);
        }
        place.held_back += 1;
        self.metrics.log_line_held_back();
        false
    }
}

impl<S: Subscriber> Layer<S> for Repeats {
    fn event_enabled(&self, event: &Event<'_>, _context: Context<'_, S>) -> bool {
        let said = event.metadata();
        if *said.level() > Level::WARN || said.target() == TARGET {
            return true;
        }
        let mut line = Line::default();
        event.record(&mut line);
        self.admit(said.callsite(), *said.level(), &line)
    }
}

/// The parts of a line by which two lines are compared.
#[derive(Default)]
struct Line {
    hash: DefaultHasher,
    message: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        field.name().hash(&mut self.hash);
        // Writing to neither of them fails.
        let _ = write!(Hashed(&mut self.hash), "{value:?}");
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        }
    }
}

struct Hashed<'a>(&'a mut DefaultHasher);

impl fmt::Write for Hashed<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::{Event, Subscriber};
    use tracing_subscriber::layer::{Context, SubscriberExt};
    use tracing_subscriber::{Layer, Registry};

    use super::{DIFFERENT_MAX, Line, Repeats};
    use crate::metrics::Metrics;

    /// The lines that were written.
    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber> Layer<S> for Told {
        fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
            let mut line = Line::default();
            event.record(&mut line);
            self.0.lock().unwrap().push(line.message);
        }
    }

    #[test]
    fn a_trouble_that_repeats_is_reported_once_and_counted() {
        let (metrics, told) = (Arc::new(Metrics::default()), Told::default());
        let repeats = Repeats::new(metrics.clone());
        let subscriber = Registry::default().with(repeats.clone()).with(told.clone());
        tracing::subscriber::with_default(subscriber, || {
            for number in 0..400 {
                tracing::warn!("the same");
                tracing::error!(number, "each another");
                tracing::info!("no trouble");
            }
            repeats.tell_all();
        });
        let told = told.0.lock().unwrap();
        let count = |text: &str| told.iter().filter(|line| *line == text).count();
        assert_eq!(
            (count("the same"), count("each another"), count("no trouble")),
            (1, DIFFERENT_MAX, 400)
        );
        assert_eq!(count("held back lines like: the same"), 1);
        let held_back = 399 + 400 - DIFFERENT_MAX;
        assert!(metrics.text().contains(&format!("log_lines_held_back_total {held_back}\n")));
    }
}
