//! Quotas of replicas that serve one store: they divide each tenant's quota among them.

use std::time::Instant;

use crash::PATIENCE;
use crash::serve::{Serve, Setup};

use crate::support::serve;
use crate::support::services::{kafka, postgres};

/// Returns the events that a replica lets a tenant post in a burst.
async fn share(replica: &Serve) -> String {
    let url = format!("{}/domain-events/inventory/item", replica.url);
    let post = reqwest::Client::new().post(url).header("X-Okapi-Tenant", "diku");
    let body = format!(r#"{{"new":{{"id":"{}"}}}}"#, fastrand::u64(..));
    let answer = post.header("Content-Type", "application/json").body(body).send().await.unwrap();
    let policy = answer.headers()["RateLimit-Policy"].to_str().unwrap();
    policy.split(';').nth(1).unwrap().to_owned()
}

async fn until_share(replica: &Serve, wanted: &str) {
    let since = Instant::now();
    while share(replica).await != wanted {
        assert!(since.elapsed() < PATIENCE, "it never had {wanted}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// Without a broker no replica has lanes, and all of them have tenants to serve.
#[tokio::test(flavor = "multi_thread")]
async fn replicas_divide_a_quota_among_those_that_serve() {
    let (env, store) = (kafka::env(), postgres::url());
    let setup = || -> Setup {
        serve::setup(&["diku"])
            .for_each_tenant("[quota]\nevents_per_second = 600\n")
            .with("ENV", &env)
            .with("BROKER", "none")
            .with("STORE_URL", &store)
            .with("QUOTA_BURST_SECONDS", 1)
    };
    let setups = [setup(), setup(), setup()];
    let [one, two, three] = setups.each_ref().map(Setup::serve);
    for replica in [&one, &two, &three] {
        until_share(replica, "q=200").await;
    }
    assert!(two.terminate().success());
    until_share(&one, "q=300").await;
    three.kill();
    until_share(&one, "q=600").await;
}
