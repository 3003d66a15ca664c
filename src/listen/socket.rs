//! The listener's socket.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// Binds the socket. If the address is in use and `or_free`, the socket gets a free port.
pub(super) async fn bind(address: SocketAddr, or_free: bool) -> std::io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(error) if or_free && error.kind() == ErrorKind::AddrInUse => {
            let socket = TcpListener::bind((address.ip(), 0)).await?;
            tracing::warn!(
                "port {} is in use, so Kafka's clients connect to port {} this time: set \
                 KAFKA_LISTEN_PORT to a port that is always free",
                address.port(),
                socket.local_addr()?.port()
            );
            Ok(socket)
        }
        bound => bound,
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::bind;

    #[tokio::test]
    async fn a_port_that_is_in_use_is_replaced_only_if_nobody_has_asked_for_it() {
        let first = bind(([127, 0, 0, 1], 0).into(), false).await.unwrap();
        let address = first.local_addr().unwrap();
        assert_eq!(bind(address, false).await.unwrap_err().kind(), ErrorKind::AddrInUse);
        let other = bind(address, true).await.unwrap();
        assert_ne!(other.local_addr().unwrap().port(), address.port());
        drop(first);
        assert_eq!(bind(address, true).await.unwrap().local_addr().unwrap(), address);
    }
}
