//! The log below its floor: a reader who would miss events is told so, with the way on.

use event_gateway::domain::position::Position;
use event_gateway::domain::time::Time;
use event_gateway::store::RemovalStep;
use serde_json::{Value, json};

use crate::support::gateway::Gateway;
use crate::support::ids::{diku, position, topic};

const ITEM: &str = "/domain-events/inventory/item";
const LOAN: &str = "/domain-events/circulation/loan";

/// Positions 1 to 6, of which the even ones are loans; the items 1 and 3 were removed.
async fn removed() -> Gateway {
    let gateway = Gateway::start().await;
    for number in 1..=6 {
        let path = if number % 2 == 0 { LOAN } else { ITEM };
        let body = format!(r#"{{"new":{{"id":"r{number}"}}}}"#);
        assert_eq!(gateway.post_json(path, &body).await.status, 201);
    }
    let log_id = gateway.store.list().await.unwrap().remove(1).log_id;
    let step = RemovalStep {
        tenant: diku(),
        log_id,
        stands: Vec::new(),
        topic: topic("folio.diku.inventory.item"),
        positions: vec![position(1), position(3)],
        last_time: gateway.log().await[2].time,
        raises_floor: true,
        compacted_to: Position::START,
        forget_before: Time::ZERO,
    };
    assert_eq!(gateway.store.remove(&step).await.unwrap(), Some(2));
    gateway
}

/// The events from a position on that are told to be missing.
fn missing(from: u64) -> Value {
    json!({ "topic": "folio.diku.inventory.item", "from": from, "to": 3 })
}

async fn positions(gateway: &Gateway, query: &str) -> (Vec<u64>, Value) {
    let answer = gateway.read(&format!("/domain-events?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    let page = answer.json();
    let events = page["events"].as_array().unwrap().iter();
    (events.map(|event| event["position"].as_u64().unwrap()).collect(), page["missing"].clone())
}

#[tokio::test]
async fn who_goes_on_below_the_floor_is_told_what_is_missing_and_how_to_go_on() {
    let gateway = removed().await;
    for query in ["after=0", "after=2&entity=item", "after=1&key=r5", "after=2&limit=1"] {
        let answer = gateway.read(&format!("/domain-events?{query}")).await;
        assert_eq!(answer.status, 410, "{query}: {}", answer.text());
        let problem = answer.json();
        assert_eq!(problem["type"], "/problems/events-removed", "{problem}");
        let advice = "gaps=skip, which leaves out nothing that the log has";
        assert!(problem["detail"].as_str().unwrap().contains(advice), "{problem}");
        let from = query.split(['=', '&']).nth(1).unwrap().parse::<u64>().unwrap() + 1;
        let said = problem["errors"][0]["parameters"].as_array().unwrap().iter();
        let said: Vec<_> = said.map(|it| (it["key"].clone(), it["value"].clone())).collect();
        let expected = [
            ("topic", "folio.diku.inventory.item".to_owned()),
            ("from", from.to_string()),
            ("to", "3".to_owned()),
            ("after", "3".to_owned()),
        ];
        assert_eq!(said, expected.map(|(key, value)| (json!(key), json!(value))));
        assert_eq!(problem["missing"], missing(from));
    }
    // The way on, and a reader of other topics.
    assert_eq!(positions(&gateway, "after=3").await, (vec![4, 5, 6], Value::Null));
    assert_eq!(positions(&gateway, "after=0&entity=loan").await, (vec![2, 4, 6], Value::Null));
}

#[tokio::test]
async fn who_begins_or_passes_over_gaps_gets_what_is_there_and_is_told_what_is_not() {
    let gateway = removed().await;
    assert_eq!(positions(&gateway, "").await, (vec![2, 4, 5, 6], missing(1)));
    assert_eq!(positions(&gateway, "after=2&gaps=skip").await, (vec![4, 5, 6], missing(3)));
    assert_eq!(positions(&gateway, "entity=loan").await, (vec![2, 4, 6], Value::Null));
    assert_eq!(positions(&gateway, "after=3&gaps=skip").await, (vec![4, 5, 6], Value::Null));
    // Page by page, as the first page's `next` says.
    let (mut all, mut query) = (Vec::new(), "limit=1".to_owned());
    loop {
        let page = gateway.read(&format!("/domain-events?{query}")).await.json();
        all.push(page["events"][0]["position"].as_u64().unwrap());
        let Some(next) = page["next"].as_u64() else { break };
        query = format!("limit=1&after={next}&gaps=skip");
    }
    assert_eq!(all, [2, 4, 5, 6]);
    let answer = gateway.read("/domain-events?gaps=fill").await;
    assert_eq!((answer.status, answer.json()["type"].clone()), (400, json!("/problems/bad-query")));
}
