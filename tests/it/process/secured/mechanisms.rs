//! Every mechanism by which the gateway authenticates, and every form of a store of certificates.

use std::process::Stdio;

use event_gateway::clock::{Clock, System};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{ITEM, Secured};
use crate::support::serve;

/// Compares topics with each mechanism and each form of a store: what a user may not see is
/// missing, and only who can't authenticate is in trouble.
#[allow(clippy::too_many_lines, reason = "it is a table")]
pub(super) async fn authenticate(kafka: &Secured) {
    let tls = |file: &str| kafka.tls(file);
    let tokens = tokens().await;
    let ca = ("KAFKA_SSL_TRUSTSTORE_LOCATION", tls("ca.pem"));
    let password = |variable: &'static str| (variable, "changeit".to_owned());
    let keystore = |file: &str| ("KAFKA_SSL_KEYSTORE_LOCATION", tls(file));
    let protocol = |protocol: &str| ("KAFKA_SECURITY_PROTOCOL", protocol.to_owned());
    let sasl = |mechanism: &str, secret: &str| {
        let user = [("KAFKA_SASL_USERNAME", "gateway"), ("KAFKA_SASL_PASSWORD", secret)];
        let user = user.map(|(name, value)| (name, value.to_owned()));
        [&[protocol("SASL_SSL"), ("KAFKA_SASL_MECHANISM", mechanism.to_owned())], &user[..]]
            .concat()
    };
    let p12 = [
        ("KAFKA_SSL_TRUSTSTORE_LOCATION", tls("ca.p12")),
        password("KAFKA_SSL_TRUSTSTORE_PASSWORD"),
    ];
    let mutual_p12 = [keystore("gateway.p12"), password("KAFKA_SSL_KEYSTORE_PASSWORD")];
    let mutual = [protocol("SSL"), ca.clone()];
    let oauth = |secret: &str| {
        vec![
            protocol("SASL_PLAINTEXT"),
            ("KAFKA_SASL_MECHANISM", "OAUTHBEARER".to_owned()),
            ("KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL", tokens.clone()),
            ("KAFKA_SASL_OAUTHBEARER_CLIENT_ID", "gateway".to_owned()),
            ("KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET", secret.to_owned()),
        ]
    };
    let [_, sasl_ssl, ssl, oauth_port, _] = kafka.ports;
    let with = |all: Vec<(&'static str, String)>, more: &[(&'static str, String)]| {
        [&all[..], more].concat()
    };
    let jks = [("KAFKA_SSL_TRUSTSTORE_LOCATION", tls("ca.jks"))];
    // Who is known may not see the topic, since no right is granted yet.
    let known = "lacks the right Describe on the topic `folio.diku.inventory.item`";
    let setup = serve::setup(&["diku"]).for_all_tenants(ITEM).with("ENV", "folio");
    let setup = setup.with("BROKER", "none");
    setup.serve().terminate();
    for (port, variables, told) in [
        (sasl_ssl, with(sasl("PLAIN", "gateway-secret"), std::slice::from_ref(&ca)), known),
        (sasl_ssl, with(sasl("SCRAM-SHA-256", "gateway-secret"), &p12), known),
        (sasl_ssl, with(sasl("SCRAM-SHA-512", "gateway-secret"), &p12), known),
        (sasl_ssl, with(sasl("SCRAM-SHA-512", "wrong"), &p12), "uthentication failed"),
        (sasl_ssl, sasl("SCRAM-SHA-512", "gateway-secret"), "certificate verify failed"),
        (sasl_ssl, with(sasl("PLAIN", "x"), &jks), "keytool -importkeystore"),
        (ssl, with(mutual.to_vec(), &[keystore("gateway.pem")]), known),
        (ssl, with(mutual.to_vec(), &mutual_p12), known),
        (ssl, mutual.to_vec(), "certificate"),
        (oauth_port, oauth("gateway-secret"), known),
        (oauth_port, oauth("wrong"), "OAUTHBEARER"),
    ] {
        let mut command = setup.command(&["topics", "diff"]);
        command
            .env("BROKER", "kafka")
            .env("KAFKA_HOST", "127.0.0.1")
            .env("KAFKA_PORT", port.to_string());
        command.envs(variables.clone()).stderr(Stdio::piped());
        let done = command.output().unwrap();
        let log = String::from_utf8(done.stderr).unwrap();
        let shown: Vec<_> =
            variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(done.status.code(), Some(2), "{shown:?}: {log}");
        assert!(log.contains(told), "{shown:?}: {log}");
        assert!(!log.contains("-secret") && !log.contains("changeit"), "{log}");
    }
}

/// Serves a token endpoint, which gives unsecured tokens to the client `gateway`.
async fn tokens() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut asked = vec![0; 8192];
                let mut length = 0;
                // The head, and a body as short as a grant's.
                while !asked[..length].windows(10).any(|it| it == b"grant_type") {
                    length += connection.read(&mut asked[length..]).await.unwrap();
                }
                let head = String::from_utf8_lossy(&asked[..length]).into_owned();
                // gateway:gateway-secret
                let is_known = head.contains("Z2F0ZXdheTpnYXRld2F5LXNlY3JldA==");
                let now = System.now().as_ms() / 1_000;
                let claims = json!({"sub": "gateway", "iat": now, "exp": now + 600});
                let encode =
                    |value: Value| openssl::base64::encode_block(value.to_string().as_bytes());
                let url_safe =
                    |text: String| text.trim_end_matches('=').replace('+', "-").replace('/', "_");
                let [header, claims] =
                    [json!({"alg": "none"}), claims].map(|it| url_safe(encode(it)));
                let token = json!({
                    "access_token": format!("{header}.{claims}."), "expires_in": 600,
                    "token_type": "Bearer",
                });
                let (status, body) = match is_known {
                    true => ("200 OK", token.to_string()),
                    false => ("401 Unauthorized", r#"{"error":"invalid_client"}"#.to_owned()),
                };
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n\
                     Content-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                drop(connection.write_all(answer.as_bytes()).await);
            });
        }
    });
    url
}
