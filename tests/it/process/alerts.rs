//! The chart's alerts: Prometheus takes them, each fires when it should and not before, and each is
//! explained.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;

use regex::Regex;
use serde_json::Value;

use crate::support::helm::{self, Helm};
use crate::support::metrics::{declared, named, names};
use crate::support::prometheus::promtool;

/// Returns the rules of the rendered chart, in the form of a file of Prometheus.
fn rules() -> Value {
    rules_of(Helm::new())
}

/// Returns those that further values make.
fn rules_of(helm: Helm) -> Value {
    let manifest = helm.file(&helm::ci("mongodb.yaml")).template().unwrap();
    let objects = helm::objects(&manifest);
    objects.into_iter().find(|it| it["kind"] == "PrometheusRule").unwrap()["spec"].clone()
}

fn alerts(rules: &Value) -> &[Value] {
    rules["groups"][0]["rules"].as_array().unwrap()
}

fn name(alert: &Value) -> String {
    alert["alert"].as_str().unwrap().to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Runs promtool's tests of the alerts on these rules.
fn tested(rules: &Value) -> Output {
    let folder = tempfile::tempdir().unwrap();
    // Any JSON is YAML.
    std::fs::write(folder.path().join("rules.yaml"), rules.to_string()).unwrap();
    std::fs::write(folder.path().join("tests.yaml"), read("tests/it/data/alerts.yaml")).unwrap();
    promtool(folder.path(), &["test", "rules", "tests.yaml"])
}

/// Has promtool check these rules.
fn checked(rules: &Value) -> Output {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules.yaml"), rules.to_string()).unwrap();
    promtool(folder.path(), &["check", "rules", "rules.yaml"])
}

#[test]
fn prometheus_takes_every_rule_of_the_chart() {
    let checked = checked(&rules());
    assert!(checked.status.success(), "{checked:?}");
    assert!(!rules().to_string().contains("NAMESPACE"));
}

#[test]
fn each_alert_fires_when_it_should_and_not_before() {
    let done = tested(&rules());
    assert!(done.status.success(), "{done:?}");
    let tests = helm::objects(&read("tests/it/data/alerts.yaml")).remove(0);
    for alert in alerts(&rules()) {
        let own: Vec<_> = tests["tests"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|test| test["alert_rule_test"].as_array().unwrap())
            .filter(|test| test["alertname"] == alert["alert"])
            .map(|test| test["exp_alerts"].as_array().unwrap().is_empty())
            .collect();
        assert!(own.contains(&true) && own.contains(&false), "{}: {own:?}", name(alert));
    }
}

/// A test of an alert that passes without the alert would be none.
#[test]
fn no_alert_can_be_left_out_unnoticed() {
    let whole = rules();
    for at in 0..alerts(&whole).len() {
        let mut rules = whole.clone();
        rules["groups"][0]["rules"][at]["expr"] = "vector(0) > 1".into();
        assert!(!tested(&rules).status.success(), "{}", name(&alerts(&whole)[at]));
    }
}

#[test]
fn each_alert_has_an_entry_in_the_runbook_and_no_entry_is_left_over() {
    let runbook = read("docs/runbook.md");
    let entries: Vec<_> = runbook.split("\n## ").skip(1).collect();
    let of = |entry: &str| entry.lines().next().unwrap().to_owned();
    let rules = rules();
    let known: BTreeSet<_> = alerts(&rules).iter().map(name).collect();
    assert_eq!(entries.iter().map(|entry| of(entry)).collect::<BTreeSet<_>>(), known);
    for entry in entries {
        for part in ["- **Means**: ", "- **Look**: ", "- **Do**: "] {
            assert!(entry.contains(part), "{} lacks {part}", of(entry));
        }
    }
    for alert in alerts(&rules) {
        let link = format!("docs/runbook.md#{}", name(alert).to_lowercase());
        assert_eq!(alert["annotations"]["runbook"], link.as_str());
        assert!(["critical", "warning"].contains(&alert["labels"]["severity"].as_str().unwrap()));
    }
}

/// A path of the repository is nothing that whoever is alerted can open.
#[test]
fn each_alert_has_a_link_to_its_entry_where_the_site_has_the_runbook() {
    let url = "https://wiki.example/event-gateway/runbook";
    let rules = rules_of(Helm::new().set(&format!("prometheusRule.runbookUrl={url}")));
    let checked = checked(&rules);
    assert!(checked.status.success(), "{checked:?}");
    for alert in alerts(&rules) {
        let annotations = &alert["annotations"];
        let link = format!("{url}#{}", name(alert).to_lowercase());
        assert_eq!(annotations["runbook_url"], link.as_str());
        assert_eq!(annotations["runbook"], Value::Null, "one of the two is enough");
    }
}

/// A selector of another namespace would alert of another gateway, or of none; two releases in one
/// namespace would hide each other's lanes without a holder.
#[test]
fn each_alert_looks_at_its_own_release_alone() {
    let rules = rules();
    let own = r#"[a-z_]+\{[ \n]*namespace="folio",job=~"\(folio/\)\?demo-event-gateway""#;
    let selected = Regex::new(own).unwrap();
    let metric = Regex::new(r"(event_gateway|process)_[a-z_]+").unwrap();
    for alert in alerts(&rules) {
        let expression = alert["expr"].as_str().unwrap();
        let uses = metric.find_iter(expression).count();
        assert!(uses > 0, "{expression}");
        assert_eq!(selected.find_iter(expression).count(), uses, "{expression}");
    }
}

#[test]
fn a_metric_names_the_alerts_that_go_by_it() {
    let rules = rules();
    for entry in declared() {
        let of: BTreeSet<_> = names(&entry).into_iter().collect();
        let goes_by_it = |alert: &&Value| !named(alert["expr"].as_str().unwrap()).is_disjoint(&of);
        let wanted: BTreeSet<_> = alerts(&rules).iter().filter(goes_by_it).map(name).collect();
        let told: BTreeSet<_> = entry.alerts.iter().map(|it| (*it).to_owned()).collect();
        // A histogram is only divided by.
        if entry.kind != "histogram" {
            assert_eq!(told, wanted, "{}", entry.name);
        }
    }
}
