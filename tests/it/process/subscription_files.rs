//! Subscriptions that files ask for: put at the start, when a file changes, and when a tenant is
//! enabled; an illegal file ends the start, and changes nothing later.

use crash::serve::{Serve, Setup, get};
use crash::until;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::support::config_map;
use crate::support::serve;

/// Two tenants, without a broker.
fn setup() -> Setup {
    let setup = serve::setup(&["diku", "college"]).with("BROKER", "none").with("ENV", "folio");
    std::fs::create_dir(setup.path().join("subscriptions")).unwrap();
    setup
}

/// Writes the file of a group.
fn write(setup: &Setup, group: &str, text: &str) {
    let path = setup.path().join("subscriptions").join(format!("{group}.toml"));
    std::fs::write(path, text).unwrap();
}

async fn ask(serve: &Serve, method: Method, tenant: &str, path: &str) -> (StatusCode, Value) {
    let url = format!("{}/subscriptions/{path}", serve.url);
    let answer = Client::new().request(method, url).header("X-Okapi-Tenant", tenant).send().await;
    let answer = answer.unwrap();
    let status = answer.status();
    (status, answer.json().await.unwrap_or_default())
}

async fn find(serve: &Serve, tenant: &str, group: &str) -> Option<Value> {
    let (status, found) = ask(serve, Method::GET, tenant, group).await;
    (status == StatusCode::OK).then_some(found)
}

/// Waits until a tenant's group delivers these types.
async fn delivers(serve: &Serve, tenant: &str, group: &str, types: &[&str]) {
    until(&format!("{group} of {tenant} delivers {types:?}"), async || {
        find(serve, tenant, group).await.is_some_and(|found| found["types"] == json!(types))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_put_at_the_start_and_when_it_changes_and_for_a_tenant_that_comes_later() {
    let setup = setup();
    write(&setup, "cg.search", "tenants = \"*\"\ntypes = [\"CREATE\"]\nlease_seconds = 60\n");
    write(&setup, "cg.own", "tenants = [\"diku\"]\nstart = \"latest\"\n");
    let serve = setup.serve();
    for tenant in ["diku", "college"] {
        delivers(&serve, tenant, "cg.search", &["CREATE"]).await;
    }
    delivers(&serve, "diku", "cg.own", &[]).await;
    assert_eq!(find(&serve, "diku", "cg.search").await.unwrap()["leaseSeconds"], 60);
    let trail = get(&format!("{}/trail", serve.url), "diku").await;
    let told = trail["trail"].as_array().unwrap().iter().any(|row| {
        row["act"] == "subscription-put" && row["who"] == "gateway" && row["reason"] == "its file"
    });
    assert!(told, "{trail}");

    setup.add_tenant("fresh", "");
    delivers(&serve, "fresh", "cg.search", &["CREATE"]).await;
    // Whoever removes it has the last word, until the file changes.
    let (status, _) = ask(&serve, Method::DELETE, "diku", "cg.search").await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    write(&setup, "cg.late", "tenants = \"*\"\n");
    delivers(&serve, "diku", "cg.late", &[]).await;
    assert_eq!(find(&serve, "diku", "cg.search").await, None);
    write(&setup, "cg.search", "tenants = \"*\"\ntypes = [\"UPDATE\"]\n");
    for tenant in ["diku", "college", "fresh"] {
        delivers(&serve, tenant, "cg.search", &["UPDATE"]).await;
    }
    assert_eq!(find(&serve, "college", "cg.own").await, None, "the file names another tenant");
    assert!(serve.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_waits_for_the_reader() {
    let setup = setup();
    write(&setup, "cg.search", "tenants = [\"diku\"]\ntypes = [\"CREATE\"]\n");
    let serve = setup.serve();
    delivers(&serve, "diku", "cg.search", &["CREATE"]).await;
    let poll = "cg.search/events?wait=0&reader=pod-1";
    let (_, reading) = ask(&serve, Method::GET, "diku", poll).await;
    write(&setup, "cg.search", "tenants = [\"diku\"]\ntypes = [\"DELETE\"]\n");
    until("the log tells who reads", async || setup.log().contains("`pod-1` reads for the group"))
        .await;
    assert_eq!(find(&serve, "diku", "cg.search").await.unwrap()["types"], json!(["CREATE"]));
    let leave = format!("cg.search/reader?generation={}", reading["generation"]);
    assert_eq!(ask(&serve, Method::DELETE, "diku", &leave).await.0, StatusCode::NO_CONTENT);
    delivers(&serve, "diku", "cg.search", &["DELETE"]).await;
    assert!(serve.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_illegal_file_ends_the_start_and_changes_nothing_later() {
    let setup = setup();
    write(&setup, "cg.search", "tenants = \"*\"\n");
    let serve = setup.serve();
    delivers(&serve, "diku", "cg.search", &[]).await;
    write(&setup, "cg.search", "tenants = \"*\"\ntopic = [\"a\"]\n");
    write(&setup, "cg.late", "tenants = \"*\"\n");
    delivers(&serve, "diku", "cg.late", &[]).await;
    assert!(find(&serve, "diku", "cg.search").await.is_some());
    let told = "cg.search.toml` is left out: ";
    assert_eq!(setup.log().matches(told).count(), 1, "{}", setup.log());
    assert!(serve.terminate().success());

    let checked = setup.command(&["check"]).output().unwrap();
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(!checked.status.success() && said.contains("unknown field `topic`"), "{said}");
    let started = setup.command(&["serve"]).output().unwrap();
    assert_eq!(started.status.code(), Some(2));
    let log = setup.log();
    let last = log.lines().last().unwrap();
    assert!(last.contains("cg.search.toml") && last.contains("(SUBSCRIPTIONS_DIR)"), "{last}");
}

/// The kubelet changes the link through which all files of a ConfigMap lead, and none of the files'
/// own links.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_the_kubelet_changes_all_at_once_are_read_without_a_restart() {
    let setup = setup();
    let [files, tenants] = ["subscriptions", "tenants"].map(|folder| setup.path().join(folder));
    std::fs::remove_dir_all(&tenants).unwrap();
    let (all, diku) = (("_default.toml", "[entities.\"inventory.item\"]\n"), ("diku.toml", ""));
    config_map::put(&tenants, &[all, diku]);
    let (creates, updates) = (
        ("cg.search.toml", "tenants = \"*\"\ntypes = [\"CREATE\"]\n"),
        ("cg.search.toml", "tenants = \"*\"\ntypes = [\"UPDATE\"]\n"),
    );
    let own = ("cg.own.toml", "tenants = [\"diku\"]\n");
    config_map::put(&files, &[creates, own]);
    let serve = setup.serve();
    delivers(&serve, "diku", "cg.search", &["CREATE"]).await;
    delivers(&serve, "diku", "cg.own", &[]).await;

    config_map::put(&tenants, &[all, diku, ("college.toml", "")]);
    delivers(&serve, "college", "cg.search", &["CREATE"]).await;
    config_map::put(&files, &[updates, own]);
    for tenant in ["diku", "college"] {
        delivers(&serve, tenant, "cg.search", &["UPDATE"]).await;
    }
    config_map::put(&files, &[updates, ("cg.late.toml", "tenants = [\"college\"]\n")]);
    delivers(&serve, "college", "cg.late", &[]).await;
    assert!(find(&serve, "diku", "cg.own").await.is_some(), "it stays without its file");
    assert!(!setup.log().contains("is left out"), "{}", setup.log());
    assert!(serve.terminate().success());
}
