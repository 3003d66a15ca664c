//! Appending: positions, times, and that events come out as they went in.

use std::time::Duration;

use event_gateway::domain::draft::{Content, Draft};
use event_gateway::domain::entity::EventName;
use event_gateway::domain::event::EventType;
use event_gateway::domain::position::Position;
use event_gateway::domain::time::Time;
use event_gateway::domain::wire_form::WireForm;
use event_gateway::store::{Batch, Outcome};

use crate::support::drafts::{
    create, create_in, created, delete_all, deleted, headers, origin, raw, updated,
};
use crate::support::ids::{college, diku, event_id, key, log_id, tenant};
use crate::support::store_fixture::{LANES, OpenStore, Rewind, StoreFixture, positions, receipts};

pub async fn positions_are_dense_and_in_the_order_given<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let outcomes = opened.append(&[&[create(1), create(2)], &[create(3)]]).await;
    assert_eq!(positions(&outcomes[0]), [1, 2]);
    assert_eq!(positions(&outcomes[1]), [3]);
    let outcomes = opened.append(&[&[create(4)], &[create(5), create(6)]]).await;
    assert_eq!(positions(&outcomes[0]), [4]);
    assert_eq!(positions(&outcomes[1]), [5, 6]);
    let log = opened.log(&diku()).await;
    let ids: Vec<_> = log.iter().map(|event| event.event_id).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6].map(event_id));
    let places: Vec<_> = log.iter().map(|event| event.position.number()).collect();
    assert_eq!(places, [1, 2, 3, 4, 5, 6]);
}

pub async fn batches_of_several_tenants_share_a_call<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let college = college();
    let outcomes = opened
        .append(&[&[create(1)], &[create_in(&college, 2), create_in(&college, 3)], &[create(4)]])
        .await;
    assert_eq!(outcomes.iter().map(positions).collect::<Vec<_>>(), [vec![1], vec![1, 2], vec![2]]);
    let enabled = opened.store.list().await.unwrap();
    for (outcome, tenant, log) in [(0, diku(), log_id(1)), (1, college, log_id(2))] {
        let own = enabled.iter().find(|e| e.tenant == tenant).unwrap();
        let Outcome::Appended { log_id, lane, .. } = outcomes[outcome] else {
            panic!("not appended")
        };
        assert_eq!((log_id, lane), (log, own.lane));
        assert!(lane.number() < LANES);
        assert!(opened.log(&tenant).await.iter().all(|e| e.tenant == tenant && e.log_id == log));
        assert_eq!(own.head.number(), 2);
    }
}

pub async fn a_batch_of_nothing_gets_no_receipts<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let batches = [diku(), tenant("stranger")].map(|tenant| Batch { tenant, drafts: Vec::new() });
    let outcomes = opened.store.append(&batches).await.unwrap();
    assert!(receipts(&outcomes[0]).is_empty());
    assert_eq!(outcomes[1], Outcome::NotEnabled);
}

pub async fn a_call_of_nothing_has_no_outcomes<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    assert_eq!(opened.store.append(&[]).await.unwrap(), []);
}

pub async fn a_tenant_that_is_not_enabled_gets_nothing_and_spoils_nothing<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let stranger = tenant("stranger");
    let outcomes = opened.append(&[&[create(1)], &[create_in(&stranger, 1)], &[create(2)]]).await;
    assert_eq!(outcomes[1], Outcome::NotEnabled);
    assert_eq!([positions(&outcomes[0]), positions(&outcomes[2])], [[1], [2]]);
    opened.store.enable_if_new(&stranger, log_id(3)).await.unwrap();
    assert!(opened.log(&stranger).await.is_empty());
    assert!(opened.store.find(&stranger, event_id(1)).await.unwrap().is_none());
}

pub async fn a_receipt_tells_the_event_s_own_place_and_time<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let mut receipts = opened.post(&[create(1)]).await;
    opened.fixture.elapse(Duration::from_millis(20)).await;
    receipts.extend(opened.post(&[create(2), create(3)]).await);
    assert!(receipts[1].time.as_ms() >= receipts[0].time.as_ms() + 20);
    assert_eq!(receipts[1].time, receipts[2].time);
    let log = opened.log(&diku()).await;
    assert!(
        log.iter().map(|e| (e.position, e.time)).eq(receipts.iter().map(|r| (r.position, r.time)))
    );
}

