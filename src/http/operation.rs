//! The description of an operation: what a handler takes, and all that it may answer.
//!
//! It stands beside its handler (`Described`), under the name of the permission that the handler's
//! type names; `allowed` adds what the handler's first argument reads and refuses. `document` makes
//! the document of the API of all of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use utoipa::ToSchema;

use super::problem::kind::Kind;
use super::query::Parameter;
use super::schema::Schema;
use crate::access::permission::Permission;

/// Whatever names an operation, as a permission does: it describes its handler.
pub(super) trait Described: 'static {
    /// The parameters that the query may have; any other is refused.
    const QUERY: &'static [Parameter] = &[];

    /// The permissions that some requests need, too (`Allowed::also`).
    const ALSO: &'static [Permission] = &[];

    fn describe() -> Operation;

    /// Describes the handler, with its query.
    fn with_query() -> Operation {
        Self::describe().query(Self::QUERY).problems(&[Kind::BadQuery])
    }
}

/// The permission that a method of a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// The request's method; GET stands for HEAD, too.
    pub method: &'static str,
    /// The pattern of the path.
    pub path: &'static str,
    /// The permission; `None` if the route is open.
    pub permission: Option<Permission>,
    /// The permissions that some requests need, too.
    pub also: &'static [Permission],
}

/// The description of an operation.
pub(super) struct Operation {
    /// A few words, if no permission has them.
    pub(super) title: Option<&'static str>,
    pub(super) about: &'static str,
    pub(super) parameters: Vec<Value>,
    pub(super) body: Option<Value>,
    /// The answers that are no problem, by status.
    pub(super) answers: BTreeMap<u16, Value>,
    /// The problems that it may have.
    pub(super) problems: BTreeSet<Kind>,
    /// The schemas that the answers name.
    pub(super) schemas: BTreeMap<String, Value>,
}

impl Operation {
    pub(super) fn new(about: &'static str) -> Self {
        Self {
            title: None,
            about,
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
            problems: BTreeSet::new(),
            schemas: BTreeMap::new(),
        }
    }

    /// Adds the words for an operation that needs no permission.
    pub(super) fn titled(self, title: &'static str) -> Self {
        Self { title: Some(title), ..self }
    }

    /// Adds a part of the path. With an empty one, the path is nobody's.
    pub(super) fn path(self, name: &'static str, schema: Schema) -> Self {
        self.parameter(json!({ "name": name, "in": "path", "required": true, "schema": schema }))
            .problems(&[Kind::NotFound])
    }

    /// Adds the parameters of the query.
    fn query(self, known: &[Parameter]) -> Self {
        known.iter().fold(self, |operation, Parameter { name, about, schema, needed }| {
            operation.parameter(json!({
                "name": name,
                "in": "query",
                "description": about,
                "required": needed,
                "schema": schema(),
            }))
        })
    }

    /// Adds a header that may be left out.
    pub(super) fn header(self, name: &'static str, about: &str, schema: Schema) -> Self {
        self.parameter(json!({
            "name": name,
            "in": "header",
            "description": about,
            "schema": schema,
        }))
    }

    pub(super) fn parameter(mut self, parameter: Value) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// Adds a body that may be left out: it counts as `{}` then.
    pub(super) fn optional_body(self, schema: &Schema) -> Self {
        self.body_of(&[("application/json", schema)], false)
    }

    /// Adds a body that must be there.
    pub(super) fn needed_body(self, schema: &Schema) -> Self {
        self.body_of(&[("application/json", schema)], true)
    }

    /// Adds a body of one of those media types.
    pub(super) fn body_of(self, forms: &[(&str, &Schema)], required: bool) -> Self {
        let forms = forms.iter().map(|(name, schema)| (*name, json!({ "schema": schema })));
        let content: BTreeMap<_, _> = forms.collect();
        Self { body: Some(json!({ "required": required, "content": content })), ..self }
    }

    /// Adds an answer with the JSON of a type.
    pub(super) fn answer<T: ToSchema>(self, status: u16, about: &str) -> Self {
        let schema = reference(&T::name());
        self.with::<T>().answer_of(status, about, &[("application/json", schema)])
    }

    /// Adds the schema of a type, which an answer names, and those that it names.
    pub(super) fn with<T: ToSchema>(mut self) -> Self {
        let mut all = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut all);
        for (name, schema) in all {
            let schema = serde_json::to_value(schema).expect("a schema is JSON");
            self.schemas.insert(name, schema);
        }
        self
    }

    /// Adds an answer of one of those media types.
    pub(super) fn answer_of(mut self, status: u16, about: &str, forms: &[(&str, Schema)]) -> Self {
        let mut answer = json!({ "description": about });
        if !forms.is_empty() {
            let forms = forms.iter().map(|(name, schema)| (*name, json!({ "schema": schema })));
            answer["content"] = json!(forms.collect::<BTreeMap<_, _>>());
        }
        self.answers.insert(status, answer);
        self
    }

    /// Adds an answer without a body.
    pub(super) fn empty_answer(self, status: u16, about: &str) -> Self {
        self.answer_of(status, about, &[])
    }

    /// Adds a header to the answer of a status.
    pub(super) fn answer_header(mut self, status: u16, name: &str, about: &str) -> Self {
        let answer = self.answers.get_mut(&status).expect("the answer is described first");
        answer["headers"][name] = json!({ "description": about, "schema": { "type": "string" } });
        self
    }

    /// Adds problems that the operation may have.
    pub(super) fn problems(mut self, kinds: &[Kind]) -> Self {
        self.problems.extend(kinds);
        self
    }
}

/// Returns the schema that stands for one of the document's own.
pub(super) fn reference(name: &str) -> Schema {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}
