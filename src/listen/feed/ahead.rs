//! Reading ahead: while a client takes its answer, the stretch that it asks for next is read.

use std::sync::Arc;

use super::{Feed, Records};
use crate::subscribe::Subscribe;

impl Feed {
    /// Reads the stretch after an answer, if the client reads on from answer to answer, and nothing
    /// else of the topic is read. It is kept as any other; if that fails, it is read when it is
    /// asked for.
    pub(in crate::listen) fn read_ahead(
        &self,
        subscribe: &Arc<Subscribe>,
        partition: usize,
        answer: &Records,
    ) {
        let (Some(after), Some(feed)) = (answer.next_after, self.this.upgrade()) else { return };
        if self.reads.try_lock().is_err() || self.kept(partition, after).is_some() {
            return;
        }
        let subscribe = subscribe.clone();
        tokio::spawn(async move {
            if let Err(error) = feed.read_chunk(&subscribe, partition, after).await {
                tracing::debug!(topic = %feed.topic, %error, "failed to read ahead");
            }
        });
    }
}
