//! The metrics of the real binary, and everything that is written about them: each metric of the
//! document is there, and whatever names a metric names one that is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crash::until;

use crate::support::metrics::{declared, document, families, named, names, samples};
use crate::support::observed::Observed;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the files of a folder with this ending.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    files.filter(|path| path.to_string_lossy().ends_with(ending)).collect()
}

#[test]
fn the_document_is_made_of_the_declarations() {
    let (path, wanted) = (root().join("docs/metrics.md"), document());
    if std::env::var_os("EVENT_GATEWAY_TEST_WRITE").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == wanted,
        "docs/metrics.md differs from the declarations in src/metrics: run this test with \
         EVENT_GATEWAY_TEST_WRITE=1, which writes it anew"
    );
}

#[test]
fn a_metric_is_declared_once_with_the_unit_that_its_name_has() {
    let mut seen = BTreeSet::new();
    for entry in declared() {
        assert!(seen.insert(entry.name.clone()), "{} is declared twice", entry.name);
        let name = entry.name.trim_end_matches("_total");
        let ends = |unit: &str| name.ends_with(&format!("_{unit}"));
        assert_eq!(ends("bytes"), entry.unit == "bytes", "{entry:?}");
        let is_time = ["seconds", "Unix time"].contains(&entry.unit);
        assert_eq!(ends("seconds"), is_time, "{entry:?}");
        assert_eq!(entry.name.ends_with("_total"), entry.kind == "counter", "{entry:?}");
        assert!(!entry.help.ends_with('.') && !entry.note.ends_with('.'), "{entry:?}");
    }
}

/// A metric that nobody sees before something fails can't be looked at before it does.
#[tokio::test(flavor = "multi_thread")]
async fn every_declared_metric_is_shown_by_a_gateway_that_works() {
    let observed = Observed::start().await;
    let mut missing = Vec::new();
    until("every metric is shown", async || {
        let shown: BTreeSet<_> =
            samples(&observed.metrics().await).into_iter().map(|it| it.name).collect();
        let all = declared().iter().flat_map(names).collect::<Vec<_>>();
        missing = all.into_iter().filter(|name| !shown.contains(name)).collect();
        missing.is_empty()
    })
    .await;
    let text = observed.metrics().await;
    let by_name: BTreeMap<_, _> = declared()
        .into_iter()
        .flat_map(|entry| names(&entry).into_iter().map(move |name| (name, entry.clone())))
        .collect();
    for sample in samples(&text) {
        let entry = by_name.get(&sample.name).unwrap_or_else(|| panic!("{sample:?}"));
        let its = sample.labels.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "le");
        let wanted: Vec<_> = entry.labels.iter().map(|label| label.name).collect();
        assert_eq!(its.collect::<Vec<_>>(), wanted, "{sample:?}");
        for label in &entry.labels {
            let (words, value) = (label.values.words(), sample.label(label.name).unwrap());
            assert!(words.is_empty() || words.contains(&value), "{sample:?}");
        }
    }
    for (name, kind) in families(&text) {
        let shown = if kind == "counter" { format!("{name}_total") } else { name };
        let entry = declared().into_iter().find(|entry| entry.name == shown);
        assert_eq!(entry.unwrap_or_else(|| panic!("{shown}")).kind, kind);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_gateway_has_done_is_in_its_metrics() {
    let observed = Observed::start().await;
    let relay = |name: &str| format!("{name}{{follower=\"relay\"}}");
    let wanted = [
        ("event_gateway_intake_batches_total{outcome=\"accepted\"}".to_owned(), 1.0),
        ("event_gateway_intake_events_total".to_owned(), 2.0),
        ("event_gateway_tenant_events_total{tenant=\"diku\"}".to_owned(), 2.0),
        ("event_gateway_tenant_head_position{tenant=\"diku\"}".to_owned(), 2.0),
        ("event_gateway_tenant_floor_position{tenant=\"diku\"}".to_owned(), 0.0),
        ("event_gateway_lanes".to_owned(), 8.0),
        ("event_gateway_lanes_held".to_owned(), 8.0),
        (relay("event_gateway_page_events_sum"), 2.0),
        (relay("event_gateway_page_events_count"), 1.0),
        (relay("event_gateway_lag_events"), 0.0),
        ("event_gateway_events{state=\"published\"}".to_owned(), 2.0),
        ("event_gateway_subscription_events_total".to_owned(), 2.0),
        ("event_gateway_subscription_lag_events{group=\"cg.watcher\"}".to_owned(), 2.0),
        ("event_gateway_replays_open".to_owned(), 0.0),
        ("event_gateway_leases_lost_total".to_owned(), 0.0),
    ];
    let value = |text: &str, name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("{name} is not in {text}")).parse().unwrap()
    };
    until("the counts are these", async || {
        let text = observed.metrics().await;
        wanted.iter().all(|(name, wanted)| value(&text, name) == *wanted)
    })
    .await;
    let text = observed.metrics().await;
    assert!(value(&text, "event_gateway_log_bytes") > 4_096.0, "{text}");
    assert!(value(&text, &relay("event_gateway_page_bytes_sum")) > 100.0, "{text}");
    assert!(value(&text, &relay("event_gateway_takeover_duration_seconds_count")) >= 1.0);
    for call in ["take_over", "ensure", "publish", "check"] {
        let call = format!("{{follower=\"relay\",operation=\"{call}\"}}");
        let name = format!("event_gateway_sink_call_duration_seconds_count{call}");
        assert!(value(&text, &name) >= 1.0, "{name}: {text}");
    }
    for call in ["append", "read", "checkpoint", "heartbeat", "event_counts", "disk_bytes"] {
        let call = format!("{{operation=\"{call}\"}}");
        let name = format!("event_gateway_store_call_duration_seconds_count{call}");
        assert!(value(&text, &name) >= 1.0, "{name}: {text}");
    }
}

#[test]
fn whatever_names_a_metric_names_one_that_is_declared() {
    let known: BTreeSet<_> = declared()
        .iter()
        .flat_map(|entry| [names(entry), vec![entry.name.clone()]].concat())
        .collect();
    let mut sources: Vec<_> =
        ["README.md", "helm/event-gateway/alerts.yaml"].map(|it| root().join(it)).into();
    sources.extend(files("docs", ".md"));
    sources.extend(files("helm/event-gateway/dashboards", ".json"));
    sources.push(root().join("tests/it/data/alerts.yaml"));
    let mut seen = 0;
    for path in sources {
        let found = named(&std::fs::read_to_string(&path).unwrap());
        let unknown: Vec<_> = found.iter().filter(|name| !known.contains(*name)).collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", path.display());
        seen += found.len();
    }
    assert!(seen > 100, "{seen}");
}
