//! `GET /docs`: the document of the API as a page. It has no script, and loads nothing.
//!
//! The page is written anew for each request, which is rare. `openapi` answers with what it shows.

use std::fmt::Write;

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_FRAME_OPTIONS};
use serde_json::{Value, json};

use super::allowed::AllowedForAny;
use super::gateway::Shared;
use super::operation::{Described, Operation};
use crate::access::permission::GetDocs;

/// The policy of the page: its own style, which it knows by the hash, and nothing else.
const POLICY: &str = "default-src 'none'; \
    style-src 'sha256-z3AjmeQfvEB4ZOAkOylj3CoTj53R88YD41hizb2cq2k='; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// The style. Another one has another hash in the policy.
const STYLE: &str = include_str!("docs/style.css");

pub(super) async fn get(_: AllowedForAny<GetDocs>, gateway: Shared) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((X_FRAME_OPTIONS, "DENY"))
        .content_type("text/html; charset=utf-8")
        .body(page(&gateway.document.value))
}

impl Described for GetDocs {
    fn describe() -> Operation {
        let page = json!({ "type": "string" });
        Operation::new("The document of the API as a page for people, without scripts.")
            .answer_of(200, "The page.", &[("text/html", page)])
            .answer_header(200, "Content-Security-Policy", "The page loads and runs nothing.")
            .answer_header(200, "Referrer-Policy", "No other site is told of it.")
            .answer_header(200, "X-Frame-Options", "No other page shows it.")
    }
}

/// Returns the page that shows a document.
fn page(document: &Value) -> String {
    let mut html = String::new();
    let (title, about) = (text(document, "/info/title"), text(document, "/info/description"));
    let version = text(document, "/info/version");
    let head = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head><body>\
         <h1>{title} {version}</h1><p>{about}</p><p>The same for programs: \
         <a href=\"/openapi.json\">/openapi.json</a></p>"
    );
    html.push_str(&head);
    html.push_str("<nav><ul>");
    for (path, method, operation) in operations(document) {
        let (id, summary) = (text(operation, "/operationId"), text(operation, "/summary"));
        add(
            &mut html,
            format_args!(
                "<li><a href=\"#{id}\"><b>{method}</b> <code>{}</code></a> {summary}</li>",
                escaped(path)
            ),
        );
    }
    html.push_str("</ul></nav>");
    for (path, method, operation) in operations(document) {
        add_operation(&mut html, (path, &method), operation);
    }
    html.push_str("<h2>Schemas</h2>");
    for (name, schema) in members(document, "/components/schemas") {
        let name = escaped(name);
        add(&mut html, format_args!("<h3 id=\"schema-{name}\">{name}</h3>{}", json_of(schema)));
    }
    html.push_str("</body></html>");
    html
}

fn add_operation(html: &mut String, (path, method): (&str, &str), operation: &Value) {
    let (id, summary) = (text(operation, "/operationId"), text(operation, "/summary"));
    let about = text(operation, "/description");
    add(
        html,
        format_args!(
            "<section id=\"{id}\"><h2><b>{method}</b> <code>{}</code></h2><p><b>{summary}.</b> \
             {about}</p>",
            escaped(path)
        ),
    );
    let permissions = list(operation, "/security").iter().filter_map(Value::as_object).flatten();
    let permission = permissions.filter_map(|(_, names)| names.get(0)?.as_str()).next();
    match permission {
        Some(name) => add(html, format_args!("<p>Permission: <code>{}</code></p>", escaped(name))),
        None => html.push_str("<p>Anyone may call it.</p>"),
    }
    add_parameters(html, list(operation, "/parameters"));
    for (media_type, content) in members(operation, "/requestBody/content") {
        add(
            html,
            format_args!(
                "<h3>Body: <code>{}</code></h3>{}",
                escaped(media_type),
                json_of(&content["schema"])
            ),
        );
    }
    html.push_str("<h3>Answers</h3><table><tr><th>status<th>about<th>body</tr>");
    for (status, answer) in members(operation, "/responses") {
        let about = text(answer, "/description");
        add(html, format_args!("<tr><td>{}<td>{about}<td>", escaped(status)));
        for (media_type, content) in members(answer, "/content") {
            add(
                html,
                format_args!(
                    "<p><code>{}</code></p>{}",
                    escaped(media_type),
                    json_of(&content["schema"])
                ),
            );
        }
        html.push_str("</tr>");
    }
    html.push_str("</table></section>");
}

fn add_parameters(html: &mut String, parameters: &[Value]) {
    if parameters.is_empty() {
        return;
    }
    html.push_str("<h3>Parameters</h3><table><tr><th>name<th>in<th>about<th>schema</tr>");
    for parameter in parameters {
        let needed = if parameter["required"] == true { " (needed)" } else { "" };
        add(
            html,
            format_args!(
                "<tr><td><code>{}</code>{needed}<td>{}<td>{}<td>{}</tr>",
                text(parameter, "/name"),
                text(parameter, "/in"),
                text(parameter, "/description"),
                json_of(&parameter["schema"])
            ),
        );
    }
    html.push_str("</table>");
}

/// Returns every operation: its path, its method, and itself.
fn operations(document: &Value) -> impl Iterator<Item = (&str, String, &Value)> {
    members(document, "/paths").flat_map(|(path, methods)| {
        let methods = methods.as_object().into_iter().flatten();
        methods.map(move |(method, operation)| (path, method.to_ascii_uppercase(), operation))
    })
}

fn members<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let members = value.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    members.map(|(name, member)| (name.as_str(), member))
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Returns the text at a pointer, escaped; nothing if there is none.
fn text(value: &Value, pointer: &str) -> String {
    escaped(value.pointer(pointer).and_then(Value::as_str).unwrap_or_default())
}

fn json_of(value: &Value) -> String {
    format!("<pre>{}</pre>", escaped(&format!("{value:#}")))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

fn add(html: &mut String, text: std::fmt::Arguments) {
    html.write_fmt(text).expect("a string takes any text");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::page;

    #[test]
    fn no_text_of_the_document_is_markup() {
        let evil = "<script>\"&";
        let operation = json!({
            "operationId": evil,
            "summary": evil,
            "description": evil,
            "security": [{ "a": [evil] }],
            "parameters": [{ "name": evil, "in": evil, "schema": { "const": evil } }],
            "requestBody": { "content": { evil: { "schema": { "const": evil } } } },
            "responses": { evil: { "content": { evil: {} } } },
        });
        let html = page(&json!({
            "info": { "title": evil, "description": evil, "version": evil },
            "paths": { evil: { "get": operation } },
            "components": { "schemas": { evil: {} } },
        }));
        assert!(!html.contains("<script") && html.matches("&lt;script").count() > 20);
    }
}
