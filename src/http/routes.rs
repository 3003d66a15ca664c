//! The route table: every path of the HTTP surface, and the handler that answers it.
//!
//! `server` serves the routes, and `observe` counts requests by their paths.

use actix_web::guard::{Any, Delete, Get, Head, Put};
use actix_web::middleware::from_fn;
use actix_web::{FromRequest, Handler, HttpResponse, Resource, Responder, web};

use super::problem::Problem;
use super::{
    delete_all, domain_events, erasures, health, metrics, parked, process_events, replays,
    stopping, subscriptions, tenants,
};

macro_rules! routes {
    ($($method:ident $path:literal => $($handler:path),+;)*) => {
        /// The path of every route.
        pub(super) const PATHS: &[&str] = &[$($path),*];

        /// Adds every route to the app.
        pub(super) fn routes(app: &mut web::ServiceConfig) {
            app$(.service($method($path, $($handler),+).wrap(from_fn(stopping::answer_in_time))))*
                .default_service(web::to(no_route));
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
    read "/subscriptions"                                => subscriptions::list;
    keep "/subscriptions/{group}"                        => subscriptions::one;
    read "/subscriptions/{group}/events"                 => subscriptions::events;
    post "/subscriptions/{group}/commits"                => subscriptions::commits;
    post "/subscriptions/{group}/seek"                   => subscriptions::seek;
    end "/subscriptions/{group}/reader"                  => subscriptions::leave;
    post "/_/tenant"                                     => tenants::post;
    forget "/_/tenant/{id}"                              => tenants::one;
    read "/livez"                                        => health::up;
    read "/admin/health"                                 => health::up;
    read "/readyz"                                       => health::ready;
    read "/metrics"                                      => metrics::all;
}

fn post<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let other = || async { refused(Problem::MethodNotAllowed { allow: "POST" }) };
    web::resource(path).route(web::post().to(handler)).default_service(web::to(other))
}

fn read<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let other = || async { refused(Problem::MethodNotAllowed { allow: "GET, HEAD" }) };
    let route = web::route().guard(Any(Get()).or(Head())).to(handler);
    web::resource(path).route(route).default_service(web::to(other))
}

/// A collection: POST adds to it, GET lists it.
fn submit<F, A, G, B>(path: &str, add: F, list: G) -> Resource
where
    F: Handler<A>,
    A: FromRequest + 'static,
    F::Output: Responder + 'static,
    G: Handler<B>,
    B: FromRequest + 'static,
    G::Output: Responder + 'static,
{
    let other = || async { refused(Problem::MethodNotAllowed { allow: "GET, HEAD, POST" }) };
    let read = web::route().guard(Any(Get()).or(Head())).to(list);
    let resource = web::resource(path).route(web::post().to(add)).route(read);
    resource.default_service(web::to(other))
}

/// A resource that is put, read and removed under its own name; the handler looks at the method.
fn keep<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let other = || async { refused(Problem::MethodNotAllowed { allow: "GET, HEAD, PUT, DELETE" }) };
    let methods = Any(Get()).or(Head()).or(Put()).or(Delete());
    let route = web::route().guard(methods).to(handler);
    web::resource(path).route(route).default_service(web::to(other))
}

/// A resource that is read, and removed by whoever has asked for it; the handler looks at the
/// method.
fn forget<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let other = || async { refused(Problem::MethodNotAllowed { allow: "GET, HEAD, DELETE" }) };
    let route = web::route().guard(Any(Get()).or(Head()).or(Delete())).to(handler);
    web::resource(path).route(route).default_service(web::to(other))
}

/// A resource that only DELETE acts on.
fn end<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let other = || async { refused(Problem::MethodNotAllowed { allow: "DELETE" }) };
    web::resource(path).route(web::delete().to(handler)).default_service(web::to(other))
}

async fn no_route() -> Result<HttpResponse, Problem> {
    refused(Problem::NotFound)
}

fn refused(problem: Problem) -> Result<HttpResponse, Problem> {
    Err(problem)
}