pub async fn time_never_goes_back_within_a_tenant<B: Rewind>() {
    let opened = OpenStore::<B>::new().await;
    let first = opened.post(&[create(1)]).await[0];
    opened.fixture.rewind(Duration::from_secs(3600));
    let second = opened.post(&[create(2)]).await[0];
    assert_eq!(second.time, first.time);
    let others = opened.post(&[create_in(&college(), 3)]).await[0];
    assert_eq!(others.time, Time::from_ms(first.time.as_ms() - 3_600_000));
    let opened = opened.reopen().await;
    assert_eq!(opened.post(&[create(4)]).await[0].time, first.time);
    opened.fixture.elapse(Duration::from_secs(3601)).await;
    assert_eq!(opened.post(&[create(5)]).await[0].time, Time::from_ms(first.time.as_ms() + 1_000));
}

pub async fn a_long_batch_is_appended_whole<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let drafts: Vec<_> = (1..=1_500).map(create).collect();
    let receipts = opened.post(&drafts).await;
    assert!(receipts.iter().map(|r| r.position.number()).eq(1..=1_500));
    assert!(opened.log(&diku()).await.iter().map(|e| e.event_id).eq((1..=1_500).map(event_id)));
    let again: Vec<_> = (1..=1_600).map(create).collect();
    assert!(opened.post(&again).await.iter().map(|r| r.position.number()).eq(1..=1_600));
}

pub async fn an_append_survives_reopening<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    opened.post(&[create(1), create(2)]).await;
    let before = opened.log(&diku()).await;
    let opened = opened.reopen().await;
    assert_eq!(opened.log(&diku()).await, before);
    assert_eq!(opened.post(&[create(3)]).await[0].position.number(), 3);
}

pub async fn payloads_and_headers_come_back_byte_for_byte<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let odd = r#"{"id" : "k", "n":[1.10,-0,1e400,"\ud800","\u0000","ключ 🗝"],	"z":123456789012345678901234567890}"#;
    let process = Content::Process {
        event: EventName::parse("DI_COMPLETED").unwrap(),
        payload: raw("\"\\u0000\""),
        wire_form: WireForm::Convention,
    };
    let bodies = [created(odd), updated(odd, "{ }"), deleted(odd), process];
    let mut drafts: Vec<_> =
        (1..).zip(bodies).map(|(id, content)| Draft { content, ..create(id) }).collect();
    drafts[0].own_headers = headers(&[("b", "2"), ("a", ""), ("quote", r#"a "b" \ c"#)]);
    drafts[0].origin =
        origin(diku(), &[("x-okapi-request-id", "821257/user;744931/perms"), ("B", "twice")]);
    drafts[1].key = key("ключ '\";--🗝");
    drafts.push(delete_all("folio.diku.inventory.item", 9));
    drafts.push(Draft {
        content: created(&format!("{{\"id\":\"{}\"}}", "x".repeat(1 << 20))),
        ..create(10)
    });
    opened.post(&drafts).await;
    let log = opened.log(&diku()).await;
    assert_eq!(log.len(), drafts.len());
    for (event, draft) in log.iter().zip(&drafts) {
        let stamp = event_gateway::domain::draft::Stamp {
            log_id: log_id(1),
            position: event.position,
            time: event.time,
            last_delete_all: (event.position.number() == 6).then(|| Position::from_column(5)),
        };
        assert_eq!(*event, draft.seal(&stamp));
        assert_eq!(opened.store.find(&diku(), draft.event_id).await.unwrap().as_ref(), Some(event));
    }
    assert_eq!(log[3].event_type, EventType::Process("DI_COMPLETED".to_owned()));
}

pub async fn an_event_is_found_by_its_id_in_its_own_tenant_only<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    opened.post(&[create(1), create(2)]).await;
    let found = opened.store.find(&diku(), event_id(2)).await.unwrap();
    assert_eq!(found.unwrap(), opened.log(&diku()).await[1]);
    assert!(opened.store.find(&diku(), event_id(3)).await.unwrap().is_none());
    assert!(opened.store.find(&college(), event_id(2)).await.unwrap().is_none());
    assert!(opened.store.find(&tenant("stranger"), event_id(2)).await.unwrap().is_none());
}

pub async fn a_store_that_works_passes_its_check<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    opened.store.check().await.unwrap();
    opened.store.check().await.unwrap();
    assert!(opened.store.writers() >= 1);
}

/// Some servers learn late how large their files are.
pub async fn a_store_tells_how_much_it_has_on_disk<B: StoreFixture>() {
    let OpenStore { store, fixture: _kept } = OpenStore::<B>::new().await;
    assert!(store.disk_bytes().await.unwrap() > 4_096);
}
