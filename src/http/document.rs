//! The document of the API: OpenAPI 3.1, made of the descriptions that stand beside the handlers.
//!
//! `server` makes it of the route table; `openapi` and `docs` answer with it, and `observe` looks
//! up whether an answer is in it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::operation::{Access, Operation, reference};
use super::problem::ProblemBody;
use super::problem::kind::Kind;
use crate::access::permission::Permission;
use crate::domain::violation;

/// The problems that any request may have, whichever its route is.
const ANYWHERE: [Kind; 6] = [
    Kind::BadRequest,
    Kind::HeadTimeout,
    Kind::HeadTooLarge,
    Kind::ConnectionsFull,
    Kind::Stopping,
    Kind::Internal,
];
/// The names of the ways to send a token.
const SCHEMES: [&str; 2] = ["okapiToken", "bearer"];

const ABOUT: &str = "Modules post what changed in their records; the gateway makes it durable, \
    publishes it to Kafka exactly once and in order, and keeps it for whoever reads it later.\n\n\
    Every answer that is no success is a problem (RFC 9457): its `type` is permanent, and FOLIO's \
    `errors` are in it, too. HEAD is answered wherever GET is, but for the events of a \
    subscription.";

/// The document.
pub(super) struct Document {
    /// The document as it is sent.
    pub(super) json: Bytes,
    pub(super) value: Value,
    /// The answers of each method and path: statuses, and ids of problems.
    answers: BTreeMap<(&'static str, &'static str), Answers>,
}

#[derive(Default)]
struct Answers {
    statuses: BTreeSet<u16>,
    problems: BTreeSet<&'static str>,
}

impl Document {
    /// Makes the document of every operation.
    pub(super) fn new(operations: Vec<(Access, Operation)>) -> Self {
        let (mut paths, mut schemas) = (Map::new(), Map::new());
        let mut answers = BTreeMap::new();
        let mut tags = BTreeSet::new();
        for (access, operation) in operations {
            let operation = operation.problems(&ANYWHERE).with::<ProblemBody>();
            answers.insert((access.method, access.path), Answers::of(&operation));
            tags.insert(tag(access.path));
            let described = described(&access, &operation);
            schemas.extend(operation.schemas);
            let path = paths.entry(access.path).or_insert_with(|| json!({}));
            path[access.method.to_ascii_lowercase()] = described;
        }
        let value = json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Event gateway",
                "version": env!("CARGO_PKG_VERSION"),
                "description": ABOUT,
                "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            },
            "tags": tags.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>(),
            "paths": paths,
            "components": { "schemas": schemas, "securitySchemes": schemes() },
        });
        Self { json: value.to_string().into(), value, answers }
    }

    /// Returns whether an answer to a route is in the document: its status, and the id of its
    /// problem if it is one.
    pub(super) fn has(
        &self,
        (method, path): (&'static str, &'static str),
        status: u16,
        problem: Option<&'static str>,
    ) -> bool {
        let method = if method == "HEAD" { "GET" } else { method };
        let Some(answers) = self.answers.get(&(method, path)) else {
            // No operation of the path has the method: whatever refuses it comes first.
            return problem.is_some();
        };
        answers.statuses.contains(&status)
            && problem.is_none_or(|code| answers.problems.contains(code))
    }
}

impl Answers {
    fn of(operation: &Operation) -> Self {
        let problems = operation.problems.iter();
        Self {
            statuses: operation
                .answers
                .keys()
                .copied()
                .chain(problems.clone().map(|kind| kind.status().as_u16()))
                .collect(),
            problems: problems.flat_map(|kind| codes(*kind)).collect(),
        }
    }
}

/// Returns the ids that problems of a kind may have.
fn codes(kind: Kind) -> Vec<&'static str> {
    let more = if kind.is_illegal_json() { &violation::CODES[..] } else { &[] };
    [&[kind.code()], more].concat()
}

fn described(access: &Access, operation: &Operation) -> Value {
    let Access { path, permission, .. } = access;
    let title = permission.map(|permission| permission.display).or(operation.title);
    let mut described = json!({
        "tags": [tag(path)],
        "operationId": name(access),
        "summary": title.expect("an operation without a permission has a title"),
        "description": operation.about,
        "security": permission.iter().flat_map(requirements).collect::<Vec<_>>(),
        "responses": responses(operation),
    });
    if !operation.parameters.is_empty() {
        described["parameters"] = json!(operation.parameters);
    }
    if let Some(body) = &operation.body {
        described["requestBody"] = body.clone();
    }
    described
}

/// Returns the name of an operation: that of its permission, without the module's.
fn name(access: &Access) -> String {
    match access.permission {
        Some(permission) => permission.short_name().to_owned(),
        None => access.path.trim_matches('/').replace('/', "."),
    }
}

/// Returns the first part of a path, by which operations are grouped.
fn tag(path: &'static str) -> &'static str {
    let own = path.trim_start_matches("/_/").trim_start_matches('/');
    own.split('/').next().unwrap_or(own)
}

fn schemes() -> Value {
    let about = "Who checks it, and whether it is needed, is the setting AUTH_MODE.";
    json!({
        SCHEMES[0]: {
            "type": "apiKey", "in": "header", "name": "X-Okapi-Token", "description": about,
        },
        SCHEMES[1]: {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": about,
        },
    })
}

/// Returns the ways to show a permission; one is enough.
fn requirements(permission: &Permission) -> impl Iterator<Item = Value> {
    SCHEMES.iter().map(|scheme| json!({ *scheme: [permission.name] }))
}

fn responses(operation: &Operation) -> Value {
    let mut all: BTreeMap<u16, Value> = operation.answers.clone();
    let mut by_status = BTreeMap::<u16, Vec<Kind>>::new();
    for kind in &operation.problems {
        by_status.entry(kind.status().as_u16()).or_default().push(*kind);
    }
    for (status, kinds) in by_status {
        let problem = problem(status, &kinds);
        match all.get_mut(&status) {
            // Probes are told in words of their own that the gateway is not ready.
            Some(answer) => answer["content"]
                .as_object_mut()
                .expect("such an answer has a body")
                .extend(problem["content"].as_object().cloned().unwrap_or_default()),
            None => drop(all.insert(status, problem)),
        }
    }
    all.into_iter().map(|(status, answer)| (status.to_string(), answer)).collect()
}

/// Returns the description of the problems that have one status.
fn problem(status: u16, kinds: &[Kind]) -> Value {
    let titles: Vec<_> = kinds.iter().map(|kind| kind.title()).collect();
    let types: Vec<_> = kinds.iter().flat_map(|kind| codes(*kind)).map(type_of).collect();
    let schema = json!({
        "allOf": [reference(&ProblemBody::name())],
        "properties": { "type": { "enum": types }, "status": { "const": status } },
    });
    let mut answer = json!({
        "description": format!("{}.", titles.join("; ")),
        "content": { "application/problem+json": { "schema": schema } },
    });
    let header = match status {
        401 => Some(("WWW-Authenticate", "How the caller should authenticate.", "string")),
        403 => Some(("WWW-Authenticate", "The permission that the caller lacks, if so.", "string")),
        429 | 503 => Some(("Retry-After", "The seconds after which to ask again.", "integer")),
        _ => None,
    };
    if let Some((name, about, form)) = header {
        answer["headers"][name] = json!({ "description": about, "schema": { "type": form } });
    }
    answer
}

fn type_of(code: &str) -> String {
    format!("/problems/{code}")
}
