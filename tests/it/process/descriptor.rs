//! The ModuleDescriptor: it has what Okapi's schema allows, and tells of every route, permission,
//! variable and topic.

use std::collections::BTreeSet;

use event_gateway::access::{ALL, ALL_OF_ALL_TENANTS, PERMISSIONS};
use event_gateway::config;
use event_gateway::http;
use serde_json::{Value, json};

use crate::support::serve;

/// The members that Okapi's schema allows in each object, with those that it demands first, up to
/// `|`: its schemas have `additionalProperties: false`, but for `metadata` and `dockerArgs`.
const ALLOWED: [(&str, &str); 6] = [
    (
        "",
        "id name | description tags env requires provides optional filters permissionSets \
         uiDescriptor launchDescriptor metadata replaces",
    ),
    ("/provides", "id version | interfaceType handlers permissionSets scope"),
    (
        "/provides/handlers",
        "| methods pathPattern path rewritePath phase level type redirectPath unit delay schedule \
         permissionsRequired permissionsDesired modulePermissions permissionsRequiredTenant \
         delegateCORS",
    ),
    ("/permissionSets", "permissionName | replaces displayName description subPermissions visible"),
    (
        "/launchDescriptor",
        "| exec cmdlineStart cmdlineStop dockerImage dockerPull dockerCMD dockerArgs env \
         waitIterations",
    ),
    ("/launchDescriptor/env", "name | value description required"),
];

/// The members that are no text, by their kind.
const KINDS: [(&str, &str); 4] = [
    (
        "list",
        "tags env requires provides optional filters permissionSets replaces handlers methods scope \
         permissionsRequired permissionsDesired modulePermissions permissionsRequiredTenant \
         subPermissions",
    ),
    ("object", "uiDescriptor launchDescriptor metadata dockerArgs schedule"),
    ("flag", "dockerPull visible delegateCORS required"),
    ("number", "waitIterations"),
];

/// Returns whether the value of a member is of its kind.
fn is_of_its_kind(name: &str, value: &Value) -> bool {
    let kind = KINDS.iter().find(|(_, names)| names.split_whitespace().any(|it| it == name));
    match kind.map_or("text", |(kind, _)| kind) {
        "list" => value.is_array(),
        "object" => value.is_object(),
        "flag" => value.is_boolean(),
        "number" => value.is_u64(),
        _ => value.is_string(),
    }
}

fn descriptor() -> Value {
    let setup = serve::setup(&["diku"]);
    let done = setup.command(&["descriptor"]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

/// Checks an object, or each of a list, and those below it.
fn check(at: &str, value: &Value) {
    if let Value::Array(items) = value {
        return items.iter().for_each(|item| check(at, item));
    }
    let Some((_, members)) = ALLOWED.iter().find(|(of, _)| *of == at) else { return };
    let (demanded, allowed) = members.split_once('|').unwrap();
    let object = value.as_object().unwrap_or_else(|| panic!("{at}: {value}"));
    for name in demanded.split_whitespace() {
        assert!(object[name].as_str().is_some_and(|text| !text.is_empty()), "{at}/{name}");
    }
    for (name, member) in object {
        let mut known = demanded.split_whitespace().chain(allowed.split_whitespace());
        assert!(known.any(|it| it == name), "{at} has no member {name}");
        assert!(is_of_its_kind(name, member), "{at}/{name} is {member}");
        check(&format!("{at}/{name}"), member);
    }
}

fn texts<'a>(list: &'a Value, member: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|item| item[member].as_str().unwrap()).collect()
}

