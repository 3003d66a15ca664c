//! TLS: connections have what `DB_SERVER_PEM` and `sslmode` ask for.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use event_gateway::store::{Error, PostgresConfig, Store};
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use super::{Schema, open_as};
use crash::folder::Folder;
use crash::postgres::PrivatePostgres;

/// Makes a self-signed certificate of a name, and its key.
fn certificate(folder: &Path, name: &str, subject: &str) -> String {
    let [key, pem] = ["key", "pem"].map(|ending| folder.join(format!("{name}.{ending}")));
    let mut command = Command::new("openssl");
    command
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"]);
    command.arg("-addext").arg(format!("subjectAltName={subject}"));
    command.arg("-keyout").arg(&key).arg("-out").arg(&pem);
    assert!(command.output().unwrap().status.success());
    // A server that root starts runs as another user; any other runs as the user who starts it.
    let _ = Command::new("chown").arg("postgres").arg(&key).output().unwrap();
    std::fs::read_to_string(pem).unwrap()
}

/// Returns how many of the server's other sessions have TLS, and how many don't.
async fn sessions(server: &PrivatePostgres) -> (i64, i64) {
    let mut outside =
        PgConnection::connect(&format!("{}?sslmode=disable", server.url())).await.unwrap();
    let count = "SELECT count(*) FILTER (WHERE ssl), count(*) FILTER (WHERE NOT ssl)
        FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'event-gateway'";
    sqlx::query_as(count).fetch_one(&mut outside).await.unwrap()
}

fn refused(opened: Result<Arc<dyn Store>, Error>) -> String {
    match opened {
        Err(Error::Refused(message)) => message,
        Err(other) => panic!("not refused: {other:?}"),
        Ok(_) => panic!("not refused: opened"),
    }
}

#[tokio::test]
async fn a_server_is_known_by_its_certificate() {
    let folder = TempDir::new().unwrap();
    let [own, other] = [("own", "IP:127.0.0.1"), ("other", "IP:127.0.0.1")]
        .map(|(name, subject)| certificate(folder.path(), name, subject));
    let path = |name: &str| folder.path().join(name).display().to_string();
    let files =
        [format!("ssl_cert_file={}", path("own.pem")), format!("ssl_key_file={}", path("own.key"))];
    let pem_path = path("own.pem");
    let server =
        PrivatePostgres::start_in(Folder::Own(folder), &["ssl=on", &files[0], &files[1]]).await;
    let schema = Schema::on(server.url());
    let config = |pem: &str| PostgresConfig { server_pem: Some(pem.to_owned()), ..schema.config() };
    for pem in [&own, &pem_path] {
        let store = open_as(config(pem)).await.unwrap();
        store.check().await.unwrap();
        let (with, without) = sessions(&server).await;
        assert!(with >= 1 && without == 0, "{with} with TLS, {without} without");
    }
    refused(open_as(config(&other)).await);
    assert!(refused(open_as(config("/nowhere.pem")).await).contains("DB_SERVER_PEM"));
    let plain = Schema::on(format!("{}?sslmode=disable", server.url()));
    let plain = PostgresConfig { server_pem: Some(own), ..plain.config() };
    assert!(refused(open_as(plain).await).contains("sslmode"));
}

#[tokio::test]
async fn a_server_s_name_is_checked_unless_the_url_says_otherwise() {
    let folder = TempDir::new().unwrap();
    let pem = certificate(folder.path(), "own", "DNS:elsewhere");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let files =
        [format!("ssl_cert_file={}", path("own.pem")), format!("ssl_key_file={}", path("own.key"))];
    let server =
        PrivatePostgres::start_in(Folder::Own(folder), &["ssl=on", &files[0], &files[1]]).await;
    let open_with = async |sslmode: &str| {
        let schema = Schema::on(format!("{}{sslmode}", server.url()));
        open_as(PostgresConfig { server_pem: Some(pem.clone()), ..schema.config() }).await
    };
    refused(open_with("").await);
    refused(open_with("?sslmode=verify-full").await);
    open_with("?sslmode=verify-ca").await.unwrap();
    open_with("?sslmode=require").await.unwrap();
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_a_certificate_is_expected() {
    let folder = TempDir::new().unwrap();
    let pem = certificate(folder.path(), "own", "IP:127.0.0.1");
    let schema = Schema::on(crate::support::services::postgres::url());
    let config = PostgresConfig { server_pem: Some(pem), ..schema.config() };
    assert!(refused(open_as(config).await).contains("TLS"));
}
