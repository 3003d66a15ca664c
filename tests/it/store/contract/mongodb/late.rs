//! An append that commits after one that was begun later.

use std::time::Instant;

use crash::PATIENCE;
use crash::mongodb::client;
use event_gateway::domain::lane::Lane;
use event_gateway::store::ChangeToken;
use mongodb::bson::{Document, doc};
use mongodb::options::ReadConcern;
use mongodb::{ClientSession, Database};

use super::{OwnDatabase, append};
use crate::support::drafts::create_in;
use crate::support::ids::{college, diku, log_id};
use crate::support::store_fixture::StoreFixture;

/// Registers a transaction of this session, and raises diku's head in it, as an append does.
async fn raise(database: &Database, session: &mut ClientSession) {
    let rows = database.collection::<Document>("transactions");
    let id = doc! { "_id": session.id().get("id").cloned() };
    let begin = vec![doc! { "$set": { "begun": "$$CLUSTER_TIME", "time": "$$NOW", "open": true } }];
    rows.update_one(id.clone(), begin).upsert(true).session(&mut *session).await.unwrap();
    session.start_transaction().read_concern(ReadConcern::snapshot()).await.unwrap();
    rows.update_one(id, doc! { "$set": { "open": false } }).session(&mut *session).await.unwrap();
    let end = doc! { "position": { "$add": ["$position", 1] }, "version": "$$CLUSTER_TIME" };
    let heads = database.collection::<Document>("heads");
    let raise = heads.update_one(doc! { "_id": diku().as_str() }, vec![doc! { "$set": end }]);
    assert_eq!(raise.session(session).await.unwrap().modified_count, 1);
}

#[tokio::test]
async fn a_late_commit_is_named_all_the_same() {
    let fixture = OwnDatabase::new().await;
    let (store, lane) = (fixture.open().await, Lane::new(0));
    store.lanes(1).await.unwrap();
    store.enable_if_new(&diku(), log_id(1)).await.unwrap();
    store.enable_if_new(&college(), log_id(2)).await.unwrap();
    let outside = client(&fixture.url).await;
    let mut late = outside.start_session().causal_consistency(false).await.unwrap();
    raise(&outside.database(&fixture.database), &mut late).await;

    let (mut token, until) = (ChangeToken::START, Instant::now() + PATIENCE);
    for id in 1..=5 {
        append(&store, &college(), &[create_in(&college(), id)]).await.unwrap();
        let named = loop {
            assert!(Instant::now() < until, "college is not named");
            let changed = store.changed_since(lane, token).await.unwrap();
            token = changed.token;
            if !changed.heads.is_empty() {
                break changed.heads;
            }
        };
        assert!(named.iter().all(|head| head.tenant == college()), "{named:?}");
    }
    late.commit_transaction().await.unwrap();
    let told = loop {
        assert!(Instant::now() < until, "diku is not named");
        let changed = store.changed_since(lane, token).await.unwrap();
        token = changed.token;
        if let Some(head) = changed.heads.into_iter().find(|head| head.tenant == diku()) {
            break head;
        }
    };
    assert_eq!(told.position.number(), 1);
}
