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
async fn at_work_is_as_written() {
    run("docs/at-work.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn choosing_is_as_written() {
    run("docs/choosing.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_are_given_what_is_written() {
    run("docs/consumers.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn getting_started_is_as_written() {
    run("docs/getting-started.md").await;
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
async fn recovery_is_as_written() {
    run("docs/recovery.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_are_as_written() {
    run("docs/subscriptions.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_is_as_written() {
    run("README.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_are_sent_as_written() {
    run("docs/traces.md").await;
}
