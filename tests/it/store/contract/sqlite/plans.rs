//! The plans: no read of a log looks at all of it, or sorts.

use rusqlite::Connection;

macro_rules! sql {
    ($file:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/sqlite/", $file))
    };
}

const TOPIC_RANGE: &str = "events_topic (tenant=? AND topic=? AND position>? AND position<?)";
const KEY_RANGE: &str = "events_key (tenant=? AND key=? AND position>? AND position<?)";

/// The statements that read logs, each with the index that it must use.
const STATEMENTS: [(&str, &str); 12] = [
    (sql!("event_read.sql"), "sqlite_autoindex_events_1 (tenant=? AND position>?)"),
    (sql!("event_read_key.sql"), "events_key (tenant=? AND key=? AND position>?)"),
    (sql!("event_read_topic.sql"), "events_topic (tenant=? AND topic=? AND position>?)"),
    (sql!("event_read_topics.sql"), "events_topic (tenant=? AND topic=? AND position>?)"),
    (sql!("position_find.sql"), "sqlite_autoindex_events_1 (tenant=? AND position>?)"),
    (sql!("topic_list.sql"), "events_topic (tenant=?"),
    (sql!("removal_entry_list.sql"), TOPIC_RANGE),
    (sql!("removal_weigh.sql"), TOPIC_RANGE),
    (sql!("event_count_topic.sql"), TOPIC_RANGE),
    (sql!("removal_entry_newest.sql"), KEY_RANGE),
    (sql!("event_count_key.sql"), KEY_RANGE),
    (sql!("erasure_event_list.sql"), "events_key (tenant=? AND key=? AND position>?)"),
];

/// The steps of a statement's plan.
fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    for parameter in 1..=plan.parameter_count() {
        plan.raw_bind_parameter(parameter, 1).unwrap();
    }
    plan.raw_query().mapped(|step| step.get("detail")).collect::<Result<_, _>>().unwrap()
}

#[test]
fn no_read_of_a_log_looks_at_all_of_it_or_sorts() {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(sql!("migrations/0001_store.sql")).unwrap();
    for (sql, index) in STATEMENTS {
        let plan = plan(&connection, sql);
        let on_events: Vec<_> = plan.iter().filter(|step| step.contains(" events ")).collect();
        assert!(!on_events.is_empty(), "{sql}\n{plan:#?}");
        for step in on_events {
            assert!(
                step.starts_with("SEARCH events USING") && step.contains(index),
                "{sql}\n{plan:#?}"
            );
        }
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{sql}\n{plan:#?}");
    }
}
