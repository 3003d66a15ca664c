//! Checks a request's head before actix reads it.
//!
//! `gate` passes in the received bytes, and `httparse`, actix's own parser, reads them. A head that
//! actix would refuse without an explanation is refused here with one, by the same rules. Of any
//! other head, the end of its body is found. Headers that ask for an upgrade are removed: a server
//! may ignore them (RFC 9110, 7.8), but actix does not.

use actix_web::http::{Method, Uri};
use httparse::{EMPTY_HEADER, Header, Request, Status};

use super::body::{Body, Chunk};
use crate::http::problem::Problem;

const HEADERS_MAX: usize = 96;
/// The paths that are answered even when there is no room for other requests.
const PROBES: [&str; 4] = ["/livez", "/readyz", "/metrics", "/admin/health"];

/// A whole head.
pub(super) struct Head {
    /// The length of the head.
    pub(super) bytes: usize,
    /// The head to hand on instead, if it asked for an upgrade.
    pub(super) rewritten: Option<Vec<u8>>,
    pub(super) body: Body,
    pub(super) kind: Kind,
}

/// The kinds of requests that the gate tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A probe of the gateway's health or metrics.
    Probe,
    /// A HEAD request, whose answer has no body.
    Head,
    Other,
}

/// Reads the head that these bytes begin with; `None` if it is not whole yet.
pub(super) fn read(bytes: &[u8]) -> Result<Option<Head>, Problem> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut request = Request::new(&mut headers);
    let bytes = match request.parse(bytes) {
        Ok(Status::Complete(bytes)) => bytes,
        Ok(Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Problem::HeadTooLarge),
        Err(httparse::Error::Version) => {
            return Err(malformed("the version must be HTTP/1.1 or HTTP/1.0"));
        }
        Err(error) => {
            return Err(Problem::BadRequest { why: format!("the head is malformed: {error}") });
        }
    };
    let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    Method::from_bytes(method.as_bytes()).map_err(|_| malformed("the method is none"))?;
    Uri::try_from(target).map_err(|_| malformed("the target is no URI"))?;
    let body = body(&request)?;
    let rewritten = asks_for_an_upgrade(request.headers).then(|| without_upgrade(&request));
    Ok(Some(Head { bytes, rewritten, body, kind: kind(&request) }))
}

fn kind(request: &Request<'_, '_>) -> Kind {
    let path = request.path.unwrap_or_default().split('?').next().unwrap_or_default();
    match request.method {
        Some("GET" | "HEAD") if PROBES.contains(&path) => Kind::Probe,
        Some("HEAD") => Kind::Head,
        _ => Kind::Other,
    }
}

/// Finds where the body ends (RFC 9112, 6.3). Framing that two parsers might read differently is
/// refused.
fn body(request: &Request<'_, '_>) -> Result<Body, Problem> {
    let is_1_0 = request.version == Some(0);
    let host = single(request, "Host", "there must be one Host header")?;
    if host.is_none() && !is_1_0 {
        return Err(malformed("there must be one Host header"));
    }
    let length = single(request, "Content-Length", "Content-Length must be given once")?;
    let coding = single(request, "Transfer-Encoding", "Transfer-Encoding must be given once")?;
    match (coding, length) {
        (Some(_), _) if is_1_0 => Err(malformed("HTTP/1.0 has no Transfer-Encoding")),
        (Some(_), Some(_)) => {
            Err(malformed("there must be either Content-Length or Transfer-Encoding"))
        }
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => {
            Ok(Body::Chunked(Chunk::Begin))
        }
        (Some(_), None) => Err(malformed("Transfer-Encoding must be chunked")),
        (None, Some(length)) => sized(length).ok_or(malformed("Content-Length must be a number")),
        (None, None) if is_1_0 && request.method == Some("POST") => {
            Err(malformed("a POST of HTTP/1.0 needs a Content-Length"))
        }
        (None, None) => Ok(Body::Sized(0)),
    }
}

fn sized(length: &[u8]) -> Option<Body> {
    let digits =
        std::str::from_utf8(length).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
    digits.parse().ok().map(Body::Sized)
}

/// Returns the value of a header that is given at most once, without white space around it.
fn single<'a>(
    request: &Request<'_, 'a>,
    name: &str,
    rule: &'static str,
) -> Result<Option<&'a [u8]>, Problem> {
    let mut values = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
    let first = values.next().map(|header| header.value.trim_ascii());
    if values.next().is_some() { Err(malformed(rule)) } else { Ok(first) }
}

