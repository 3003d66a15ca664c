//! W3C's `traceparent`: the trace that a request belongs to, and the span that it is part of.
//!
//! `http::context` reads it from a request and gives it to the request's events, whose records have
//! it as a header; `traces` continues the trace that it names.

/// The name of the header, of requests and of records.
pub const TRACE_PARENT: &str = "traceparent";
/// The flag of a trace whose spans are recorded.
const SAMPLED: u8 = 1;

/// A `traceparent` that is well-formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceParent {
    text: String,
    trace: [u8; 16],
    span: [u8; 8],
    flags: u8,
}

impl TraceParent {
    /// Makes it of its parts, in the form of version 00.
    pub fn new(trace: [u8; 16], span: [u8; 8], flags: u8) -> Self {
        let (trace_hex, span_hex) = (u128::from_be_bytes(trace), u64::from_be_bytes(span));
        let text = format!("00-{trace_hex:032x}-{span_hex:016x}-{flags:02x}");
        Self { text, trace, span, flags }
    }

    /// Reads the text; `None` unless it has W3C's form: no id is all zeros, and the version is not
    /// `ff`.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('-').collect();
        let [version, trace, span, flags] = parts[..] else { return None };
        let version = hex(version, 2)?;
        let trace = hex(trace, 32).filter(|id| *id != 0)?.to_be_bytes();
        let span = hex(span, 16).filter(|id| *id != 0)? as u64;
        let flags = hex(flags, 2)? as u8;
        (version != 0xff).then(|| Self {
            text: text.to_owned(),
            trace,
            span: span.to_be_bytes(),
            flags,
        })
    }

    /// Returns the header's value.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the id of the trace.
    pub fn trace(&self) -> [u8; 16] {
        self.trace
    }

    /// Returns the id of the span.
    pub fn span(&self) -> [u8; 8] {
        self.span
    }

    /// Returns the flags.
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// Returns whether the spans of the trace are recorded.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }
}

/// Reads a number of so many hexadecimal digits, in lower case.
fn hex(part: &str, len: usize) -> Option<u128> {
    let digits = part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    (part.len() == len && digits).then(|| u128::from_str_radix(part, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::TraceParent;

    #[test]
    fn it_is_made_and_read_alike() {
        let text = "00-0bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let read = TraceParent::parse(text).unwrap();
        assert_eq!(TraceParent::new(read.trace(), read.span(), read.flags()), read);
        assert_eq!((read.as_str(), read.is_sampled()), (text, true));
        assert!(!TraceParent::new(read.trace(), read.span(), 2).is_sampled());
    }

    #[test]
    fn only_w3c_s_form_is_read() {
        for text in [
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-+0f067aa0ba902b7-01",
            "x",
        ] {
            assert_eq!(TraceParent::parse(text), None, "{text}");
        }
    }
}
