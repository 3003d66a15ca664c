//! Replicas that listen, on one store: Kafka's clients are told of all, and a group goes on with
//! another one when its coordinator stops, wakes up or dies, and when all are restarted.

use std::collections::BTreeSet;
use std::sync::Arc;

use crash::serve::{Serve, Setup};
use crash::until;
use kafka_protocol::messages::{
    DescribeGroupsRequest, FindCoordinatorRequest, GroupId, MetadataRequest,
};
use kafka_protocol::protocol::StrBytes;

use crate::support::kafka_clients::{Got, Member, post, setup};
use crate::support::kafka_wire::Wire;
use crate::support::services::{kafka, mongodb, postgres};

const GROUP: &str = "cg.search";

#[tokio::test(flavor = "multi_thread")]
async fn a_group_goes_on_when_its_coordinator_stops_wakes_up_and_dies_on_postgresql() {
    goes_on(&postgres::url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_goes_on_when_its_coordinator_stops_wakes_up_and_dies_on_mongodb() {
    goes_on(&mongodb::url()).await;
}

/// Returns the addresses of all listeners that one tells of.
fn told(serve: &Serve) -> BTreeSet<String> {
    let asked = MetadataRequest::default().with_topics(Some(Vec::new()));
    let answer = Wire::connect(serve.broker()).ask(7, &asked).unwrap();
    answer.brokers.iter().map(|it| format!("{}:{}", it.host.as_str(), it.port)).collect()
}

/// Returns the address of the group's coordinator, as a listener tells it.
fn coordinator(serve: &Serve) -> String {
    let asked = FindCoordinatorRequest::default().with_key(StrBytes::from_static_str(GROUP));
    let answer = Wire::connect(serve.broker()).ask(2, &asked).unwrap();
    assert_eq!(answer.error_code, 0, "{answer:?}");
    format!("{}:{}", answer.host.as_str(), answer.port)
}

/// Returns whether a replica has the group.
fn has_group(serve: &Serve) -> bool {
    let group = GroupId(StrBytes::from_static_str(GROUP));
    let asked = DescribeGroupsRequest::default().with_groups(vec![group]);
    let answer = Wire::connect(serve.broker()).ask(3, &asked).unwrap();
    answer.groups[0].error_code == 0
}

/// Starts a replica; returns it when each of these tells of all of them.
async fn started(setup: &Setup, others: &[&Serve]) -> Serve {
    let serve = setup.serve();
    let all: Vec<_> = others.iter().copied().chain([&serve]).collect();
    let addresses: BTreeSet<_> = all.iter().map(|it| it.broker().to_owned()).collect();
    for serve in &all {
        until("it tells of all", async || told(serve) == addresses).await;
    }
    serve
}

/// The set-ups of replicas on a store, which are one gateway.
struct Replicas<const N: usize> {
    env: String,
    setups: [Setup; N],
}

impl<const N: usize> Replicas<N> {
    fn on(store: &str) -> Self {
        let env = kafka::env();
        let setups = [(); N].map(|()| {
            let setup = setup(&["diku", "college"], 4).with("ENV", &env);
            setup.with("BROKER", "none").with("STORE_URL", store)
        });
        Self { env, setups }
    }

    /// Lets a member of the group read, which knows these addresses.
    fn join(&self, addresses: &str, got: &Arc<Got>) -> Member {
        let topics = format!(r"^{}\.[a-z0-9_]+\.inventory\.item$", self.env);
        // A replica that stops closes no connection.
        let more = [("session.timeout.ms", "15000"), ("socket.timeout.ms", "3000")];
        Member::of_topics(addresses, GROUP, got, &topics, &more)
    }
}

async fn goes_on(store: &str) {
    let replicas = Replicas::<2>::on(store);
    let setups = &replicas.setups;
    let one = started(&setups[0], &[]).await;
    let two = started(&setups[1], &[&one]).await;
    let (addresses, got) = (format!("{},{}", one.broker(), two.broker()), Arc::new(Got::default()));
    let join = |got: &Arc<Got>| replicas.join(&addresses, got);
    let members = [(); 2].map(|()| join(&got));
    post(&one, "diku", 0..40).await;
    post(&two, "college", 0..40).await;
    until("they have all", async || got.count() == 80).await;
    let address = coordinator(&one);
    assert_eq!(coordinator(&two), address);
    let is_one = address == one.broker();
    let (first, second) = if is_one { (one, two) } else { (two, one) };

    first.signal("STOP");
    post(&second, "diku", 40..60).await;
    until("they go on with the other replica", async || got.count() == 100).await;
    until("it takes the group", async || has_group(&second)).await;
    assert_eq!(coordinator(&second), second.broker());
    assert_eq!(told(&second), BTreeSet::from([second.broker().to_owned()]));
    first.signal("CONT");
    let both = BTreeSet::from([&first, &second].map(|it| it.broker().to_owned()));
    for replica in [&first, &second] {
        until("both are told again", async || told(replica) == both).await;
        assert_eq!(coordinator(replica), second.broker(), "it keeps the group");
    }
    assert!(has_group(&second) && !has_group(&first));
    post(&first, "diku", 60..80).await;
    until("what the first one takes comes, too", async || got.count() == 120).await;

    let second_address = second.broker().to_owned();
    second.kill();
    post(&first, "college", 40..60).await;
    until("they go on with the first one", async || got.count() == 140).await;
    until("the dead one is not told", async || !told(&first).contains(&second_address)).await;
    until("the first one takes the group", async || has_group(&first)).await;
    assert_eq!(coordinator(&first), first.broker());
    let second = started(&setups[usize::from(is_one)], &[&first]).await;
    post(&second, "college", 60..80).await;
    until("they have all that was posted", async || got.count() == 160).await;
    got.assert_in_order();
    members.into_iter().for_each(Member::leave);

    let again = Arc::new(Got::default());
    let member = join(&again);
    post(&first, "diku", 80..85).await;
    until("it has what is new", async || again.count_from(80) == 5).await;
    member.leave();
    assert!(second.terminate().success());
    assert!(first.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_misses_nothing_while_all_replicas_are_restarted_one_after_another() {
    let replicas = Replicas::<3>::on(&postgres::url());
    let mut running: Vec<Serve> = Vec::new();
    for setup in &replicas.setups {
        let serve = started(setup, &running.iter().collect::<Vec<_>>()).await;
        running.push(serve);
    }
    let addresses: Vec<_> = running.iter().map(Serve::broker).collect();
    let (addresses, got) = (addresses.join(","), Arc::new(Got::default()));
    let members = [(); 2].map(|()| replicas.join(&addresses, &got));
    post(&running[0], "diku", 0..20).await;
    until("they have all", async || got.count() == 20).await;

    // One of them coordinates the group.
    for (setup, first) in replicas.setups.iter().zip([20, 40, 60]) {
        // The oldest one. Nobody waits for the members, who read what they can meanwhile.
        assert!(running.remove(0).terminate().success(), "{}", setup.log());
        post(&running[0], "diku", first..first + 10).await;
        let serve = started(setup, &running.iter().collect::<Vec<_>>()).await;
        post(&serve, "diku", first + 10..first + 20).await;
        running.push(serve);
    }
    until("they have all that was posted", async || got.count() == 80).await;
    post(&running[2], "college", 0..20).await;
    until("they go on", async || got.count() == 100).await;
    got.assert_in_order();
    members.into_iter().for_each(Member::leave);

    let again = Arc::new(Got::default());
    let member = replicas.join(&addresses, &again);
    post(&running[0], "diku", 80..85).await;
    until("it has what is new", async || again.count_from(80) == 5).await;
    member.leave();
    for serve in running {
        assert!(serve.terminate().success());
    }
}
