//! A client's connection: frames come in, are answered one after the other, and go out.
//!
//! A frame is four bytes of length and then the request. All connections together have so many
//! bytes of requests under way, which count as they arrive, and so many of records in answers; a
//! tenant's have a share of that. Of each, one request is read and answered at a time; one that
//! sends half a frame, or reads no answers, is closed.

use std::future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::login::NotNow;
use super::peer::NotLetIn;
use super::principal::Principal;
use super::requests::{self, Broken};
use super::rooms::{Clients, Room};
use super::seats::Stranger;
use super::{Peer, Server};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::tls::Stream;

/// The time after which a connection is closed on which nothing is asked, as Kafka has it.
const IDLE_MAX: Duration = Duration::from_mins(10);
/// The most bytes for which there must be room before more of a frame is read.
const STEP_BYTES: usize = 64 << 10;
/// The most bytes of a request of a client that has not said who it is: a token has room.
const STRANGERS_BYTES_MAX: usize = 64 << 10;
/// The longest time in which the rest of a frame must arrive, and an answer be read.
const FRAME_WITHIN: Duration = Duration::from_secs(30);
/// The time between two looks at the clock for the end of a client's token.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The time that a request under way has when the gateway stops.
const FINISH: Duration = Duration::from_secs(1);

/// The reason why a connection ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("nothing was asked for {0:?}")]
    Idle(Duration),
    #[error(
        "the rest of a request, or of the reading of an answer, took longer than {FRAME_WITHIN:?}"
    )]
    Slow,
    #[error("a request of {0} bytes is longer than any may be")]
    Long(i64),
    #[error("the client was not let in")]
    Refused,
    #[error("the client has not said who it is, and others have come")]
    Evicted,
    #[error("the client's credential is removed, or not the same any more")]
    CredentialGone,
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl Ended {
    /// Returns why the gateway has ended the connection, for its metric; `None` if the client did.
    pub(super) fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Io(_) => None,
            Self::Idle(_) => Some("idle"),
            Self::Refused | Self::Broken(Broken::NotLetIn(NotLetIn::Stranger)) => Some("refused"),
            Self::Evicted => Some("evicted"),
            Self::CredentialGone => Some("credential-ended"),
            Self::Broken(Broken::NotNow(NotNow::NoSeat)) => Some("tenant-full"),
            Self::Broken(Broken::NotLetIn(NotLetIn::Expired)) => Some("expired"),
            Self::Broken(Broken::NotEnabled) => Some("not-enabled"),
            Self::Broken(Broken::NotNow(NotNow::NoKeys)) => Some("keys-unavailable"),
            Self::Slow => Some("slow"),
            Self::Long(_) => Some("too-long"),
            Self::Broken(Broken::Unspoken { .. }) => Some("unsupported"),
            Self::Broken(Broken::Short(_) | Broken::Unreadable { .. }) => Some("malformed"),
        }
    }
}

/// Answers a client until it goes, or the gateway stops.
pub(super) async fn serve(
    server: &Arc<Server>,
    mut stream: Stream,
    mut peer: Peer,
) -> Result<(), Ended> {
    loop {
        let closing = server.closing.cancelled();
        // Whoever does not say who it is keeps no place.
        let idle_max = if peer.session.is_some() { IDLE_MAX } else { FRAME_WITHIN };
        let unwanted = unwanted(server, &peer);
        tokio::pin!(unwanted);
        let length = tokio::select! {
            length = timeout(idle_max, stream.read_i32()) => match length {
                Ok(Ok(length)) => length,
                Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => return Err(Ended::Idle(idle_max)),
            },
            () = closing => return Ok(()),
            why = &mut unwanted => return Err(why),
        };
        tokio::select! {
            served = serve_one(server, &mut stream, &mut peer, length) => served?,
            () = stopped(server) => return Ok(()),
            why = &mut unwanted => return Err(why),
        }
    }
}

