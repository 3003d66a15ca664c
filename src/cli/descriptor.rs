//! `descriptor`: prints the ModuleDescriptor, by which Okapi and the entitlement manager know the
//! gateway as a module of FOLIO.
//!
//! The descriptor's handlers and permissions are those of the route table, and its topics those
//! that the files give to any tenant. Okapi gives a container every variable of `env`, and `null`
//! as the value of one without any: so it lists those that a deployment behind Okapi sets, each
//! with a value, and `metadata` has all options of `serve`.

use std::io::Write;

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use crate::access::{ALL, ALL_OF_ALL_TENANTS, PERMISSIONS};
use crate::config::{self, TenantsOptions};
use crate::domain::settings::Settings;
use crate::domain::tenant::TenantId;
use crate::http::{self, Access};

/// The path of the tenant interface, which is a system interface: no user calls it.
const TENANT: &str = "/_/tenant";
/// The path of the metrics, which are scraped past Okapi.
const METRICS: &str = "/metrics";
/// The variables that a container behind Okapi gets, each with its value there; without one, with
/// its default. An empty one counts as unset. Okapi's own `/_/env` overrides them.
const IN_CONTAINERS: [(&str, Option<&str>); 19] = [
    ("ENV", Some("folio")),
    ("HTTP_HOST", Some("0.0.0.0")),
    ("HTTP_PORT", None),
    ("AUTH_MODE", Some("perimeter")),
    ("DB_HOST", Some("postgres")),
    ("DB_PORT", None),
    ("DB_USERNAME", None),
    ("DB_PASSWORD", None),
    ("DB_DATABASE", None),
    ("DB_MAXPOOLSIZE", None),
    ("DB_QUERYTIMEOUT", None),
    ("KAFKA_HOST", Some("kafka")),
    ("KAFKA_PORT", None),
    ("KAFKA_SECURITY_PROTOCOL", None),
    ("KAFKA_SSL_TRUSTSTORE_LOCATION", Some("")),
    ("KAFKA_SSL_KEYSTORE_LOCATION", Some("")),
    ("REPLICATION_FACTOR", Some("")),
    ("MAX_REQUEST_SIZE", None),
    ("TENANTS_DIR", None),
];

/// Options of `descriptor`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The first part of topic names.
    #[arg(long, env, default_value = "folio")]
    pub env: String,
    /// The tenants' files.
    #[command(flatten)]
    pub tenants: TenantsOptions,
}

/// A variable of the environment that the gateway reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Variable {
    /// The name.
    name: String,
    /// The value that it has if it is unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<String>,
    /// A sentence about it.
    #[serde(rename = "description")]
    help: String,
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
/// too, and so are those that only some requests need.
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
    value: String,
    description: String,
}

#[derive(Serialize)]
struct Metadata {
    topics: Vec<String>,
    variables: Vec<Variable>,
}

/// Prints the descriptor of this version, with the variables of `serve`.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let settings = config::described(&options.env, &options.tenants)?;
    let variables = config::variables().into_iter();
    let variables = variables.map(|(name, default, help)| Variable { name, default, help });
    let variables: Vec<_> = variables.collect();
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
            env: variables.iter().filter_map(in_container).collect(),
        },
        metadata: Metadata { topics: topics(&settings), variables },
        name: "Event gateway",
        id,
    };
    let text = serde_json::to_string_pretty(&descriptor)?;
    writeln!(super::output::stdout(), "{text}")?;
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
    let handler = |Access { method, path, permission, also }: Access| {
        let names: Vec<_> = permission.iter().map(|permission| permission.name).collect();
        let desired = names.iter().copied().chain(also.iter().map(|permission| permission.name));
        let desired = desired.collect();
        Handler {
            methods: vec![method],
            path_pattern: path,
            permissions_required: names,
            permissions_desired: desired,
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

/// Returns a variable as a container gets it, if it does.
fn in_container(variable: &Variable) -> Option<Env> {
    let Variable { name, default, help } = variable;
    let (_, set) = IN_CONTAINERS.iter().find(|(of, _)| of == name)?;
    let value = set.map(str::to_owned).or_else(|| default.clone())?;
    Some(Env { name: name.clone(), value, description: help.clone() })
}
