//! The routes of `/domain-events`: posting changes to a tenant's log, and reading it.
//!
//! Each route has a file of its own. `view` is an event as both readers show it.

pub(super) mod get;
pub(super) mod list;
pub(super) mod post;
mod turn;
mod view;
