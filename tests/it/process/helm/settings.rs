//! The variables that the chart takes by their names: `settings` has the gateway's alone, and none
//! that another value sets.

use std::collections::{BTreeMap, BTreeSet};

use event_gateway::config;
use regex::Regex;
use serde_json::Value;

use crate::support::helm::{self, Helm};
use crate::support::pod::Pod;

fn read(path: &str) -> String {
    std::fs::read_to_string(helm::chart().join(path)).unwrap()
}

/// A variable that the gateway does not read would be ignored, as one that is misspelt.
#[test]
fn settings_knows_every_variable_of_the_gateway_and_no_other() {
    let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    let names = schema["properties"]["settings"]["properties"].as_object().unwrap();
    let has: BTreeSet<_> = names.keys().cloned().collect();
    let row = Regex::new(r"(?m)^\| `(OTEL_[A-Z_]+)` \|").unwrap();
    let of_traces = include_str!("../../../../docs/traces.md");
    let of_traces = row.captures_iter(of_traces).map(|found| found[1].to_owned());
    let of_options = config::variables().into_iter().map(|(name, ..)| name);
    let known: BTreeSet<_> = of_options.chain(of_traces).collect();
    let lacking: Vec<_> = known.difference(&has).collect();
    let unknown: Vec<_> = has.difference(&known).collect();
    assert!(
        lacking.is_empty() && unknown.is_empty(),
        "in helm/event-gateway/values.schema.json, at properties.settings.properties, add \
         {lacking:?} and remove {unknown:?}"
    );
}

#[test]
fn settings_takes_the_variables_whose_names_are_a_site_s_own() {
    let own = [("KAFKA_CONFIG_LINGER_MS", "5"), ("KAFKA_ITEM_TOPIC_NUM_PARTITIONS", "3")];
    let helm = own.iter().fold(Helm::new().file(&helm::ci("postgres.yaml")), |helm, (name, it)| {
        helm.set_text(&format!("settings.{name}={it}"))
    });
    let pod = Pod::of(&helm.template().unwrap());
    for (name, value) in own {
        assert_eq!(pod.written(name), Some(value));
    }
}

/// Returns a list of the chart's refusals: variables, each with the value that sets it.
fn listed(list: &str) -> BTreeMap<String, String> {
    let text = read("templates/_refusals.tpl");
    let (_, rest) = text.split_once(&format!("{{{{- define \"{list}\" -}}}}\n")).unwrap();
    let (rows, _) = rest.split_once("{{- end -}}").unwrap();
    let row = |row: &str| {
        let (name, value) = row.split_once(": ").unwrap();
        (name.to_owned(), value.trim_matches('"').to_owned())
    };
    rows.lines().map(row).collect()
}

/// `settings` refuses the variables of both lists, and `extraEnv` those of the first one.
#[test]
fn the_chart_knows_which_value_sets_each_variable_of_its_pods() {
    let variable = Regex::new(r#"(?:- name: |"name" ")([A-Z][A-Z_]+)"#).unwrap();
    let template = read("templates/_pod.tpl");
    let set: BTreeSet<_> = variable.captures_iter(&template).map(|it| it[1].to_owned()).collect();
    let mut known = listed("event-gateway.variablesOfThePod");
    known.extend(listed("event-gateway.variablesOfValues"));
    let names: BTreeSet<_> = known.keys().cloned().collect();
    assert_eq!(names, set, "templates/_refusals.tpl must list what _pod.tpl sets");
    let values = helm::objects(&read("values.yaml")).remove(0);
    for (name, value) in known.iter().filter(|(_, value)| !value.is_empty()) {
        let path = format!("/{}", value.replace('.', "/"));
        assert!(values.pointer(&path).is_some(), "{name}: the chart has no value {value}");
    }
}
