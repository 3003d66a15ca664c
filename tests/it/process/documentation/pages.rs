//! Stories of readers, one for each page whose commands are run.

use crate::support::documentation::page::run;

#[tokio::test(flavor = "multi_thread")]
async fn access_is_as_written() {
    run("docs/access.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_find_what_is_written() {
    run("docs/admins.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_is_as_written() {
    run("docs/api.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_work_is_as_written() {
    run("docs/at-work.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_is_as_written() {
    run("docs/audit.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn choosing_is_as_written() {
    run("docs/choosing.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_is_as_written() {
    run("docs/cli.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_are_given_what_is_written() {
    run("docs/consumers.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_all_is_as_written() {
    run("docs/delete-all.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_is_as_written() {
    run("docs/erasure.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn getting_started_is_as_written() {
    run("docs/getting-started.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn handlers_are_brought_what_is_written() {
    run("docs/handlers.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hexkit_is_set_up_as_written() {
    run("docs/hexkit.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_is_secured_as_written() {
    run("docs/kafka-security.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kubernetes_is_as_written() {
    run("docs/kubernetes.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listening_is_as_written() {
    run("docs/listener.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn migrating_is_as_written() {
    run("docs/migrating.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn module_authors_get_what_is_written() {
    run("docs/module-authors.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_find_what_is_written() {
    run("docs/operators.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_are_told_as_written() {
    run("docs/quotas.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_is_as_written() {
    run("README.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recovery_is_as_written() {
    run("docs/recovery.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_as_written() {
    run("docs/replay.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_is_as_written() {
    run("docs/retention.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_are_as_written() {
    run("docs/stores.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_are_as_written() {
    run("docs/subscriptions.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_come_and_go_as_written() {
    run("docs/tenants.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tenants_files_are_as_written() {
    run("tenants/README.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_changed_as_written() {
    run("docs/topics.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_are_sent_as_written() {
    run("docs/traces.md").await;
}
