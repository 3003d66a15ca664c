//! The chart's dashboards: each query of each panel finds something in a real Prometheus that
//! scrapes a real gateway, and Grafana's sidecar finds the dashboards.

use std::collections::BTreeSet;
use std::path::Path;

use crash::until;
use regex::Regex;
use serde_json::Value;

use crate::support::helm::{self, Helm};
use crate::support::observed::Observed;
use crate::support::prometheus::Prometheus;

/// Returns the chart's dashboards by name.
fn dashboards() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("helm/event-gateway/dashboards");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, serde_json::from_str(&text).unwrap())
    };
    let all: Vec<_> = entries.map(read).collect();
    assert!(all.len() >= 3);
    all
}

/// Returns the panels of a dashboard that show something.
fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row")
}

/// Returns the queries of all dashboards, as Grafana asks them for the namespace `folio`.
fn queries() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (name, dashboard) in dashboards() {
        for panel in panels(&dashboard) {
            for target in panel["targets"].as_array().unwrap() {
                let query = target["expr"].as_str().unwrap();
                let query =
                    query.replace("$namespace", "folio").replace("$job", "demo-event-gateway");
                let query = query.replace("$__rate_interval", "1m");
                assert!(!query.contains('$'), "{name}: {query}");
                all.insert(query);
            }
        }
    }
    assert!(all.len() > 60);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_of_every_dashboard_finds_something_in_a_real_prometheus() {
    let observed = Observed::start().await;
    let manifest = Helm::new().file(&helm::ci("mongodb.yaml")).template().unwrap();
    let rules = helm::objects(&manifest).into_iter().find(|it| it["kind"] == "PrometheusRule");
    let prometheus = Prometheus::start(&observed.serve.url, &rules.unwrap()["spec"].to_string());
    let mut open = queries();
    until("every query finds something", async || {
        for query in open.clone() {
            match prometheus.query(&query).await {
                Ok(found) if !found.is_empty() => {
                    open.remove(&query);
                }
                Ok(_) => {}
                // A query that is wrong stays wrong.
                Err(why) => assert!(!why.contains("bad_data"), "{why}"),
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        if !open.is_empty() && open.len() < 5 {
            println!("still open: {open:#?}");
        }
        open.is_empty()
    })
    .await;
    let alerts = prometheus.query("ALERTS{alertstate=\"firing\"}").await.unwrap();
    assert!(alerts.is_empty(), "a gateway that works alerts nobody: {alerts:#?}");
    let log = prometheus.log();
    assert!(!log.contains("level=error") && !log.contains("level=warn"), "{log}");
}

#[test]
fn every_metric_is_shown_but_those_that_are_off_by_default() {
    let documented = include_str!("../../../docs/metrics.md");
    let name = Regex::new(r"(?m)^\| `(event_gateway_[a-z_0-9]+)[`{]").unwrap();
    let queries: Vec<_> = queries().into_iter().collect();
    let queries = queries.join("\n");
    let names = name.captures_iter(documented).map(|found| found[1].to_owned());
    let (shown, hidden): (Vec<_>, Vec<_>) = names.partition(|name| queries.contains(name));
    assert!(shown.len() > 60, "{shown:?}");
    let off = [
        "event_gateway_tenant_events_total",
        "event_gateway_tenant_head_position",
        "event_gateway_tenant_floor_position",
        "event_gateway_spans_total",
    ];
    assert_eq!(hidden, off);
}

#[test]
fn every_panel_says_what_it_shows_and_asks_the_chosen_prometheus() {
    for (name, dashboard) in dashboards() {
        let mut ids = BTreeSet::new();
        for panel in panels(&dashboard) {
            let title = &panel["title"];
            assert!(panel["description"].as_str().unwrap().ends_with('.'), "{name}: {title}");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{name}: {title}");
            assert!(ids.insert(panel["id"].as_u64()), "{name}: {title}");
        }
    }
}

#[test]
fn the_sidecar_of_grafana_finds_every_dashboard() {
    let manifest = Helm::new().file(&helm::ci("mongodb.yaml")).template().unwrap();
    let objects = helm::objects(&manifest);
    let is_dashboards = |it: &&Value| it["metadata"]["labels"]["grafana_dashboard"] == "1";
    let [map] = &objects.iter().filter(is_dashboards).collect::<Vec<_>>()[..] else { panic!() };
    let data = map["data"].as_object().unwrap();
    assert_eq!(data.len(), dashboards().len());
    for (name, dashboard) in dashboards() {
        let text = data[&name].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), dashboard, "{name}");
    }
    let without = Helm::new().file(&helm::ci("sqlite.yaml")).template().unwrap();
    assert!(!without.contains("grafana_dashboard"), "they are not wanted by default");
}
