//! The actor `Keycloak`: a real one in a process of its own, where it could be downloaded.

use std::path::Path;
use std::time::{Duration, Instant};

use crash::ports;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use super::left_out;
use super::tokens::USER;

/// A module that gets tokens of its own; another one, whose tokens last for some seconds; and the
/// secret of both.
pub const MODULE: &str = "mod-search";
pub const BRIEF: &str = "mod-brief";
pub const SECRET: &str = "only-for-tests";
/// The longest time that a start may take on a machine that has other things to do.
const STARTED_WITHIN: Duration = Duration::from_secs(300);

/// A running Keycloak, with the realms `diku` and `ops`; it is killed when it is dropped. In each, the
/// user `ann` has everything that the realm gives, and so have the modules.
pub struct Keycloak {
    url: String,
    client: Client,
    pub server: Child,
    _folder: TempDir,
}

fn realm(name: &str, role: &str) -> Value {
    let client = |id: &str, algorithm: &str| {
        json!({
            "clientId": id, "publicClient": true, "directAccessGrantsEnabled": true,
            "attributes": { "access.token.signed.response.alg": algorithm },
            "protocolMappers": [{
                "name": "user", "protocol": "openid-connect",
                "protocolMapper": "oidc-hardcoded-claim-mapper",
                "config": {
                    "claim.name": "user_id", "claim.value": USER, "access.token.claim": "true",
                    "jsonType.label": "String",
                },
            }],
        })
    };
    let module = |id: &str, lifespan_s: u32| {
        json!({
            "clientId": id, "secret": SECRET, "publicClient": false,
            "serviceAccountsEnabled": true, "standardFlowEnabled": false,
            "attributes": { "access.token.lifespan": lifespan_s.to_string() },
        })
    };
    let account = |id: &str| {
        json!({
            "username": format!("service-account-{id}"), "enabled": true,
            "serviceAccountClientId": id, "realmRoles": [role],
        })
    };
    json!({
        "realm": name, "id": name, "enabled": true, "sslRequired": "none",
        "accessTokenLifespan": 3_600,
        "roles": { "realm": [{ "name": role }] },
        "clients": [
            client("folio", "RS256"), client("elliptic", "ES256"),
            module(MODULE, 3_600), module(BRIEF, 5),
        ],
        "users": [account(MODULE), account(BRIEF), {
            "username": "ann", "enabled": true, "email": "ann@diku.example", "firstName": "Ann",
            "lastName": "A", "realmRoles": [role],
            "credentials": [{ "type": "password", "value": "secret" }],
        }],
    })
}

impl Keycloak {
    /// Starts one, unless it could not be downloaded.
    pub async fn start() -> Option<Self> {
        let script = std::env::var("EVENT_GATEWAY_TEST_KEYCLOAK");
        let script = script.expect("./test sets it, or leaves it empty");
        if script.is_empty() {
            let why = "Keycloak could not be downloaded: the next ./test tries it again";
            left_out::tell("http::access::real, listen::realm", why);
            return None;
        }
        let (folder, [port]) = (tempfile::tempdir().unwrap(), ports::free());
        import(folder.path());
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let server = Command::new(script)
            .args([folder.path().to_str().unwrap(), &port.to_string()])
            .stderr(log.try_clone().unwrap())
            .stdout(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (url, client) = (format!("http://127.0.0.1:{port}"), Client::new());
        let keycloak = Self { url, client, server, _folder: folder };
        let (since, certs) =
            (Instant::now(), format!("{}/protocol/openid-connect/certs", keycloak.issuer("ops")));
        while !keycloak.client.get(&certs).send().await.is_ok_and(|it| it.status() == 200) {
            let log = || std::fs::read_to_string(keycloak._folder.path().join("log"));
            assert!(since.elapsed() < STARTED_WITHIN, "{:?}", log());
            sleep(Duration::from_millis(500)).await;
        }
        Some(keycloak)
    }

    pub fn issuer(&self, realm: &str) -> String {
        format!("{}/realms/{realm}", self.url)
    }

    /// Returns where clients fetch the tokens of a realm.
    pub fn token_place(&self, realm: &str) -> String {
        format!("{}/protocol/openid-connect/token", self.issuer(realm))
    }

    async fn json(&self, request: RequestBuilder) -> Value {
        let answer = request.send().await.unwrap().error_for_status().unwrap();
        answer.json().await.unwrap()
    }

    /// Returns the tokens of a user: `access_token`, `id_token`, `refresh_token`.
    pub async fn tokens(&self, realm: &str, client: &str, user: &str, password: &str) -> Value {
        let form = format!(
            "grant_type=password&scope=openid&client_id={client}&username={user}&password={password}"
        );
        self.fetch(realm, form).await
    }

    async fn fetch(&self, realm: &str, form: String) -> Value {
        let asked = self.client.post(self.token_place(realm)).body(form);
        self.json(asked.header("Content-Type", "application/x-www-form-urlencoded")).await
    }

    /// Returns a token of a module's own.
    pub async fn token_of(&self, realm: &str, module: &str) -> String {
        let form =
            format!("grant_type=client_credentials&client_id={module}&client_secret={SECRET}");
        text(&self.fetch(realm, form).await["access_token"])
    }

    pub async fn token(&self, realm: &str, client: &str) -> String {
        text(&self.tokens(realm, client, "ann", "secret").await["access_token"])
    }

    /// Gives `diku` a new key, which signs from now on.
    pub async fn rotate(&self) {
        let admin = self.tokens("master", "admin-cli", "admin", "admin").await;
        let key = json!({
            "name": "new", "providerId": "rsa-generated", "parentId": "diku",
            "providerType": "org.keycloak.keys.KeyProvider",
            "config": { "priority": ["500"], "enabled": ["true"], "active": ["true"] },
        });
        let place = format!("{}/admin/realms/diku/components", self.url);
        let asked = self.client.post(place).bearer_auth(text(&admin["access_token"]));
        assert_eq!(asked.json(&key).send().await.unwrap().status(), 201);
    }
}

/// Writes the realms to where Keycloak reads them.
fn import(folder: &Path) {
    std::fs::create_dir(folder.join("import")).unwrap();
    for (name, role) in [("diku", "event-gateway.all"), ("ops", "event-gateway.all-tenants.all")] {
        let file = folder.join(format!("import/{name}-realm.json"));
        std::fs::write(file, realm(name, role).to_string()).unwrap();
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
