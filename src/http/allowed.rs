//! The first argument of a handler: its type names the permission that the caller must have.
//!
//! Actix makes it before the handler runs, and so before the body is read. `routes` takes no
//! handler without it, and learns the permission and the handler's description from the type; that
//! of a route that is open names no permission. The type of a route that is an act names the act,
//! too, so that the handler has the entry for the trail. A query has only parameters that the
//! description names.

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use serde_json::json;

use super::context::{self, TenantContext, context};
use super::gateway::Shared;
use super::operation::{Described, Operation};
use super::problem::Problem;
use super::problem::kind::Kind;
use super::query::Query;
use super::token::PERMISSIONS;
use crate::access::Caller;
use crate::access::Denied;
use crate::access::permission::{Acts, Named, Permission};
use crate::domain::trail::TrailEntry;

/// The context of a caller that has the permission `P` for the tenant.
pub(super) struct Allowed<P> {
    context: TenantContext,
    /// The parameters of the query, which are among those that the description names.
    pub(super) query: Query,
    permission: PhantomData<P>,
}

/// A caller that has the permission `P` for what concerns all tenants.
pub(super) struct AllowedForAll<P>(PhantomData<P>);

/// A caller that has the permission `P` for any tenant at all, for what is the same for all.
pub(super) struct AllowedForAny<P>(PhantomData<P>);

/// Any caller of an operation that needs no permission. Whatever probes add to the path is ignored.
pub(super) struct Anyone<D>(PhantomData<D>);

/// The refusals of callers, and of those who can't be told from others while the store is away.
const CALLER: [Kind; 6] = [
    Kind::BadHeader,
    Kind::NoToken,
    Kind::TokenRefused,
    Kind::KeysUnavailable,
    Kind::PermissionMissing,
    Kind::StoreUnavailable,
];

/// The arguments of a handler whose first one names a permission.
pub(super) trait Guarded {
    /// The permission that the caller must have.
    const PERMISSION: Permission;
    /// The permissions that some requests need, too.
    const ALSO: &'static [Permission];

    /// Describes the handler.
    fn describe() -> Operation;
}

impl<P: Named + Described, A> Guarded for (Allowed<P>, A) {
    const PERMISSION: Permission = P::PERMISSION;
    const ALSO: &'static [Permission] = P::ALSO;

    fn describe() -> Operation {
        for_tenant::<P>()
    }
}

impl<P: Named + Described, A, B> Guarded for (Allowed<P>, A, B) {
    const PERMISSION: Permission = P::PERMISSION;
    const ALSO: &'static [Permission] = P::ALSO;

    fn describe() -> Operation {
        for_tenant::<P>()
    }
}

impl<P: Named + Described, A> Guarded for (AllowedForAll<P>, A) {
    const PERMISSION: Permission = P::PERMISSION;
    const ALSO: &'static [Permission] = P::ALSO;

    fn describe() -> Operation {
        for_callers(P::with_query())
    }
}

impl<P: Named + Described, A> Guarded for (AllowedForAny<P>, A) {
    const PERMISSION: Permission = P::PERMISSION;
    const ALSO: &'static [Permission] = P::ALSO;

    fn describe() -> Operation {
        for_callers(P::with_query())
    }
}

fn for_tenant<P: Described>() -> Operation {
    for_callers(context::describe(P::with_query()))
}

/// Adds the header by which a perimeter tells callers apart, and how they are refused.
fn for_callers(operation: Operation) -> Operation {
    operation
        .header(
            PERMISSIONS,
            "The caller's permissions, a JSON array, if Okapi or a sidecar has checked the token \
             (AUTH_MODE `perimeter`, the system interface excepted). Without the header, they have \
             checked what the operation needs.",
            json!({ "type": "string" }),
        )
        .problems(&CALLER)
}

/// The arguments of a handler that anyone may call.
pub(super) trait Open {
    /// Describes the handler.
    fn describe() -> Operation;
}

impl<D: Described> Open for (Anyone<D>,) {
    fn describe() -> Operation {
        D::describe()
    }
}

impl<D: Described, A> Open for (Anyone<D>, A) {
    fn describe() -> Operation {
        D::describe()
    }
}

impl<D: Described> FromRequest for Anyone<D> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(PhantomData)))
    }
}

impl<P: Acts> Allowed<P> {
    /// Begins the entry of the act that the route is.
    pub(super) fn act(&self) -> TrailEntry {
        self.actor.does(P::ACT).of(self.tenant())
    }
}

impl<P: Described> Allowed<P> {
    /// Checks that the caller has another permission, too: one of those that only some of the
    /// route's requests need.
    pub(super) fn also<Q: Named>(&self, request: &HttpRequest) -> Result<(), Problem> {
        debug_assert!(P::ALSO.contains(&Q::PERMISSION), "the descriptor tells it");
        checked(request, |caller| caller.check(&Q::PERMISSION, self.tenant()))
    }
}

impl<P> Deref for Allowed<P> {
    type Target = TenantContext;

    fn deref(&self) -> &TenantContext {
        &self.context
    }
}

impl<P: Named + Described> FromRequest for Allowed<P> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let gateway = request.app_data::<Shared>().expect("the app is built with it");
        let context = context(request, gateway.deps.clock.as_ref(), &P::PERMISSION);
        let checked = context.and_then(|context| Ok((context, query_of::<P>(request)?)));
        ready(checked.map(|(context, query)| Self { context, query, permission: PhantomData }))
    }
}

impl<P: Named + Described> FromRequest for AllowedForAll<P> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let gateway = request.app_data::<Shared>().expect("the app is built with it");
        let checked = match gateway.is_open(request.path()) {
            true => Ok(()),
            false => checked(request, |caller| caller.check_for_all(&P::PERMISSION)),
        };
        ready(checked.and_then(|()| query_of::<P>(request)).map(|_| Self(PhantomData)))
    }
}

impl<P: Named + Described> FromRequest for AllowedForAny<P> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let checked = checked(request, |caller| caller.check_for_any(&P::PERMISSION));
        ready(checked.and_then(|()| query_of::<P>(request)).map(|_| Self(PhantomData)))
    }
}

/// Reads the query. Refuses parameters that the route does not know, and malformed ones.
fn query_of<P: Described>(request: &HttpRequest) -> Result<Query, Problem> {
    Query::parse(request.query_string(), P::QUERY)
}

fn checked(
    request: &HttpRequest,
    check: impl FnOnce(&Caller) -> Result<(), Denied>,
) -> Result<(), Problem> {
    let extensions = request.extensions();
    let caller = extensions.get::<Caller>().ok_or(Denied::NoToken);
    caller.and_then(check).map_err(Problem::Denied)
}
