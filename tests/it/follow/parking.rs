//! Stories about parking: records and topics that are refused, what is released, the counts.

mod records;
mod release;
mod topics;
mod truth;
