//! Malformed requests, and how each must be refused.

pub mod bodies;
pub mod requests;

/// The event id that is in the log before any of the requests is sent.
pub const TAKEN: &str = "5bf370e0-8cca-4d9c-82e4-5170ab2a0a39";

/// One malformed request, and how it must be refused.
pub struct Case {
    pub name: String,
    pub request: Vec<u8>,
    pub status: u16,
    pub problem: &'static str,
    /// The JSON pointer of each error, where it has one.
    pub pointers: Vec<String>,
}
