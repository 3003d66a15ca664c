//! The last event of each key of a topic, as far as the log still has it.

use std::collections::HashMap;

use super::store;
use crate::domain::key::Key;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::store::{Store, TopicRange};

/// Returns the position of the last event of each of these keys that has one; a key may be given
/// more than once.
pub(super) async fn newest(
    store: &dyn Store,
    (tenant, topic): (&TenantId, &Topic),
    keys: impl Iterator<Item = &Key>,
) -> Result<HashMap<Key, Position>, store::Error> {
    let mut keys: Vec<_> = keys.cloned().collect();
    keys.sort_unstable();
    keys.dedup();
    let range = TopicRange::after(tenant.clone(), topic.clone(), Position::START);
    let newest = store.newest_of_keys(&range, &keys, 1).await?;
    Ok(newest.into_iter().map(|entry| (entry.key, entry.position)).collect())
}
