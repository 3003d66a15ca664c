//! Finds the logs that have grown: the heads whose version lies after a token.
//!
//! Every lane of every replica asks here all the time. The index by (lane, version) leads to the
//! changed heads alone, so idle tenants cost nothing.
//!
//! A head's version is the cluster's time when it was raised, which is before its commit: two
//! appends may commit in the other order, and a token that was given in between would pass over the
//! later commit. So every transaction has a row in `transactions` from before it begins until its
//! commit. Heads and rows are read in one snapshot, whose time T the server returns: an append that
//! this snapshot shows neither committed nor open begins after T, and its version lies after T. The
//! new token is therefore T, or lies before the oldest open append. A tenant that was raised after
//! such an append is named again, until that append has ended.

use std::time::Duration;

use ::mongodb::bson::{RawDocumentBuf, Timestamp, doc};

use super::{Mongodb, bulk, rows};
use crate::domain::lane::Lane;
use crate::store::columns::Columns;
use crate::store::{ChangeToken, Changed, Error};

/// The longest time for which an append may hold the tokens back: longer than any append takes
/// whose caller still waits.
const UNDER_WAY_MAX: Duration = Duration::from_secs(30);
/// The second from which tokens count: cluster times in seconds since 1970 would overflow into a
/// token's sign in 2038.
const YEAR_2004_S: u32 = 1 << 30;

impl Mongodb {
    /// Returns the heads of a lane that have changed since a token.
    pub(super) async fn read_changed(
        &self,
        lane: Lane,
        since: ChangeToken,
    ) -> Result<Changed, Error> {
        let mut session = self.snapshot().await?;
        let open_transactions = vec![
            doc! { "$match": { "open": true } },
            doc! { "$project": { "begun": 1, "for_ms": { "$subtract": ["$$NOW", "$time"] } } },
        ];
        let ours =
            doc! { "lane": i32::from(lane.number()), "version": { "$gt": timestamp(since) } };
        let all = vec![
            doc! { "$match": ours },
            doc! { "$project": {
                "log_id": 1, "lane": 1, "position": 1, "time_ms": 1, "disabled_ms": 1,
            } },
            doc! { "$unionWith": {
                "coll": self.collections.open_transactions.rows().name(),
                "pipeline": open_transactions,
            } },
        ];
        let found = bulk::aggregate(self.collections.heads.aggregate(all), &mut session).await?;
        let now = session.snapshot_time();
        let now = now
            .ok_or_else(|| Error::Unavailable("the answer of a snapshot has no time".to_owned()))?;
        self.told(found, since, token(now)).await
    }

    async fn told(
        &self,
        found: Vec<RawDocumentBuf>,
        since: ChangeToken,
        now: ChangeToken,
    ) -> Result<Changed, Error> {
        let (mut heads, mut until, mut longest_ms) = (Vec::new(), now, 0);
        for row in found {
            match rows::field(&row, "begun") {
                Ok(begun) => {
                    let begun = begun.as_timestamp().map_or(ChangeToken::START, token);
                    until = until.min(ChangeToken::new(begun.at - 1));
                    longest_ms = longest_ms.max(row.integer("for_ms")?);
                }
                Err(_) => heads.push(row.head()?),
            }
        }
        if longest_ms > rows::ms(UNDER_WAY_MAX) {
            self.collections.open_transactions.end_others(UNDER_WAY_MAX).await?;
        }
        Ok(Changed { heads, token: until.max(since) })
    }
}

fn token(time: Timestamp) -> ChangeToken {
    let seconds = i64::from(time.time.saturating_sub(YEAR_2004_S));
    ChangeToken::new((seconds << 32) | i64::from(time.increment))
}

fn timestamp(token: ChangeToken) -> Timestamp {
    let [seconds, increment] = [token.at >> 32, token.at & i64::from(u32::MAX)];
    let [time, increment] = [seconds, increment].map(|n| u32::try_from(n).unwrap_or(0));
    Timestamp {
        time: if token == ChangeToken::START { 0 } else { time.saturating_add(YEAR_2004_S) },
        increment,
    }
}
