//! Takes the caller from Okapi or a sidecar in front of the gateway, which has checked the token.
//!
//! The permissions are those of `X-Okapi-Permissions`, a JSON array of names. Without the header,
//! the perimeter has checked what the route needs. No permission for all tenants counts. Of the
//! token only the end is read, at which a stream ends, too.
//!
//! Okapi alone calls the system interface, which it shows to nobody. It asks for no permission
//! then, so the header is empty, or is that of the administrator's own request to Okapi
//! (`ProxyService.authForSystemInterface`).

use actix_web::HttpRequest;

use super::bearer::after_scheme;
use crate::access::{Caller, Permissions, unchecked_end};
use crate::domain::time::Time;
use crate::http::header;
use crate::http::problem::Problem;

/// The header with the permissions of the caller.
pub(in crate::http) const PERMISSIONS: &str = "X-Okapi-Permissions";
/// The beginning of the paths of the system interface.
const SYSTEM: &str = "/_/tenant";

/// Returns the caller.
pub(super) fn caller(request: &HttpRequest) -> Result<Caller, Problem> {
    let permissions = permissions(request)?;
    let expires = expiry(request);
    Ok(Caller {
        tenant: None,
        user: None,
        subject: None,
        issuer: None,
        permissions,
        is_operator: None,
        expires,
        credential: None,
    })
}

fn permissions(request: &HttpRequest) -> Result<Permissions, Problem> {
    if request.path().starts_with(SYSTEM) {
        return Ok(Permissions::CheckedBefore);
    }
    let malformed = || header::bad(PERMISSIONS, "must be one JSON array of names");
    let mut values = request.headers().get_all(PERMISSIONS);
    let Some(value) = values.next() else { return Ok(Permissions::CheckedBefore) };
    if values.next().is_some() {
        return Err(malformed());
    }
    let text = value.to_str().map_err(|_| malformed())?.trim();
    if text.is_empty() {
        return Ok(Permissions::listed([]));
    }
    let names: Vec<String> = serde_json::from_str(text).map_err(|_| malformed())?;
    Ok(Permissions::listed(names))
}

/// Returns when the caller's token expires, if it says so: that of `X-Okapi-Token`, or of
/// `Authorization: Bearer` as sidecars send it. Nobody knows which of several the perimeter has
/// checked, so the earliest end counts.
fn expiry(request: &HttpRequest) -> Option<Time> {
    let all = |name| request.headers().get_all(name).filter_map(|value| value.to_str().ok());
    let bearers = all("Authorization").filter_map(after_scheme);
    all("X-Okapi-Token").chain(bearers).filter_map(unchecked_end).min()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::{Permissions, Time, expiry, permissions};

    #[test]
    fn the_end_of_a_token_is_read_whatever_else_it_has() {
        let expiry_of = |headers: &[(&str, &str)]| {
            let request = headers.iter().fold(TestRequest::default(), |request, (name, value)| {
                request.append_header((*name, *value))
            });
            expiry(&request.to_http_request())
        };
        let expiry = |token: &str| expiry_of(&[("X-Okapi-Token", token)]);
        // {"sub":"a?>","exp":1700000000} and {"sub":"a"}
        let end = Some(Time::from_ms(1_700_000_000_000));
        assert_eq!(expiry("x.eyJzdWIiOiJhPz4iLCJleHAiOjE3MDAwMDAwMDB9.y"), end);
        for none in ["x.eyJzdWIiOiJhIn0.y", "x.eyJ!.y", "x.bm90IGpzb24.y", "opaque", ""] {
            assert_eq!(expiry(none), None, "{none}");
        }
        // {"exp":1800000000}
        let later = "x.eyJleHAiOjE4MDAwMDAwMDB9.y";
        let (soon, opaque) = ("Bearer x.eyJzdWIiOiJhPz4iLCJleHAiOjE3MDAwMDAwMDB9.y", "opaque");
        for headers in [
            &[("Authorization", soon)][..],
            &[("X-Okapi-Token", opaque), ("Authorization", soon)],
            &[("Authorization", soon), ("X-Okapi-Token", later)],
            &[("Authorization", soon), ("Authorization", opaque)],
            &[("X-Okapi-Token", later), ("X-Okapi-Token", soon.split_once(' ').unwrap().1)],
        ] {
            assert_eq!(expiry_of(headers), end, "{headers:?}");
        }
        assert_eq!(expiry_of(&[("Authorization", "Basic eDp5")]), None);
    }

    #[test]
    fn a_call_of_okapi_s_own_needs_no_list() {
        for (path, needs_none) in [
            ("/_/tenant", true),
            ("/_/tenant/5bf370e0-8cca-4d9c-82e4-5170ab2a0a39?wait=1", true),
            ("/domain-events", false),
            ("/domain-events?x=/_/tenant", false),
        ] {
            let request = TestRequest::with_uri(path).insert_header(("X-Okapi-Permissions", "[]"));
            let read = permissions(&request.to_http_request()).unwrap();
            assert_eq!(read == Permissions::CheckedBefore, needs_none, "{path}");
        }
    }

    #[test]
    fn an_absent_list_is_another_thing_than_an_empty_one() {
        let read = |values: &[&str]| {
            let request = values.iter().fold(TestRequest::default(), |request, value| {
                request.append_header(("X-Okapi-Permissions", *value))
            });
            permissions(&request.to_http_request()).ok()
        };
        let listed = |names: &[&str]| {
            Some(Permissions::Listed(names.iter().map(|name| (*name).to_owned()).collect()))
        };
        assert_eq!(read(&[]), Some(Permissions::CheckedBefore));
        for none in ["", " ", "[]", "[ ]", r#"["users.item.get"]"#] {
            assert_eq!(read(&[none]), listed(&[]), "{none:?}");
        }
        assert_eq!(read(&[r#"["event-gateway.all", "x"]"#]), listed(&["event-gateway.all"]));
        for malformed in
            ["event-gateway.all", "null", "{}", "[1]", "[null]", r#"["a""#, r#""a""#, r#"["a"] x"#]
        {
            assert_eq!(read(&[malformed]), None, "{malformed}");
        }
        assert_eq!(read(&["[]", "[]"]), None);
    }
}
