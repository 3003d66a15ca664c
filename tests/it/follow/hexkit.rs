//! hexkit's collection as one of two sinks: on a real MongoDB, beside a Kafka in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::mongodb::bson::{Document, doc};
use crash::mongodb::PrivateMongodb;
use crash::until;
use event_gateway::domain::draft::Draft;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::lane::Lane;
use event_gateway::domain::tenant::TenantId;
use event_gateway::follow::Followers;
use event_gateway::follow::restore::other_sinks::{self, Difference};
use event_gateway::health::SinkPart;
use event_gateway::sink::{Sink, Sinks};

use crate::support::harness::{Harness, drafts, tenants};
use crate::support::hexkit::{HexkitBed, ITEMS, LOANS, position, settings};
use crate::support::ids::{diku, topic};
use crate::support::services::mongodb;

/// A replica with both sinks.
struct World {
    harness: Harness,
    bed: HexkitBed,
    sinks: Sinks,
}

impl World {
    async fn new(url: &str, tenants: &[TenantId]) -> Self {
        let mut harness = Harness::new(1, tenants).await;
        harness.parts.settings = Arc::new(settings());
        let bed = HexkitBed::at(url);
        let kafka = Arc::new(harness.kafka.clone());
        let sinks = Sinks::default().with_kafka(kafka).with(bed.sink());
        Self { harness, bed, sinks }
    }

    fn follow(&self) -> Followers {
        Followers::start(&self.harness.parts, &self.sinks)
    }

    fn sink(&self) -> &dyn Sink {
        &*self.sinks.sinks[1]
    }

    async fn append(&self, tenants: &[TenantId], ids: std::ops::Range<u128>) {
        for tenant in tenants {
            self.harness.append(tenant, drafts(tenant, ids.clone())).await;
        }
    }

    async fn lag(&self, follower: &Follower) -> u64 {
        self.harness.store.lag(follower).await.unwrap().events
    }

    async fn caught_up(&self, follower: &Follower) {
        until("the sink has all logs", async || self.lag(follower).await == 0).await;
    }

    fn cause(&self, part: SinkPart) -> Option<String> {
        self.harness.parts.health.cause_of(&part.of(&Follower::hexkit()))
    }

    async fn difference(&self) -> Option<Difference> {
        let enabled = self.harness.store.list().await.unwrap().remove(0);
        other_sinks::compare(&*self.harness.store, self.sink(), &enabled).await.unwrap()
    }

    async fn accept(&self) {
        let enabled = self.harness.store.list().await.unwrap().remove(0);
        other_sinks::accept(&*self.harness.store, self.sink(), &enabled, "test").await.unwrap();
    }

    /// Each event of the logs has its document; of `diku`'s compacted topic, each key.
    async fn assert_whole(&self, tenants: &[TenantId]) {
        let id = |tenant: &str, topic: &str, key: &str, position: u64| match (tenant, topic) {
            ("diku", ITEMS) => key.to_owned(),
            _ => format!("{tenant} {position}"),
        };
        let mut expected = BTreeMap::new();
        for tenant in tenants {
            for event in self.harness.log(tenant).await {
                let position = event.position.number();
                let (topic, key) = (event.topic.as_str(), event.key.as_str());
                expected.insert(id(tenant.as_str(), topic, key, position), position);
            }
        }
        let all = self.bed.all().await;
        let found = all.iter().map(|document| {
            let headers = document.get_document("headers").unwrap();
            let (tenant, position) =
                (headers.get_str("x-okapi-tenant").unwrap(), position(document));
            let (topic, key) =
                (document.get_str("topic").unwrap(), document.get_str("key").unwrap());
            (id(tenant, topic, key, position), position)
        });
        assert_eq!(found.collect::<BTreeMap<_, _>>(), expected);
        assert_eq!(all.len(), expected.len());
    }
}

