//! The catalogue: each metric is declared once, and registered and listed from its declaration.
//!
//! The other files of the room declare metrics; docs/metrics.md and the tests list them. Nothing
//! else reaches the registry, so there is no metric that the list lacks, and no label that its
//! declaration lacks.

mod known;
mod labels;

use std::fmt;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeMetric;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub(super) use known::Known;
pub(super) use labels::Labelled;
pub use labels::{Label, Values};

/// A gauge of seconds.
pub(super) type Seconds = Gauge<f64, AtomicU64>;

/// The extent of a metric's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One replica's own: take the sum of all.
    Replica,
    /// The store's, which every replica shows alike: take the maximum.
    Store,
}

/// The declaration of a metric with `N` labels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Declared<const N: usize> {
    name: &'static str,
    unit: &'static str,
    help: &'static str,
    note: &'static str,
    labels: [Label; N],
    scope: Scope,
    alerts: &'static [&'static str],
}

impl Declared<0> {
    /// Declares a metric of each replica: its name (a counter's without `_total`), what it counts
    /// or measures, and its help.
    pub(super) const fn replica(
        name: &'static str,
        unit: &'static str,
        help: &'static str,
    ) -> Self {
        Self { name, unit, help, note: "", labels: [], scope: Scope::Replica, alerts: &[] }
    }

    /// Declares a metric of the store.
    pub(super) const fn store(name: &'static str, unit: &'static str, help: &'static str) -> Self {
        Self { scope: Scope::Store, ..Self::replica(name, unit, help) }
    }

    /// Gives it labels.
    pub(super) const fn by<const N: usize>(self, labels: [Label; N]) -> Declared<N> {
        let Self { name, unit, help, note, scope, alerts, .. } = self;
        Declared { name, unit, help, note, labels, scope, alerts }
    }
}

impl<const N: usize> Declared<N> {
    /// Adds a sentence that the document has, and the help has not.
    pub(super) const fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }

    /// Names the alerts of the chart that go by it.
    pub(super) const fn alerts(self, alerts: &'static [&'static str]) -> Self {
        Self { alerts, ..self }
    }
}

/// A metric, as the document lists it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The part of the gateway that it is about.
    pub section: &'static str,
    /// The name, a counter's with `_total`; a histogram has `_bucket`, `_sum` and `_count` of it.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// The thing that it counts, or the unit that it is measured in.
    pub unit: &'static str,
    /// Whether it is the replica's or the store's.
    pub scope: Scope,
    /// The labels.
    pub labels: Vec<Label>,
    /// The help.
    pub help: &'static str,
    /// A sentence beyond the help; empty for none.
    pub note: &'static str,
    /// The alerts of the chart that go by it.
    pub alerts: &'static [&'static str],
}

/// The registry, and the list of what is registered.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    registry: Registry,
    entries: Vec<Entry>,
    section: &'static str,
}

impl Catalogue {
    /// Begins a part of the list.
    pub(super) fn section(&mut self, section: &'static str) {
        self.section = section;
    }

    /// Registers a counter.
    pub(super) fn counter(&mut self, declared: Declared<0>) -> Counter {
        self.add(declared, Counter::default())
    }

    /// Registers a counter of seconds.
    pub(super) fn seconds_counter(&mut self, declared: Declared<0>) -> Counter<f64, AtomicU64> {
        self.add(declared, Counter::default())
    }

    /// Registers a counter with labels. If there is one label and its words are listed, each begins
    /// at 0, since nobody sees a counter rise that begins with its first event.
    pub(super) fn counters<const N: usize>(
        &mut self,
        declared: Declared<N>,
    ) -> Labelled<N, Counter> {
        let counters = self.family(declared, Counter::default as fn() -> Counter);
        if let [label] = &declared.labels[..] {
            for word in label.values.words() {
                drop(counters.with(std::array::from_fn(|_| word.into())));
            }
        }
        counters
    }

    /// Registers a gauge.
    pub(super) fn gauge(&mut self, declared: Declared<0>) -> Gauge {
        self.add(declared, Gauge::default())
    }

    /// Registers a gauge that is shown only while its value is known.
    pub(super) fn known(&mut self, declared: Declared<0>) -> Known {
        self.add(declared, Known::default())
    }

    /// Registers a gauge of seconds.
    pub(super) fn seconds(&mut self, declared: Declared<0>) -> Seconds {
        self.add(declared, Seconds::default())
    }

    /// Registers a gauge with labels.
    pub(super) fn gauges<const N: usize>(&mut self, declared: Declared<N>) -> Labelled<N, Gauge> {
        self.family(declared, Gauge::default)
    }

    /// Registers a gauge of seconds with labels.
    pub(super) fn each_seconds<const N: usize>(
        &mut self,
        declared: Declared<N>,
    ) -> Labelled<N, Seconds> {
        self.family(declared, Seconds::default)
    }

    /// Registers a histogram with these upper bounds of its buckets.
    pub(super) fn histogram(&mut self, declared: Declared<0>, bounds: &[f64]) -> Histogram {
        self.add(declared, Histogram::new(bounds.iter().copied()))
    }

    /// Registers a histogram with labels.
    pub(super) fn histograms<const N: usize>(
        &mut self,
        declared: Declared<N>,
        make: fn() -> Histogram,
    ) -> Labelled<N, Histogram> {
        self.family(declared, make)
    }

    /// Returns the list.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns all metrics in their text form.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a string never fails");
        text
    }

    fn family<const N: usize, M>(
        &mut self,
        declared: Declared<N>,
        make: fn() -> M,
    ) -> Labelled<N, M>
    where
        M: EncodeMetric + TypedMetric + fmt::Debug + Send + Sync + 'static,
    {
        let family = self.add(declared, Family::new_with_constructor(make));
        Labelled::new(declared.labels, family)
    }

    fn add<const N: usize, M>(&mut self, declared: Declared<N>, metric: M) -> M
    where
        M: EncodeMetric + fmt::Debug + Clone + Send + Sync + 'static,
    {
        let Declared { name, unit, help, note, labels, scope, alerts } = declared;
        let (kind, section) = (metric.metric_type().as_str().to_owned(), self.section);
        let shown = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
        let labels = labels.to_vec();
        self.registry.register(name, help, metric.clone());
        let entry = Entry { section, name: shown, kind, unit, scope, labels, help, note, alerts };
        self.entries.push(entry);
        metric
    }
}
