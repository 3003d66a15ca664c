//! The actor `Pushing`: what brings events to handlers in this process, beside a gateway.

use std::collections::BTreeMap;
use std::sync::Arc;

use crash::until;
use event_gateway::clock::System;
use event_gateway::domain::networks::Networks;
use event_gateway::domain::position::Position;
use event_gateway::domain::settings::Settings;
use event_gateway::domain::subscription::{FileTenants, Form, Group, Start, SubscriptionFile};
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::domain::trail::Act;
use event_gateway::domain::wire_form::WireForm;
use event_gateway::metrics::Metrics;
use event_gateway::store::{ErasureStep, RemovalStep};
use event_gateway::subscribe::{
    Look, PushDeps, PushLimits, Subscribe, SubscribeDeps, SubscribeTasks,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::erasures::erasure;
use crate::support::gateway::{Gateway, settings};
use crate::support::handled_groups::found;
use crate::support::ids::{diku, topic};
use crate::support::parking::ITEM as ITEMS;
use crate::support::raw_http::request;
use crate::support::trail::by;

/// A gateway, and what brings its events to handlers once it is started.
pub struct Pushing {
    pub gateway: Gateway,
    pub subscribe: Arc<Subscribe>,
    pub metrics: Arc<Metrics>,
    tasks: SubscribeTasks,
}

impl Pushing {
    pub async fn new() -> Self {
        let (gateway, metrics) = (Gateway::start().await, Arc::<Metrics>::default());
        let (subscribe, tasks) = Subscribe::start(SubscribeDeps {
            store: gateway.store.clone(),
            settings: Arc::new(settings()),
            metrics: metrics.clone(),
            lanes: 2,
            closing: CancellationToken::new(),
        });
        Self { gateway, subscribe, metrics, tasks }
    }

    pub fn start(&mut self) {
        self.start_with(&[]);
    }

    /// Starts what brings events to handlers, beside files that name these forms.
    pub fn start_with(&mut self, files: &[(&str, &Form)]) {
        self.start_as(files, PushLimits::default());
    }

    pub fn start_as(&mut self, files: &[(&str, &Form)], limits: PushLimits) {
        let file = |(group, form): &(&str, &Form)| {
            let (tenants, start) = (FileTenants::All, Start::Earliest);
            let file = SubscriptionFile { tenants, form: (*form).clone(), start };
            (Group::parse(group).unwrap(), file)
        };
        let files: BTreeMap<_, _> = files.iter().map(file).collect();
        let networks = Arc::new(Networks::parse("127.0.0.0/8").unwrap());
        let (instance, clock) = ("one".to_owned(), Arc::new(System));
        let files: Look = Arc::new(move || files.clone());
        let withheld = Arc::default();
        let deps = PushDeps { instance, networks, clock, files, withheld, limits };
        self.tasks.push_handlers(&self.subscribe, deps).unwrap();
    }

    pub async fn put(&self, group: &str, form: &Form) {
        self.put_of(&diku(), group, form).await;
    }

    pub async fn put_of(&self, tenant: &TenantId, group: &str, form: &Form) {
        let (group, by) = (Group::parse(group).unwrap(), by(Act::PutSubscription));
        let groups = self.subscribe.groups();
        groups.put(tenant, &group, form, Start::Earliest, &by).await.unwrap();
    }

    pub async fn post(&self, keys: &[&str]) {
        self.post_of(&diku(), keys).await;
    }

    pub async fn post_of(&self, tenant: &TenantId, keys: &[&str]) {
        for key in keys {
            let body = format!(r#"{{"new":{{"id":"{key}"}}}}"#);
            let json = [("X-Okapi-Tenant", tenant.as_str()), ("Content-Type", "application/json")];
            let post = request("POST", "/domain-events/inventory/item", &json, body.as_bytes());
            assert_eq!(self.gateway.exchange(&post).await.status, 201);
        }
    }

    /// Removes the first item of the log, as retention does.
    pub async fn remove_first(&self) {
        let logs = self.gateway.store.list().await.unwrap();
        let first = self.gateway.log().await.remove(0);
        let step = RemovalStep {
            tenant: diku(),
            log_id: logs.iter().find(|log| log.tenant == diku()).unwrap().log_id,
            stands: Vec::new(),
            topic: topic(ITEMS),
            positions: vec![first.position],
            last_time: first.time,
            raises_floor: true,
            compacted_to: Position::START,
            forget_before: Time::ZERO,
        };
        assert_eq!(self.gateway.store.remove(&step).await.unwrap(), Some(1));
    }

    /// Erases an item of this key, as an operator's request does.
    pub async fn erase(&self, of: &str) {
        let (store, erasure) = (&self.gateway.store, erasure(&diku(), 1, &[ITEMS], of));
        assert!(store.add_erasure(&erasure, None).await.unwrap());
        let spec = Settings::default().spec(&diku(), &topic(ITEMS));
        let erased = vec![erasure.draft(&spec, WireForm::Convention)];
        store.erase(&ErasureStep { erasure, events_max: 10, erased }).await.unwrap();
    }

    /// Waits until the group `cg.search` has stopped; returns why.
    pub async fn stopped(&self) -> String {
        let halt = async || found(&*self.gateway.store, diku()).await.subscription.halt;
        until("the group stops", async || halt().await.is_some()).await;
        halt().await.unwrap().why
    }
}

/// Returns the form of a group whose webhook is called at a URL.
pub fn form(url: &str, concurrency: u64, failure: Value) -> Form {
    let secret = format!("whsec_{}", "a".repeat(32));
    let webhook = json!({ "url": url, "secrets": [secret] });
    let handler = json!({ "webhook": webhook, "concurrency": concurrency });
    Form::from_column(&json!({ "handler": handler, "failure": failure }).to_string()).unwrap()
}
