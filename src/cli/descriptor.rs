//! `descriptor`: prints the ModuleDescriptor, by which Okapi and the entitlement manager know the
//! gateway as a module of FOLIO.
//!
//! The descriptor's handlers and permissions are those of the route table, its variables are the
//! options of `serve`, and its topics are those that the files give to any tenant.

use std::io::Write;

use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::settings::Settings;
use crate::domain::tenant::TenantId;
use crate::http::{self, ALL, ALL_OF_ALL_TENANTS, Access, PERMISSIONS};

/// The path of the tenant interface, which is a system interface: no user calls it.
const TENANT: &str = "/_/tenant";
/// The path of the metrics, which are scraped past Okapi.
const METRICS: &str = "/metrics";
/// The values that variables have in a container behind Okapi, where they are not the defaults.
const IN_CONTAINERS: [(&str, &str); 3] =
    [("ENV", "folio"), ("HTTP_HOST", "0.0.0.0"), ("AUTH_MODE", "perimeter")];

/// A variable of the environment that the gateway reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// The name.
    pub name: String,
    /// The value that it has if it is unset.
    pub default: Option<String>,
    /// A sentence about it.
    pub help: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    id: String,
    name: &'static str,
    provides: Vec<Interface>,
    permission_sets: Vec<PermissionSet>,
    launch_descriptor: Launch,
    metadata: Metadata,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Interface {
    id: &'static str,
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface_type: Option<&'static str>,
    handlers: Vec<Handler>,
}

/// A handler. Permissions that are only required are not told to the module, so they are desired
/// too.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Handler {
    methods: Vec<&'static str>,
    path_pattern: &'static str,
    permissions_required: Vec<&'static str>,
    permissions_desired: Vec<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PermissionSet {
    permission_name: String,
    display_name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sub_permissions: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Launch {
    docker_image: String,
    docker_pull: bool,
    docker_args: Value,
    env: Vec<Env>,
}

#[derive(Serialize)]
struct Env {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    description: String,
}

#[derive(Serialize)]
struct Metadata {
    topics: Vec<String>,
}

/// Prints the descriptor of this version; `variables` are those of `serve`.
pub fn print(settings: &Settings, variables: Vec<Variable>) -> anyhow::Result<()> {
    let name = env!("CARGO_PKG_NAME");
    let id = format!("{name}-{}", env!("CARGO_PKG_VERSION"));
    let (of_tenants, own): (Vec<_>, Vec<_>) =
        http::access().into_iter().partition(|it| it.path.starts_with(TENANT));
    let own = own.into_iter().filter(|it| it.permission.is_some() && it.path != METRICS);
    let descriptor = Descriptor {
        provides: vec![
            interface(name, "1.0", None, own),
            interface("_tenant", "2.0", Some("system"), of_tenants.into_iter().map(open)),
        ],
        permission_sets: permission_sets(),
        launch_descriptor: Launch {
            docker_image: format!("folioorg/{name}:{}", env!("CARGO_PKG_VERSION")),
            docker_pull: false,
            docker_args: json!({ "HostConfig": { "PortBindings": {
                "8081/tcp": [{ "HostPort": "%p" }],
            } } }),
            env: variables.into_iter().map(Env::from).collect(),
        },
        metadata: Metadata { topics: topics(settings) },
        name: "Event gateway",
        id,
    };
    let text = serde_json::to_string_pretty(&descriptor)?;
    writeln!(super::stdout(), "{text}")?;
    Ok(())
}

/// Returns a handler's access without its permission: Okapi checks none of a system interface.
fn open(access: Access) -> Access {
    Access { permission: None, ..access }
}

fn interface(
    id: &'static str,
    version: &'static str,
    interface_type: Option<&'static str>,
    access: impl Iterator<Item = Access>,
) -> Interface {
    let handler = |Access { method, path, permission }| {
        let names: Vec<_> = permission.iter().map(|permission| permission.name).collect();
        Handler {
            methods: vec![method],
            path_pattern: path,
            permissions_required: names.clone(),
            permissions_desired: names,
        }
    };
    Interface { id, version, interface_type, handlers: access.map(handler).collect() }
}

/// Returns every permission, each for the own tenant and for all tenants, and the sets of them.
fn permission_sets() -> Vec<PermissionSet> {
    let one = |name: String, display: String| PermissionSet {
        permission_name: name,
        display_name: format!("Event gateway: {display}"),
        sub_permissions: Vec::new(),
    };
    let own = PERMISSIONS.iter().map(|it| one(it.name.to_owned(), it.display.to_owned()));
    let any = PERMISSIONS
        .iter()
        .map(|it| one(it.for_all_tenants(), format!("{}, in any tenant", it.display)));
    let set = |name: &str, display: &str, of: Vec<PermissionSet>| {
        let sub_permissions = of.iter().map(|it| it.permission_name.clone()).collect();
        let set = PermissionSet { sub_permissions, ..one(name.to_owned(), display.to_owned()) };
        of.into_iter().chain([set])
    };
    let own = set(ALL, "everything in the own tenant", own.collect());
    own.chain(set(ALL_OF_ALL_TENANTS, "everything in any tenant", any.collect())).collect()
}

/// Returns the topics that a tenant without a file of its own has, with its id left out.
fn topics(settings: &Settings) -> Vec<String> {
    let any = TenantId::parse("any-tenant-at-all").expect("a legal tenant");
    let specs = settings.specs(&any).into_iter();
    specs.map(|spec| spec.topic.as_str().replace(any.as_str(), "{tenant}")).collect()
}

impl From<Variable> for Env {
    fn from(Variable { name, default, help }: Variable) -> Self {
        let set = IN_CONTAINERS.iter().find(|(of, _)| *of == name);
        let value = set.map(|(_, value)| (*value).to_owned()).or(default);
        Self { name, value, description: help }
    }
}
