//! The document of the API, and the page that shows it: no operation is missing, and the page
//! trusts nobody.

use std::collections::BTreeSet;

use event_gateway::http::access;
use openssl::base64::encode_block;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::gateway::{Gateway, Setup};
use crate::support::raw_http::Answer;

async fn read(path: &str) -> Answer {
    let gateway: Gateway = Setup::new().start().await;
    gateway.exchange(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await
}

/// Returns the operations of a document: method, path, and the permission that it names.
fn operations(document: &Value) -> BTreeSet<(String, String, Option<String>)> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, methods)| {
        methods.as_object().unwrap().iter().map(move |(method, it)| (path, method, it))
    });
    operations
        .map(|(path, method, operation)| {
            let ways = operation["security"].as_array().unwrap();
            let name = |way: &Value| {
                let (_, names) = way.as_object().unwrap().iter().next().unwrap();
                names[0].as_str().unwrap().to_owned()
            };
            let names: BTreeSet<_> = ways.iter().map(name).collect();
            assert!(names.len() <= 1, "{method} {path} names {names:?}");
            (method.to_ascii_uppercase(), path.clone(), names.into_iter().next())
        })
        .collect()
}

#[tokio::test]
async fn every_route_is_in_the_document_with_its_permission_and_nothing_else_is() {
    let answer = read("/openapi.json").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let document = answer.json();
    assert_eq!(document["openapi"], "3.1.0");
    let served: BTreeSet<_> = access()
        .iter()
        .map(|it| {
            let permission = it.permission.map(|permission| permission.name.to_owned());
            (it.method.to_owned(), it.path.to_owned(), permission)
        })
        .collect();
    assert_eq!(operations(&document), served);
}

/// The document names the parameters of each query, and every route refuses all others.
#[tokio::test]
async fn every_route_with_a_permission_refuses_a_parameter_that_the_document_does_not_name() {
    let document = read("/openapi.json").await.json();
    let gateway: Gateway = Setup::new().start().await;
    for it in access().into_iter().filter(|it| it.permission.is_some()) {
        let parameters = document["paths"][it.path][it.method.to_ascii_lowercase()]["parameters"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let named = |parameter: &&Value| parameter["in"] == "query" && parameter["name"] == "sink";
        let target = it.path.replace("{id}", "5bf370e0-8cca-4d9c-82e4-5170ab2a0a39");
        let target = target.replace(['{', '}'], "");
        let (method, name) = match parameters.iter().any(|it| named(&it)) {
            true => (it.method, "snik"),
            false => (it.method, "sink"),
        };
        let head = format!("{method} {target}?{name}=kafka HTTP/1.1\r\nHost: x\r\n");
        let more = "X-Okapi-Tenant: diku\r\nContent-Type: application/json\r\n";
        let request = format!("{head}{more}Content-Length: 2\r\n\r\n{{}}");
        let answer = gateway.exchange(request.as_bytes()).await;
        assert_eq!(answer.status, 400, "{method} {target}");
        let problem = answer.json();
        assert_eq!(problem["type"], "/problems/bad-query", "{method} {target}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(name), "{problem}");
    }
}

#[tokio::test]
async fn every_name_of_an_operation_is_its_own() {
    let document = read("/openapi.json").await.json();
    let paths = document["paths"].as_object().unwrap().values();
    let ids = paths.flat_map(|methods| methods.as_object().unwrap().values());
    let ids: Vec<_> = ids.map(|it| it["operationId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
}

#[tokio::test]
async fn the_page_shows_every_operation_and_runs_and_loads_nothing() {
    let answer = read("/docs").await;
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    let page = String::from_utf8(answer.body.clone()).unwrap();
    for it in access() {
        let title = format!("<h2><b>{}</b> <code>{}</code></h2>", it.method, it.path);
        assert!(page.contains(&title), "{title}");
        assert!(it.permission.is_none_or(|one| page.contains(one.name)), "{it:?}");
    }
    for loads in ["<script", "<link", "<img", "<iframe", "src=", "url(", "@import", "javascript:"] {
        assert!(!page.contains(loads), "{loads}");
    }
    let (_, style) = page.split_once("<style>").unwrap();
    let (style, _) = style.split_once("</style>").unwrap();
    let hash = encode_block(&Sha256::digest(style));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    assert_eq!(answer.header("content-security-policy"), Some(&policy[..]));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
}
