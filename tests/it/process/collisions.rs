//! Topics whose names are the same to Kafka: they are refused at the start, and when a tenant is
//! enabled, and both are named.

use crash::serve::Setup;
use serde_json::{Value, json};

use crate::support::serve;

/// The topics of the tenants `a` and `a_b` collide.
const FILE: &str = "[entities.\"x.one\"]\ntopic = \"{env}.{tenant}.b.c\"\n\
                    [entities.\"x.two\"]\ntopic = \"{env}.{tenant}.c\"\n";

fn setup(tenants: &[&str]) -> Setup {
    let setup = serve::setup(tenants).for_all_tenants(FILE);
    setup.with("ENV", "folio").with("BROKER", "none")
}

async fn post(setup: &Setup, path: &str, tenant: &str, body: Value) -> (u16, Value) {
    let request = reqwest::Client::new().post(format!("{}{path}", setup.url()));
    let answer = request.header("X-Okapi-Tenant", tenant).json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

#[tokio::test]
async fn a_tenant_whose_topics_collide_is_not_enabled() {
    let setup = setup(&["a"]);
    let serve = setup.serve();
    let enable = json!({ "module_to": "event-gateway-1.0.0" });
    let (status, answer) = post(&setup, "/_/tenant", "a_b", enable.clone()).await;
    let told = "/module_to: the tenant can't be enabled: the topics `folio.a.b.c` of tenant `a` and \
                `folio.a_b.c` of tenant `a_b` collide: Kafka treats `.` and `_` as the same; they \
                are those of `x.one` and `x.two`: give one of them another `topic`";
    assert_eq!((status, &answer["detail"]), (422, &json!(told)));
    assert_eq!(answer["errors"][0]["code"], "illegal-topics");
    let change = json!({"new": {"id": "1"}});
    assert_eq!(post(&setup, "/domain-events/x/one", "a_b", change.clone()).await.0, 404);
    let done = setup.command(&["tenants", "enable", "a_b"]).output().unwrap();
    assert_eq!(done.status.code(), Some(1));
    assert!(setup.log().contains("`folio.a.b.c` of tenant `a` and"), "{}", setup.log());
    assert_eq!(post(&setup, "/_/tenant", "ab", enable).await.0, 201, "others are");
    // A file that is added enables nobody whose topics collide.
    setup.add_tenant("a_b", "");
    let added = || setup.log().contains("left out") || setup.log().contains("not enabled by");
    crash::until("the file is reported", async || added()).await;
    assert_eq!(post(&setup, "/domain-events/x/one", "a_b", change).await.0, 404);
    serve.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_tenants_that_are_enabled_at_once_and_collide_one_is_refused() {
    let setup = setup(&["a"]);
    let serve = setup.serve();
    let enable = json!({ "module_to": "event-gateway-1.0.0" });
    for number in 0..10 {
        let pair = [format!("t{number}"), format!("t{number}_b")];
        let [one, other] = &pair;
        let asked = |tenant| post(&setup, "/_/tenant", tenant, enable.clone());
        let (one, other) = tokio::join!(asked(one), asked(other));
        let mut statuses = [one.0, other.0];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 422], "{pair:?}: {one:?} {other:?}");
    }
    assert_eq!(post(&setup, "/_/tenant", "unrelated", enable).await.0, 201);
    serve.terminate();
    assert!(setup.serve().terminate().success(), "{}", setup.log());
}

#[test]
fn files_whose_tenants_topics_collide_are_refused_at_the_start() {
    let setup = setup(&["a", "a_b"]);
    let done = setup.command(&["serve"]).output().unwrap();
    assert_eq!(done.status.code(), Some(2));
    let log = setup.log();
    assert!(log.contains("`folio.a.b.c` of tenant `a` and `folio.a_b.c` of tenant `a_b`"), "{log}");
    assert!(log.contains("a.toml") && log.contains("a_b.toml"), "{log}");
}

/// The tenant `a_b` has no file of its own, but a log.
#[tokio::test]
async fn files_that_do_not_fit_the_store_s_tenants_end_the_start_and_a_check_says_so_before() {
    let before = "[entities.\"x.one\"]\n[entities.\"x.two\"]\n";
    let setup = setup(&["a"]).for_all_tenants(before);
    let serve = setup.serve();
    let enable = json!({ "module_to": "event-gateway-1.0.0" });
    assert_eq!(post(&setup, "/_/tenant", "a_b", enable).await.0, 201);
    serve.terminate();
    let setup = setup.for_all_tenants(FILE);
    let checked = setup.command(&["check", "--connect"]).output().unwrap();
    assert_eq!(checked.status.code(), Some(1));
    let done = setup.command(&["serve"]).output().unwrap();
    assert_eq!(done.status.code(), Some(2), "no restart mends it");
    let (checked, log) = (String::from_utf8(checked.stdout).unwrap(), setup.log());
    for part in [
        "TENANTS_DIR, with the tenants that the store has",
        "`folio.a.b.c` of tenant `a` and `folio.a_b.c` of tenant `a_b` collide",
        "they are those of `x.one` and `x.two`: give one of them another `topic`",
        "or start with the files of before, and purge one of the tenants",
    ] {
        assert!(checked.contains(part), "{part}: {checked}");
        assert!(log.contains(part), "{part}: {log}");
    }
    assert!(setup.for_all_tenants(before).serve().terminate().success());
}