fn malformed(why: &str) -> Problem {
    Problem::BadRequest { why: why.to_owned() }
}

fn asks_for_an_upgrade(headers: &[Header<'_>]) -> bool {
    headers.iter().any(|header| {
        header.name.eq_ignore_ascii_case("Upgrade")
            || header.name.eq_ignore_ascii_case("Connection")
                && options(header.value).any(is_upgrade)
    })
}

fn options(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b',').map(<[u8]>::trim_ascii)
}

fn is_upgrade(option: &[u8]) -> bool {
    option.eq_ignore_ascii_case(b"upgrade") || option.eq_ignore_ascii_case(b"HTTP2-Settings")
}

/// Writes the same head without the headers that ask for an upgrade.
fn without_upgrade(request: &Request<'_, '_>) -> Vec<u8> {
    let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    let mut out =
        format!("{method} {target} HTTP/1.{}\r\n", request.version.unwrap_or(1)).into_bytes();
    let mut line = |name: &str, value: &[u8]| {
        [name.as_bytes(), b": ", value, b"\r\n"]
            .iter()
            .for_each(|part| out.extend_from_slice(part));
    };
    for Header { name, value } in request.headers.iter() {
        if is_upgrade(name.as_bytes()) {
            continue;
        }
        if name.eq_ignore_ascii_case("Connection") {
            let kept: Vec<_> = options(value).filter(|option| !is_upgrade(option)).collect();
            line(name, &kept.join(&b", "[..]));
        } else {
            line(name, value);
        }
    }
    out.extend_from_slice(b"\r\n");
    out
}

#[cfg(test)]
mod tests {
    use actix_http::h1::{Codec, Message, MessageType};
    use actix_http::{Request, ServiceConfig};
    use bytes::BytesMut;
    use tokio_util::codec::Decoder;

    use super::{Kind, read};
    use crate::http::gate::body::{Body, Chunk};

    /// Changes, drops or doubles some of the bytes.
    fn mutate(bytes: &mut Vec<u8>, random: &mut fastrand::Rng) {
        const BYTES: &[u8] = b"\r\n :,;+-019azAZ\t\0\x7f\xc3/?#[%";
        for _ in 0..random.usize(0..4) {
            if bytes.is_empty() {
                return;
            }
            let at = random.usize(0..bytes.len());
            let until = (at + random.usize(1..30)).min(bytes.len());
            match random.u8(0..4) {
                0 => bytes[at] = BYTES[random.usize(0..BYTES.len())],
                1 => bytes.insert(at, BYTES[random.usize(0..BYTES.len())]),
                2 => drop(bytes.drain(at..until)),
                _ => {
                    let doubled = bytes[at..until].to_vec();
                    bytes.splice(at..at, doubled);
                }
            }
        }
    }

    /// Runs `judge` on a runtime of actix, which its codec needs.
    fn on_actix(judge: impl FnOnce(&ServiceConfig)) {
        actix_web::rt::System::new().block_on(async { judge(&ServiceConfig::default()) });
    }

    fn decoded(codec: &mut Codec, bytes: &mut BytesMut) -> Option<Message<Request>> {
        codec.decode(bytes).expect("what the gate lets pass actix takes")
    }

    #[test]
    fn what_passes_actix_reads_in_the_same_way() {
        on_actix(what_passes_is_read_alike);
    }

