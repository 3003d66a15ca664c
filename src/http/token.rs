//! Authenticates the caller of a request: by its token, or by the word of the perimeter.
//!
//! `closed` calls it before anything else of a request is read, and gets the caller.

mod bearer;
mod perimeter;

use actix_web::HttpRequest;

pub(super) use self::perimeter::PERMISSIONS;

use super::problem::Problem;
use crate::access::{Caller, Denied, Permission, Tokens};

/// Returns the caller of a request; without `tokens`, the perimeter has checked the token.
pub(super) async fn caller(
    tokens: Option<&Tokens>,
    request: &HttpRequest,
) -> Result<Caller, Problem> {
    let Some(tokens) = tokens else { return perimeter::caller(request) };
    let token = bearer::bearer(request)?.ok_or(Denied::NoToken)?;
    Ok(tokens.caller(token).await?)
}

/// Returns whether the caller of a request to an open route, who was not checked before, may do
/// what concerns all tenants.
pub(super) async fn lets(
    tokens: Option<&Tokens>,
    request: &HttpRequest,
    permission: &Permission,
) -> bool {
    let caller = caller(tokens, request).await;
    caller.is_ok_and(|caller| caller.check_for_all(permission).is_ok())
}