#[test]
fn the_descriptor_is_what_okapi_s_schema_allows() {
    let descriptor = descriptor();
    check("", &descriptor);
    let id = descriptor["id"].as_str().unwrap();
    assert_eq!(id, format!("event-gateway-{}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_route_and_permission_is_in_the_descriptor() {
    let descriptor = descriptor();
    let provides = descriptor["provides"].as_array().unwrap();
    let tenant = provides.iter().find(|it| it["id"] == "_tenant").unwrap();
    assert_eq!((&tenant["version"], &tenant["interfaceType"]), (&"2.0".into(), &"system".into()));
    let handlers: Vec<_> =
        provides.iter().flat_map(|it| it["handlers"].as_array().unwrap()).collect();
    let is_past_okapi =
        |path: &str| ["/livez", "/readyz", "/admin/health", "/metrics"].contains(&path);
    for route in http::access().iter().filter(|route| !is_past_okapi(route.path)) {
        let is_it =
            |it: &&&Value| it["pathPattern"] == route.path && it["methods"][0] == route.method;
        let handler = handlers.iter().find(is_it).unwrap_or_else(|| panic!("no {route:?}"));
        let required = handler["permissionsRequired"].as_array().unwrap();
        let name = route.permission.unwrap().name;
        let is_system = route.path.starts_with("/_/tenant");
        assert_eq!(required.iter().any(|it| it == name), !is_system, "{route:?}");
        let also = route.also.iter().map(|permission| Value::from(permission.name));
        let told: Vec<_> = required.iter().cloned().chain(also).collect();
        assert_eq!(handler["permissionsDesired"], Value::from(told), "{route:?}");
    }
    let names = texts(&descriptor["permissionSets"], "permissionName");
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "each once");
    for permission in PERMISSIONS {
        assert!(
            names.contains(&permission.name) && names.contains(&&*permission.for_all_tenants())
        );
    }
    for set in [ALL, ALL_OF_ALL_TENANTS] {
        let sets = descriptor["permissionSets"].as_array().unwrap();
        let set = sets.iter().find(|it| it["permissionName"] == set).unwrap();
        let of = set["subPermissions"].as_array().unwrap();
        assert_eq!(of.len(), PERMISSIONS.len());
        assert!(of.iter().all(|name| names.contains(&name.as_str().unwrap())));
    }
}

#[test]
fn variables_and_topics_are_in_the_descriptor() {
    let descriptor = descriptor();
    let env = &descriptor["launchDescriptor"]["env"];
    let names = texts(env, "name");
    for name in ["ENV", "KAFKA_HOST", "KAFKA_PORT", "DB_HOST", "REPLICATION_FACTOR", "TENANTS_DIR"]
    {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    assert!(texts(env, "description").iter().all(|text| !text.is_empty()));
    let value = |name: &str| {
        let env = env.as_array().unwrap().iter().find(|it| it["name"] == name).unwrap();
        env["value"].as_str().map(str::to_owned)
    };
    assert_eq!(value("ENV").as_deref(), Some("folio"));
    assert_eq!(value("HTTP_PORT").as_deref(), Some("8081"));
    let variables = &descriptor["metadata"]["variables"];
    assert!(texts(variables, "description").iter().all(|text| !text.is_empty()));
    let all: Vec<_> = config::variables().into_iter().map(|(name, ..)| name).collect();
    assert_eq!(texts(variables, "name"), all);
    assert!(names.iter().all(|name| all.iter().any(|it| it == name)), "{names:?}");
    let topics = descriptor["metadata"]["topics"].as_array().unwrap();
    assert!(topics.contains(&"folio.{tenant}.inventory.instance".into()), "{topics:?}");
}

/// Okapi gives a container each variable as `NAME=value`, where the value of one that has none is
/// `null`; `/_/env` replaces some by name.
#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_starts_with_the_variables_of_its_own_descriptor() {
    let descriptor = descriptor();
    let setup = serve::setup(&["diku"]);
    let env: Vec<_> = descriptor["launchDescriptor"]["env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["name"].as_str().unwrap(), it["value"].as_str().unwrap_or("null")))
        // The test listens on loopback alone, and has no server called `postgres`.
        .filter(|(name, _)| !["HTTP_HOST", "HTTP_PORT", "DB_HOST"].contains(name))
        .collect();
    let setup = env.iter().fold(setup, |setup, (name, value)| setup.with(name, value));
    let serve = setup.serve();
    let url = format!("{}/domain-events/inventory/instance", serve.url);
    let post = reqwest::Client::new().post(url).header("X-Okapi-Tenant", "diku");
    let answer = post.json(&json!({ "new": { "id": "a" } })).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    serve.terminate();
    let log = setup.log();
    let unread = log.lines().filter(|line| line.contains(" not read: "));
    assert!(unread.clone().all(|line| line.contains("\"DB_PORT, ")), "{log}");
    assert_eq!(unread.count(), 1, "without DB_HOST, those of PostgreSQL: {log}");
}
