//! Python's clients read on over a kill of the gateway, a change of members and a restart.

use std::process::Command;

use crate::support::kafka_clients::{ITEMS, setup};
use crate::support::readers::{self, read_on};

/// Returns the command of a member, in the Python of a name.
fn reader(python: &str, program: &str, address: &str, topics: &str) -> Command {
    readers::python(python, program, &[address, "cg.search", topics])
}

#[tokio::test(flavor = "multi_thread")]
async fn aiokafka_reads_on() {
    let setup = setup(&["diku", "college"], 4);
    read_on(setup, |address| reader("HEXKIT", "aiokafka_reader.py", address, ITEMS)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn confluent_kafka_reads_on() {
    let setup = setup(&["diku", "college"], 4);
    read_on(setup, |address| reader("HEXKIT", "confluent_reader.py", address, ITEMS)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hexkit_s_subscriber_reads_on() {
    let form = "[entities.\"inventory.item\"]\npartitions = 4\nwire_form = \"hexkit\"\n";
    let setup = setup(&["diku", "college"], 4).for_each_tenant(form);
    let topics = "folio.diku.inventory.item,folio.college.inventory.item";
    read_on(setup, |address| reader("HEXKIT", "hexkit_reader.py", address, topics)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kafkaesk_s_subscriber_reads_on() {
    let (setup, pattern) = (setup(&["diku", "college"], 4), "folio.*.inventory.item");
    read_on(setup, |address| reader("KAFKAESK", "kafkaesk_reader.py", address, pattern)).await;
}
