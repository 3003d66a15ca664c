//! The route table: every path of the HTTP surface, and the handler that answers it.
//!
//! `server` serves the routes, and `observe` counts requests by their paths. Which permission a
//! route needs is in its handler's type, and so is the handler's description; `access` lists them
//! for `document`, other documents and tests.

use actix_web::guard::{Any, Get, Head};
use actix_web::middleware::from_fn;
use actix_web::{FromRequest, Handler, HttpResponse, Resource, Responder, web};

use super::allowed::{Guarded, Open};
use super::operation::{Access, Operation};
use super::problem::Problem;
use super::{
    claims, delete_all, docs, domain_events, erasures, health, metrics, openapi, parked,
    process_events, replays, stopping, subscriptions, tenants, trail,
};

macro_rules! routes {
    ($($kind:ident $path:literal => $($handler:path),+;)*) => {
        /// The path of every route.
        pub(super) const PATHS: &[&str] = &[$($path),*];

        /// Adds every route to the app.
        pub(super) fn routes(app: &mut web::ServiceConfig) {
            $(
                let Route { resource, .. } = $kind($path, $($handler),+);
                app.service(resource.wrap(from_fn(stopping::answer_in_time)));
            )*
            app.default_service(web::to(no_route));
        }

        /// Returns the description of every route and method, with the permission that it needs.
        pub(super) fn operations() -> Vec<(Access, Operation)> {
            let mut all = Vec::new();
            $(all.extend($kind($path, $($handler),+).operations);)*
            all.into_iter().map(|(access, describe)| (access, describe())).collect()
        }

        /// Returns the permission of every route and method, as the handlers' types name them.
        pub fn access() -> Vec<Access> {
            let mut all = Vec::new();
            $(all.extend($kind($path, $($handler),+).operations);)*
            all.into_iter().map(|(access, _)| access).collect()
        }
    };
}

routes! {
    post "/domain-events/{producer}/{entity}"            => domain_events::post::post;
    post "/domain-events/{producer}/{entity}/delete-all" => delete_all::post;
    post "/process-events/{producer}/{event}"            => process_events::post;
    read "/domain-events"                                => domain_events::list::list;
    read "/domain-events/{eventId}"                      => domain_events::get::get;
    read "/parked"                                       => parked::all;
    post "/parked/{id}/release"                          => parked::release;
    post "/parked/{id}/discard"                          => parked::discard;
    submit "/replays"                                    => replays::submit, replays::all;
    read "/replays/{id}"                                 => replays::get;
    post "/replays/{id}/pause"                           => replays::pause;
    post "/replays/{id}/resume"                          => replays::resume;
    post "/replays/{id}/cancel"                          => replays::cancel;
    submit "/erasures"                                   => erasures::submit, erasures::all;
    read "/erasures/{id}"                                => erasures::get;
    post "/claims"                                       => claims::claim;
    post "/claims/release"                               => claims::release;
    read "/subscriptions"                                => subscriptions::list;
    keep "/subscriptions/{group}"                        => subscriptions::put, subscriptions::get,
                                                            subscriptions::delete;
    read "/subscriptions/{group}/events"                 => subscriptions::events;
    post "/subscriptions/{group}/commits"                => subscriptions::commits;
    post "/subscriptions/{group}/seek"                   => subscriptions::seek;
    post "/subscriptions/{group}/pause"                  => subscriptions::pause;
    post "/subscriptions/{group}/resume"                 => subscriptions::resume;
    post "/subscriptions/{group}/skip"                   => subscriptions::skip;
    read "/subscriptions/{group}/dead-letters"           => subscriptions::list_dead_letters;
    post "/subscriptions/{group}/dead-letters/redrive"   => subscriptions::redrive_dead_letters;
    post "/subscriptions/{group}/dead-letters/discard"   => subscriptions::discard_dead_letters;
    read "/subscriptions/{group}/dead-letters/{position}" => subscriptions::get_dead_letter;
    end "/subscriptions/{group}/reader"                  => subscriptions::leave;
    post "/_/tenant"                                     => tenants::post;
    forget "/_/tenant/{id}"                              => tenants::get, tenants::remove;
    read "/trail"                                        => trail::list;
    open "/livez"                                        => health::live;
    open "/admin/health"                                 => health::up;
    open "/readyz"                                       => health::ready;
    read "/metrics"                                      => metrics::all;
    read "/openapi.json"                                 => openapi::get;
    read "/docs"                                         => docs::get;
}

/// A route: the handlers of a path, and what each of them needs and is.
struct Route {
    path: &'static str,
    resource: Resource,
    operations: Vec<(Access, Describe)>,
}

type Describe = fn() -> Operation;

impl Route {
    fn new(path: &'static str, allow: &'static str) -> Self {
        let other = move || async move { refused(Problem::MethodNotAllowed { allow }) };
        let resource = web::resource(path).default_service(web::to(other));
        Self { path, resource, operations: Vec::new() }
    }

    /// Adds the handler of a method.
    fn on<F, Args>(self, method: &'static str, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + Guarded + 'static,
        F::Output: Responder + 'static,
    {
        let access = Access {
            method,
            path: self.path,
            permission: Some(Args::PERMISSION),
            also: Args::ALSO,
        };
        self.with(handler, access, Args::describe)
    }

    /// Adds the handler of a method that needs the permission, if any.
    fn with<F, Args>(mut self, handler: F, access: Access, describe: Describe) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let route = match access.method {
            "GET" => web::route().guard(Any(Get()).or(Head())),
            "PUT" => web::put(),
            "DELETE" => web::delete(),
            _ => web::post(),
        };
        self.resource = self.resource.route(route.to(handler));
        self.operations.push((access, describe));
        self
    }
}

