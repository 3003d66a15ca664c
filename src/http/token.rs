//! Authenticates the caller of a request, in the way that `AUTH_MODE` sets.
//!
//! `context` calls it before anything else of a request is read, and gets the caller. A token is
//! never kept, logged or passed on.

use actix_web::HttpRequest;
use serde::Deserialize;

use super::header;
use super::problem::Problem;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;

/// The ways to authenticate callers, set by `AUTH_MODE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Okapi or a sidecar in front of the gateway has checked the token, and that its tenant is the
    /// header's.
    Perimeter,
}

/// The caller of a request, as far as the token is trusted.
pub(super) struct Caller {
    pub(super) tenant: TenantId,
}

impl Auth {
    /// Returns the caller, with the tenant that the request names.
    pub(super) fn caller(self, request: &HttpRequest) -> Result<Caller, Problem> {
        let tenant = named_tenant(request)?;
        match self {
            // The perimeter has checked the token, so it is not read here.
            Self::Perimeter => Ok(Caller { tenant }),
        }
    }
}

/// The claim of a token that is read here.
#[derive(Deserialize)]
struct Claims {
    exp: Option<f64>,
}

impl Auth {
    /// Returns when the caller's token expires, if it says so. The perimeter has checked the token;
    /// here only its end is read, at which a stream ends, too.
    pub(super) fn expiry(self, request: &HttpRequest) -> Option<Time> {
        let Self::Perimeter = self;
        let token = request.headers().get("X-Okapi-Token").and_then(|value| value.to_str().ok())?;
        let payload = base64url(token.split('.').nth(1)?)?;
        let seconds = serde_json::from_slice::<Claims>(&payload).ok()?.exp?;
        #[allow(clippy::cast_possible_truncation, reason = "a number that is too large saturates")]
        Some(Time::from_ms((seconds * 1_000.0) as i64))
    }
}

/// Decodes base64url (RFC 4648, section 5), with or without padding.
fn base64url(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::with_capacity(text.len()), 0_u32, 0);
    for b in text.trim_end_matches('=').bytes() {
        let value = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'-' | b'+' => 62,
            b'_' | b'/' => 63,
            _ => return None,
        };
        (bits, count) = ((bits & 0x3f) << 6 | u32::from(value), count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count).to_le_bytes()[0]);
        }
    }
    Some(bytes)
}

fn named_tenant(request: &HttpRequest) -> Result<TenantId, Problem> {
    const NAME: &str = "X-Okapi-Tenant";
    let text = header::single(request, NAME)?.ok_or(Problem::MissingTenant)?;
    TenantId::parse(text).map_err(Problem::BadTenant)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::{Auth, Time};

    #[test]
    fn the_end_of_a_token_is_read_whatever_else_it_has() {
        let expiry = |token: &str| {
            let request = TestRequest::default().insert_header(("X-Okapi-Token", token));
            Auth::Perimeter.expiry(&request.to_http_request())
        };
        // {"sub":"a?>","exp":1700000000} and {"sub":"a"}
        let end = Some(Time::from_ms(1_700_000_000_000));
        assert_eq!(expiry("x.eyJzdWIiOiJhPz4iLCJleHAiOjE3MDAwMDAwMDB9.y"), end);
        for none in ["x.eyJzdWIiOiJhIn0.y", "x.eyJ!.y", "x.bm90IGpzb24.y", "opaque", ""] {
            assert_eq!(expiry(none), None, "{none}");
        }
    }
}
