//! Attacks on tenants: the header, and permissions for all tenants that are not the caller's.

use serde_json::json;

use super::{Attack, Stage};
use crate::support::tokens::Key;

const ALL_TENANTS: &str = "event-gateway.all-tenants.domain-events.collection.get";

/// Headers of tenants that are not the token's, and permissions that do not count.
pub fn tenants(stage: &Stage) -> Vec<Attack> {
    let good = stage.good();
    let sent = |name, tenants: &[&str], token: &str, expected| {
        let tenants = tenants.iter().map(|tenant| ("X-Okapi-Tenant", (*tenant).to_owned()));
        let headers = tenants.chain([("X-Okapi-Token", token.to_owned())]).collect();
        Attack { name, headers, expected }
    };
    let with_roles = |key: &Key, realm: &str, roles: &[&str]| {
        key.token(&stage.realms.claims(realm, json!({ "realm_access": { "roles": roles } })))
    };
    let (rsa, ops) = (&stage.rsa, stage.college.named("o"));
    let own = "event-gateway.domain-events.collection.get";
    let of_all = "event-gateway.all-tenants.all";
    let item = "event-gateway.all-tenants.domain-events.item.get";
    let none = with_roles(rsa, "diku", &[]);
    let mut forged = sent("a forged list", &["diku"], &none, "403 permission-missing");
    forged.headers.push(("X-Okapi-Permissions", format!(r#"["{own}"]"#)));
    let mut module = sent("a module's list", &["diku"], &none, "403 permission-missing");
    module.headers.push(("X-Okapi-Module-Permissions", format!(r#"{{"x":["{own}"]}}"#)));
    vec![
        sent("another tenant", &["college"], &good, "403 tenant-mismatch"),
        sent("a tenant that is none", &["nobody"], &good, "403 tenant-mismatch"),
        sent("a longer tenant", &["diku2"], &good, "403 tenant-mismatch"),
        sent("a shorter tenant", &["dik"], &good, "403 tenant-mismatch"),
        sent("no tenant", &[], &good, "400 missing-tenant"),
        sent("an empty tenant", &[""], &good, "400 missing-tenant"),
        sent("capitals", &["DIKU"], &good, "400 bad-tenant"),
        sent("a capital", &["Diku"], &good, "400 bad-tenant"),
        sent("two tenants", &["diku", "college"], &good, "400 bad-header"),
        sent("the tenant twice", &["diku", "diku"], &good, "400 bad-header"),
        sent("two in one", &["diku,college"], &good, "400 bad-tenant"),
        sent("a letter of full width", &["ｄiku"], &good, "400 bad-header"),
        sent("a letter without a dot", &["dıku"], &good, "400 bad-header"),
        sent("an escaped letter", &["%64iku"], &good, "400 bad-tenant"),
        sent("a path", &["diku/../college"], &good, "400 bad-tenant"),
        sent("a dot", &["diku.college"], &good, "400 bad-tenant"),
        forged,
        module,
        sent(
            "a tenant's all tenants",
            &["college"],
            &with_roles(rsa, "diku", &[ALL_TENANTS]),
            "403 tenant-mismatch",
        ),
        sent(
            "all of them",
            &["college"],
            &with_roles(rsa, "diku", &[of_all, own]),
            "403 tenant-mismatch",
        ),
        sent(
            "for the own one",
            &["diku"],
            &with_roles(rsa, "diku", &[ALL_TENANTS]),
            "403 permission-missing",
        ),
        sent("an operator", &["diku"], &with_roles(&ops, "ops", &[ALL_TENANTS]), "200"),
        sent("an operator elsewhere", &["college"], &with_roles(&ops, "ops", &[of_all]), "200"),
        sent(
            "an operator with a tenant's role",
            &["diku"],
            &with_roles(&ops, "ops", &[own]),
            "403 tenant-mismatch",
        ),
        sent(
            "with another role",
            &["diku"],
            &with_roles(&ops, "ops", &[item]),
            "403 tenant-mismatch",
        ),
        sent("with no role", &["diku"], &with_roles(&ops, "ops", &[]), "403 tenant-mismatch"),
        sent(
            "a role in capitals",
            &["diku"],
            &with_roles(&ops, "ops", &[&of_all.to_uppercase()]),
            "403 tenant-mismatch",
        ),
        sent("a realm named like it", &["diku"], &with_roles(&ops, "ops2", &[of_all]), "401 key"),
        sent(
            "its key for a tenant's realm",
            &["diku"],
            &with_roles(&ops, "diku", &[of_all]),
            "401 key",
        ),
    ]
}
