//! The HTTP server: actix's workers, with a gate in front of each connection.
//!
//! `app` passes in `HttpDeps` and a listener. The server is actix's own; it is put together here so
//! that every socket is read through a `gate`.

use std::future::ready;
use std::net::TcpListener;
use std::num::NonZero;
use std::time::Duration;

use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_service::{ServiceFactoryExt, fn_service, map_config};
use actix_web::App;
use actix_web::dev::{AppConfig, Server};
use actix_web::middleware::from_fn;
use serde_json::Value;
use tokio::net::TcpStream;

use super::closed;
use super::config::Config;
use super::connections::{Connections, EXTRA_MAX};
use super::document::Document;
use super::gate::{Gate, Patience};
use super::gateway::{Gateway, HttpDeps, Shared};
use super::middleware;
use super::routes::{operations, routes};
use crate::tls::Tls;

/// The time for which an idle connection is kept open.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// The time for which a client that has not read its answer may go on sending.
const LINGER: Duration = Duration::from_secs(1);

/// Returns the document of the API: OpenAPI 3.1.
pub fn openapi() -> Value {
    Document::new(operations()).value
}

/// Builds the server on `listener`. It runs when it is awaited, and only its handle stops it.
pub fn server(deps: HttpDeps, listener: TcpListener) -> std::io::Result<Server> {
    let Config { connections_max, head_timeout, answer_timeout, shutdown_timeout, .. } =
        deps.config;
    let workers = std::thread::available_parallelism().map_or(2, NonZero::get);
    let (connections, tls) = (Connections::new(connections_max), deps.config.tls.clone());
    let patience = Patience { head: head_timeout, answer: answer_timeout };
    let gateway = Shared::new(Gateway::new(deps, Document::new(operations())));
    let app = move || {
        App::new()
            .app_data(gateway.clone())
            .wrap(from_fn(closed::authenticate))
            .wrap(from_fn(middleware::around))
            .configure(routes)
    };
    let builder = Server::build()
        .workers(workers)
        // This is each worker's limit. `connections` decides whom to let in; an evicted connection
        // takes a moment to leave.
        .max_concurrent_connections(connections_max + 2 * EXTRA_MAX)
        .shutdown_timeout(shutdown_timeout.as_secs().max(1))
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let worker = move || {
        let (connections, stopping, tls) = (connections.clone(), stopping.clone(), tls.clone());
        let gate = move |io: TcpStream| {
            let from = io.peer_addr().ok();
            let stream = Tls::stream(tls.as_deref(), io).map_err(DispatchError::Io);
            ready(stream.map(|stream| (Gate::new(stream, connections.admit(), patience), from)))
        };
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(KEEP_ALIVE)
            // The gate times every head; actix would time the first request's alone.
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(LINGER)
            .on_connect_ext(|gate: &Gate, data| drop(data.insert(gate.connection())))
            .h1(map_config(app(), |()| AppConfig::default()));
        fn_service(gate).and_then(http)
    };
    Ok(builder.listen("http", listener, worker)?.run())
}
