//! Append: the one way into the logs, as far as no database is spoken.
//!
//! Fed by each adapter's `append`; feeds it with the plan to write. Always true: nothing in here
//! reads or writes a store.

pub(in crate::store) mod head_cache;
pub(in crate::store) mod plan;
