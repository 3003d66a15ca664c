//! The ways to authenticate: who is let in by each, and what callers are told who are not.

use std::time::Duration;

use event_gateway::access::{Auth, Issuers};
use event_gateway::domain::follower::Follower;
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::health::SinkPart;
use serde_json::{Value, json};

use crate::support::gateway::{Gateway, Setup};
use crate::support::keycloak::{Realms, clock};
use crate::support::raw_http::{Answer, request};
use crate::support::tokens::{ALL, Key, NOW, OKAPI_KEY, USER, hs256, okapi_claims};

const INSTANCE: &str = "/domain-events/inventory/instance";
const GOOD: &[u8] = br#"{"new":{"id":"1"}}"#;

fn claims(more: Value) -> Value {
    okapi_claims("diku", NOW, more)
}

async fn okapi() -> Gateway {
    Setup::new().with_auth(Auth::Okapi(OKAPI_KEY.into()), &clock()).start().await
}

/// Starts a gateway with the realms `diku` and `ops`, which have one key; `ops` is the operators'.
async fn with_operators() -> (Realms, Key, Gateway) {
    let (realms, key) = (Realms::start().await, Key::rsa("r", 0));
    realms.set("diku", &[&key]);
    realms.set("ops", &[&key]);
    let (gateway, _) = realms.gateway().await;
    (realms, key, gateway)
}

fn outcome(answer: &Answer) -> (u16, String) {
    match answer.status {
        200 | 201 => (answer.status, String::new()),
        status => (status, answer.problem()),
    }
}

#[tokio::test]
async fn okapi_s_access_tokens_are_callers_and_no_others_are() {
    let gateway = okapi().await;
    let read = async |more: Value| {
        let answer = gateway.read_with("diku", &hs256(OKAPI_KEY.as_bytes(), &claims(more))).await;
        let reason = (answer.status == 401)
            .then(|| answer.json()["errors"][0]["parameters"][0]["value"].clone());
        (answer.status, reason.unwrap_or_default().as_str().unwrap_or_default().to_owned())
    };
    for (more, status, reason) in [
        (json!({}), 200, ""),
        (json!({ "permissions": null, "extra_permissions": [ALL] }), 200, ""),
        (json!({ "user_id": null }), 200, ""),
        (json!({ "permissions": null }), 403, ""),
        (json!({ "tenant": "college" }), 403, ""),
        (json!({ "type": "legacy-access" }), 401, "kind"),
        (json!({ "user_id": "a\r\nx-okapi-tenant: other" }), 401, "malformed"),
        (json!({ "user_id": "\u{202e}" }), 401, "malformed"),
        (json!({ "user_id": "x".repeat(4_097) }), 401, "malformed"),
        (json!({ "user_id": "" }), 200, ""),
        (json!({ "type": "refresh" }), 401, "kind"),
        (json!({ "type": "module" }), 401, "kind"),
        (json!({ "type": "dummy" }), 401, "kind"),
        (json!({ "type": "dummy-expiring" }), 401, "kind"),
        (json!({ "type": "api" }), 401, "kind"),
        (json!({ "type": null }), 401, "kind"),
        (json!({ "exp": null }), 401, "no-expiry"),
        (json!({ "exp": NOW - 60 }), 401, "expired"),
        (json!({ "exp": NOW - 59 }), 200, ""),
        (json!({ "nbf": NOW + 61 }), 401, "not-yet-valid"),
        (json!({ "nbf": NOW + 60 }), 200, ""),
        (json!({ "tenant": null }), 401, "malformed"),
        (json!({ "tenant": "Diku" }), 401, "tenant"),
    ] {
        assert_eq!(read(more.clone()).await, (status, reason.to_owned()), "{more}");
    }
}

#[tokio::test]
async fn a_realm_s_tokens_are_its_tenant_s_callers() {
    let realms = Realms::start().await;
    let (rsa, ec) = (Key::rsa("r", 0), Key::ec("e"));
    realms.set("diku", &[&rsa, &ec]);
    realms.set("college", &[&Key::rsa("r", 1)]);
    let (gateway, _) = realms.gateway().await;
    for key in [&rsa, &ec] {
        let token = key.token(&realms.claims("diku", json!({})));
        let bearer = format!("Bearer {token}");
        let (okapi, standard) = (("X-Okapi-Token", &*token), ("Authorization", &*bearer));
        for headers in [&[okapi][..], &[standard], &[okapi, standard]] {
            let answer = gateway.read_as("diku", headers).await;
            assert_eq!(outcome(&answer), (200, String::new()), "{headers:?}");
        }
        let other = gateway.read_with("college", &token).await;
        assert_eq!(outcome(&other), (403, "tenant-mismatch".to_owned()));
    }
    let foreign = rsa.token(&realms.claims("college", json!({})));
    let refused = gateway.read_with("college", &foreign).await;
    assert_eq!(outcome(&refused), (401, "token-refused".to_owned()));
    assert_eq!((realms.asked("diku"), realms.asked("college")), (1, 1));
}

