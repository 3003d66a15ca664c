//! Kafka's clients fetch their tokens from a real Keycloak, and read over TLS with them; and on,
//! with new ones, once those have ended.
//!
//! It is left out where Keycloak can't be downloaded; `scripts/services` says so, and `./test` does
//! at its end.

use std::fs;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crash::serve::{Serve, Setup};
use crash::until;
use kafka_protocol::messages::ApiVersionsRequest;
use reqwest::Client;
use tokio::time::sleep;

use crate::support::kafka_clients::{CONSOLE, Got, ITEMS, Member, libs, post_with, setup, tool_on};
use crate::support::kafka_wire::Wire;
use crate::support::pem::{self_signed, write_pair};
use crate::support::readers::{Reader, java};
use crate::support::real_keycloak::{BRIEF, Keycloak, MODULE, SECRET};

/// The time between two looks whether a connection has ended.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A gateway that takes the tokens of Keycloak's realms `diku` and `ops`, and the clients of `diku`.
struct Realm {
    keycloak: Keycloak,
    setup: Setup,
    serve: Serve,
    client: Client,
    certificate: String,
    /// Where clients fetch their tokens.
    place: String,
}

impl Realm {
    /// Starts them, unless Keycloak could not be downloaded.
    async fn start() -> Option<Self> {
        let keycloak = Keycloak::start().await?;
        let setup = setup(&["diku", "ops"], 2);
        let [certificate, key] = write_pair(setup.path(), &self_signed());
        let setup = setup
            .with("AUTH_MODE", "keycloak")
            .with("AUTH_ISSUERS", keycloak.issuer("*"))
            .with("AUTH_OPERATOR_ISSUERS", keycloak.issuer("ops"))
            .with("AUTH_METRICS", "open")
            .with("HTTP_TLS_CERT", &certificate)
            .with("HTTP_TLS_KEY", key);
        let serve = setup.serve();
        let client = Client::builder().danger_accept_invalid_certs(true).build().unwrap();
        let place = keycloak.token_place("diku");
        Some(Self { keycloak, setup, serve, client, certificate, place })
    }

    async fn post(&self, tenant: &str, numbers: Range<u64>) {
        let token = self.keycloak.token(tenant, "folio").await;
        let headers = [("X-Okapi-Tenant", tenant), ("X-Okapi-Token", &token)];
        post_with(&self.client, &self.serve, &headers, numbers).await;
    }

    /// Lets a member join by librdkafka, which fetches the tokens of a module.
    fn join(&self, module: &str, group: &str, got: &Arc<Got>) -> Member {
        let fetches = [
            ("security.protocol", "SASL_SSL"),
            ("ssl.ca.location", &self.certificate),
            ("sasl.mechanism", "OAUTHBEARER"),
            ("sasl.oauthbearer.method", "oidc"),
            ("sasl.oauthbearer.token.endpoint.url", &self.place),
            ("sasl.oauthbearer.client.id", module),
            ("sasl.oauthbearer.client.secret", SECRET),
        ];
        Member::join(self.serve.broker(), group, got, &fetches)
    }

    /// Writes the settings with which Java's clients do so; returns their file, and the option
    /// of Java that lets them ask there.
    fn java(&self, module: &str) -> (PathBuf, String) {
        let (certificate, place) = (&self.certificate, &self.place);
        let file = self.setup.path().join(format!("{module}.properties"));
        let of_bearers = "org.apache.kafka.common.security.oauthbearer";
        let jaas = format!("{of_bearers}.OAuthBearerLoginModule required");
        let properties = format!(
            "security.protocol=SASL_SSL\nssl.truststore.type=PEM\n\
             ssl.truststore.location={certificate}\nsasl.mechanism=OAUTHBEARER\n\
             sasl.login.callback.handler.class={of_bearers}.OAuthBearerLoginCallbackHandler\n\
             sasl.oauthbearer.token.endpoint.url={place}\n\
             sasl.jaas.config={jaas} clientId=\"{module}\" clientSecret=\"{SECRET}\" ;\n"
        );
        fs::write(&file, properties).unwrap();
        (file, format!("-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={place}"))
    }

    /// Returns how many connections have ended since their tokens had.
    async fn expired(&self) -> u64 {
        let asked = self.client.get(format!("{}/metrics", self.serve.url)).send().await.unwrap();
        let text = asked.text().await.unwrap();
        let name = "event_gateway_listener_clients_ended_total{reason=\"expired\"} ";
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
    }

    /// Waits until a connection ends whose client has a token from now, and fetches no other one.
    async fn outlast_a_token(&self) {
        let token = self.keycloak.token_of("diku", BRIEF).await;
        let (mut silent, _) = Wire::connect_tls(self.serve.broker());
        assert_eq!(silent.say("PLAIN", &format!("\0diku\0{token}")).unwrap().error_code, 0);
        until("its token has ended", async || {
            sleep(LOOK_EVERY).await;
            silent.ask(0, &ApiVersionsRequest::default()).is_none()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_fetch_tokens_from_their_realm_read_their_tenant_over_tls() {
    let Some(realm) = Realm::start().await else { return };
    for tenant in ["diku", "ops"] {
        realm.post(tenant, 0..10).await;
    }
    let got = Arc::new(Got::default());
    let member = realm.join(MODULE, "cg.search", &got);
    until("librdkafka has all", async || got.count() == 10).await;
    member.leave();

    let (file, may_ask) = realm.java(MODULE);
    let with = ["--consumer.config", file.to_str().unwrap(), "--timeout-ms", "60000"];
    let what = ["--include", ".*item", "--group", "cg.tool", "--from-beginning"];
    let arguments = [&with[..], &what, &["--max-messages", "10"]].concat();
    let read = tool_on(&[&may_ask], CONSOLE, realm.serve.broker(), &arguments);
    assert_eq!(read.lines().filter(|line| line.contains("\"number\"")).count(), 10, "{read}");
    assert!(!read.contains("\"ops\""), "{read}");
    read_on_with_new_tokens(&realm).await;
    assert!(realm.serve.terminate().success(), "{}", realm.setup.log());
}

/// Lets clients read over the end of their tokens, and checks that they keep their connections.
async fn read_on_with_new_tokens(realm: &Realm) {
    let [by_librdkafka, by_java] = [(); 2].map(|()| Arc::new(Got::default()));
    let counts = || (by_librdkafka.count(), by_java.count());
    let member = realm.join(BRIEF, "cg.brief", &by_librdkafka);
    let (file, may_ask) = realm.java(BRIEF);
    let address = realm.serve.broker();
    let given = [address, "cg.brief-java", ITEMS, "RangeAssignor", file.to_str().unwrap()];
    let mut command = java(&libs(), "Reader", &given);
    command.env("JAVA_TOOL_OPTIONS", may_ask);
    let reader = Reader::join(command, &by_java);
    until("both have all", async || counts() == (10, 10)).await;

    realm.outlast_a_token().await;
    // Java's client has begun on a connection that it does not use any more.
    let expired = realm.expired().await;
    assert!((1..=2).contains(&expired), "{expired}");
    realm.post("diku", 10..20).await;
    until("both read on", async || counts() == (20, 20)).await;
    assert_eq!(realm.expired().await, expired);
    member.leave();
    reader.leave();
    for got in [by_librdkafka, by_java] {
        got.assert_in_order();
    }
}
