//! The actor `Realms`: a light double of Keycloak, which serves the keys of realms.
//!
//! It can rotate keys, be down, be slow, or answer with what no Keycloak would, and counts how
//! often it is asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crash::PATIENCE;
use event_gateway::access::{Auth, Issuers, KeycloakConfig};
use event_gateway::clock::Manual;
use event_gateway::domain::time::Time;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::gateway::{Gateway, Setup};
use super::raw_http::{Answer, request};
use super::tokens::{ALL, Key, NOW, USER, with};

/// Tells whether the answer of a realm is held back.
type IsHeld = fn(&str) -> bool;

/// A Keycloak that is none.
#[derive(Clone)]
pub struct Realms {
    /// The URL before `/realms/…`.
    pub url: String,
    state: Arc<Mutex<State>>,
    /// Whether answers are held back, of these realms.
    held: watch::Sender<Option<IsHeld>>,
}

#[derive(Default)]
struct State {
    /// The answers of the realms: a status line with headers, and a body.
    realms: HashMap<String, (String, Vec<u8>)>,
    asked: HashMap<String, usize>,
    is_down: bool,
}

impl Realms {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (state, held) = (Arc::<Mutex<State>>::default(), watch::channel(None).0);
        let realms = Self { url, state, held };
        let serving = realms.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serving.clone().answer(connection));
            }
        });
        realms
    }

    async fn answer(self, mut connection: TcpStream) -> Option<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(connection.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).ok()?;
        let path = head.split(' ').nth(1)?;
        let realm =
            path.strip_prefix("/realms/")?.strip_suffix("/protocol/openid-connect/certs")?;
        let answer = {
            let mut state = self.state.lock().unwrap();
            *state.asked.entry(realm.to_owned()).or_default() += 1;
            let known = state.realms.get(realm).cloned();
            (!state.is_down).then(|| known.unwrap_or(("404 Not Found".to_owned(), Vec::new())))
        };
        let goes = |held: &Option<IsHeld>| !held.is_some_and(|is_held| is_held(realm));
        self.held.subscribe().wait_for(goes).await.ok()?;
        let (status, body) = answer?;
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n");
        connection.write_all(&[head.as_bytes(), &body].concat()).await.ok()
    }

    /// Returns the issuer of a realm.
    pub fn issuer(&self, realm: &str) -> String {
        format!("{}/realms/{realm}", self.url)
    }

    /// Gives a realm these keys, and no others.
    pub fn set(&self, realm: &str, keys: &[&Key]) {
        let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
        self.set_raw(realm, "200 OK", json!({ "keys": keys }).to_string());
    }

    /// Has a realm answer with a status, perhaps with headers, and a body.
    pub fn set_raw(&self, realm: &str, status: &str, body: impl AsRef<[u8]>) {
        let answer = (status.to_owned(), body.as_ref().to_vec());
        self.state.lock().unwrap().realms.insert(realm.to_owned(), answer);
    }

    pub fn remove(&self, realm: &str) {
        self.state.lock().unwrap().realms.remove(realm);
    }

    /// Ends connections without an answer, from now on or no longer.
    pub fn down(&self, is_down: bool) {
        self.state.lock().unwrap().is_down = is_down;
    }

    /// Holds answers back, from now on or no longer.
    pub fn hold(&self, held: bool) {
        self.held.send_replace(held.then_some(|_| true));
    }

    /// Holds the answers of these realms back.
    pub fn hold_those(&self, is_held: IsHeld) {
        self.held.send_replace(Some(is_held));
    }

    /// Returns how often a realm's keys were asked for.
    pub fn asked(&self, realm: &str) -> usize {
        self.state.lock().unwrap().asked.get(realm).copied().unwrap_or_default()
    }

    /// Returns how often any keys were asked for.
    pub fn asked_in_all(&self) -> usize {
        self.state.lock().unwrap().asked.values().sum()
    }

    /// Returns claims as Keycloak makes them.
    pub fn claims(&self, realm: &str, more: Value) -> Value {
        let claims = json!({
            "iss": self.issuer(realm), "sub": "f:1:ann", "typ": "Bearer", "azp": "folio",
            "exp": NOW + 600, "iat": NOW, "jti": "x", "sid": "y", "user_id": USER,
            "realm_access": { "roles": [ALL, "offline_access"] },
        });
        with(claims, more)
    }

    /// Returns the mode that takes tokens of all realms here, and an operator's realm `ops`.
    pub fn auth(&self) -> KeycloakConfig {
        KeycloakConfig {
            issuers: Issuers::parse(&self.issuer("*")).unwrap(),
            operator_issuers: Issuers::parse(&self.issuer("ops")).unwrap(),
            audience: None,
            keys_ttl: Duration::from_secs(300),
            keys_stale_max: Duration::from_secs(3_600),
            keys_wait: PATIENCE,
            fetch_timeout: PATIENCE,
            realms_max: 100,
        }
    }

    /// Starts a gateway that takes these tokens, with a clock.
    pub async fn gateway(&self) -> (Gateway, Arc<Manual>) {
        let clock = clock();
        let setup = Setup::new().with_auth(Auth::Keycloak(self.auth()), &clock);
        (setup.start().await, clock)
    }
}

/// Returns a clock that shows the time at which the stories about tokens take place.
pub fn clock() -> Arc<Manual> {
    Arc::new(Manual::new(Time::from_ms(NOW * 1_000)))
}

impl Gateway {
    /// Reads the log of a tenant with these headers.
    pub async fn read_as(&self, tenant: &str, headers: &[(&str, &str)]) -> Answer {
        let headers = [&[("X-Okapi-Tenant", tenant)], headers].concat();
        self.exchange(&request("GET", "/domain-events", &headers, b"")).await
    }

    /// Reads the log of a tenant with a token.
    pub async fn read_with(&self, tenant: &str, token: &str) -> Answer {
        self.read_as(tenant, &[("X-Okapi-Token", token)]).await
    }
}
