//! The examples for consumers, fed with records of two logs: a store was put back, and its log went
//! on under another id. Partitions are read in any order between them, so that records of the former
//! log come late.

use std::path::Path;
use std::process::Command;

use crate::support::documentation::block::{self, Kind};

const PAGE: &str = "docs/consumers.md";

/// The records, one on a line: log, position, epoch, type, key and time. The restore lost all of the
/// former log but its first event, and the later log gives its positions again.
const RECORDS: &str = "\
former 1 0 CREATE a 100
later 2 0 CREATE e 600
former 3 3 DELETE_ALL 00000000-0000-0000-0000-000000000000 300
former 9 3 CREATE c 400
later 5 4 CREATE f 800
later 4 4 DELETE_ALL 00000000-0000-0000-0000-000000000000 700
former 10 3 CREATE d 500
later 6 4 CREATE g 900
later 6 4 CREATE g 900
";

/// The keys that there are after each record that is taken. A DELETE_ALL of the former log that
/// comes late leaves the later one's records, and that of the later log ends all of the former one's,
/// whichever positions they have and however late they come.
const PRINTED: &str = "\
1 CREATE [a]
2 CREATE [a, e]
3 DELETE_ALL [e]
9 CREATE [c, e]
5 CREATE [c, f]
4 DELETE_ALL [f]
6 CREATE [f, g]
6 CREATE [f, g]
";

const PYTHON: &str = r#"
import asyncio, sys, types
sys.modules["aiokafka"] = types.SimpleNamespace(AIOKafkaConsumer=None)
asyncio.run = lambda main: main.close()
from follow import apply
for line in open("records"):
    log, position, epoch, kind, key, time = line.split()
    headers = [("log_id", log), ("position", position), ("epoch", epoch), ("type", kind)]
    headers = [(name, value.encode()) for name, value in headers]
    apply(types.SimpleNamespace(headers=headers, key=key.encode(), timestamp=int(time),
        value=b'{"new":{"a":1}}'))
"#;

const JAVA: &str = r#"
import java.nio.file.*;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;

class Feed {
  public static void main(String[] args) throws Exception {
    for (String line : Files.readAllLines(Path.of("records"))) {
      String[] parts = line.split(" "), names = {"log_id", "position", "epoch", "type"};
      var headers = new RecordHeaders();
      for (int i = 0; i < names.length; i++) headers.add(names[i], parts[i].getBytes());
      long time = Long.parseLong(parts[5]);
      Follow.apply(new ConsumerRecord<>("items", 0, 0, time, TimestampType.CREATE_TIME, 0, 0,
          parts[4], "{\"new\":{\"a\":1}}", headers, Optional.empty()));
    }
  }
}
"#;

/// Runs a command beside an example of the page, the records, and the program that feeds it with
/// them. Returns what it prints, without quotes.
fn fed(example: &str, (feeder, text): (&str, &str), command: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let blocks = block::read(&std::fs::read_to_string(page).unwrap()).unwrap();
    let shown = blocks.into_iter().find_map(|block| match block.kind {
        Kind::File(file, text) if file == example => Some(text),
        _ => None,
    });
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in [(example, &*shown.unwrap()), (feeder, text), ("records", RECORDS)] {
        std::fs::write(folder.path().join(file), text).unwrap();
    }
    let mut bash = Command::new("bash");
    let done = bash.args(["-c", command]).current_dir(folder.path()).output().unwrap();
    assert!(done.status.success(), "{example}: {done:?}");
    String::from_utf8(done.stdout).unwrap().replace('\'', "")
}

#[test]
fn the_python_example_ends_like_the_log_that_went_on_after_a_restore() {
    assert_eq!(fed("follow.py", ("feed.py", PYTHON), "exec python3 feed.py"), PRINTED);
}

#[test]
fn the_java_example_ends_like_the_log_that_went_on_after_a_restore() {
    let kafka = std::env::var("EVENT_GATEWAY_TEST_KAFKA_HOME").unwrap();
    let command = format!(
        "export CLASSPATH=.$(printf ':%s' '{kafka}'/libs/*.jar) && \
         java -m jdk.compiler/com.sun.tools.javac.Main Follow.java Feed.java && exec java Feed"
    );
    assert_eq!(fed("Follow.java", ("Feed.java", JAVA), &command), PRINTED);
}
