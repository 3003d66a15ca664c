//! `/domain-events`: a tenant's log, from its way in to its readers.
//!
//! Each route has a file of its own; `view` is an event as both readers show it.

pub(super) mod get;
pub(super) mod list;
pub(super) mod post;
mod turn;
mod view;
