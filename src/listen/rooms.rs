//! The room for requests, and for the records of answers: so many bytes of each, which all clients
//! share while they are under way.
//!
//! `connection` takes room for a request as it arrives, and `fetch` for each answer that it makes,
//! until that is written. The clients of a tenant hold a share at most (`shares`), so that those
//! that send half a request, or read nothing, keep room from each other alone. Whoever finds none
//! waits for its turn among the clients of its tenant.

use std::sync::Arc;

use super::principal::Scope;
use crate::shares::{Queue, QueuedShare};

/// The clients of a scope, or (`None`) those that have not said who they are.
pub(super) type Clients = Option<Scope>;

/// The room of all requests, or of all answers.
pub(super) struct Rooms(Arc<Queue<Clients>>);

/// The room of one answer, or of a part of a request.
pub(super) struct Room(QueuedShare<Clients>);

impl Rooms {
    /// Makes a room of so many bytes.
    pub(super) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self(Queue::new(bytes, bytes)))
    }

    /// Takes room for so many bytes, as soon as there is any. While others have much, it has less,
    /// down to `least`: nobody takes more than half of what its scope may have.
    pub(super) async fn take(&self, clients: &Clients, (least, most): (usize, usize)) -> Room {
        Room(self.0.take_some(clients, (least, most)).await)
    }

    /// Takes what clients may have, and no more.
    #[cfg(test)]
    pub(super) fn take_all(&self, clients: &Clients) -> Vec<Room> {
        let now = || self.0.take_now(clients, (1, usize::MAX)).map(Room);
        std::iter::from_fn(now).collect()
    }

    /// Returns the bytes that are taken.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.0.held()
    }
}

impl Room {
    /// Returns the bytes for which there is room.
    pub(super) fn bytes(&self) -> usize {
        self.0.size()
    }

    /// Gives back what is not needed for so many bytes.
    pub(super) fn keep(&mut self, bytes: usize) {
        self.0.shrink_to(bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Poll;

    use futures_util::poll;

    use super::{Clients, Room, Rooms};
    use crate::domain::tenant::TenantId;
    use crate::listen::principal::Scope;

    const MIB: usize = 1 << 20;

    fn of(tenant: &str) -> Clients {
        Some(Scope::Tenant(TenantId::parse(tenant).unwrap()))
    }

    /// Returns room for 1 MiB at least, if there is any now.
    async fn now(rooms: &Arc<Rooms>, clients: &Clients, most: usize) -> Option<Room> {
        let mut taking = Box::pin(rooms.take(clients, (MIB, most)));
        match poll!(&mut taking) {
            Poll::Ready(room) => Some(room),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn clients_that_read_nothing_keep_room_from_those_of_their_own_tenant_alone() {
        let (rooms, most) = (Rooms::new(16 * MIB), 4 * MIB);
        let (busy, others) = (of("diku"), ["college", "lib"].map(of));
        let mut unread = Vec::new();
        while let Some(room) = now(&rooms, &busy, most).await {
            unread.push(room);
        }
        let held: usize = unread.iter().map(Room::bytes).sum();
        assert_eq!(held, 8 * MIB, "half of all");
        for clients in others.iter().chain([&Some(Scope::All), &None]) {
            assert!(now(&rooms, clients, most).await.is_some_and(|room| room.bytes() == most));
        }
        assert!(now(&rooms, &busy, 1).await.is_none());
        unread.pop();
        assert!(now(&rooms, &busy, 1).await.is_some());
    }

    #[tokio::test]
    async fn the_clients_of_a_tenant_get_room_in_the_order_in_which_they_came() {
        let (rooms, clients) = (Rooms::new(2 * MIB), of("diku"));
        let mut first = now(&rooms, &clients, 1).await.unwrap();
        let mut waiting = [(); 2].map(|()| Box::pin(rooms.take(&clients, (MIB, 1))));
        for one in &mut waiting {
            assert!(poll!(one).is_pending());
        }
        first.keep(1);
        let [next, last] = &mut waiting;
        assert!(poll!(&mut *last).is_pending() && poll!(&mut *next).is_pending());
        drop(first);
        assert!(poll!(&mut *last).is_pending(), "another one came before it");
        let next = next.await;
        assert!(poll!(&mut *last).is_pending());
        drop(next);
        assert_eq!(last.await.bytes(), MIB);
        assert!(rooms.0.keeps_no_turn(&clients));
    }
}
