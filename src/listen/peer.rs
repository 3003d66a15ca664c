//! Peers: who is at the other end of a connection, and the session of one that is let in.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::Server;
use super::group::Client;
use super::principal::{Principal, Scope};
use super::rooms::Room;
use super::sasl::Mechanism;
use super::seats::{Seats, Stranger};
use crate::access::Caller;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::{Act, Actor, CallerNames, TrailEntry};
use crate::shares::{Full, Share};

/// The most groups and tenants of which a connection remembers that it has moved them.
const MOVED_MAX: usize = 100;

/// The reason why a peer has no session.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(super) enum NotLetIn {
    /// The client has not said who it is.
    #[error("the client asks before it has said who it is")]
    Stranger,
    /// The client's token has ended.
    #[error("the client's token has expired")]
    Expired,
}

/// Whoever is at the other end of a connection.
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// The way that it has chosen to say who it is.
    pub(super) mechanism: Option<Mechanism>,
    /// `None` until it is let in.
    pub(super) session: Option<Session>,
    /// The seat that it has until then.
    pub(super) stranger: Option<Stranger>,
    /// The seat that it has afterwards, for as long as the connection lasts.
    pub(super) _seat: Option<Share>,
    /// Whether the connection ends with this answer, since it is not let in.
    pub(super) is_refused: bool,
}

/// A client that is let in, as long as it is connected.
pub(super) struct Session {
    pub(super) principal: Principal,
    pub(super) peer: SocketAddr,
    /// The name that the client gives itself.
    pub(super) client_id: String,
    /// Whether it has tried to write.
    pub(super) has_produced: bool,
    /// The groups and tenants of which the trail has told that it moves them, being no member.
    pub(super) moved: BTreeSet<(String, TenantId)>,
    /// The room for the records of the answer that it has not read yet.
    pub(super) unread: Option<Room>,
}

impl Peer {
    /// Returns a peer that has just connected. Where nobody asks who it is, it is let in.
    pub(super) fn new(address: SocketAddr, server: &Server) -> Self {
        let principal = (!server.asks()).then(Principal::anyone);
        let session = principal.map(|principal| Session::of(address, principal));
        let stranger = session.is_none().then(|| server.seats.stranger());
        Self { address, mechanism: None, session, stranger, _seat: None, is_refused: false }
    }

    /// Returns the session of a peer that is let in at a time.
    pub(super) fn session(&mut self, now: Time) -> Result<&mut Session, NotLetIn> {
        let session = self.session.as_mut().ok_or(NotLetIn::Stranger)?;
        match session.principal.ends() {
            Some(end) if end <= now => Err(NotLetIn::Expired),
            _ => Ok(session),
        }
    }

    /// Returns whether the peer is let in with other tenants' topics.
    pub(super) fn is_other(&self, principal: &Principal) -> bool {
        self.session.as_ref().is_some_and(|it| it.principal.scope != principal.scope)
    }

    /// Lets the peer in, if its tenant has a seat for it, or goes on to with a new token.
    pub(super) fn is_let_in(&mut self, principal: Principal, seats: &Seats) -> Result<(), Full> {
        if let Some(session) = &mut self.session {
            session.principal = principal;
            return Ok(());
        }
        if let Scope::Tenant(tenant) = &principal.scope {
            self._seat = Some(seats.take(tenant)?);
        }
        self.session = Some(Session::of(self.address, principal));
        self.stranger = None;
        Ok(())
    }
}

impl Session {
    pub(super) fn of(peer: SocketAddr, principal: Principal) -> Self {
        let (client_id, moved) = (String::new(), BTreeSet::new());
        Self { principal, peer, client_id, has_produced: false, moved, unread: None }
    }

    /// Returns the names by which people know the client.
    pub(super) fn client(&self) -> Client {
        Client { id: self.client_id.clone(), host: self.host() }
    }

    /// Begins the entry of an act of the client, for the trail.
    pub(super) fn does(&self, act: Act, group: &str) -> TrailEntry {
        let actor = match &self.principal.caller {
            None => Actor::kafka(&self.client_id, &self.peer.ip().to_string()),
            Some(Caller { credential: Some(credential), .. }) => {
                Actor::credential(credential.name().as_str())
            }
            Some(caller) => {
                let (user, subject) = (caller.user.as_deref(), caller.subject.as_deref());
                Actor::caller(CallerNames { user, subject }, caller.issuer.as_deref(), None)
            }
        };
        actor.does(act).on(group)
    }

    /// Returns whether the trail has told that the client moves a group with a tenant, though it is
    /// no member of it.
    pub(super) fn has_moved(&self, group: &str, tenant: &TenantId) -> bool {
        self.moved.contains(&(group.to_owned(), tenant.clone()))
    }

    /// Notes that the trail tells so. Of many groups some are forgotten, and told again.
    pub(super) fn note_moved(&mut self, group: &str, tenant: &TenantId) {
        if self.moved.len() >= MOVED_MAX {
            self.moved.pop_first();
        }
        self.moved.insert((group.to_owned(), tenant.clone()));
    }

    /// Returns the part of the gateway that the client sees.
    pub(super) fn scope(&self) -> &Scope {
        &self.principal.scope
    }

    /// Returns the client's address as Kafka's tools show it.
    pub(super) fn host(&self) -> String {
        format!("/{}", self.peer.ip())
    }
}
