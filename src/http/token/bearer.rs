//! Reads the token of a request: from `X-Okapi-Token`, from `Authorization: Bearer`, or from both.
//!
//! Sidecars send both. They must have the same token, and each at most once: a proxy in front of
//! the gateway may have checked the one, and the gateway would check the other.

use actix_web::HttpRequest;

use crate::http::header;
use crate::http::problem::Problem;

const TOKEN: &str = "X-Okapi-Token";
const AUTHORIZATION: &str = "Authorization";
/// The most bytes of a token. Keycloak's reach 5 kB, and more with many roles.
const BYTES_MAX: usize = 32 << 10;
const RULE: &str = "must be 1 to 32,768 printable ASCII characters";

/// Returns the request's token, if it has one.
pub(super) fn bearer(request: &HttpRequest) -> Result<Option<&str>, Problem> {
    let of_okapi = header::single_of(request, TOKEN, BYTES_MAX, RULE)?;
    let Some(authorization) = header::single_of(request, AUTHORIZATION, BYTES_MAX, RULE)? else {
        return Ok(of_okapi);
    };
    let bearer = after_scheme(authorization)
        .ok_or_else(|| header::bad(AUTHORIZATION, "must be `Bearer` and a token"))?;
    match of_okapi {
        Some(token) if token != bearer => {
            Err(header::bad(AUTHORIZATION, "must have the same token as X-Okapi-Token"))
        }
        _ => Ok(Some(bearer)),
    }
}

/// Returns the token after the scheme `Bearer`.
pub(super) fn after_scheme(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    let is_token = !token.is_empty() && !token.contains([' ', ',']);
    (scheme.eq_ignore_ascii_case("Bearer") && is_token).then_some(token)
}
