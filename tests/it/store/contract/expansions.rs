//! Expansions: a step appends its DELETEs and notes them, and leaves alone what was touched.

use event_gateway::domain::draft::Draft;
use event_gateway::domain::event::EventType;
use event_gateway::domain::expansion::Expansion;
use event_gateway::store::ExpansionStep;
use tokio::task::yield_now;

use crate::support::drafts::{create, create_on, deleted, updated};
use crate::support::ids::{college, diku, key, position, topic};
use crate::support::store_fixture::{OpenStore, StoreFixture};

const ITEM: &str = "folio.diku.inventory.item";

fn of(number: u128, id: u128) -> Draft {
    Draft { key: key(&format!("k{number}")), ..create(id) }
}

/// A step of the request at a position, with DELETEs of these keys.
fn step(request: u64, walked_to: u64, keys: std::ops::Range<u128>) -> ExpansionStep {
    let delete = |number| Draft { content: deleted("{}"), ..of(number, 1_000 + number) };
    ExpansionStep {
        tenant: diku(),
        topic: topic(ITEM),
        request: position(request),
        walked_to: position(walked_to),
        deletes: keys.map(delete).collect(),
    }
}

fn expansion(walked_to: u64, last: u64) -> Expansion {
    let (request, walked_to, last) = (position(6), position(walked_to), position(last));
    Expansion { topic: topic(ITEM), request, walked_to, last }
}

/// Appends five records; the request is meant to stand at 6, where another event does.
async fn five<B: StoreFixture>() -> OpenStore<B> {
    let opened = OpenStore::<B>::new().await;
    opened.post(&(1..=5).map(|number| of(number, number)).collect::<Vec<_>>()).await;
    opened.post(&[create_on("folio.diku.circulation.loan", 6)]).await;
    opened
}

pub async fn a_step_appends_its_deletes_but_not_of_what_was_touched<B: StoreFixture>() {
    let opened = five::<B>().await;
    // Of key k2 there is a later item, and of k3 only a later loan.
    opened.post(&[Draft { content: updated("{}", "{}"), ..of(2, 7) }]).await;
    let loan = Draft { key: key("k3"), ..create_on("folio.diku.circulation.loan", 8) };
    opened.post(&[loan]).await;
    let store = &opened.store;
    assert_eq!(store.expansions(&diku()).await.unwrap(), []);
    assert_eq!(store.expand(&step(6, 3, 1..4)).await.unwrap(), 2);
    assert_eq!(store.expansions(&diku()).await.unwrap(), [expansion(3, 10)]);
    let log = opened.log(&diku()).await;
    let deletes = log.iter().filter(|event| event.event_type == EventType::Delete);
    let deletes: Vec<_> = deletes.map(|it| (it.position.number(), it.key.to_string())).collect();
    assert_eq!(deletes, [(9, "k1".to_owned()), (10, "k3".to_owned())]);
    assert_eq!(store.expand(&step(6, 6, 4..6)).await.unwrap(), 2);
    let complete = store.expansions(&diku()).await.unwrap();
    assert_eq!(complete, [expansion(6, 12)]);
    assert!(complete[0].is_complete());
    assert_eq!(store.expansions(&college()).await.unwrap(), []);
    let opened = opened.reopen().await;
    assert_eq!(opened.store.expansions(&diku()).await.unwrap(), complete);
}

pub async fn a_step_that_is_repeated_or_late_changes_nothing<B: StoreFixture>() {
    let opened = five::<B>().await;
    let store = &opened.store;
    assert_eq!(store.expand(&step(6, 2, 1..3)).await.unwrap(), 2);
    assert_eq!(store.expand(&step(6, 6, 3..6)).await.unwrap(), 3);
    assert_eq!(store.expand(&step(6, 2, 1..3)).await.unwrap(), 0);
    assert_eq!(store.expansions(&diku()).await.unwrap(), [expansion(6, 11)]);
    assert_eq!(opened.log(&diku()).await.len(), 11);
    assert_eq!(store.expand(&step(6, 6, 1..1)).await.unwrap(), 0, "a step without DELETEs");
}

/// Updates and DELETEs of the same keys at once: whichever comes first, no key that was touched
/// after the request is deleted after that.
pub async fn no_key_is_deleted_after_it_was_touched<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let keys = 1..41;
    opened.post(&keys.clone().map(|number| of(number, number)).collect::<Vec<_>>()).await;
    let request = 40;
    // One is deleted before any is touched; of the others, whatever comes first.
    assert_eq!(opened.store.expand(&step(request, 1, 1..2)).await.unwrap(), 1);
    let touches = async {
        for number in keys.clone().rev() {
            opened
                .post(&[Draft { content: updated("{}", "{}"), ..of(number, 100 + number) }])
                .await;
            yield_now().await;
        }
    };
    let expands = async {
        for number in keys.clone().skip(1) {
            let walked_to = u64::try_from(number).unwrap();
            opened.store.expand(&step(request, walked_to, number..number + 1)).await.unwrap();
            yield_now().await;
        }
    };
    tokio::join!(touches, expands);
    let log = opened.log(&diku()).await;
    let last = |of: &str, event_type: EventType| {
        let its = log.iter().filter(|it| it.key.as_str() == of && it.event_type == event_type);
        its.map(|it| it.position).max()
    };
    let mut deleted = 0;
    for number in keys {
        let of = format!("k{number}");
        let touched = last(&of, EventType::Update).unwrap();
        let delete = last(&of, EventType::Delete);
        assert!(delete.is_none_or(|delete| delete < touched), "{of}: {delete:?} after {touched}");
        deleted += usize::from(delete.is_some());
    }
    assert!(deleted > 0, "the first");
}
