//! MongoDB's client, as the store and hexkit's collection use it: connections, transactions, and
//! the kinds of errors.
//!
//! `store::mongodb` and `sink::hexkit` call it, and turn its errors into those of their ports. No
//! server is used that might lose what it has acknowledged, no call outlasts its time limit, and no
//! message shows credentials.

pub(crate) mod connect;
pub(crate) mod error;
pub(crate) mod transaction;
