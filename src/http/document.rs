//! The document of the API: OpenAPI 3.1, made of the descriptions that stand beside the handlers.
//!
//! `server` makes it of the route table; `openapi` and `docs` answer with it, and `observe` looks
//! up whether an answer is in it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::limit_headers;
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
/// The headers that every answer may have.
const HEADERS_ANYWHERE: [&str; 4] =
    ["content-type", "cache-control", "vary", "x-content-type-options"];
/// The names of the ways to send a token.
const SCHEMES: [&str; 2] = ["okapiToken", "bearer"];

const ABOUT: &str = "Modules post what changed in their records; the gateway makes it durable, \
    publishes it to Kafka exactly once and in order, and keeps it for whoever reads it later.\n\n\
    Every answer that is no success is a problem (RFC 9457): its `type` is permanent, and FOLIO's \
    `errors` are in it, too. HEAD is answered wherever GET is, but for the events of a \
    subscription. No answer may be kept by a cache (`Cache-Control`, `Vary`), or taken for another \
    type than its own (`X-Content-Type-Options`).";

/// The document.
pub(super) struct Document {
    /// The document as it is sent.
    pub(super) json: Bytes,
    pub(super) value: Value,
    /// The answers of each method and path: statuses with headers, and ids of problems.
    answers: BTreeMap<(&'static str, &'static str), Answers>,
}

#[derive(Default)]
struct Answers {
    /// The headers of each status, in lower case.
    statuses: BTreeMap<u16, BTreeSet<String>>,
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
        let Some(answers) = self.answers_of(method, path) else {
            // No operation of the path has the method: whatever refuses it comes first.
            return problem.is_some();
        };
        answers.statuses.contains_key(&status)
            && problem.is_none_or(|code| answers.problems.contains(code))
    }

    /// Returns a header of an answer to a route that the document lacks, if it has the answer. The
    /// names are in lower case.
    pub(super) fn lacks<'h>(
        &self,
        (method, path): (&'static str, &'static str),
        status: u16,
        mut headers: impl Iterator<Item = &'h str>,
    ) -> Option<&'h str> {
        let known = self.answers_of(method, path)?.statuses.get(&status)?;
        headers.find(|name| !HEADERS_ANYWHERE.contains(name) && !known.contains(*name))
    }

    fn answers_of(&self, method: &'static str, path: &'static str) -> Option<&Answers> {
        let method = if method == "HEAD" { "GET" } else { method };
        self.answers.get(&(method, path))
    }
}

impl Answers {
    fn of(operation: &Operation) -> Self {
        let headers = |answer: &Value| -> BTreeSet<String> {
            let headers = answer.get("headers").and_then(Value::as_object).into_iter().flatten();
            headers.map(|(name, _)| name.to_ascii_lowercase()).collect()
        };
        let statuses = responses(operation).into_iter();
        Self {
            statuses: statuses.map(|(status, answer)| (status, headers(&answer))).collect(),
            problems: operation.problems.iter().flat_map(|kind| codes(*kind)).collect(),
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
        "responses": responses(operation)
            .into_iter()
            .map(|(status, answer)| (status.to_string(), answer))
            .collect::<Map<_, _>>(),
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

/// Returns the description of the answers of each status.
fn responses(operation: &Operation) -> BTreeMap<u16, Value> {
    let mut all: BTreeMap<u16, Value> = operation.answers.clone();
    let mut by_status = BTreeMap::<u16, Vec<Kind>>::new();
    for kind in &operation.problems {
        by_status.entry(kind.status().as_u16()).or_default().push(*kind);
    }
    for (status, kinds) in by_status {
        let problem = problem(status, &kinds);
        match all.get_mut(&status) {
            // Probes are told in words of their own that the gateway is not ready.
            Some(answer) => {
                for part in ["content", "headers"] {
                    for (name, it) in problem[part].as_object().into_iter().flatten() {
                        answer[part][name] = it.clone();
                    }
                }
            }
            None => drop(all.insert(status, problem)),
        }
    }
    all
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
        405 => Some(("Allow", "The methods that the path takes.", "string")),
        429 | 503 => Some(("Retry-After", "The seconds after which to ask again.", "integer")),
        _ => None,
    };
    let limits = limit_headers::DESCRIBED.map(|(name, about)| (name, about, "string"));
    let limits = limits.into_iter().filter(|_| kinds.contains(&Kind::QuotaExceeded));
    for (name, about, form) in header.into_iter().chain(limits) {
        answer["headers"][name] = json!({ "description": about, "schema": { "type": form } });
    }
    answer
}

fn type_of(code: &str) -> String {
    format!("/problems/{code}")
}
