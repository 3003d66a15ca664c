//! Python's clients read on over a kill of the gateway, a change of members and a restart.

use std::process::Command;

use crate::support::kafka_clients::{ITEMS, setup};
use crate::support::readers::read_on;

/// Returns the command of a program beside this file, in the Python that has hexkit and others.
fn reader(program: &str, address: &str, topics: &str) -> Command {
    reader_in("HEXKIT", program, address, topics)
}

/// The same, in the Python of that name.
fn reader_in(python: &str, program: &str, address: &str, topics: &str) -> Command {
    let python = std::env::var(format!("EVENT_GATEWAY_TEST_{python}_PYTHON")).unwrap();
    let mut command = Command::new(python);
    command.arg(format!("{}/tests/it/listen/python/{program}", env!("CARGO_MANIFEST_DIR")));
    command.args([address, "cg.search", topics]);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn aiokafka_reads_on() {
    let setup = setup(&["diku", "college"], 4);
    read_on(setup, |address| reader("aiokafka_reader.py", address, ITEMS)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn confluent_kafka_reads_on() {
    let setup = setup(&["diku", "college"], 4);
    read_on(setup, |address| reader("confluent_reader.py", address, ITEMS)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hexkit_s_subscriber_reads_on() {
    let form = "[entities.\"inventory.item\"]\npartitions = 4\nwire_form = \"hexkit\"\n";
    let setup = setup(&["diku", "college"], 4).for_each_tenant(form);
    let topics = "folio.diku.inventory.item,folio.college.inventory.item";
    read_on(setup, |address| reader("hexkit_reader.py", address, topics)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kafkaesk_s_subscriber_reads_on() {
    let (setup, pattern) = (setup(&["diku", "college"], 4), "folio.*.inventory.item");
    read_on(setup, |address| reader_in("KAFKAESK", "kafkaesk_reader.py", address, pattern)).await;
}
