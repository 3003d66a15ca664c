//! The port's `Watch` on PostgreSQL: `LISTEN` on one connection, and `NOTIFY` after the commit.
//!
//! The notification is no part of the append: a transaction that notifies commits under a lock of
//! the whole cluster, which it holds until the disk has the commit, so that appends would wait for
//! one another. A pooler that lends connections for a transaction at a time passes no notification
//! on.

use std::hash::{BuildHasher, RandomState};

use async_trait::async_trait;
use sqlx::postgres::{PgListener, PgPoolOptions};

use super::Postgres;
use super::connection::WAIT_MAX;
use super::error::store_error;
use crate::domain::tenant::TenantId;
use crate::store::{Error, Growth, Watch};

/// The channel of a schema's logs, and the mark of what this process tells.
pub(super) struct Channel {
    name: String,
    mark: String,
}

impl Channel {
    /// Names the channel of a schema.
    pub(super) fn new(schema: &str) -> Self {
        let mark = RandomState::new().hash_one(std::process::id());
        Self { name: schema.to_owned(), mark: format!("{mark:x}") }
    }
}

#[async_trait]
impl Watch for Postgres {
    async fn watch(&self) -> Result<Option<Box<dyn Growth>>, Error> {
        // A connection beside the pool's, since it is kept for as long as somebody waits.
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(WAIT_MAX);
        let pool = pool.connect_lazy_with(self.options.clone());
        let mut listener = PgListener::connect_with(&pool).await.map_err(store_error)?;
        listener.listen(&self.channel.name).await.map_err(store_error)?;
        Ok(Some(Box::new(Listening { listener, mark: self.channel.mark.clone() })))
    }

    fn announces(&self) -> bool {
        true
    }

    async fn announce(&self, tenants: &[TenantId]) -> Result<(), Error> {
        let announce = sqlx::query(sql!("postgres/growth_announce.sql"))
            .bind(self.channel.name.clone())
            .bind(self.channel.mark.clone())
            .bind(tenants.iter().map(TenantId::to_string).collect::<Vec<_>>());
        self.sessions.acquire().await?.find_one(announce).await.map(drop)
    }
}

struct Listening {
    listener: PgListener,
    mark: String,
}

#[async_trait]
impl Growth for Listening {
    async fn grown(&mut self) -> Result<Vec<TenantId>, Error> {
        loop {
            let Some(told) = self.listener.try_recv().await.map_err(store_error)? else {
                return Err(Error::Unavailable("the connection that listens was lost".to_owned()));
            };
            let Some((mark, tenant)) = told.payload().split_once(' ') else { continue };
            match TenantId::parse(tenant) {
                Ok(tenant) if mark != self.mark => return Ok(vec![tenant]),
                _ => {}
            }
        }
    }
}
