//! Groups of librdkafka's consumers: they share a log, and go on where they were.

use std::sync::Arc;

use crash::kafka::partitions;
use crash::serve::{Serve, get};
use crash::until;

use crate::support::kafka_clients::{Got, Member, metrics, post, setup};

/// Posts items of `diku`, from a number on, until each of these members has got one of them;
/// returns the next number.
async fn post_until_all_read(serve: &Serve, members: [&Got; 2], from: u64) -> u64 {
    let mut next = from;
    let all_read = async || {
        post(serve, "diku", next..next + 7).await;
        next += 7;
        members.iter().all(|it| it.count_from(from) > 0)
    };
    until("each member reads", all_read).await;
    next
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_goes_on_over_kills_of_the_gateway_and_shares_what_comes() {
    let setup = setup(&["diku", "college"], 4);
    let (serve, got) = (setup.serve(), Arc::new(Got::default()));
    let [firsts, seconds] = [(); 2].map(|()| Got::of_member(&got));
    post(&serve, "diku", 0..40).await;
    let beats = [("heartbeat.interval.ms", "500")];
    let first = Member::join(serve.broker(), "cg.search", &firsts, &beats);
    until("the first member has all", async || got.count() == 40).await;
    serve.kill();

    let serve = setup.serve();
    post(&serve, "diku", 40..60).await;
    post(&serve, "college", 0..20).await;
    until("the first member goes on", async || got.count() == 80).await;
    let second = Member::join(serve.broker(), "cg.search", &seconds, &beats);
    let next = post_until_all_read(&serve, [&firsts, &seconds], 60).await;
    post(&serve, "diku", next..next + 40).await;
    until("both have all", async || got.count_from(next) == 40).await;
    let shares = [&firsts, &seconds].map(|its| its.count_from(next));
    assert!(!shares.contains(&0), "each gets something: {shares:?}");
    assert_eq!(shares.iter().sum::<usize>(), 40, "each item comes to one of them: {shares:?}");
    let all = usize::try_from(next).unwrap() + 60;
    until("nothing is missed", async || got.count() == all).await;
    serve.kill();

    let serve = setup.serve();
    first.leave();
    post(&serve, "college", 20..40).await;
    until("the second member has all", async || got.count() == all + 20).await;
    got.assert_in_order();
    second.leave();
    assert!(serve.terminate().success(), "{}", setup.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_has_committed_gets_nothing_again_and_its_place_is_a_subscription() {
    let setup = setup(&["diku"], 3);
    let (serve, got) = (setup.serve(), Arc::new(Got::default()));
    post(&serve, "diku", 0..30).await;
    let member = Member::join(serve.broker(), "cg.search", &got, &[]);
    until("it has all", async || got.count() == 30).await;
    member.leave();
    let listed = get(&format!("{}/subscriptions", serve.url), "diku").await;
    assert_eq!(listed["subscriptions"][0]["group"], "cg.search", "{listed}");
    serve.kill();

    let (serve, again) = (setup.serve(), Arc::new(Got::default()));
    let member = Member::join(serve.broker(), "cg.search", &again, &[]);
    post(&serve, "diku", 30..35).await;
    until("it has what is new", async || again.count() == 5).await;
    member.leave();
    assert_eq!(again.count(), 5, "nothing that was committed comes again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_member_that_is_back_in_time_has_its_partitions_without_a_rebalance() {
    let setup = setup(&["diku"], 4);
    let (serve, got) = (setup.serve(), Arc::new(Got::default()));
    // Its session does not end meanwhile, however slow the machine.
    let join = |name, its: &Arc<Got>| {
        let settings = [
            ("group.instance.id", name),
            ("partition.assignment.strategy", "range"),
            ("session.timeout.ms", "120000"),
            ("heartbeat.interval.ms", "500"),
        ];
        Member::join(serve.broker(), "cg.search", its, &settings)
    };
    let [ones, twos, agains] = [(); 3].map(|()| Got::of_member(&got));
    let (one, two) = (join("one", &ones), join("two", &twos));
    let next = post_until_all_read(&serve, [&ones, &twos], 0).await;
    post(&serve, "diku", next..next + 14).await;
    until("both have all", async || got.count_from(next) == 14).await;
    let rebalances = metrics(&serve).await["rebalances_total"];
    assert!(rebalances > 0.0);
    one.leave();
    let one = join("one", &agains);
    let later = next + 14;
    post(&serve, "diku", later..later + 14).await;
    until("all has come", async || got.count_from(later) == 14).await;
    assert_eq!(metrics(&serve).await["rebalances_total"], rebalances, "nobody has joined again");
    assert_eq!(agains.keys_from(later), ones.keys_from(next));
    assert_eq!(twos.keys_from(later), twos.keys_from(next));
    got.assert_in_order();
    one.leave();
    two.leave();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_was_moved_while_nobody_read_goes_on_from_there() {
    let setup = setup(&["diku"], 2);
    let (serve, got) = (setup.serve(), Arc::new(Got::default()));
    post(&serve, "diku", 0..20).await;
    let member = Member::join(serve.broker(), "cg.search", &got, &[]);
    until("it has all", async || got.count() == 20).await;
    member.leave();
    // It may be moved as soon as its last member has left.
    let seek = ["subscriptions", "seek", "cg.search", "--tenant", "diku", "--to", "10"];
    until("it is moved", async || setup.command(&seek).status().unwrap().success()).await;
    let again = Arc::new(Got::default());
    let member = Member::join(serve.broker(), "cg.search", &again, &[]);
    until("it has the second half", async || again.count() == 10).await;
    post(&serve, "diku", 20..21).await;
    until("it has what is new", async || again.count() == 11).await;
    member.leave();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_tenant_s_topics_are_gone_and_the_others_go_on() {
    let setup = setup(&["diku", "college"], 2);
    let (serve, got) = (setup.serve(), Arc::new(Got::default()));
    post(&serve, "diku", 0..10).await;
    let member = Member::join(serve.broker(), "cg.search", &got, &[]);
    until("it has all", async || got.count() == 10).await;
    assert!(setup.command(&["tenants", "disable", "diku"]).status().unwrap().success());
    let topic = "folio.diku.inventory.item";
    let is_gone = async || partitions(serve.broker(), topic).is_none();
    until("the topic is gone", is_gone).await;
    post(&serve, "college", 0..10).await;
    until("the others go on", async || got.count() == 20).await;
    assert!(setup.command(&["tenants", "enable", "diku"]).status().unwrap().success());
    post(&serve, "diku", 10..20).await;
    until("it goes on once it is back", async || got.count() == 30).await;
    member.leave();
}
