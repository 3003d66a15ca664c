//! Labels of metrics: the names as they are declared, and values that are bounded in number.
//!
//! The catalogue makes a family for each metric with labels; the other files of the room ask it for
//! the metric of some values. No value that is borrowed for ever is copied.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::family::Family;

use crate::domain::follower::Follower;

/// A label of a metric.
#[derive(Debug, Clone, Copy)]
pub struct Label {
    /// The name.
    pub name: &'static str,
    /// The values that it may have.
    pub values: Values,
}

/// The values of a label.
#[derive(Clone, Copy)]
pub enum Values {
    /// These words.
    Listed(&'static [&'static str]),
    /// The words of another list of the code.
    ListedElsewhere(fn() -> Vec<&'static str>),
    /// So many that the document describes them, and says what bounds them.
    Described(&'static str),
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Described(text) => f.write_str(text),
            _ => fmt::Debug::fmt(&self.words(), f),
        }
    }
}

impl Values {
    /// Returns the words, if they are listed.
    pub fn words(&self) -> Vec<&'static str> {
        match self {
            Self::Listed(words) => words.to_vec(),
            Self::ListedElsewhere(words) => words(),
            Self::Described(_) => Vec::new(),
        }
    }

    fn may_be(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Described(_), _) => true,
            (_, Value::Text(text)) => self.words().contains(&&**text),
            (_, Value::Number(_)) => false,
        }
    }
}

impl Label {
    /// Makes a label whose values are these words.
    pub(in crate::metrics) const fn listed(
        name: &'static str,
        words: &'static [&'static str],
    ) -> Self {
        Self { name, values: Values::Listed(words) }
    }

    /// Makes a label whose values are described.
    pub(in crate::metrics) const fn described(name: &'static str, text: &'static str) -> Self {
        Self { name, values: Values::Described(text) }
    }
}

/// A value of a label.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::metrics) enum Value {
    Text(Cow<'static, str>),
    Number(u16),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<&Follower> for Value {
    fn from(follower: &Follower) -> Self {
        follower.to_string().into()
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number)
    }
}

impl EncodeLabelValue for Value {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        match self {
            Self::Text(text) => text.encode(encoder),
            Self::Number(number) => number.encode(encoder),
        }
    }
}

type Set<const N: usize> = [(&'static str, Value); N];

/// The metrics of a declaration with labels, one for each set of their values.
#[derive(Debug)]
pub(in crate::metrics) struct Labelled<const N: usize, M> {
    labels: [Label; N],
    family: Family<Set<N>, M, fn() -> M>,
}

impl<const N: usize, M> Labelled<N, M> {
    pub(super) fn new(labels: [Label; N], family: Family<Set<N>, M, fn() -> M>) -> Self {
        Self { labels, family }
    }

    /// Returns the metric of these values, in the order of the declaration's labels.
    pub(in crate::metrics) fn with(&self, values: [Value; N]) -> impl Deref<Target = M> {
        let mut at = 0;
        let set = values.map(|value| {
            let Label { name, values } = self.labels[at];
            debug_assert!(values.may_be(&value), "{name} may be {values:?}, not {value:?}");
            at += 1;
            (name, value)
        });
        self.family.get_or_create(&set)
    }

    /// Forgets all values.
    pub(in crate::metrics) fn clear(&self) {
        self.family.clear();
    }
}
