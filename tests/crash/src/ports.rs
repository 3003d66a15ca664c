//! Ports for servers that go down and come back: below those that Linux gives to outgoing
//! connections, so that no other process takes the port meanwhile.

use std::net::TcpListener;
use std::ops::Range;

const PORTS: Range<u16> = 10_000..32_000;

/// Returns free ports, all different, since all sockets are open at once.
pub fn free<const N: usize>() -> [u16; N] {
    let sockets: [TcpListener; N] = std::array::from_fn(|_| {
        loop {
            if let Ok(socket) = TcpListener::bind(("127.0.0.1", fastrand::u16(PORTS))) {
                return socket;
            }
        }
    });
    sockets.map(|socket| socket.local_addr().unwrap().port())
}
