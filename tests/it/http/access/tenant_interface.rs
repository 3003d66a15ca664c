//! Stories of the callers who enable, disable and purge a tenant: its own, and operators.

use event_gateway::access::{ALL, ALL_OF_ALL_TENANTS};
use serde_json::{Value, json};

use crate::support::keycloak::Realms;
use crate::support::raw_http::request;
use crate::support::tokens::Key;

#[tokio::test]
async fn a_tenant_is_enabled_and_purged_by_its_own_callers_and_by_operators_alone() {
    let (realms, key) = (Realms::start().await, Key::rsa("r", 0));
    for realm in ["diku", "fresh", "ops"] {
        realms.set(realm, &[&key]);
    }
    let (gateway, _) = realms.gateway().await;
    let ask = async |realm: &str, role: &str, tenant: &str, body: &Value| {
        let claims = realms.claims(realm, json!({ "realm_access": { "roles": [role] } }));
        let token = key.token(&claims);
        let headers = [
            ("X-Okapi-Tenant", tenant),
            ("X-Okapi-Token", &token),
            ("Content-Type", "application/json"),
        ];
        let body = body.to_string();
        gateway.exchange(&request("POST", "/_/tenant", &headers, body.as_bytes())).await.status
    };
    let (enable, disable) = (json!({ "module_to": "m-1" }), json!({ "module_from": "m-1" }));
    let purge = json!({ "module_from": "m-1", "purge": true });
    let other = "event-gateway.domain-events.collection.get";
    for (realm, role, tenant, body, status) in [
        ("fresh", other, "fresh", &enable, 403),
        ("diku", ALL, "fresh", &enable, 403),
        ("diku", ALL_OF_ALL_TENANTS, "fresh", &enable, 403),
        ("ops", ALL, "fresh", &enable, 403),
        ("fresh", ALL, "fresh", &disable, 404),
        ("fresh", ALL, "fresh", &purge, 404),
        ("fresh", ALL, "fresh", &enable, 201),
        ("diku", ALL, "fresh", &disable, 403),
        ("ops", ALL_OF_ALL_TENANTS, "fresh", &disable, 204),
        ("ops", ALL_OF_ALL_TENANTS, "fresh", &enable, 201),
        ("diku", ALL, "fresh", &purge, 403),
        ("fresh", ALL, "fresh", &purge, 201),
        ("fresh", ALL, "fresh", &purge, 201),
        ("diku", ALL, "fresh", &purge, 403),
        ("fresh", ALL, "fresh", &enable, 409),
    ] {
        let found = ask(realm, role, tenant, body).await;
        assert_eq!(found, status, "{realm} with {role}: {tenant} {body}");
    }
}
