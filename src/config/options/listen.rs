//! Options of the listener for Kafka's clients.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;

use super::{address, whole};

/// Options of the listener for Kafka's clients.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Kafka listener")]
pub struct ListenOptions {
    /// The address on which Kafka's clients read the logs: an IP address, or localhost.
    #[arg(long, env, default_value = "127.0.0.1", value_parser = address)]
    pub kafka_listen_host: IpAddr,
    /// The port on which they do; 0 takes a free one. By default 9092, or a free one while that is
    /// in use, if BROKER is embedded; else none.
    #[arg(long, env, value_parser = whole::<u16, 0, 65_535>)]
    pub kafka_listen_port: Option<u16>,
    /// The HOST:PORT that Kafka's clients are told to connect to, if it is another one.
    #[arg(long, env, value_parser = host_and_port)]
    pub kafka_listen_advertised: Option<(String, u16)>,
    /// The most Kafka clients that may be connected.
    #[arg(long, env, default_value_t = 4096, value_parser = whole::<usize, 1, 1_000_000>)]
    pub kafka_listen_connections_max: usize,
    /// The MiB of a file with records for Kafka's clients that memory has no room for; 0 for none.
    #[arg(long, env, default_value_t = 512, value_parser = whole::<u64, 0, 1_048_576>)]
    pub kafka_listen_cache_mb: u64,
    /// The folder of that file. The default is that of SQLite's file; with another store there is
    /// no such file then.
    #[arg(long, env)]
    pub kafka_listen_cache_dir: Option<PathBuf>,
}

/// Parses `HOST:PORT`; an IPv6 address stands in brackets, and any other one may: a pod is told its
/// own address, of either kind, between the same two.
fn host_and_port(text: &str) -> Result<(String, u16), String> {
    let rule = || "it must be HOST:PORT, such as events.example.org:9092".to_owned();
    let (host, port) = text.rsplit_once(':').ok_or_else(rule)?;
    let port: u16 = port.parse().ok().filter(|port| *port > 0).ok_or_else(rule)?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    match bare {
        Some(address) if address.parse::<IpAddr>().is_ok() => Ok((address.to_owned(), port)),
        None if !host.is_empty() && host.bytes().all(legal) => Ok((host.to_owned(), port)),
        _ => Err(rule()),
    }
}

#[cfg(test)]
mod tests {
    use super::host_and_port;

    #[test]
    fn an_advertised_address_has_a_host_and_a_port() {
        assert_eq!(host_and_port("a.b:9092"), Ok(("a.b".to_owned(), 9092)));
        assert_eq!(host_and_port("[::1]:1"), Ok(("::1".to_owned(), 1)));
        assert_eq!(host_and_port("[10.0.0.1]:1"), Ok(("10.0.0.1".to_owned(), 1)));
        for bad in ["", "a", ":1", "a:", "a:0", "a:65536", "::1:1", "[a]:1", "[]:1", "a b:1"] {
            assert!(host_and_port(bad).is_err(), "{bad}");
        }
    }
}
