//! Stories about the real binary in processes of its own, and about the services beside it.

mod access;
#[cfg(feature = "services")]
mod alerts;
#[cfg(feature = "services")]
mod audit;
#[cfg(feature = "services")]
mod bars;
mod by_hand;
mod claims;
#[cfg(feature = "services")]
mod cluster;
mod collisions;
mod credentials;
#[cfg(feature = "services")]
mod dashboards;
#[cfg(feature = "services")]
mod descriptor;
mod documentation;
#[cfg(feature = "services")]
mod erasure;
#[cfg(feature = "services")]
mod exactly_once;
mod first_run;
mod handler_files;
mod handlers;
#[cfg(feature = "services")]
mod helm;
#[cfg(feature = "services")]
mod hexkit;
mod illegal_files;
mod image;
mod left_out;
mod log;
mod main_job;
#[cfg(feature = "services")]
mod metrics;
#[cfg(feature = "services")]
mod openapi;
#[cfg(feature = "services")]
mod outage;
mod output;
#[cfg(feature = "services")]
mod parked;
#[cfg(feature = "services")]
mod pods;
#[cfg(feature = "services")]
mod purges;
#[cfg(feature = "services")]
mod quotas;
mod release;
#[cfg(feature = "services")]
mod removal;
#[cfg(feature = "services")]
mod replays;
#[cfg(feature = "services")]
mod replicas;
#[cfg(feature = "services")]
mod secured;
mod settings;
#[cfg(feature = "services")]
mod store_outage;
mod subcommands;
mod subscription_files;
mod supervised;
#[cfg(feature = "services")]
mod tenant_jobs;
mod terminal;
#[cfg(feature = "services")]
mod topics;
mod trace_headers;
#[cfg(feature = "services")]
mod traces;
#[cfg(feature = "services")]
mod trail;
#[cfg(feature = "services")]
mod unwritable;
