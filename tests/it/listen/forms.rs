//! One group changes from Kafka's clients to HTTP and back.

use std::collections::BTreeMap;
use std::sync::Arc;

use crash::serve::get;
use crash::until;

use crate::support::kafka_clients::{Got, Member, commit, nobody_reads, post, setup};
use crate::support::subscriber::Subscriber;

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_changes_to_http_and_back_gets_some_again_and_misses_nothing() {
    let setup = setup(&["diku"], 3);
    let (serve, got) = (setup.serve(), Arc::new(Got::default()));
    post(&serve, "diku", 0..21).await;
    let member = Member::join(serve.broker(), "cg.search", &got, &[]);
    until("it has all", async || got.count() == 21).await;
    member.leave();
    nobody_reads(&serve, "cg.search").await;
    // One partition is behind: it has read position 3, and not what comes after it.
    commit(serve.broker(), "cg.search", "folio.diku.inventory.item", &BTreeMap::from([(0, 4)]));
    let shown = format!("{}/subscriptions/cg.search", serve.url);
    assert_eq!(get(&shown, "diku").await["position"], 3, "the least of the partitions' places");

    // Over HTTP there is one place: what other partitions had read beyond it comes again.
    let subscriber = Subscriber::new(&serve.url);
    let polled = subscriber.poll("reader=pod-1&limit=100").await;
    assert!(polled.positions.iter().copied().eq(4..=21), "{polled:?}");
    assert_eq!(subscriber.commit(polled.generation, 10).await.0, 200);
    assert_eq!(subscriber.leave(polled.generation).await, 204);
    post(&serve, "diku", 21..28).await;

    // Back: each partition goes on where the group stands, after position 10.
    let back = Arc::new(Got::default());
    let member = Member::join(serve.broker(), "cg.search", &back, &[]);
    until("it has the rest", async || back.count_from(10) == 18).await;
    post(&serve, "diku", 28..29).await;
    until("it has what is new", async || back.count_from(10) == 19).await;
    member.leave();
    assert_eq!(back.count(), 19, "what was committed over HTTP does not come again");
    back.assert_in_order();

    // And once more: no place of the group is lost on the way.
    nobody_reads(&serve, "cg.search").await;
    let least = get(&shown, "diku").await["position"].as_u64().unwrap();
    let polled = subscriber.poll("reader=pod-2&limit=100").await;
    assert!(polled.positions.iter().copied().eq(least + 1..=29), "{least}: {polled:?}");
    serve.terminate();
}
