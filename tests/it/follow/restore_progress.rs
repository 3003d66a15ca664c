//! The story of how far `restore` is: in the log, and in each topic.

use std::sync::Mutex;

use event_gateway::follow::audit::Progress;
use event_gateway::follow::restore;

use crate::support::harness::Harness;
use crate::support::ids::diku;
use crate::support::parking::ITEM;
use crate::support::restore::{append, enabled, go_back, settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_comparison_tells_how_far_it_is_in_the_log_and_in_each_topic() {
    let harness = Harness::new(1, &[diku()]).await;
    append(&harness, 0..20).await;
    harness.publish(&[diku()]).await;
    go_back(&harness, 12, 5);
    let told = Mutex::new(Vec::new());
    let report = |progress: Progress<'_>| {
        let (what, done, all) = match progress {
            Progress::Log(done, all) => ("log".to_owned(), done, all),
            Progress::Topic(topic, done, all) => (topic.to_string(), done, all),
        };
        told.lock().unwrap().push((what, done, all));
    };
    let (log, settings) = (enabled(&harness).await, settings());
    let compared = restore::compare(&*harness.store, &harness.kafka, &settings, &log, &report);
    assert!(compared.await.unwrap().is_some());
    let told = told.into_inner().unwrap();
    let [(first, once, all), topic, (second, twice, both)] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!((first.as_str(), second.as_str()), ("log", "log"));
    assert!(2 * once == *all && twice == both && all == both, "{told:?}");
    assert_eq!(topic, &(ITEM.to_owned(), 20, 20));
}
