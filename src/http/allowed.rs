//! The first argument of a handler: its type names the permission that the caller must have.
//!
//! Actix makes it before the handler runs, and so before the body is read. `routes` takes no
//! handler without it, except those of the routes that are open, and learns the permission from the
//! type. The type of a route that is an act names the act, too, so that the handler has the entry
//! for the trail.

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use super::context::{TenantContext, context};
use super::denied::Denied;
use super::gateway::Shared;
use super::permission::{Acts, Named, Permission};
use super::problem::Problem;
use super::token::Caller;
use crate::domain::trail::TrailEntry;

/// The context of a caller that has the permission `P` for the tenant.
pub(super) struct Allowed<P> {
    context: TenantContext,
    permission: PhantomData<P>,
}

/// A caller that has the permission `P` for what concerns all tenants.
pub(super) struct AllowedForAll<P>(PhantomData<P>);

/// The arguments of a handler whose first one names a permission.
pub(super) trait Guarded {
    /// The permission that the caller must have.
    const PERMISSION: Permission;
}

impl<P: Named, A> Guarded for (Allowed<P>, A) {
    const PERMISSION: Permission = P::PERMISSION;
}

impl<P: Named, A, B> Guarded for (Allowed<P>, A, B) {
    const PERMISSION: Permission = P::PERMISSION;
}

impl<P: Named, A> Guarded for (AllowedForAll<P>, A) {
    const PERMISSION: Permission = P::PERMISSION;
}

impl<P: Acts> Allowed<P> {
    /// Begins the entry of the act that the route is.
    pub(super) fn act(&self) -> TrailEntry {
        self.actor.does(P::ACT).of(self.tenant())
    }
}

impl<P> Deref for Allowed<P> {
    type Target = TenantContext;

    fn deref(&self) -> &TenantContext {
        &self.context
    }
}

impl<P: Named> FromRequest for Allowed<P> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let gateway = request.app_data::<Shared>().expect("the app is built with it");
        let context = context(request, gateway.deps.clock.as_ref(), &P::PERMISSION);
        ready(context.map(|context| Self { context, permission: PhantomData }))
    }
}

impl<P: Named> FromRequest for AllowedForAll<P> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let gateway = request.app_data::<Shared>().expect("the app is built with it");
        if gateway.is_open(request.path()) {
            return ready(Ok(Self(PhantomData)));
        }
        let extensions = request.extensions();
        let caller = extensions.get::<Caller>().ok_or(Denied::NoToken);
        let checked = caller.and_then(|caller| caller.check_for_all(&P::PERMISSION));
        ready(checked.map(|()| Self(PhantomData)).map_err(Problem::Denied))
    }
}
