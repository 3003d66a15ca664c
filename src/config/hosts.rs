//! Hosts and ports, as written in `KAFKA_HOST`, in `DB_HOST` and in a store's URL.
//!
//! Text is parsed into hosts here, once. Libraries guess: librdkafka reads port 99999 as 34463, and
//! a URL as no broker at all. So a text that is not exactly a host, or a host and a port, is
//! refused here.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The reason why a text is refused: what must stand there instead.
pub(super) type Flaw = &'static str;

/// A host and perhaps a port: `kafka`, `kafka:9092`, `10.0.0.1:9092`, `::1`, `[::1]:9092`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// A name or an address, without brackets.
    pub(super) host: String,
    /// The port, if one is given.
    pub(super) port: Option<u16>,
}

/// Parses a list with commas: at least one endpoint.
pub(super) fn list(text: &str) -> Result<Vec<Endpoint>, Flaw> {
    text.split(',').map(|item| Endpoint::parse(item.trim())).collect()
}

impl Endpoint {
    /// Parses one endpoint.
    pub(super) fn parse(text: &str) -> Result<Self, Flaw> {
        if text.is_empty() {
            return Err("a host must not be empty");
        }
        if text.contains("://") {
            return Err("a host must be given without a scheme such as http://");
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (address, rest) =
                rest.split_once(']').ok_or("the bracket of an IPv6 address must be closed")?;
            let port = match rest.strip_prefix(':') {
                Some(digits) => Some(port(digits)?),
                None if rest.is_empty() => None,
                None => return Err("only a port may follow a bracket, such as [::1]:9092"),
            };
            return Ok(Self { host: ipv6(address)?, port });
        }
        match text.split_once(':') {
            Some((_, rest)) if rest.contains(':') => Ok(Self { host: ipv6(text)?, port: None }),
            Some((host, digits)) => Ok(Self { host: name(host)?, port: Some(port(digits)?) }),
            None => Ok(Self { host: name(text)?, port: None }),
        }
    }

    /// Sets the port, unless the endpoint has one.
    pub(super) fn or_port(mut self, port: u16) -> Self {
        self.port.get_or_insert(port);
        self
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.host.contains(':'), self.port) {
            (true, Some(port)) => write!(f, "[{}]:{port}", self.host),
            (true, None) => write!(f, "[{}]", self.host),
            (false, Some(port)) => write!(f, "{}:{port}", self.host),
            (false, None) => f.write_str(&self.host),
        }
    }
}

fn port(digits: &str) -> Result<u16, Flaw> {
    let port = if digits.bytes().all(|b| b.is_ascii_digit()) { digits.parse().ok() } else { None };
    port.filter(|port| *port > 0).ok_or("a port must be a number from 1 to 65535")
}

/// Parses an IPv6 address, perhaps with its zone, such as `fe80::1%eth0`.
fn ipv6(text: &str) -> Result<String, Flaw> {
    let (address, zone) =
        text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
    if address.parse::<Ipv6Addr>().is_err()
        || zone.is_some_and(|zone| zone.is_empty() || !is_word(zone))
    {
        return Err("more than one colon is an IPv6 address: ::1, or with a port [::1]:9092");
    }
    Ok(text.to_owned())
}

fn name(text: &str) -> Result<String, Flaw> {
    let is_number = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if text.is_empty() || text.len() > 253 || text.starts_with('-') || !is_word(text) {
        return Err("a host must be an address, or a name of a-z A-Z 0-9 . _ -");
    }
    if is_number && text.parse::<Ipv4Addr>().is_err() {
        return Err("a host of digits and dots must be an IPv4 address");
    }
    Ok(text.to_owned())
}

fn is_word(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::list;

    #[test]
    fn hosts_are_read_as_they_are_written() {
        let cases = [
            ("kafka", "kafka:7"),
            ("a, b:1,c", "a:7,b:1,c:7"),
            ("10.0.0.1:9092", "10.0.0.1:9092"),
            ("::1", "[::1]:7"),
            ("[::1]", "[::1]:7"),
            ("[::1]:9092,fe80::1%eth0", "[::1]:9092,[fe80::1%eth0]:7"),
            ("broker_1.kafka-headless.ns.svc:65535", "broker_1.kafka-headless.ns.svc:65535"),
        ];
        for (text, expected) in cases {
            let hosts: Vec<_> =
                list(text).unwrap().into_iter().map(|h| h.or_port(7).to_string()).collect();
            assert_eq!(hosts.join(","), expected, "{text}");
        }
    }

    #[test]
    fn what_a_library_would_guess_at_is_refused() {
        let cases = [
            ("127.0.0.1:99999", "from 1 to 65535"),
            ("kafka:0", "from 1 to 65535"),
            ("kafka:+1", "from 1 to 65535"),
            ("kafka:", "from 1 to 65535"),
            ("[::1]:99999", "from 1 to 65535"),
            ("http://kafka:9092", "without a scheme"),
            ("PLAINTEXT://kafka", "without a scheme"),
            ("a,,b", "must not be empty"),
            ("a,", "must not be empty"),
            ("[::1", "must be closed"),
            ("[::1]9092", "may follow a bracket"),
            ("[kafka]:1", "is an IPv6 address"),
            ("a:b:c", "is an IPv6 address"),
            ("fe80::1%", "is an IPv6 address"),
            ("10.0.0.256", "an IPv4 address"),
            ("user@kafka", "an address, or a name"),
            ("kafka/path", "an address, or a name"),
            ("-kafka", "an address, or a name"),
            (":9092", "an address, or a name"),
        ];
        for (text, expected) in cases {
            let flaw = list(text).unwrap_err();
            assert!(flaw.contains(expected), "{text}: {flaw}");
        }
    }
}