#[tokio::test]
async fn who_is_not_let_in_is_told_the_kind_of_defect_and_how_to_authenticate() {
    let gateway = okapi().await;
    let none = gateway.read_as("diku", &[]).await;
    assert_eq!(outcome(&none), (401, "token-missing".to_owned()));
    assert_eq!(none.header("WWW-Authenticate"), Some("Bearer"));
    let token = hs256(OKAPI_KEY.as_bytes(), &claims(json!({ "exp": NOW - 3_600 })));
    let expired = gateway.read_with("diku", &token).await;
    assert_eq!(outcome(&expired), (401, "token-refused".to_owned()));
    let challenge = r#"Bearer error="invalid_token", error_description="it has expired""#;
    assert_eq!(expired.header("WWW-Authenticate"), Some(challenge));
    let parameters = json!([{ "key": "reason", "value": "expired" }]);
    assert_eq!(expired.json()["errors"][0]["parameters"], parameters);
    assert!(!expired.text().contains(&token[..20]), "{}", expired.text());
    let none = ["event-gateway.domain-events.item.get"];
    let token = hs256(OKAPI_KEY.as_bytes(), &claims(json!({ "permissions": none })));
    let lacking = gateway.read_with("diku", &token).await;
    assert_eq!(outcome(&lacking), (403, "permission-missing".to_owned()));
    let name = "event-gateway.domain-events.collection.get";
    let parameters = json!([{ "key": "permission", "value": name }]);
    assert_eq!(lacking.json()["errors"][0]["parameters"], parameters);
    assert!(lacking.header("WWW-Authenticate").unwrap().contains(name));
}

#[tokio::test]
async fn with_a_mode_everything_but_health_is_closed() {
    let gateway = okapi().await;
    let all = event_gateway::http::access();
    let paths = all.iter().map(|route| (route.method, route.path, route.permission.is_none()));
    let nowhere = [
        ("GET", "/nowhere", false),
        ("GET", "/", false),
        ("GET", "/livez/", false),
        ("GET", "/readyz/x", false),
        ("GET", "//livez", false),
        ("GET", "/%6Civez", false),
        ("GET", "/metrics?x", false),
        ("PURGE", "/domain-events", false),
        ("OPTIONS", "/domain-events", false),
        ("HEAD", "/metrics", false),
        ("HEAD", "/livez", true),
    ];
    for (method, path, is_open) in paths.chain(nowhere) {
        let headers = [("X-Okapi-Tenant", "diku")];
        let answer = gateway.head(&request(method, path, &headers, b"")).await;
        let expected = if is_open { "HTTP/1.1 200" } else { "HTTP/1.1 401" };
        assert!(answer.starts_with(expected), "{method} {path}: {answer}");
    }
    let mut setup = Setup::new().with_auth(Auth::Okapi(OKAPI_KEY.into()), &clock());
    setup.http.metrics_open = true;
    let gateway = setup.start().await;
    assert_eq!(gateway.exchange(&request("GET", "/metrics", &[], b"")).await.status, 200);
}

