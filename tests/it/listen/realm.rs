//! Kafka's clients fetch their tokens from a real Keycloak, and read over TLS with them.
//!
//! It is left out where Keycloak can't be downloaded; `scripts/services` says so, and `./test` does
//! at its end.

use std::fs;
use std::sync::Arc;

use crash::until;
use reqwest::Client;

use crate::support::kafka_clients::{CONSOLE, Got, Member, post_with, setup, tool_on};
use crate::support::pem::{self_signed, write_pair};
use crate::support::real_keycloak::{Keycloak, MODULE, SECRET};

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_fetch_tokens_from_their_realm_read_their_tenant_over_tls() {
    let Some(keycloak) = Keycloak::start().await else { return };
    let setup = setup(&["diku", "ops"], 2);
    let [certificate, key] = write_pair(setup.path(), &self_signed());
    let setup = setup
        .with("AUTH_MODE", "keycloak")
        .with("AUTH_ISSUERS", keycloak.issuer("*"))
        .with("AUTH_OPERATOR_ISSUERS", keycloak.issuer("ops"))
        .with("HTTP_TLS_CERT", &certificate)
        .with("HTTP_TLS_KEY", key);
    let serve = setup.serve();
    let client = Client::builder().danger_accept_invalid_certs(true).build().unwrap();
    for tenant in ["diku", "ops"] {
        let token = keycloak.token(tenant, "folio").await;
        let headers = [("X-Okapi-Tenant", tenant), ("X-Okapi-Token", &token)];
        post_with(&client, &serve, &headers, 0..10).await;
    }

    let place = format!("{}/protocol/openid-connect/token", keycloak.issuer("diku"));
    let got = Arc::new(Got::default());
    let fetches = [
        ("security.protocol", "SASL_SSL"),
        ("ssl.ca.location", &certificate),
        ("sasl.mechanism", "OAUTHBEARER"),
        ("sasl.oauthbearer.method", "oidc"),
        ("sasl.oauthbearer.token.endpoint.url", &place),
        ("sasl.oauthbearer.client.id", MODULE),
        ("sasl.oauthbearer.client.secret", SECRET),
    ];
    let member = Member::join(serve.broker(), "cg.search", &got, &fetches);
    until("librdkafka has all", async || got.count() == 10).await;
    member.leave();

    let file = setup.path().join("client.properties");
    let module = "org.apache.kafka.common.security.oauthbearer";
    let jaas = format!("{module}.OAuthBearerLoginModule required");
    let properties = format!(
        "security.protocol=SASL_SSL\nssl.truststore.type=PEM\n\
         ssl.truststore.location={certificate}\nsasl.mechanism=OAUTHBEARER\n\
         sasl.login.callback.handler.class={module}.OAuthBearerLoginCallbackHandler\n\
         sasl.oauthbearer.token.endpoint.url={place}\n\
         sasl.jaas.config={jaas} clientId=\"{MODULE}\" clientSecret=\"{SECRET}\" ;\n"
    );
    fs::write(&file, properties).unwrap();
    let with = ["--consumer.config", file.to_str().unwrap(), "--timeout-ms", "60000"];
    let what = ["--include", ".*item", "--group", "cg.tool", "--from-beginning"];
    let arguments = [&with[..], &what, &["--max-messages", "10"]].concat();
    let may_ask = format!("-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={place}");
    let read = tool_on(&[&may_ask], CONSOLE, serve.broker(), &arguments);
    assert_eq!(read.lines().filter(|line| line.contains("\"number\"")).count(), 10, "{read}");
    assert!(!read.contains("\"ops\""), "{read}");
    assert!(serve.terminate().success(), "{}", setup.log());
}
