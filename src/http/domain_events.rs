//! The routes of `/domain-events`: posting changes to a tenant's log, and reading it.
//!
//! Each route has a file of its own. `view` is the JSON of an event in the answers of both readers.

pub(super) mod get;
pub(super) mod list;
pub(super) mod post;
pub(super) mod view;