#[tokio::test]
async fn troubles_are_named_to_who_may_read_the_metrics() {
    let troubles = async |gateway: &Gateway, token: &str| {
        let part = SinkPart::Log(TenantId::parse("college").unwrap());
        gateway.health.degraded(part.of(&Follower::relay()), "it is behind");
        let headers = [("X-Okapi-Token", token)];
        let answer = gateway.exchange(&request("GET", "/readyz", &headers, b"")).await.json();
        assert_eq!(answer["status"], "degraded");
        answer.get("troubles").cloned()
    };
    let named = Some(json!({ "tenant college": "it is behind" }));
    let mut setup = Setup::new();
    assert_eq!(troubles(&setup.start().await, "").await, named, "the perimeter guards them");

    let okapi = okapi().await;
    let may = hs256(
        OKAPI_KEY.as_bytes(),
        &claims(json!({ "permissions": ["event-gateway.metrics.get"] })),
    );
    for token in ["", "x.y.z", &*may] {
        assert_eq!(troubles(&okapi, token).await, None, "{token}");
    }
    setup = Setup::new().with_auth(Auth::Okapi(OKAPI_KEY.into()), &clock());
    setup.http.metrics_open = true;
    assert_eq!(troubles(&setup.start().await, "").await, named);

    let (realms, key, gateway) = with_operators().await;
    for (realm, role, is_told) in [
        ("diku", ALL, false),
        ("ops", "event-gateway.domain-events.item.get", false),
        ("ops", "event-gateway.metrics.get", true),
    ] {
        let more = json!({ "realm_access": { "roles": [role] } });
        let told = troubles(&gateway, &key.token(&realms.claims(realm, more))).await;
        assert_eq!(told, named.clone().filter(|_| is_told), "{realm} {role}");
    }
}

#[tokio::test]
async fn metrics_tell_of_refused_tokens_and_need_an_operator_where_there_are_any() {
    let metrics = async |gateway: &Gateway, token: &str| {
        let headers = [("X-Okapi-Token", token)];
        gateway.exchange(&request("GET", "/metrics", &headers, b"")).await
    };
    let mut setup = Setup::new().with_auth(Auth::Okapi(OKAPI_KEY.into()), &clock());
    let may = claims(json!({ "permissions": ["event-gateway.metrics.get", ALL] }));
    let may = hs256(OKAPI_KEY.as_bytes(), &may);
    assert_eq!(metrics(&okapi().await, &may).await.status, 403, "they are of all tenants");
    setup.http.metrics_open = true;
    let gateway = setup.start().await;
    gateway.read_with("diku", "x.y.z").await;
    gateway.read_with("diku", &hs256(b"another key", &claims(json!({})))).await;
    let told = metrics(&gateway, "").await;
    assert_eq!(told.status, 200);
    for reason in ["malformed", "signature"] {
        let line = format!("event_gateway_tokens_refused_total{{reason=\"{reason}\"}} 1\n");
        assert!(told.text().contains(&line), "{}", told.text());
    }
    let (realms, key, gateway) = with_operators().await;
    for (realm, role, status) in [
        ("diku", "event-gateway.metrics.get", 403),
        ("diku", ALL, 403),
        ("diku", "event-gateway.all-tenants.metrics.get", 403),
        ("ops", "event-gateway.metrics.get", 200),
        ("ops", "event-gateway.all-tenants.metrics.get", 200),
        ("ops", "event-gateway.all-tenants.all", 200),
        ("ops", "event-gateway.domain-events.item.get", 403),
    ] {
        let claims = realms.claims(realm, json!({ "realm_access": { "roles": [role] } }));
        let answer = metrics(&gateway, &key.token(&claims)).await;
        assert_eq!(answer.status, status, "{realm} {role}");
    }
}

#[tokio::test]
async fn events_are_of_the_token_s_user_and_a_header_can_t_say_otherwise() {
    let gateway = okapi().await;
    let post = async |more: Value, user: &[(&str, &str)]| {
        let token = hs256(OKAPI_KEY.as_bytes(), &claims(more));
        let headers = [("X-Okapi-Tenant", "diku"), ("Content-Type", "application/json")];
        let headers = [&headers[..], &[("X-Okapi-Token", &token)], user].concat();
        outcome(&gateway.exchange(&request("POST", INSTANCE, &headers, GOOD)).await)
    };
    let (other, no_user) = ("8f1f4e4c-6c57-4f5c-9d7e-2f2a0c3f1b11", json!({ "user_id": null }));
    let created = (201, String::new());
    assert_eq!(post(json!({}), &[]).await, created);
    assert_eq!(post(json!({}), &[("X-Okapi-User-Id", USER)]).await, created);
    assert_eq!(post(no_user.clone(), &[]).await, created);
    for token in [json!({}), no_user] {
        let forged = post(token, &[("X-Okapi-User-Id", other)]).await;
        assert_eq!(forged, (403, "user-mismatch".to_owned()));
    }
    let users: Vec<_> = gateway
        .log()
        .await
        .iter()
        .map(|event| {
            let headers = event.record_headers();
            headers.iter().find(|(name, _)| *name == "x-okapi-user-id").map(|(_, id)| id.to_owned())
        })
        .collect();
    let expected = [Some(USER), Some(USER), None];
    assert_eq!(users, expected.map(|user| user.map(str::to_owned)));
    for event in gateway.log().await {
        assert!(
            !format!("{:?}", event.record_headers().iter().collect::<Vec<_>>()).contains("eyJ")
        );
    }
}

