//! Metrics as a reader sees them: the samples of an answer of `/metrics`, the names that a text
//! has, and the document that is made of the declarations.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use event_gateway::metrics::{Entry, Metrics, Scope, Values};
use regex::Regex;

/// One sample of an answer.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The name, as it stands there.
    pub name: String,
    /// The labels, in their order.
    pub labels: Vec<(String, String)>,
}

impl Sample {
    /// Returns the value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(its, _)| its == name).map(|(_, value)| value.as_str())
    }
}

/// Returns the samples of an answer.
pub fn samples(text: &str) -> Vec<Sample> {
    assert!(text.ends_with("# EOF\n"), "it is cut off: {text}");
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = name.split_once('{').unwrap_or((name, "}"));
        let each = Regex::new(r#"([a-z_]+)="([^"]*)""#).unwrap();
        let labels = each.captures_iter(labels).map(|it| (it[1].to_owned(), it[2].to_owned()));
        value.parse::<f64>().unwrap();
        Sample { name: name.to_owned(), labels: labels.collect() }
    };
    text.lines().filter(|line| !line.starts_with('#')).map(sample).collect()
}

/// Returns the families of an answer: each one's name without a suffix, and its kind.
pub fn families(text: &str) -> BTreeMap<String, String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|line| line.split_once(' ').unwrap()).map(|(n, k)| (n.into(), k.into())).collect()
}

/// Returns the declarations of all metrics.
pub fn declared() -> Vec<Entry> {
    Metrics::default().entries().to_vec()
}

/// Returns the names that samples of a metric may have.
pub fn names(entry: &Entry) -> Vec<String> {
    match entry.kind.as_str() {
        "histogram" => ["bucket", "sum", "count"].map(|it| format!("{}_{it}", entry.name)).into(),
        _ => vec![entry.name.clone()],
    }
}

/// Returns the names of metrics that a text has.
pub fn named(text: &str) -> BTreeSet<String> {
    let name = r"(?-u:\b)(event_gateway_[a-z0-9_]+|process_(?:cpu|resident|open|max|start)_[a-z_]+)(?-u:\b)";
    let name = Regex::new(name).unwrap();
    name.find_iter(text).map(|it| it.as_str().to_owned()).collect()
}

const HEAD: &str = "\
# Metrics

`GET /metrics` answers in the text format of OpenMetrics, which Prometheus reads. [Access](access.md) says who may ask.
The counts of the store are asked for at most once a second, however many ask. A metric of a *replica* is its own: take
the sum of all. A metric of the *store* is the same on every replica: take the maximum. The chart has
[dashboards and alerts](kubernetes.md#metrics); each alert has an entry in the [runbook](runbook.md).

The values of all labels are bounded in number. There are no ids among them, and no tenants unless
`METRICS_TENANTS_MAX` says how many.

This page is made of the declarations in `src/metrics`, by
`process::metrics::the_document_is_made_of_the_declarations`.
";

/// Returns the document.
pub fn document() -> String {
    let (entries, mut text, mut section) = (declared(), HEAD.to_owned(), "");
    for entry in &entries {
        if entry.section != section {
            section = entry.section;
            write!(text, "\n## {section}\n\n").unwrap();
            text.push_str("| metric | kind | unit | of | meaning |\n|---|---|---|---|---|\n");
        }
        text.push_str(&row(entry));
    }
    text.push_str("\n## Labels\n\nLabels whose values are not listed above:\n\n");
    text.push_str("| label | of | values |\n|---|---|---|\n");
    let mut described = BTreeMap::<_, Vec<_>>::new();
    for entry in &entries {
        for label in &entry.labels {
            if let Values::Described(values) = label.values {
                described
                    .entry((label.name, values))
                    .or_default()
                    .push(format!("`{}`", entry.name));
            }
        }
    }
    for ((label, values), of) in described {
        writeln!(text, "| `{label}` | {} | {values} |", of.join(", ")).unwrap();
    }
    text
}

fn row(entry: &Entry) -> String {
    let Entry { name, kind, unit, scope, labels, help, note, alerts, .. } = entry;
    let of = match scope {
        Scope::Replica => "replica",
        Scope::Store => "store",
    };
    let by: Vec<_> = labels.iter().map(|label| label.name).collect();
    let by = if by.is_empty() { String::new() } else { format!("{{{}}}", by.join(",")) };
    let mut meaning = format!("{help}.");
    if !note.is_empty() {
        write!(meaning, " {note}.").unwrap();
    }
    for label in labels {
        let words: Vec<_> = label.values.words().iter().map(|it| format!("`{it}`")).collect();
        if !words.is_empty() {
            write!(meaning, " `{}`: {}.", label.name, words.join(", ")).unwrap();
        }
    }
    let alerts: Vec<_> =
        alerts.iter().map(|it| format!("[{it}](runbook.md#{})", it.to_lowercase())).collect();
    if !alerts.is_empty() {
        write!(meaning, " **Alert**: {}.", alerts.join(", ")).unwrap();
    }
    format!("| `{name}{by}` | {kind} | {unit} | {of} | {meaning} |\n")
}
