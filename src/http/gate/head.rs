//! A request's head, judged before actix sees it.
//!
//! Fed by `gate` with the bytes that have come; `httparse`, actix's own parser, reads them. All that actix would
//! refuse without a word is refused here with one, by the same rules; what isn't, tells where the body ends.
//! An upgrade is taken out: a server may ignore it (RFC 9110, 7.8), and actix does not.

use actix_web::http::Uri;
use httparse::{EMPTY_HEADER, Header, Request, Status};

use super::super::problem::Problem;
use super::body::{Body, Chunk};

const HEADERS_MAX: usize = 96;
/// Always answered, even when there is no room for anybody else.
const PROBES: [&str; 4] = ["/livez", "/readyz", "/metrics", "/admin/health"];

/// A whole head.
pub(super) struct Head {
    /// How long it is.
    pub(super) bytes: usize,
    /// How it is handed on, if not as it is.
    pub(super) rewritten: Option<Vec<u8>>,
    pub(super) body: Body,
    pub(super) kind: Kind,
}

/// What is asked for, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// How the gateway is.
    Probe,
    /// An answer without a body.
    Head,
    Other,
}

/// The head that these bytes begin with, if it is whole.
pub(super) fn read(bytes: &[u8]) -> Result<Option<Head>, Problem> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut request = Request::new(&mut headers);
    let bytes = match request.parse(bytes) {
        Ok(Status::Complete(bytes)) => bytes,
        Ok(Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Problem::HeadTooLarge),
        Err(httparse::Error::Version) => return Err(malformed("the version must be HTTP/1.1 or HTTP/1.0")),
        Err(error) => return Err(Problem::BadRequest { why: format!("the head is malformed: {error}") }),
    };
    let target = request.path.unwrap_or_default();
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

/// Where the body ends (RFC 9112, 6.3). What two readers might read differently is refused.
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
        (Some(_), Some(_)) => Err(malformed("there must be either Content-Length or Transfer-Encoding")),
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Body::Chunked(Chunk::Begin)),
        (Some(_), None) => Err(malformed("Transfer-Encoding must be chunked")),
        (None, Some(length)) => sized(length).ok_or(malformed("Content-Length must be a number")),
        (None, None) if is_1_0 && request.method == Some("POST") => {
            Err(malformed("a POST of HTTP/1.0 needs a Content-Length"))
        }
        (None, None) => Ok(Body::Sized(0)),
    }
}

fn sized(length: &[u8]) -> Option<Body> {
    let digits = std::str::from_utf8(length).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
    digits.parse().ok().map(Body::Sized)
}

/// A header that is given once at most, without white space around it.
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
            || header.name.eq_ignore_ascii_case("Connection") && options(header.value).any(is_upgrade)
    })
}

fn options(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b',').map(<[u8]>::trim_ascii)
}

fn is_upgrade(option: &[u8]) -> bool {
    option.eq_ignore_ascii_case(b"upgrade") || option.eq_ignore_ascii_case(b"HTTP2-Settings")
}

/// The same head, without the headers that ask for an upgrade.
fn without_upgrade(request: &Request<'_, '_>) -> Vec<u8> {
    let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    let mut out = format!("{method} {target} HTTP/1.{}\r\n", request.version.unwrap_or(1)).into_bytes();
    let mut line = |name: &str, value: &[u8]| {
        [name.as_bytes(), b": ", value, b"\r\n"].iter().for_each(|part| out.extend_from_slice(part));
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
    use super::{Kind, read};

    #[test]
    fn an_upgrade_is_taken_out_and_nothing_else() {
        let asked = "POST /a?b HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nHost: x\r\n\
                     HTTP2-Settings: AAE\r\nUpgrade: h2c\r\nX-A: \u{fc}, b\r\nConnection: close\r\n\r\nbody";
        let head = read(asked.as_bytes()).ok().flatten().unwrap();
        assert_eq!(&asked.as_bytes()[head.bytes..], b"body");
        let expected =
            "POST /a?b HTTP/1.1\r\nConnection: \r\nHost: x\r\nX-A: \u{fc}, b\r\nConnection: close\r\n\r\n";
        assert_eq!(String::from_utf8(head.rewritten.unwrap()).unwrap(), expected);
        assert!(read(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").ok().flatten().unwrap().rewritten.is_none());
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
