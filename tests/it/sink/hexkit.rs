//! hexkit's collection on a real MongoDB: the promises of the port, and the documents as hexkit reads
//! them.

mod documents;
mod faults;
mod fences;

use std::sync::Arc;

use event_gateway::domain::lane::Lane;
use event_gateway::domain::topic::Topic;
use event_gateway::sink::{Page, PageSlice, Publisher, Sink};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::contract::{self, Bed};
use crate::support::hexkit::{HexkitBed, ITEMS, LOANS, position};
use crate::support::services::mongodb;

const LANE: Lane = Lane::new(1);

fn bed() -> HexkitBed {
    HexkitBed::at(&mongodb::url())
}

/// Makes a page of the sink's own follower.
fn page(sink: &Arc<dyn Sink>, slices: Vec<PageSlice>) -> Arc<Page> {
    Arc::new(Page { follower: sink.follower().clone(), slices, target: None })
}

async fn take_over(sink: &Arc<dyn Sink>, term: u64) -> Box<dyn Publisher> {
    sink.take_over(LANE, term).await.unwrap().publisher
}

/// Publishes a page that takes the lane over with that term.
async fn publish(sink: &Arc<dyn Sink>, term: u64, slices: Vec<PageSlice>) {
    take_over(sink, term).await.publish(page(sink, slices)).await.unwrap();
}

async fn keeps_its_promises(topic: &'static str) {
    let documents = Arc::new(bed());
    let sink = documents.sink();
    let newest = move |topic: &Topic| {
        let all = block_in_place(|| Handle::current().block_on(documents.all()));
        let of_topic = all.iter().filter(|it| it.get_str("topic").unwrap() == topic.as_str());
        let mut newest = contract::Newest::new();
        for document in of_topic {
            let highest = newest.entry(document.get_str("key").unwrap().to_owned()).or_default();
            *highest = position(document).max(*highest);
        }
        newest
    };
    let spec = contract::spec(topic);
    contract::keeps_its_promises(&Bed { sink, spec, newest: Box::new(newest) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_the_promises_of_a_sink() {
    keeps_its_promises(LOANS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_the_promises_of_a_sink_in_a_compacted_topic() {
    keeps_its_promises(ITEMS).await;
}