    fn what_passes_is_read_alike(config: &ServiceConfig) {
        const LINES: [&str; 16] = [
            "Host: x",
            "Host: y:80",
            "Content-Length: 5",
            "content-length:  0 ",
            "Content-Length: 18446744073709551615",
            "Transfer-Encoding: chunked",
            "Transfer-Encoding: Chunked ",
            "Transfer-Encoding: identity",
            "Connection: close",
            "Connection: keep-alive, Upgrade, HTTP2-Settings",
            "Upgrade: websocket",
            "Upgrade: h2c",
            "HTTP2-Settings: AAM",
            "Expect: 100-continue",
            "X-Okapi-Tenant: diku",
            "traceparent: \u{e4}",
        ];
        let mut random = fastrand::Rng::with_seed(7);
        let mut passed = 0;
        for _ in 0..100_000 {
            let method = ["GET", "POST", "HEAD", "OPTIONS", "PUT"][random.usize(0..5)];
            let target = ["/", "/a%20b?c=d", "*", "http://x/y", "x"][random.usize(0..5)];
            let mut head = format!(
                "{method} {target} HTTP/1.{}\r\nHost: x\r\n",
                random.u8(0..2) | random.u8(0..2)
            );
            for _ in 0..random.usize(0..4) {
                head += &format!("{}\r\n", LINES[random.usize(0..LINES.len())]);
            }
            let mut sent = (head + "\r\n").into_bytes();
            mutate(&mut sent, &mut random);
            let Ok(Some(head)) = read(&sent) else { continue };
            passed += 1;
            let handed_on = head.rewritten.as_deref().unwrap_or(&sent[..head.bytes]);
            let (mut codec, mut bytes) = (Codec::new(config.clone()), BytesMut::from(handed_on));
            let item = decoded(&mut codec, &mut bytes);
            assert!(matches!(item, Some(Message::Item(_))) && bytes.is_empty(), "{sent:?}");
            assert!(!codec.upgrade(), "{sent:?}");
            let has_body = matches!(codec.message_type(), MessageType::Payload);
            assert!(has_body != head.body.is_over() || item_is_connect(item), "{sent:?}");
        }
        assert!(passed > 10_000, "{passed}");
    }

    fn item_is_connect(item: Option<Message<Request>>) -> bool {
        matches!(item, Some(Message::Item(request)) if request.method() == "CONNECT")
    }

    #[test]
    fn a_chunked_body_ends_where_actix_sees_its_end() {
        on_actix(chunks_end_alike);
    }

    fn chunks_end_alike(config: &ServiceConfig) {
        let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut random = fastrand::Rng::with_seed(7);
        let mut ended = 0;
        for _ in 0..100_000 {
            let mut sent =
                b"5\r\nhello\r\na;b=\"c\"\r\n0123456789\r\n0\r\nA: b\r\n\r\nGET / HTTP/1.1\r\n"
                    .to_vec();
            mutate(&mut sent, &mut random);
            let (mut codec, mut bytes) = (Codec::new(config.clone()), BytesMut::from(head));
            decoded(&mut codec, &mut bytes);
            bytes.extend_from_slice(&sent);
            let end = loop {
                match codec.decode(&mut bytes) {
                    Ok(Some(Message::Chunk(None))) => break Ok(Some(sent.len() - bytes.len())),
                    Ok(Some(_)) => {}
                    Ok(None) => break Ok(None),
                    Err(_) => break Err(()),
                }
            };
            let mut body = Body::Chunked(Chunk::Begin);
            let taken = body.take(&sent).map(|taken| body.is_over().then_some(taken));
            assert_eq!(taken.map_err(drop), end, "{}", String::from_utf8_lossy(&sent));
            ended += usize::from(matches!(end, Ok(Some(_))));
        }
        assert!(ended > 10_000, "{ended}");
    }

    #[test]
    fn an_upgrade_is_taken_out_and_nothing_else() {
        let asked = "POST /a?b HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nHost: \
                     x\r\nHTTP2-Settings: AAE\r\nUpgrade: h2c\r\nX-A: \u{fc}, b\r\nConnection: \
                     close\r\n\r\nbody";
        let head = read(asked.as_bytes()).ok().flatten().unwrap();
        assert_eq!(&asked.as_bytes()[head.bytes..], b"body");
        let expected = "POST /a?b HTTP/1.1\r\nConnection: \r\nHost: x\r\nX-A: \u{fc}, \
                        b\r\nConnection: close\r\n\r\n";
        assert_eq!(String::from_utf8(head.rewritten.unwrap()).unwrap(), expected);
        assert!(
            read(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").ok().flatten().unwrap().rewritten.is_none()
        );
    }

    #[test]
    fn probes_are_known() {
        let kind = |target: &str, method: &str| {
            read(format!("{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
                .ok()
                .flatten()
                .unwrap()
                .kind
        };
        assert_eq!(kind("/readyz?verbose", "GET"), Kind::Probe);
        assert_eq!((kind("/livez", "POST"), kind("/parked", "GET")), (Kind::Other, Kind::Other));
    }
}
