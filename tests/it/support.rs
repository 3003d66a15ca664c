//! The actors of the stories, and the helpers that stories share. No story is in here.

pub mod commits;
pub mod drafts;
pub mod dropped;
pub mod erasures;
pub mod fake_documents;
pub mod fake_sink;
pub mod faulty_store;
pub mod gateway;
pub mod harness;
#[cfg(feature = "services")]
pub mod hexkit;
pub mod ids;
pub mod malformed;
pub mod parking;
pub mod raw_http;
pub mod restore;
pub mod serve;
pub mod services;
pub mod sink_cursors;
pub mod sqlite;
pub mod store_fixture;
pub mod store_parking;
pub mod subscriber;
#[cfg(feature = "services")]
pub mod whole_way;
