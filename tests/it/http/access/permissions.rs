//! Every route with every permission and every relation of tenants: who may do what, exactly.

mod answers;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use event_gateway::access::{ALL, ALL_OF_ALL_TENANTS, Auth, PERMISSIONS, Permission};
use event_gateway::domain::event::EventId;
use event_gateway::domain::position::LogId;
use event_gateway::domain::replay::ReplayId;
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::tenant_job::{
    JobProgress, TenantAct, TenantAttributes, TenantJob, TenantJobId,
};
use event_gateway::domain::time::Time;
use event_gateway::domain::trail::Actor;
use event_gateway::http::{Access, access};
use event_gateway::store::{PurgeStart, Store};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use crate::support::gateway::{Gateway, Setup, tenant_id};
use crate::support::ids::event_id;
use crate::support::keycloak::{Realms, clock};
use crate::support::raw_http::{Answer, answer};
use crate::support::replays::add_with_parked;
use crate::support::tokens::Key;

use answers::{ANSWERS, Answers, CLAIM, ERASURE};

const EVENT: &str = "5bf370e0-8cca-4d9c-82e4-5170ab2a0a39";

/// The routes whose answers are the same for all tenants.
const OF_NO_TENANT: [&str; 3] = ["/metrics", "/openapi.json", "/docs"];

/// The gateway with what `diku` has, and whoever calls it.
struct Walk {
    gateway: Gateway,
    realms: Realms,
    keys: BTreeMap<&'static str, Key>,
    erasure: String,
    replay: ReplayId,
    /// A scope that was parked, and is released.
    parked: EventId,
}

/// The tenant of the header, seen from the token's tenant.
const TENANTS: [&str; 4] = ["diku", "college", "nobody", "purged"];

impl Walk {
    async fn begin() -> Self {
        let realms = Realms::start().await;
        let keys = [("diku", Key::rsa("r", 0)), ("ops", Key::rsa("o", 1))];
        for (realm, key) in &keys {
            realms.set(realm, &[key]);
        }
        let (gateway, _) = realms.gateway().await;
        let replay = add_with_parked(&*gateway.store).await;
        let (keys, parked) = (keys.into(), event_id(5));
        let mut walk = Self { gateway, realms, keys, erasure: String::new(), replay, parked };
        let token = walk.token("diku", &[ALL]);
        let event = format!(r#"{{"new":{{"id":"1"}},"eventId":"{EVENT}"}}"#);
        let posted = walk.send("POST", "/domain-events/inventory/instance", "diku", &token, &event);
        assert_eq!(posted.await.status, 201);
        let erasure = walk.send("POST", "/erasures", "diku", &token, ERASURE).await;
        let operator = walk.token("ops", &[ALL_OF_ALL_TENANTS]);
        walk.send("POST", "/erasures", "college", &operator, ERASURE).await;
        for tenant in ["diku", "college"] {
            assert_eq!(walk.send("POST", "/claims", tenant, &operator, CLAIM).await.status, 201);
        }
        purge(&*walk.gateway.store, &tenant_id("purged")).await;
        let (release, cancel) =
            (format!("/parked/{parked}/release"), format!("/replays/{replay}/cancel"));
        for path in [release, cancel] {
            assert_eq!(walk.send("POST", &path, "diku", &token, "{}").await.status, 202);
        }
        walk.erasure = erasure.json()["id"].as_str().unwrap().to_owned();
        walk
    }

    fn token(&self, realm: &str, roles: &[&str]) -> String {
        let more = json!({ "realm_access": { "roles": roles } });
        self.keys[realm].token(&self.realms.claims(realm, more))
    }

    async fn send(
        &self,
        method: &str,
        target: &str,
        tenant: &str,
        token: &str,
        body: &str,
    ) -> Answer {
        self.gateway.exchange(&bytes(method, target, tenant, token, body)).await
    }

    /// Returns the request of a case.
    fn request(&self, case: &Case) -> Vec<u8> {
        let Case { route, token, at, .. } = case;
        let (_, _, body, _) = answers(route);
        let id = match route.path.split('/').nth(1) {
            Some("erasures") => self.erasure.clone(),
            Some("replays") => self.replay.to_string(),
            Some("parked") => self.parked.to_string(),
            _ => EVENT.to_owned(),
        };
        bytes(route.method, &target(route.path, &id), TENANTS[*at], token, body)
    }

    /// Returns what is wrong with the answers to some cases, whose requests share a connection as
    /// far as they can.
    async fn try_all(&self, cases: &[Case]) -> Vec<String> {
        let (mut wrong, mut connection) = (Vec::new(), self.gateway.connect().await);
        for case in cases {
            let changes_something = !case.expected.starts_with("403");
            if changes_something && case.route.path.starts_with("/subscriptions") {
                self.prepare().await;
            }
            if changes_something && case.route.path.starts_with("/_/tenant/") {
                self.prepare_job().await;
            }
            connection.write_all(&self.request(case)).await.unwrap();
            let answer = answer(&mut connection).await;
            if answer.header("connection") == Some("close") {
                connection = self.gateway.connect().await;
            }
            let found = in_short(&case.route, &answer);
            if found != case.expected {
                wrong.push(format!("{case:?}: {found}"));
            }
        }
        wrong
    }

    /// Lets `diku` have the subscription that routes are about, anew, and no other tenant.
    async fn prepare(&self) {
        let token = self.token("ops", &[ALL_OF_ALL_TENANTS]);
        for tenant in TENANTS {
            self.send("DELETE", "/subscriptions/cg.a", tenant, &token, "").await;
        }
        self.send("PUT", "/subscriptions/cg.a", "diku", &token, "{}").await;
    }

    /// Lets `diku` have the job that routes are about, anew.
    async fn prepare_job(&self) {
        let (store, diku) = (&self.gateway.store, tenant_id("diku"));
        let id = TenantJobId::parse(EVENT).unwrap();
        store.remove_tenant_job(&diku, id).await.unwrap();
        let job = TenantJob {
            id,
            tenant: diku,
            attributes: TenantAttributes::of(TenantAct::Enable, None),
            by: Actor::gateway(),
            submitted: Time::ZERO,
            progress: JobProgress { completed: Some(Time::ZERO), ..JobProgress::default() },
        };
        store.add_tenant_job(&job).await.unwrap();
    }
}

/// Lets a tenant have been there.
async fn purge(store: &dyn Store, tenant: &TenantId) {
    assert!(store.enable(tenant, LogId::new(Uuid::from_u128(77)), None).await.unwrap());
    let begun = store.begin_purge(tenant, Time::ZERO, None, None).await.unwrap();
    assert_eq!(begun, PurgeStart::Begun);
    for purge in store.purges().await.unwrap() {
        store.end_purge(&purge, Time::ZERO).await.unwrap();
    }
}

/// A request of the walk, and the answer that it must get.
struct Case {
    route: Access,
    realm: &'static str,
    role: String,
    token: String,
    at: usize,
    expected: String,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { route: Access { method, path, .. }, realm, role, at, expected, .. } = self;
        let tenant = TENANTS[*at];
        write!(f, "{method} {path} in {tenant} with {role} of {realm}, which must be {expected}")
    }
}

