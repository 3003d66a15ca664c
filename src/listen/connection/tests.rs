//! The promises of a connection: whoever asks nothing, does not read, or sends half a request,
//! holds no place that others need.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Instant, pause, resume, timeout};

use super::{Ended, serve};
use crate::listen::Peer;
use crate::listen::fixture::{Bed, diku};
use crate::listen::principal::Scope;
use crate::tls::Stream;

/// More than the sockets hold of the answers, and less than they hold of the requests.
const REQUESTS: usize = 1_500;
/// Longer than any connection waits.
const LONG: Duration = Duration::from_hours(1);

/// A request for the versions that are spoken, in the first version: a length, the request's
/// number and version, a number, and a client without a name.
const ASK: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];

/// Returns both ends of a connection, the client's first, with the client's address.
async fn connected() -> (TcpStream, TcpStream, SocketAddr) {
    let listening = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let asking = TcpStream::connect(listening.local_addr().unwrap());
    let (asking, accepted) = tokio::join!(asking, listening.accept());
    let (stream, address) = accepted.unwrap();
    (asking.unwrap(), stream, address)
}

/// Serves a client that sends these bytes and no more; returns why its connection ends, and after
/// how many seconds of time that does not pass by itself.
async fn ends(sent: &[u8]) -> (Ended, u64) {
    let bed = Bed::new().await;
    let server = bed.server().await;
    let (mut asking, stream, address) = connected().await;
    asking.write_all(sent).await.unwrap();
    let peer = Peer::new(address, &server);
    pause();
    let since = Instant::now();
    let served = timeout(LONG, serve(&server, Stream::Plain(stream), peer)).await;
    let seconds = since.elapsed().as_secs();
    resume();
    (served.unwrap().unwrap_err(), seconds)
}

#[tokio::test]
async fn a_client_that_asks_nothing_for_ten_minutes_is_let_go() {
    for sent in [&ASK[..0], &ASK[..]] {
        let (why, seconds) = ends(sent).await;
        assert!(matches!(why, Ended::Idle(_)), "{why:?}");
        assert_eq!(seconds, 600);
    }
}

#[tokio::test]
async fn a_client_that_sends_half_a_request_is_let_go_after_half_a_minute() {
    let (why, seconds) = ends(&ASK[..9]).await;
    assert!(matches!(why, Ended::Slow), "{why:?}");
    assert_eq!(seconds, 30);
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answers_is_let_go_in_time() {
    let bed = Bed::new().await;
    let server = bed.server().await;
    let [listening, connecting] = [(); 2].map(|()| TcpSocket::new_v4().unwrap());
    listening.set_send_buffer_size(4 << 10).unwrap();
    connecting.set_recv_buffer_size(4 << 10).unwrap();
    listening.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listening = listening.listen(1).unwrap();
    let address = listening.local_addr().unwrap();
    let (asking, accepted) = tokio::join!(connecting.connect(address), listening.accept());
    let (mut asking, (stream, address)) = (asking.unwrap(), accepted.unwrap());
    asking.write_all(&ASK.repeat(REQUESTS)).await.unwrap();
    let peer = Peer::new(address, &server);
    pause();
    let served = timeout(LONG, serve(&server, Stream::Plain(stream), peer)).await;
    assert!(matches!(served, Ok(Err(Ended::Slow))), "{served:?}");
    drop(asking);
}

#[tokio::test]
async fn half_requests_of_a_tenant_s_clients_leave_room_for_those_of_others() {
    let bed = Bed::new().await;
    let server = bed.server().await;
    let halves = server.requests.take_all(&Some(Scope::Tenant(diku())));
    let (mut asking, stream, address) = connected().await;
    let peer = Peer::new(address, &server);
    let asked = async {
        asking.write_all(&ASK).await.unwrap();
        asking.read_i32().await.unwrap()
    };
    let length = tokio::select! {
        length = asked => length,
        ended = serve(&server, Stream::Plain(stream), peer) => panic!("{ended:?}"),
    };
    assert!(length > 0);
    drop(halves);
    assert_eq!(server.requests.held(), 0);
}
