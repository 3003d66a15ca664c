//! Tests of the targets of replays: none is a topic that Kafka takes for another one, of any
//! tenant.

use uuid::Uuid;

use super::replay_bed::Bed;
use super::{ITEMS, diku, topic};
use crate::domain::position::LogId;
use crate::domain::replay::ReplayRequest;
use crate::domain::subject::Subject;
use crate::domain::tenant::TenantId;
use crate::follow::replay::submit::NotSubmitted;

fn to(target: &str) -> ReplayRequest {
    ReplayRequest { target: Some(topic(target)), ..ReplayRequest::default() }
}

async fn refused(bed: &Bed, target: &str) -> String {
    match bed.submitted(&to(target)).await.unwrap_err() {
        NotSubmitted::Taken { message, .. } => message,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_target_that_kafka_takes_for_another_topic_is_refused() {
    let mut bed = Bed::new().await;
    bed.post(ITEMS, &["a"]).await;
    bed.rest().await;
    let store = bed.submit.store.clone();
    let college = TenantId::parse("college").unwrap();
    store.enable_if_new(&college, LogId::new(Uuid::from_u128(2))).await.unwrap();
    let of = async |tenant: &TenantId, name: &str| {
        let noted = [(Subject::new("inventory", "former"), topic(name))];
        store.note_topics(tenant, &noted).await.unwrap();
    };
    of(&college, "diku.again_college").await;
    let told = refused(&bed, "diku.again.college").await;
    let both = "the topics `diku.again.college`, the target, and `diku.again_college`, which \
                tenant `college` has had, collide: Kafka treats `.` and `_` as the same";
    assert_eq!(told, both);
    let told = refused(&bed, "diku.again_college").await;
    assert_eq!(told, "tenant `college` has had the topic `diku.again_college`, the target");
    of(&diku(), "diku.former_item").await;
    assert!(refused(&bed, "diku.former.item").await.contains("`diku` has had, collide"));
    let own = refused(&bed, "diku.former_item").await;
    assert!(own.contains("`diku` has had the topic"), "{own}");
    // The target of another replay may be taken again, but not under another name.
    let replay = bed.replay(&to("diku.once.more")).await;
    bed.until_ended(&replay).await;
    let told = refused(&bed, "diku.once_more").await;
    assert!(told.contains(&format!("the target of replay {}", replay.id)), "{told}");
    bed.replay(&to("diku.once.more")).await;
}

#[tokio::test]
async fn a_target_that_the_broker_has_is_refused_unless_a_replay_of_the_tenant_made_it() {
    let mut bed = Bed::new().await;
    bed.post(ITEMS, &["a"]).await;
    bed.rest().await;
    bed.sink.topics.lock().unwrap().insert(topic("diku.users"));
    assert!(refused(&bed, "diku.users").await.starts_with("the broker has `diku.users` already"));
    let replay = bed.replay(&to("diku.again")).await;
    bed.until_ended(&replay).await;
    bed.replay(&to("diku.again")).await;
}

#[tokio::test]
async fn a_tenant_s_own_caller_is_not_told_whose_topic_it_is() {
    let by = |tenant: &str| NotSubmitted::Taken {
        by: Some(TenantId::parse(tenant).unwrap()),
        message: format!("{tenant}'s"),
    };
    assert_eq!(by("diku").unnamed(&diku()).to_string(), "diku's");
    assert!(!by("college").unnamed(&diku()).to_string().contains("college"));
}
