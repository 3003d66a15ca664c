//! A client's connection: frames come in, are answered one after the other, and go out.
//!
//! A frame is four bytes of length and then the request. All connections together have so many
//! bytes of requests under way, which count as they arrive; one that sends half a frame, or reads
//! no answers, is closed.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, timeout};

use super::requests::{self, Broken};
use super::{Server, Session};

/// The time after which a connection is closed on which nothing is asked, as Kafka has it.
const IDLE_MAX: Duration = Duration::from_mins(10);
/// The most bytes for which there must be room before more of a frame is read.
const STEP_BYTES: usize = 64 << 10;
/// The longest time in which the rest of a frame must arrive, and an answer be read.
const FRAME_WITHIN: Duration = Duration::from_secs(30);

/// The time that a request under way has when the gateway stops.
const FINISH: Duration = Duration::from_secs(1);

/// The reason why a connection ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("nothing was asked for {IDLE_MAX:?}")]
    Idle,
    #[error(
        "the rest of a request, or of the reading of an answer, took longer than {FRAME_WITHIN:?}"
    )]
    Slow,
    #[error("a request of {0} bytes is longer than any may be")]
    Long(i64),
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl Ended {
    /// Returns why the gateway has ended the connection, for its metric; `None` if the client did.
    pub(super) fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Io(_) => None,
            Self::Idle => Some("idle"),
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
    mut stream: TcpStream,
    mut session: Session,
) -> Result<(), Ended> {
    stream.set_nodelay(true)?;
    loop {
        let closing = server.closing.cancelled();
        let length = tokio::select! {
            length = timeout(IDLE_MAX, stream.read_i32()) => match length {
                Ok(Ok(length)) => length,
                Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => return Err(Ended::Idle),
            },
            () = closing => return Ok(()),
        };
        tokio::select! {
            served = serve_one(server, &mut stream, &mut session, length) => served?,
            () = stopped(server) => return Ok(()),
        }
    }
}

/// Reads one request of so many bytes, and answers it.
async fn serve_one(
    server: &Server,
    stream: &mut TcpStream,
    session: &mut Session,
    length: i32,
) -> Result<(), Ended> {
    let (request, _room) = read(server, stream, length).await?;
    if let Some(answer) = requests::answer(server, session, request.freeze()).await? {
        let written = timeout(FRAME_WITHIN, stream.write_all(&answer)).await;
        written.map_err(|_| Ended::Slow)??;
    }
    Ok(())
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
    stream: &mut TcpStream,
    length: i32,
) -> Result<(BytesMut, Vec<OwnedSemaphorePermit>), Ended> {
    let bytes = usize::try_from(length).ok().filter(|it| *it <= server.request_bytes_max);
    let bytes = bytes.ok_or(Ended::Long(length.into()))?;
    let (mut request, mut rooms) = (BytesMut::new(), Vec::new());
    let reading = async {
        while request.len() < bytes {
            let (at, step) = (request.len(), STEP_BYTES.min(bytes - request.len()));
            let room = server.requests.clone().acquire_many_owned(step as u32).await;
            rooms.push(room.expect("it is never closed"));
            request.resize(at + step, 0);
            stream.read_exact(&mut request[at..]).await?;
        }
        Ok::<_, io::Error>(())
    };
    timeout(FRAME_WITHIN, reading).await.map_err(|_| Ended::Slow)??;
    Ok((request, rooms))
}