fn post<F, Args>(path: &'static str, handler: F) -> Route
where
    F: Handler<Args>,
    Args: FromRequest + Guarded + 'static,
    F::Output: Responder + 'static,
{
    Route::new(path, "POST").on("POST", handler)
}

fn read<F, Args>(path: &'static str, handler: F) -> Route
where
    F: Handler<Args>,
    Args: FromRequest + Guarded + 'static,
    F::Output: Responder + 'static,
{
    Route::new(path, "GET, HEAD").on("GET", handler)
}

/// A resource that anyone may read, without a permission.
fn open<F, Args>(path: &'static str, handler: F) -> Route
where
    F: Handler<Args>,
    Args: FromRequest + Open + 'static,
    F::Output: Responder + 'static,
{
    let access = Access { method: "GET", path, permission: None, also: &[] };
    Route::new(path, "GET, HEAD").with(handler, access, Args::describe)
}

/// A collection: POST adds to it, GET lists it.
fn submit<F, A, G, B>(path: &'static str, add: F, list: G) -> Route
where
    F: Handler<A>,
    A: FromRequest + Guarded + 'static,
    F::Output: Responder + 'static,
    G: Handler<B>,
    B: FromRequest + Guarded + 'static,
    G::Output: Responder + 'static,
{
    Route::new(path, "GET, HEAD, POST").on("POST", add).on("GET", list)
}

/// A resource that is put, read and removed under its own name.
fn keep<F, A, G, B, H, C>(path: &'static str, put: F, get: G, delete: H) -> Route
where
    F: Handler<A>,
    A: FromRequest + Guarded + 'static,
    F::Output: Responder + 'static,
    G: Handler<B>,
    B: FromRequest + Guarded + 'static,
    G::Output: Responder + 'static,
    H: Handler<C>,
    C: FromRequest + Guarded + 'static,
    H::Output: Responder + 'static,
{
    let route = Route::new(path, "GET, HEAD, PUT, DELETE");
    route.on("PUT", put).on("GET", get).on("DELETE", delete)
}

/// A resource that is read, and removed by whoever has asked for it.
fn forget<F, A, G, B>(path: &'static str, get: F, delete: G) -> Route
where
    F: Handler<A>,
    A: FromRequest + Guarded + 'static,
    F::Output: Responder + 'static,
    G: Handler<B>,
    B: FromRequest + Guarded + 'static,
    G::Output: Responder + 'static,
{
    Route::new(path, "GET, HEAD, DELETE").on("GET", get).on("DELETE", delete)
}

/// A resource that only DELETE acts on.
fn end<F, Args>(path: &'static str, handler: F) -> Route
where
    F: Handler<Args>,
    Args: FromRequest + Guarded + 'static,
    F::Output: Responder + 'static,
{
    Route::new(path, "DELETE").on("DELETE", handler)
}

async fn no_route() -> Result<HttpResponse, Problem> {
    refused(Problem::NotFound)
}

fn refused(problem: Problem) -> Result<HttpResponse, Problem> {
    Err(problem)
}

#[cfg(test)]
mod tests {
    use super::operations;
    use crate::http::document::Document;
    use crate::http::problem::kind::Kind;

    #[test]
    fn every_header_of_an_answer_is_named_by_the_document_and_no_other_passes() {
        let document = Document::new(operations());
        let lacks = |(method, path), status, names: &[&'static str]| {
            document.lacks((method, path), status, names.iter().copied())
        };
        let post = ("POST", "/domain-events/{producer}/{entity}");
        let delete_all = ("POST", "/domain-events/{producer}/{entity}/delete-all");
        let limits = ["ratelimit", "ratelimit-policy", "content-type"];
        for route in [post, delete_all] {
            assert_eq!(lacks(route, 201, &["preference-applied", "vary"]), None);
            assert_eq!(lacks(route, 201, &limits), None);
            assert_eq!(lacks(route, 429, &limits), None);
            assert_eq!(lacks(route, 429, &["retry-after"]), None);
            assert_eq!(lacks(route, 201, &["vary", "retry-after"]), Some("retry-after"));
        }
        assert_eq!(lacks(("HEAD", "/subscriptions/{group}/events"), 405, &["allow"]), None);
        assert_eq!(lacks(("GET", "/readyz"), 503, &["retry-after"]), None);
        assert_eq!(lacks(("GET", "/readyz"), 200, &["retry-after"]), Some("retry-after"));
        assert_eq!(lacks(("GET", "/livez"), 429, &["ratelimit"]), None, "it has no such answer");
    }

    #[test]
    fn every_operation_that_needs_a_permission_names_the_header_of_the_perimeter() {
        for (access, operation) in operations() {
            let names = |it: &serde_json::Value| it["name"] == "X-Okapi-Permissions";
            let named = operation.parameters.iter().any(names);
            assert_eq!(named, access.permission.is_some(), "{access:?}");
        }
    }

    #[test]
    fn every_kind_of_problem_is_some_operation_s() {
        let document = Document::new(operations()).json;
        let document = std::str::from_utf8(&document).unwrap();
        for kind in Kind::ALL {
            let named = format!("\"/problems/{}\"", kind.code());
            assert!(document.contains(&named), "{named}");
        }
    }
}