fn bytes(method: &str, target: &str, tenant: &str, token: &str, body: &str) -> Vec<u8> {
    let length = match method {
        "POST" | "PUT" => format!("Content-Length: {}\r\n", body.len()),
        _ => String::new(),
    };
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: x\r\nX-Okapi-Tenant: {tenant}\r\nX-Okapi-Token: \
         {token}\r\nContent-Type: application/json\r\n{length}\r\n"
    );
    format!("{head}{body}").into_bytes()
}

/// Returns the target of a route, with an id that is `diku`'s.
fn target(path: &str, id: &str) -> String {
    let path = path.replace("{producer}/{event}", "data-import/DI_COMPLETED");
    let path = path.replace("{producer}", "inventory").replace("{entity}", "instance");
    let path = path.replace("{position}", "1");
    let target = path.replace("{group}", "cg.a").replace("{eventId}", EVENT).replace("{id}", id);
    match path.rsplit('/').next() {
        Some("events") => format!("{target}?reader=x"),
        Some("reader") => format!("{target}?generation=77"),
        _ => target,
    }
}

fn in_short(route: &Access, answer: &Answer) -> String {
    if answer.status < 400 || answer.status == 409 && route.path.starts_with("/subscriptions") {
        return answer.status.to_string();
    }
    format!("{} {}", answer.status, answer.problem())
}

fn answers(route: &Access) -> &'static (&'static str, &'static str, &'static str, Answers) {
    let is_it = |(method, path, ..): &&(&str, &str, &str, Answers)| {
        (*method, *path) == (route.method, route.path)
    };
    ANSWERS.iter().find(is_it).unwrap_or_else(|| panic!("{route:?} has no answers here"))
}

/// Returns the answer that a caller must get.
fn expected(route: &Access, needed: &Permission, realm: &str, role: &str, at: usize) -> String {
    let for_all =
        realm == "ops" && (role == needed.for_all_tenants() || role == ALL_OF_ALL_TENANTS);
    let has = role == needed.name || role == ALL;
    let may = match route.path {
        "/metrics" => realm == "ops" && (has || for_all),
        "/openapi.json" | "/docs" => has || for_all,
        _ => for_all || (has && TENANTS[at] == realm),
    };
    // The trail is kept longer than its tenant.
    if for_all && route.path == "/trail" {
        return "200".to_owned();
    }
    match may {
        true => answers(route).3[at.min(2)].to_owned(),
        false if OF_NO_TENANT.contains(&route.path) || TENANTS[at] == realm => {
            "403 permission-missing".to_owned()
        }
        false => "403 tenant-mismatch".to_owned(),
    }
}

