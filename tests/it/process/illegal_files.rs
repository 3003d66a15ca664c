//! Tenants whose own files are illegal: they are not enabled, and whoever asks is told the file and
//! what is wrong with it.

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crash::serve::Setup;
use event_gateway::clock::{Clock, System};
use serde_json::{Value, json};

use crate::support::serve;
use crate::support::tokens::{OKAPI_KEY, hs256, okapi_claims};

/// Each tenant's topic of `x.one` is `folio.{tenant}.b.c`.
const DEFAULTS: &str = "[entities.\"inventory.item\"]\n\
                        [entities.\"x.one\"]\ntopic = \"{env}.{tenant}.b.c\"\n";
/// The topic `folio.diku_b.c` collides with one of `diku`.
const COLLIDES: &str = "[entities.\"x.two\"]\ntopic = \"{env}.{tenant}.c\"\n";

fn setup() -> Setup {
    let setup = serve::setup(&["diku"]).for_all_tenants(DEFAULTS);
    setup.with("ENV", "folio").with("BROKER", "none")
}

/// Puts the tenant's file there, as if it had been written at this second: two writes may be so
/// close that the file system gives them one time.
fn write(setup: &Setup, text: &str, second: u64) {
    let new = setup.path().join("new");
    std::fs::write(&new, text).unwrap();
    let file = File::options().append(true).open(&new).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(second)).unwrap();
    std::fs::rename(new, path(setup)).unwrap();
}

fn path(setup: &Setup) -> PathBuf {
    setup.path().join("tenants/diku_b.toml")
}

async fn post(setup: &Setup, path: &str, token: &str, body: &Value) -> (u16, Value) {
    let request = reqwest::Client::new().post(format!("{}{path}", setup.url()));
    let request = request.header("X-Okapi-Tenant", "diku_b").json(body);
    let request = match token {
        "" => request,
        token => request.header("X-Okapi-Token", token),
    };
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

async fn enable(setup: &Setup, token: &str) -> (u16, Value) {
    post(setup, "/_/tenant", token, &json!({ "module_to": "event-gateway-1.0.0" })).await
}

/// Returns a token that a caller of Okapi has, who sees its own tenant alone.
fn token() -> String {
    let claims = okapi_claims("diku_b", System.now().as_ms() / 1_000, json!({}));
    hs256(OKAPI_KEY.as_bytes(), &claims)
}

#[tokio::test]
async fn a_tenant_whose_own_file_is_illegal_is_not_enabled_until_it_is_mended() {
    let setup = setup().with("AUTH_MODE", "okapi").with("AUTH_OKAPI_KEY", OKAPI_KEY);
    let (_serve, token) = (setup.serve(), token());
    let change = json!({ "new": { "id": "a" } });
    let item = "/domain-events/inventory/item";
    let illegal = [("nonsense = 1", "nonsense"), (COLLIDES, "collide, or would be shared")];
    for (second, (text, why)) in illegal.into_iter().enumerate() {
        write(&setup, text, second as u64);
        // The second request finds the file as it was left out before.
        for _ in 0..2 {
            let (status, problem) = enable(&setup, &token).await;
            let told = problem["detail"].as_str().unwrap_or_default();
            let code = &problem["errors"][0]["code"];
            assert_eq!((status, code), (422, &json!("illegal-file")), "{problem}");
            let begins = "/module_to: the tenant can't be enabled: its file `diku_b.toml` is left";
            assert!(told.starts_with(begins) && told.contains(why), "{told}");
            assert!(!told.contains("folio.diku.b.c"), "it is another tenant's: {told}");
        }
        assert_eq!(post(&setup, item, &token, &change).await.0, 404);
    }
    let log = setup.log();
    assert!(log.contains("nonsense") && log.contains("folio.diku.b.c"), "{log}");
    write(&setup, "[entities.\"inventory.shelf\"]\n", 9);
    let (status, job) = enable(&setup, &token).await;
    assert_eq!(status, 201, "{job}");
    let shelf = "/domain-events/inventory/shelf";
    assert_eq!(post(&setup, shelf, &token, &change).await.0, 201, "by what its file names");
}

#[tokio::test]
async fn an_operator_is_told_with_whose_topics_an_illegal_file_collides() {
    let setup = setup();
    let _serve = setup.serve();
    write(&setup, COLLIDES, 0);
    let (status, problem) = enable(&setup, "").await;
    let told = problem["detail"].as_str().unwrap_or_default();
    assert_eq!((status, told.contains("folio.diku.b.c")), (422, true), "{problem}");
    setup.add_tenant("other", "nonsense = 1");
    std::fs::remove_file(path(&setup)).unwrap();
    let (status, job) = enable(&setup, "").await;
    assert_eq!(status, 201, "another tenant's file is in nobody's way: {job}");
}
