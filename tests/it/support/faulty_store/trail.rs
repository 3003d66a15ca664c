//! The port `Trail` of a store that fails as a test asks.

use async_trait::async_trait;
use event_gateway::domain::time::Time;
use event_gateway::domain::trail::{TrailEntry, TrailRow};
use event_gateway::store::{Error, Trail, TrailScan};

use super::{Call, FaultyStore};

#[async_trait]
impl Trail for FaultyStore {
    async fn add_trail(&self, entry: &TrailEntry) -> Result<(), Error> {
        self.through(Call::Other, self.inner.add_trail(entry)).await
    }

    async fn trail(&self, scan: &TrailScan) -> Result<Vec<TrailRow>, Error> {
        self.through(Call::Other, self.inner.trail(scan)).await
    }

    async fn drop_trail(&self, before: Time, max: usize) -> Result<u64, Error> {
        self.through(Call::Other, self.inner.drop_trail(before, max)).await
    }
}
