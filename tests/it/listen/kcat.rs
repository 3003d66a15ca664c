//! kcat reads on in a balanced group over a kill of the gateway, a change of members and a restart.

use std::process::Command;

use crate::support::kafka_clients::{ITEMS, setup};
use crate::support::readers::read_on;

/// Runs kcat, which is asked to leave once the input ends.
const UNTIL_INPUT_ENDS: &str = "exec 3<&0; { cat <&3; kill $$; } >&2 & exec kcat \"$@\"";

/// Returns the command of a member. With `-E` it stays while no broker is there.
fn kcat(address: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", UNTIL_INPUT_ENDS, "kcat", "-q", "-u", "-E", "-b", address]);
    for setting in [
        "auto.offset.reset=earliest",
        "auto.commit.interval.ms=200",
        "session.timeout.ms=6000",
        "heartbeat.interval.ms=500",
        "topic.metadata.refresh.interval.ms=1000",
        "reconnect.backoff.max.ms=500",
    ] {
        command.args(["-X", setting]);
    }
    command.args(["-f", r"%t\t%k\t%s\n", "-G", "cg.search", ITEMS]);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn kcat_reads_on_in_a_balanced_group() {
    read_on(setup(&["diku", "college"], 4), kcat).await;
}