/// Waits until a client has to go, whatever it asks: another one takes its seat, its credential or
/// its token ends, or its tenant is disabled.
fn unwanted<'a>(server: &'a Server, peer: &Peer) -> impl Future<Output = Ended> + use<'a> {
    let evicted = peer.stranger.as_ref().map(Stranger::evicted);
    let principal = peer.session.as_ref().map(|session| &session.principal);
    let credential = principal.and_then(Principal::credential).map(|it| it.ended());
    let ends = principal.and_then(Principal::ends);
    let tenant = principal.and_then(|principal| principal.scope.tenant().cloned());
    async move {
        tokio::select! {
            () = cancelled(evicted) => Ended::Evicted,
            () = cancelled(credential) => Ended::CredentialGone,
            () = over(server, ends) => Broken::from(NotLetIn::Expired).into(),
            () = disabled(server, tenant) => Broken::NotEnabled.into(),
        }
    }
}

async fn cancelled(token: Option<CancellationToken>) {
    match token {
        Some(token) => token.cancelled_owned().await,
        None => future::pending().await,
    }
}

/// Waits until a time.
async fn over(server: &Server, end: Option<Time>) {
    let Some(end) = end else { return future::pending().await };
    loop {
        let left_ms = end.as_ms() - server.clock.now().as_ms();
        match u64::try_from(left_ms) {
            Ok(left_ms) if left_ms > 0 => {
                sleep(Duration::from_millis(left_ms).min(LOOK_EVERY)).await;
            }
            _ => return,
        }
    }
}

/// Waits until a tenant is not enabled any more.
async fn disabled(server: &Server, tenant: Option<TenantId>) {
    match tenant {
        Some(tenant) => server.topics.disabled(&tenant).await,
        None => future::pending().await,
    }
}

/// Reads one request of so many bytes, and answers it.
async fn serve_one(
    server: &Server,
    stream: &mut Stream,
    peer: &mut Peer,
    length: i32,
) -> Result<(), Ended> {
    let clients = peer.session.as_ref().map(|session| session.scope().clone());
    let (request, _room) = read(server, stream, &clients, length).await?;
    if let Some(answer) = requests::answer(server, peer, request.freeze()).await? {
        let sent = timeout(FRAME_WITHIN, answer.send(stream)).await;
        sent.map_err(|_| Ended::Slow)??;
    }
    if let Some(session) = &mut peer.session {
        session.unread = None;
    }
    if peer.is_refused { Err(Ended::Refused) } else { Ok(()) }
}

/// Waits until the gateway stops, and a moment for the request under way: one that waits for others
/// is given up, and the client asks the next process.
async fn stopped(server: &Server) {
    server.closing.cancelled().await;
    sleep(FINISH).await;
}

/// Reads a request of so many bytes, each step once there is room for it. A client that says more
/// than it sends takes no room for the rest.
async fn read(
    server: &Server,
    stream: &mut Stream,
    clients: &Clients,
    length: i32,
) -> Result<(BytesMut, Vec<Room>), Ended> {
    let bytes_max = match clients {
        Some(_) => server.request_bytes_max,
        None => STRANGERS_BYTES_MAX,
    };
    let bytes = usize::try_from(length).ok().filter(|it| *it <= bytes_max);
    let bytes = bytes.ok_or(Ended::Long(length.into()))?;
    let (mut request, mut rooms) = (BytesMut::new(), Vec::new());
    let reading = async {
        while request.len() < bytes {
            let (at, step) = (request.len(), STEP_BYTES.min(bytes - request.len()));
            rooms.push(server.requests.take(clients, (step, step)).await);
            request.resize(at + step, 0);
            stream.read_exact(&mut request[at..]).await?;
        }
        Ok::<_, io::Error>(())
    };
    timeout(FRAME_WITHIN, reading).await.map_err(|_| Ended::Slow)??;
    Ok((request, rooms))
}

#[cfg(test)]
mod tests;