#[tokio::test]
async fn an_audience_that_is_configured_must_be_the_token_s() {
    let realms = Realms::start().await;
    let key = Key::rsa("r", 0);
    realms.set("diku", &[&key]);
    let mut auth = realms.auth();
    auth.audience = Some("event-gateway".to_owned());
    let gateway = Setup::new().with_auth(Auth::Keycloak(auth), &clock()).start().await;
    for (audience, status) in [
        (json!("event-gateway"), 200),
        (json!(["account", "event-gateway"]), 200),
        (json!("account"), 401),
        (json!(["account"]), 401),
        (json!([]), 401),
        (json!(null), 401),
        (json!("EVENT-GATEWAY"), 401),
        (json!(7), 401),
    ] {
        let token = key.token(&realms.claims("diku", json!({ "aud": audience })));
        assert_eq!(gateway.read_with("diku", &token).await.status, status, "{audience}");
    }
}

#[tokio::test]
async fn behind_okapi_permissions_are_those_of_its_header() {
    let gateway = Gateway::start().await;
    let name = "event-gateway.domain-events.collection.get";
    for (values, status) in [
        (&[][..], 200),
        (&[""], 403),
        (&["[]"], 403),
        (&[&*format!(r#"["{name}"]"#)], 200),
        (&[&*format!(r#"["x","{name}"]"#)], 200),
        (&[r#"["event-gateway.all"]"#], 200),
        (&[r#"["event-gateway.all-tenants.all"]"#], 403),
        (&[r#"["event-gateway.domain-events.item.get"]"#], 403),
        (&[name], 400),
        (&["{}"], 400),
        (&["[1]"], 400),
        (&[r#"["event-gateway.all"]"#, "[]"], 400),
    ] {
        let headers: Vec<_> = values.iter().map(|value| ("X-Okapi-Permissions", *value)).collect();
        assert_eq!(gateway.read_as("diku", &headers).await.status, status, "{values:?}");
    }
}

#[tokio::test]
async fn a_poll_ends_with_its_token() {
    let realms = Realms::start().await;
    let key = Key::rsa("r", 0);
    realms.set("diku", &[&key]);
    let (gateway, clock) = realms.gateway().await;
    let claims = realms.claims("diku", json!({ "exp": NOW + 1 }));
    let token = key.token(&claims);
    let headers = [
        ("X-Okapi-Tenant", "diku"),
        ("X-Okapi-Token", &token),
        ("Content-Type", "application/json"),
    ];
    let group = "/subscriptions/cg.a";
    let body = br#"{}"#;
    let mut put = request("PUT", group, &headers, b"");
    put.truncate(put.len() - 2);
    put.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    put.extend_from_slice(body);
    assert_eq!(gateway.exchange(&put).await.status, 201);
    // By the gateway's clock, a millisecond is left of the token and its leeway.
    clock.set(Time::from_ms((NOW + 61) * 1_000 - 1));
    let poll = request("GET", &format!("{group}/events?wait=60"), &headers, b"");
    let polled = tokio::time::timeout(Duration::from_secs(50), gateway.exchange(&poll)).await;
    assert_eq!(polled.expect("it does not wait for a minute").status, 200);
    clock.set(Time::from_ms((NOW + 61) * 1_000));
    assert_eq!(gateway.exchange(&poll).await.status, 401);
}

#[tokio::test]
async fn an_issuer_of_the_list_is_one_though_the_list_has_no_star() {
    let realms = Realms::start().await;
    let key = Key::rsa("r", 0);
    realms.set("diku", &[&key]);
    realms.set("college", &[&key]);
    let mut auth = realms.auth();
    auth.issuers = Issuers::parse(&realms.issuer("diku")).unwrap();
    let gateway = Setup::new().with_auth(Auth::Keycloak(auth), &clock()).start().await;
    let token = |realm: &str| key.token(&realms.claims(realm, json!({})));
    assert_eq!(gateway.read_with("diku", &token("diku")).await.status, 200);
    assert_eq!(gateway.read_with("college", &token("college")).await.status, 401);
    assert_eq!(realms.asked("college"), 0);
}
