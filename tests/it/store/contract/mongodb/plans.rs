//! How MongoDB finds rows: always by an index, and never more of them than are asked for.

use crash::mongodb::client;
use event_gateway::domain::draft::Draft;
use event_gateway::domain::filter::{Filter, TopicPattern};
use event_gateway::domain::follower::Follower;
use event_gateway::domain::lane::Lane;
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::store::{ChangeToken, Scan, TopicRange};
use futures_util::TryStreamExt;
use mongodb::bson::{Document, doc};

use super::{OwnDatabase, append, open_store};
use crate::support::drafts::create_in;
use crate::support::ids::{college, diku, event_id, key, position, tenant, topic};
use crate::support::store_fixture::{StoreFixture, all};

const EVENTS: u128 = 2_000;

const TENTH: &str = "folio.diku.inventory.tenth";

/// Every tenth event is of the same key and topic.
fn draft(tenant: &TenantId, id: u128) -> Draft {
    let draft = create_in(tenant, id);
    if id.is_multiple_of(10) {
        return Draft { key: key("tenth"), topic: topic(TENTH), ..draft };
    }
    Draft { key: key(&format!("k{id}")), ..draft }
}

#[tokio::test]
async fn rows_are_found_by_indexes_alone() {
    let fixture = OwnDatabase::new().await;
    let tenants = [diku(), college(), tenant("other")];
    let store = open_store(&fixture.url, &fixture.database, &tenants).await;
    for tenant in &tenants {
        let drafts: Vec<_> = (1..=EVENTS).map(|id| draft(tenant, id)).collect();
        append(&store, tenant, &drafts).await.unwrap();
    }
    let database = client(&fixture.url).await.database(&fixture.database);
    database.run_command(doc! { "profile": 2 }).await.unwrap();

    let after = [(diku(), position(1_000).into())];
    let ten = Scan { rows_max: 10, ..all() };
    store.read(&after, &ten).await.unwrap();
    store.read(&after, &Scan { from: Some(Time::ZERO), ..ten.clone() }).await.unwrap();
    let tenth = |pattern: &str| vec![TopicPattern::parse(pattern).unwrap()];
    for filter in [
        Filter { keys: vec![key("tenth")], ..Filter::default() },
        Filter { topics: tenth(TENTH), ..Filter::default() },
        Filter { topics: [tenth(TENTH), tenth("none")].concat(), ..Filter::default() },
        Filter { topics: tenth("**.tenth"), ..Filter::default() },
    ] {
        let slices = store.read(&after, &Scan { filter, ..ten.clone() }).await.unwrap();
        assert_eq!(slices[0].events.len(), 10);
    }
    let range = TopicRange {
        tenant: diku(),
        topic: topic(TENTH),
        after: position(1_000),
        before: position(1_100),
    };
    assert_eq!(store.entries(&range, 10).await.unwrap().len(), 9);
    assert_eq!(store.newest_of_keys(&range, &[key("tenth")], 10).await.unwrap().len(), 9);
    assert_eq!(store.weigh(&range, Time::from_ms(i64::MAX)).await.unwrap().events, 9);
    store.find(&diku(), event_id(77)).await.unwrap().unwrap();
    append(&store, &diku(), &[draft(&diku(), 5), draft(&diku(), EVENTS + 1)]).await.unwrap();
    store.changed_since(Lane::new(0), ChangeToken::new(i64::MAX / 2)).await.unwrap();
    store.load(&diku(), &Follower::relay()).await.unwrap();
    store.load_lane(Lane::new(0), &Follower::relay()).await.unwrap();

    database.run_command(doc! { "profile": 0 }).await.unwrap();
    let told = database.collection::<Document>("system.profile").find(doc! {}).await.unwrap();
    let told: Vec<_> = told.try_collect().await.unwrap();
    let looked: Vec<_> = told.iter().filter(|call| call.contains_key("planSummary")).collect();
    assert!(looked.len() >= 22, "{looked:#?}");
    for call in looked {
        let plan = call.get_str("planSummary").unwrap();
        assert!(!plan.contains("COLLSCAN"), "{call:#?}");
        for examined in ["docsExamined", "keysExamined"] {
            assert!(call.get_i32(examined).unwrap_or(0) <= 12, "{call:#?}");
        }
        assert!(!call.get_bool("hasSortStage").unwrap_or(false), "{call:#?}");
    }
}
