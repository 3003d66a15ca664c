//! The plans: no statement reads the logs from end to end, however long they get.

use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};

use super::Schema;
use crate::support::store_fixture::StoreFixture;

/// A statement, the types and values of its parameters, and the indexes that it must use.
struct Planned {
    sql: &'static str,
    types: &'static str,
    values: &'static str,
    indexes: &'static [&'static str],
}

macro_rules! planned {
    ($file:literal, $types:literal, $values:literal, $($index:literal),+) => {
        Planned {
            sql: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/postgres/", $file)),
            types: $types,
            values: $values,
            indexes: &[$($index),+],
        }
    };
}

const STATEMENTS: &[Planned] = &[
    planned!("event_read.sql", "text, bigint, bigint, bigint", "'big', 9000, 500, 4000000", "events_pkey"),
    planned!("event_read.sql", "text, bigint, bigint, bigint", "'big', 0, 500, 4000000", "events_pkey"),
    planned!("event_read.sql", "text, bigint, bigint, bigint", "'small3', 0, 500, 4000000", "events_pkey"),
    planned!(
        "event_read_key.sql",
        "text, bigint, bigint, bigint, text",
        "'big', 0, 500, 4000000, 'key 77'",
        "events_key"
    ),
    planned!(
        "event_find.sql",
        "text, text",
        "'big', '00000000-0000-0000-0000-000000000077'",
        "idempotency_pkey"
    ),
    planned!(
        "event_read_topics.sql",
        "text, bigint, bigint, bigint, text[]",
        "'big', 0, 500, 4000000, array['topic 1', 'topic 2', 'topic 3', 'topic 4', 'topic 5', 'topic 6', 'topic 7',
         'topic 8']",
        "events_topic"
    ),
    planned!("position_find.sql", "text, bigint", "'big', 9000", "events_pkey"),
    planned!("topic_list.sql", "text", "'big'", "events_topic"),
    planned!(
        "append_find.sql",
        "text[], text[], text[], text[], text[]",
        "array['big', 'small3'], array['big', 'small3'], array['topic 7', 'topic 8'], array['big', 'big'],
         array['00000000-0000-0000-0000-000000000077', '00000000-0000-0000-0000-0000000000aa']",
        "heads_pkey",
        "idempotency_pkey",
        "delete_alls_pkey"
    ),
    Planned {
        sql: "DELETE FROM events WHERE tenant = $1 AND position > $2 AND position <= $3 RETURNING \
              event_id",
        types: "text, bigint, bigint",
        values: "'big', 0, 200",
        indexes: &["events_pkey"],
    },
    Planned {
        sql: "DELETE FROM idempotency WHERE tenant = $1 AND event_id = ANY($2::text[]::uuid[])",
        types: "text, text[]",
        values: "'big', array['00000000-0000-0000-0000-000000000077', \
                 '00000000-0000-0000-0000-0000000000aa']",
        indexes: &["idempotency_pkey"],
    },
    planned!("head_lock.sql", "text[]", "array['big', 'small3']", "heads_pkey"),
    planned!("head_find.sql", "text[]", "array['big', 'small3']", "heads_pkey"),
    planned!(
        "append_write.sql",
        "text[], bigint[], text[], text[], text[], text[], bigint[], bigint[], text[], bytea[], bytea[],
         text[], text[], bigint[], text[], bigint[], bigint[], bigint[]",
        "'{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
         array['big'], array[1], array[1], array[900000]",
        "heads_pkey",
        "idempotency_pkey"
    ),
    planned!("head_changed.sql", "bigint, bigint", "1, 900000", "heads_version_span"),
    planned!("cursor_find.sql", "text, text", "'big', 'relay'", "cursors_pkey"),
];

/// 20,000 events, most of one tenant, and 5,000 idle tenants; then statistics.
const ROWS: &str = "
    INSERT INTO tenants SELECT 'idle' || n, gen_random_uuid(), n % 8 FROM generate_series(1, 5000) AS n;
    INSERT INTO tenants SELECT 'small' || n, gen_random_uuid(), 1 FROM generate_series(0, 3) AS n;
    INSERT INTO tenants VALUES ('big', gen_random_uuid(), 1);
    INSERT INTO heads SELECT tenant, lane, 0, 0 FROM tenants;
    INSERT INTO delete_alls SELECT tenant, 'topic ' || n, n FROM tenants, generate_series(1, 10) AS n;
    INSERT INTO cursors SELECT tenant, 'relay', 0, log_id, 1, log_id, 0 FROM tenants;
    INSERT INTO events (tenant, position, event_id, topic, key, type, time_ms, headers, payload)
    SELECT CASE WHEN n % 10 = 0 THEN 'small' || n / 10 % 4 ELSE 'big' END, n,
        ('00000000-0000-0000-0000-' || lpad(to_hex(n), 12, '0'))::uuid, 'topic ' || n % 30,
        'key ' || n % 5000, 'UPDATE', 1700000000000 + n, '[]', convert_to(repeat(md5(n::text), 10), 'UTF8')
    FROM generate_series(1, 20000) AS n;
    INSERT INTO idempotency SELECT tenant, event_id, position, time_ms, '\\x00' FROM events;
    UPDATE heads SET position = 1, version = 1 + hashtext(tenant)::bigint & 4095;
    UPDATE heads SET version = 900000 WHERE tenant = 'big';
    VACUUM ANALYZE";

/// The server plans in its default way, and in that of the store's sessions.
const SETTINGS: [&str; 2] = [
    "SET enable_seqscan = on; SET enable_bitmapscan = on",
    "SET enable_seqscan = off; SET enable_bitmapscan = off",
];

async fn plan(outside: &mut PgConnection, statement: &Planned, mode: &str) -> String {
    let Planned { sql, types, values, .. } = statement;
    let prepare =
        format!("SET plan_cache_mode = {mode}; DEALLOCATE ALL; PREPARE planned ({types}) AS {sql}");
    outside.execute(AssertSqlSafe(prepare)).await.unwrap();
    let explain = sqlx::raw_sql(AssertSqlSafe(format!("EXPLAIN EXECUTE planned ({values})")));
    let lines = explain.fetch_all(outside).await.unwrap();
    lines.iter().map(|line| line.get::<String, _>(0)).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn no_statement_reads_a_log_from_end_to_end() {
    let schema = Schema::new().await;
    schema.open().await;
    let mut outside = schema.outside().await;
    for statement in ROWS.split(';') {
        outside.execute(statement).await.unwrap();
    }
    let modes = ["force_generic_plan", "force_custom_plan"];
    for (settings, mode) in SETTINGS.iter().flat_map(|settings| modes.map(|mode| (*settings, mode)))
    {
        outside.execute(settings).await.unwrap();
        for statement in STATEMENTS {
            let plan = plan(&mut outside, statement, mode).await;
            let told = format!("{settings}; {mode}\n{}\n{plan}", statement.sql);
            for table in ["events", "idempotency", "heads", "cursors", "delete_alls"] {
                assert!(!plan.contains(&format!("Seq Scan on {table}")), "{told}");
            }
            for index in statement.indexes {
                assert!(plan.contains(index), "not by {index}: {told}");
            }
            // In the store's sessions joins don't scan either, but use the other table's index, row
            // by row.
            let joins = ["Hash Join", "Merge Join"].iter().any(|join| plan.contains(join));
            assert!(!joins || settings == SETTINGS[0], "{told}");
            let sorts = plan.contains("Sort  (") && statement.indexes[0].starts_with("events");
            assert!(!sorts || settings == SETTINGS[0], "{told}");
        }
    }
}