/// Returns every route with every permission in every relation of tenants.
fn cases(walk: &Walk) -> Vec<Case> {
    let names = PERMISSIONS.iter().flat_map(|one| [one.name.to_owned(), one.for_all_tenants()]);
    let sets = ["none", ALL, ALL_OF_ALL_TENANTS].map(str::to_owned);
    let roles: Vec<String> = names.chain(sets).collect();
    let mut cases = Vec::new();
    for (realm, role) in
        ["diku", "ops"].into_iter().flat_map(|realm| roles.iter().map(move |role| (realm, role)))
    {
        let token = walk.token(realm, &[role]);
        for route in access() {
            let Some(needed) = route.permission else { continue };
            for at in 0..TENANTS.len() {
                let expected = expected(&route, &needed, realm, role, at);
                let (role, token) = (role.clone(), token.clone());
                cases.push(Case { route, realm, role, token, at, expected });
            }
        }
    }
    assert_eq!(cases.len(), ANSWERS.len() * 2 * roles.len() * TENANTS.len());
    cases
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_every_permission_and_tenant_exactly() {
    let walk = Arc::new(Walk::begin().await);
    let is_refused = |case: &Case| case.expected.starts_with("403");
    let (mut refused, allowed): (Vec<_>, Vec<_>) = cases(&walk).into_iter().partition(is_refused);
    let mut wrong = walk.try_all(&allowed).await;
    // What is refused changes nothing, so that its order is of no matter.
    let mut tries = Vec::new();
    while !refused.is_empty() {
        let (walk, some) = (walk.clone(), refused.split_off(refused.len().saturating_sub(2_000)));
        tries.push(tokio::spawn(async move { walk.try_all(&some).await }));
    }
    for one in tries {
        wrong.extend(one.await.unwrap());
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_route_but_probes_needs_a_permission_and_each_permission_is_a_route_s() {
    let routes = access();
    let open: Vec<_> = routes.iter().filter(|route| route.permission.is_none()).collect();
    let open: Vec<_> = open.iter().map(|route| route.path).collect();
    assert_eq!(open, ["/livez", "/admin/health", "/readyz"]);
    let mut needed: Vec<_> = routes.iter().filter_map(|route| route.permission).collect();
    let mut all = PERMISSIONS.to_vec();
    needed.sort_by_key(|permission| permission.name);
    all.sort_by_key(|permission| permission.name);
    assert_eq!(needed, all, "each permission is of one route and method");
}

#[tokio::test]
async fn who_may_not_is_told_before_the_body_is_there() {
    let realms = Realms::start().await;
    let key = Key::rsa("r", 0);
    realms.set("diku", &[&key]);
    let mut setup = Setup::new().with_auth(Auth::Keycloak(realms.auth()), &clock());
    // Who waits for the body is told that it did not come.
    setup.http.body_timeout = Duration::from_millis(100);
    let gateway = setup.start().await;
    let roles = json!({ "realm_access": { "roles": ["event-gateway.domain-events.item.get"] } });
    let token = key.token(&realms.claims("diku", roles));
    for route in access().iter().filter(|route| ["POST", "PUT"].contains(&route.method)) {
        let Access { method, path, .. } = route;
        let head = format!(
            "{method} {} HTTP/1.1\r\nHost: x\r\nX-Okapi-Tenant: diku\r\nX-Okapi-Token: \
             {token}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{",
            target(path, EVENT)
        );
        let mut connection = gateway.connect().await;
        connection.write_all(head.as_bytes()).await.unwrap();
        let answer = answer(&mut connection).await;
        assert_eq!((answer.status, answer.problem().as_str()), (403, "permission-missing"));
    }
}

#[test]
fn the_docs_have_every_route_with_its_permission() {
    let docs = include_str!("../../../../docs/access.md");
    let (_, table) = docs.split_once("\n| call | permission | for |\n|---|---|---|\n").unwrap();
    let table: Vec<_> = table.lines().take_while(|line| line.starts_with('|')).collect();
    let row = |route: Access| {
        let Permission { name, display } = route.permission?;
        Some(format!("| `{} {}` | `{name}` | {display} |", route.method, route.path))
    };
    let wanted: Vec<_> = access().into_iter().filter_map(row).collect();
    assert!(wanted == table, "the table must be:\n{}", wanted.join("\n"));
}
