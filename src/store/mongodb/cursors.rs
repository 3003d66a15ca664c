//! The port's `Cursors`: how far followers have come.
//!
//! Fed by the sinks that keep their cursor in the store, and by lanes that write down Kafka's;
//! feeds them when they go on, and everyone who asks what is published.

use ::mongodb::bson::{Document, RawDocumentBuf, doc};
use async_trait::async_trait;

use super::bulk::{self, Upserted};
use super::error::{reading, writing};
use super::{Mongodb, rows};
use crate::domain::follower::{Cursor, Follower};
use crate::domain::lane::Lane;
use crate::domain::tenant::TenantId;
use crate::store::{Cursors, Error, Lease, LeaseCheck, Moved};

#[async_trait]
impl Cursors for Mongodb {
    async fn load(&self, tenant: &TenantId, follower: &Follower) -> Result<Option<Cursor>, Error> {
        let row = reading(self.collections.cursors.find_one(doc! { "_id": id(tenant, follower) }))
            .await?;
        row.map(|row| rows::cursor(&row)).transpose()
    }

    async fn load_lane(
        &self,
        lane: Lane,
        follower: &Follower,
    ) -> Result<Vec<(TenantId, Cursor)>, Error> {
        let found = self.cursors_of(lane, follower).await?;
        let cursor = |row| {
            let tenant = rows::noun(rows::document(row, "_id")?, "tenant", TenantId::parse)?;
            Ok((tenant, rows::cursor(row)?))
        };
        found.iter().map(|row| cursor(row)).collect()
    }

    async fn advance(
        &self,
        tenant: &TenantId,
        follower: &Follower,
        seen: Option<&Cursor>,
        to: &Cursor,
    ) -> Result<Moved, Error> {
        let (cursors, mut session) = (&self.collections.cursors, self.session().await?);
        let id = doc! { "_id": id(tenant, follower) };
        let stood = match seen {
            None => {
                let insert =
                    cursors.find_one_and_update(id, doc! { "$setOnInsert": rows::stands(to) });
                let Some(stood) = writing(insert.upsert(true).session(&mut session)).await? else {
                    return Ok(Moved::Moved);
                };
                Some(stood)
            }
            Some(seen) => {
                let mut stands = rows::stands(seen);
                stands.extend(id.clone());
                let advance = cursors.update_one(stands, doc! { "$set": rows::stands(to) });
                if writing(advance.session(&mut session)).await?.matched_count == 1 {
                    return Ok(Moved::Moved);
                }
                reading(cursors.find_one(id).session(&mut session)).await?
            }
        };
        Ok(Moved::Stale(stood.map(|row| rows::cursor(&row)).transpose()?))
    }

    async fn checkpoint(
        &self,
        lease: &Lease,
        follower: &Follower,
        cursors: &[(TenantId, Cursor)],
    ) -> Result<LeaseCheck, Error> {
        let term = lease.term.cast_signed();
        // Where a later holder wrote, no row fits, and one of the same id can't be inserted.
        let earlier = || doc! { "$not": { "$gt": term } };
        let checkpoint = |(tenant, cursor): &(TenantId, Cursor)| {
            let mut stands = rows::stands(cursor);
            stands.insert("term", term);
            let row = doc! { "_id": id(tenant, follower), "term": earlier() };
            doc! { "q": row, "u": { "$set": stands }, "upsert": true }
        };
        let each = cursors.iter().map(checkpoint).collect();
        Ok(match bulk::upsert(&self.collections.cursors, each).await? {
            Upserted::All => LeaseCheck::Held,
            Upserted::NotThoseThatDoNotFit => LeaseCheck::Lost,
        })
    }
}

impl Mongodb {
    /// The newest term of a checkpoint of a lane's tenants; 0 if there is none.
    pub(super) async fn newest_term(&self, lane: Lane) -> Result<u64, Error> {
        let found = self.cursors_of(lane, &Follower::relay()).await?;
        let terms = found.iter().map(|row| rows::number_if_any(row, "term"));
        let terms = terms.collect::<Result<Vec<_>, _>>()?;
        Ok(terms.into_iter().flatten().max().unwrap_or_default().unsigned_abs())
    }

    /// A follower's cursors in all logs of a lane, as rows.
    async fn cursors_of(
        &self,
        lane: Lane,
        follower: &Follower,
    ) -> Result<Vec<RawDocumentBuf>, Error> {
        let mut session = self.session().await?;
        let ours = doc! { "lane": i32::from(lane.number()) };
        let tenants = reading(bulk::find(&self.collections.tenants, ours, &mut session)).await?;
        let tenants = tenants.iter().map(|row| rows::tenant(row)).collect::<Result<Vec<_>, _>>()?;
        let ids: Vec<_> = tenants.iter().map(|tenant| id(tenant, follower)).collect();
        let ours = doc! { "_id": { "$in": ids } };
        reading(bulk::find(&self.collections.cursors, ours, &mut session)).await
    }
}

pub(super) fn id(tenant: &TenantId, follower: &Follower) -> Document {
    doc! { "tenant": tenant.as_str(), "follower": follower.as_str() }
}
