//! Stories about parking: refused records and topics, releases, and the counts.

mod records;
mod release;
mod topics;
mod truth;
