//! Requests: a frame becomes a message, is answered, and the answer becomes a frame.
//!
//! `connection` calls it with one frame after the other.

use bytes::{Buf, Bytes};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, RequestHeader};
use kafka_protocol::protocol::{Decodable, Encodable};
use tokio::time::Instant;

use super::frame::{Frame, Head};
use super::login::NotNow;
use super::peer::NotLetIn;
use super::principal::Scope;
use super::shapes::{Shape, Truncated, check_head, find};
use super::{Peer, Server, Session};
use super::{commits, fetch, login, members, metadata, offsets};

/// The bytes of a frame's head that every request has: its key, its version and a number.
const HEAD_BYTES: usize = 8;
/// The first version of heads that end with tagged fields.
const FLEXIBLE_HEADER: i16 = 2;

/// The reason why a connection is closed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The frame is none of Kafka's.
    #[error("the request has {0} bytes, which are fewer than the head of any")]
    Short(usize),
    /// The request is one that isn't spoken.
    #[error("the request {key} of version {version} is not spoken")]
    Unspoken {
        /// The number of the request.
        key: i16,
        /// The version of the request.
        version: i16,
    },
    /// The client has no session.
    #[error(transparent)]
    NotLetIn(#[from] NotLetIn),
    /// The client's tenant is not enabled, or not any more.
    #[error("the client's tenant is not enabled")]
    NotEnabled,
    /// The client can't be let in now.
    #[error(transparent)]
    NotNow(#[from] NotNow),
    /// The request can't be read.
    #[error("the request {key:?} of version {version} can't be read: {why}")]
    Unreadable {
        /// The request.
        key: ApiKey,
        /// The version of the request.
        version: i16,
        /// The cause.
        why: String,
    },
}

/// Answers a frame; `None` if the client wants no answer.
pub(super) async fn answer(
    server: &Server,
    peer: &mut Peer,
    mut bytes: Bytes,
) -> Result<Option<Frame>, Broken> {
    if bytes.len() < HEAD_BYTES {
        return Err(Broken::Short(bytes.len()));
    }
    let mut peek = bytes.clone();
    let (key, version, correlation) = (peek.get_i16(), peek.get_i16(), peek.get_i32());
    let unspoken = Broken::Unspoken { key, version };
    let Some(shape) = find(key) else { return Err(unspoken) };
    let head = Head { key: shape.key, version, correlation };
    if !shape.has(version) {
        if shape.key != ApiKey::ApiVersions {
            return Err(unspoken);
        }
        // A client that speaks a newer version reads the answer of the oldest one.
        let error = ResponseError::UnsupportedVersion.code();
        let oldest = Head { version: 0, ..head };
        return written(oldest, &metadata::versions(error)).map(Some);
    }
    let of_header = shape.key.request_header_version(version);
    check_head(&bytes, of_header >= FLEXIBLE_HEADER).map_err(|why| Broken::Unreadable {
        key: head.key,
        version,
        why: why.to_string(),
    })?;
    let header = read::<RequestHeader>(head, &mut bytes, of_header)?;
    let since = Instant::now();
    let name = header.client_id.as_deref().unwrap_or_default();
    let answered = match shape.key {
        ApiKey::ApiVersions | ApiKey::SaslHandshake | ApiKey::SaslAuthenticate => {
            greet(server, peer, (shape, head), bytes).await.map(Some)
        }
        _ => {
            let session = peer.session(server.clock.now())?;
            if let Scope::Tenant(tenant) = session.scope()
                && !server.topics.has(tenant).await
            {
                return Err(Broken::NotEnabled);
            }
            if session.client_id != name {
                session.client_id = name.chars().filter(|it| !it.is_control()).take(256).collect();
            }
            dispatch(server, session, (shape, head), bytes).await
        }
    };
    if answered.is_ok() {
        server.metrics.client_answered(shape.name, since.elapsed());
    }
    answered
}

/// Answers what a client asks before it is let in.
async fn greet(
    server: &Server,
    peer: &mut Peer,
    (shape, head): (&Shape, Head),
    body: Bytes,
) -> Result<Frame, Broken> {
    check(shape, head, &body)?;
    match head.key {
        ApiKey::SaslHandshake => {
            let request = message(head, body)?;
            written(head, &login::handshake(server, peer, head.version, &request))
        }
        ApiKey::SaslAuthenticate => {
            let request = message(head, body)?;
            written(head, &login::authenticate(server, peer, head.version, &request).await?)
        }
        _ => written(head, &metadata::versions(0)),
    }
}

/// Checks that a request has its shape.
fn check(shape: &Shape, head: Head, body: &[u8]) -> Result<(), Broken> {
    let Head { key, version, .. } = head;
    let unreadable = |why: Truncated| Broken::Unreadable { key, version, why: why.to_string() };
    shape.check(version, body).map_err(unreadable)
}

async fn dispatch(
    server: &Server,
    session: &mut Session,
    (shape, head): (&Shape, Head),
    body: Bytes,
) -> Result<Option<Frame>, Broken> {
    let Head { key, version, .. } = head;
    check(shape, head, &body)?;
    let answered = match key {
        ApiKey::Metadata => {
            let request = message(head, body)?;
            written(head, &metadata::metadata(server, session, version, request).await)
        }
        ApiKey::FindCoordinator => {
            written(head, &metadata::coordinator(server, session, &message(head, body)?).await)
        }
        ApiKey::DescribeCluster => {
            written(head, &metadata::cluster(server, version, &message(head, body)?))
        }
        ApiKey::DescribeConfigs => {
            written(head, &metadata::configs(server, session, message(head, body)?).await)
        }
        ApiKey::Produce => {
            let refused = metadata::produce(session, version, message(head, body)?);
            return refused.map(|refused| written(head, &refused)).transpose();
        }
        ApiKey::InitProducerId => {
            written(head, &metadata::producer_id(session, &message(head, body)?))
        }
        ApiKey::Fetch => {
            let fetched = fetch::fetch(server, session, version, message(head, body)?).await;
            Frame::of_fetch(head, fetched).map_err(|why| unwritten(head, &why))
        }
        ApiKey::ListOffsets => {
            written(head, &offsets::list(server, session, version, message(head, body)?).await)
        }
        ApiKey::OffsetForLeaderEpoch => {
            written(head, &offsets::for_epochs(server, session, message(head, body)?).await)
        }
        ApiKey::OffsetCommit => {
            written(head, &commits::commit(server, session, message(head, body)?).await)
        }
        ApiKey::OffsetFetch => {
            written(head, &commits::fetch(server, session, version, message(head, body)?).await)
        }
        ApiKey::OffsetDelete => {
            written(head, &commits::delete(server, session, message(head, body)?).await)
        }
        _ => return of_members(server, session, head, body).await.map(Some),
    };
    answered.map(Some)
}

/// Answers the requests of groups.
async fn of_members(
    server: &Server,
    session: &Session,
    head: Head,
    body: Bytes,
) -> Result<Frame, Broken> {
    let Head { key, version, .. } = head;
    match key {
        ApiKey::JoinGroup => {
            let request = message(head, body)?;
            written(head, &members::join(server, session, version, request).await)
        }
        ApiKey::SyncGroup => {
            written(head, &members::sync(server, session, version, message(head, body)?).await)
        }
        ApiKey::Heartbeat => {
            written(head, &members::heartbeat(server, session, message(head, body)?).await)
        }
        ApiKey::LeaveGroup => {
            written(head, &members::leave(server, session, version, message(head, body)?).await)
        }
        ApiKey::DescribeGroups => {
            written(head, &members::describe(server, session, version, message(head, body)?).await)
        }
        ApiKey::ListGroups => {
            written(head, &members::list(server, session, version, message(head, body)?).await)
        }
        ApiKey::DeleteGroups => {
            written(head, &members::delete(server, session, message(head, body)?).await)
        }
        _ => Err(Broken::Unspoken { key: key as i16, version }),
    }
}

fn message<M: Decodable>(head: Head, mut body: Bytes) -> Result<M, Broken> {
    read(head, &mut body, head.version)
}

fn read<M: Decodable>(head: Head, bytes: &mut Bytes, version: i16) -> Result<M, Broken> {
    M::decode(bytes, version).map_err(|why| Broken::Unreadable {
        key: head.key,
        version: head.version,
        why: why.to_string(),
    })
}

fn written(head: Head, message: &impl Encodable) -> Result<Frame, Broken> {
    Frame::new(head, message).map_err(|why| unwritten(head, &why))
}

fn unwritten(head: Head, why: &str) -> Broken {
    let Head { key, version, .. } = head;
    Broken::Unreadable { key, version, why: format!("its answer can't be written: {why}") }
}

#[cfg(test)]
mod tests;