/// Returns loans of three keys: of their topic, nothing leaves the log.
fn loans(ids: std::ops::Range<u128>) -> Vec<Draft> {
    drafts(&diku(), ids).into_iter().map(|draft| Draft { topic: topic(LOANS), ..draft }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_both_sinks_goes_on_while_the_other_is_away() {
    let tenants = tenants(2);
    let mut server = PrivateMongodb::start().await;
    let world = World::new(&server.url(), &tenants).await;
    let (relay, hexkit) = (Follower::relay(), Follower::hexkit());
    let followers = world.follow();
    world.append(&tenants, 0..20).await;
    world.caught_up(&hexkit).await;
    world.caught_up(&relay).await;
    server.kill();
    world.append(&tenants, 20..40).await;
    world.caught_up(&relay).await;
    assert_eq!(world.lag(&hexkit).await, 40);
    until("the sink is named", async || world.cause(SinkPart::Connection).is_some()).await;
    server.restart().await;
    world.caught_up(&hexkit).await;
    world.harness.kafka.state(|state| state.away = true);
    world.append(&tenants, 40..50).await;
    world.caught_up(&hexkit).await;
    assert_eq!(world.lag(&relay).await, 20);
    world.harness.kafka.state(|state| state.away = false);
    world.caught_up(&relay).await;
    until("all is well", async || world.harness.parts.health.troubles().is_empty()).await;
    followers.stop().await;
    world.harness.assert_same(&tenants).await;
    world.assert_whole(&tenants).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_went_back_stops_the_sink_until_it_gets_its_whole_log_again() {
    let tenants = [diku()];
    let world = World::new(&mongodb::url(), &tenants).await;
    let hexkit = Follower::hexkit();
    let followers = world.follow();
    world.harness.append(&diku(), loans(0..10)).await;
    world.caught_up(&hexkit).await;
    followers.stop().await;
    assert_eq!(world.difference().await, None);
    // It is put back to an older copy.
    let database = world.bed.own_database().await;
    let copied = ["ifrsPersistedEvents", "folio_gateway.cursors"];
    let mut copies = Vec::new();
    for name in copied {
        let rows = database.collection::<Document>(name);
        let mut found = rows.find(doc! {}).await.unwrap();
        let mut copy = Vec::new();
        while found.advance().await.unwrap() {
            copy.push(found.deserialize_current().unwrap());
        }
        copies.push((rows, copy));
    }
    let followers = world.follow();
    world.harness.append(&diku(), loans(10..20)).await;
    world.caught_up(&hexkit).await;
    followers.stop().await;
    for (rows, copy) in copies {
        rows.delete_many(doc! {}).await.unwrap();
        rows.insert_many(copy).await.unwrap();
    }
    let followers = world.follow();
    let lane = SinkPart::Lane(Lane::new(0));
    until("the lane stops", async || {
        world.cause(lane.clone()).is_some_and(|why| why.contains("restore"))
    })
    .await;
    let difference = world.difference().await.unwrap();
    assert_eq!(difference.cursor.map(|cursor| cursor.position.number()), Some(10));
    world.accept().await;
    world.harness.append(&diku(), loans(20..22)).await;
    world.caught_up(&hexkit).await;
    until("all is well", async || world.harness.parts.health.troubles().is_empty()).await;
    followers.stop().await;
    world.assert_whole(&tenants).await;
    assert_eq!(world.difference().await, None);
}

/// The sink has events that the log has lost, at positions which other events have now.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_went_back_sends_the_sink_its_whole_log_again() {
    let tenants = [diku()];
    let world = World::new(&mongodb::url(), &tenants).await;
    let hexkit = Follower::hexkit();
    let followers = world.follow();
    world.harness.append(&diku(), drafts(&diku(), 0..10)).await;
    world.caught_up(&hexkit).await;
    followers.stop().await;
    let mut other = World::new(&mongodb::url(), &tenants).await;
    let HexkitBed { url, database } = &world.bed;
    other.bed = HexkitBed { url: url.clone(), database: database.clone() };
    let kafka = Arc::new(other.harness.kafka.clone());
    other.sinks = Sinks::default().with_kafka(kafka).with(other.bed.sink());
    // The log has the same id, as in a backup of before.
    other.harness.append(&diku(), drafts(&diku(), 100..107)).await;
    let followers = other.follow();
    until("the tenant stops", async || other.cause(SinkPart::Log(diku())).is_some()).await;
    let difference = other.difference().await.unwrap();
    assert!(!difference.is_in_log);
    other.accept().await;
    other.caught_up(&hexkit).await;
    followers.stop().await;
    other.assert_whole(&tenants).await;
}
