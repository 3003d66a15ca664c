//! Tests of the quotas: who is refused, and what a refusal costs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Cost, Exceeded, Limit, Measure, Quotas, SWEEP_FROM};
use crate::clock::Manual;
use crate::domain::quota::{Quota, QuotaSettings};
use crate::domain::settings::{Settings, TenantSettings};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Naming;

const DEFAULT: Quota = Quota { events_per_second: 10, bytes_per_second: 1_000, burst_seconds: 2 };

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

fn quotas(default: Quota, own: &[(&str, QuotaSettings)]) -> (Quotas, Arc<Manual>) {
    let clock = Arc::new(Manual::new(Time::from_ms(0)));
    let of = |quota: QuotaSettings| TenantSettings { quota, ..TenantSettings::default() };
    let own: BTreeMap<_, _> = own.iter().map(|(id, quota)| (tenant(id), of(*quota))).collect();
    let naming = Naming::new(Some("folio"), None).unwrap();
    let settings = Settings::new(naming, TenantSettings::default(), own).unwrap();
    (Quotas::new(default, Arc::new(settings), clock.clone()), clock)
}

fn cost(events: usize, bytes: usize) -> Cost {
    Cost { events, bytes }
}

/// Posts a body as a whole: it is begun, arrives and is charged.
fn post(quotas: &Quotas, tenant: &TenantId, cost: Cost) -> Result<Vec<Limit>, Exceeded> {
    let mut body = quotas.begin(tenant)?;
    if cost.bytes > 0 {
        quotas.arrived(&mut body, cost.bytes)?;
    }
    quotas.charge(tenant, cost.events)
}

#[test]
fn whoever_has_used_up_either_quota_is_refused_and_nobody_else_is() {
    for (spent, used_up, wait) in
        [(cost(20, 1), Measure::Events, 1), (cost(1, 2_500), Measure::Bytes, 1)]
    {
        let (quotas, clock) = quotas(DEFAULT, &[]);
        assert!(quotas.begin(&tenant("a")).is_ok());
        assert!(post(&quotas, &tenant("a"), spent).is_ok());
        let refused = quotas.begin(&tenant("a")).unwrap_err();
        let measures: Vec<_> = refused.used_up().map(|limit| limit.measure).collect();
        assert_eq!((measures, refused.wait_seconds()), (vec![used_up], wait));
        assert_eq!(post(&quotas, &tenant("a"), cost(1, 1)).unwrap_err().limits, refused.limits);
        assert!(post(&quotas, &tenant("b"), cost(20, 2_000)).is_ok());
        clock.set(Time::from_ms(1_000));
        assert!(quotas.begin(&tenant("a")).is_ok());
    }
}

#[test]
fn a_refusal_costs_nothing() {
    let (quotas, clock) = quotas(DEFAULT, &[]);
    post(&quotas, &tenant("a"), cost(20, 0)).unwrap();
    for _ in 0..100 {
        post(&quotas, &tenant("a"), cost(1_000, 100_000)).unwrap_err();
        quotas.charge(&tenant("a"), 1_000).unwrap_err();
    }
    clock.set(Time::from_ms(100));
    let limits = post(&quotas, &tenant("a"), cost(0, 0)).unwrap();
    assert_eq!(limits.iter().map(|limit| limit.left).collect::<Vec<_>>(), [1, 2_000]);
}

#[test]
fn a_batch_larger_than_a_burst_is_taken_and_paid_for() {
    let (quotas, clock) = quotas(DEFAULT, &[]);
    post(&quotas, &tenant("a"), cost(1_000, 1)).unwrap();
    assert_eq!(quotas.begin(&tenant("a")).unwrap_err().wait_seconds(), 99);
    clock.set(Time::from_ms(98_099));
    assert!(quotas.begin(&tenant("a")).is_err());
    clock.set(Time::from_ms(98_100));
    assert!(quotas.begin(&tenant("a")).is_ok());
}

#[test]
fn a_tenant_s_own_settings_count_and_0_is_no_limit() {
    let own = QuotaSettings { events_per_second: Some(1), ..QuotaSettings::default() };
    let none = QuotaSettings {
        events_per_second: Some(0),
        bytes_per_second: Some(0),
        burst_seconds: None,
    };
    let (given, _) = quotas(DEFAULT, &[("own", own), ("free", none)]);
    let shown = post(&given, &tenant("own"), cost(1, 1)).unwrap();
    let shown: Vec<_> = shown.iter().map(|l| (l.measure, l.quota, l.window_seconds)).collect();
    assert_eq!(shown, [(Measure::Events, 2, 2), (Measure::Bytes, 2_000, 2)]);
    assert_eq!(post(&given, &tenant("free"), cost(1_000_000, 1 << 30)), Ok(Vec::new()));
    assert!(given.begin(&tenant("free")).is_ok() && given.limits_any());
    let (unlimited, _) = quotas(Quota::NONE, &[("free", none)]);
    assert!(!unlimited.limits_any());
    assert!(quotas(Quota::NONE, &[("own", own)]).0.limits_any());
}

#[test]
fn replicas_divide_the_quota_and_each_has_its_part() {
    let (quotas, _) = quotas(DEFAULT, &[]);
    quotas.divide_among(4);
    let shown = post(&quotas, &tenant("a"), cost(2, 100)).unwrap();
    let shown: Vec<_> = shown.iter().map(|limit| (limit.quota, limit.left)).collect();
    assert_eq!(shown, [(5, 3), (500, 400)]);
    quotas.divide_among(0);
    assert_eq!(post(&quotas, &tenant("b"), cost(0, 0)).unwrap()[0].quota, 20);
}

#[test]
fn what_could_not_be_appended_is_given_back() {
    let (quotas, _) = quotas(DEFAULT, &[]);
    post(&quotas, &tenant("a"), cost(20, 2_000)).unwrap();
    assert!(quotas.begin(&tenant("a")).is_err());
    quotas.give_back(&tenant("a"), cost(20, 2_000));
    assert!(quotas.begin(&tenant("a")).is_ok());
}

#[test]
fn bytes_are_paid_as_they_arrive_and_one_body_at_a_time_goes_into_debt() {
    let (quotas, clock) = quotas(DEFAULT, &[]);
    let a = tenant("a");
    let mut bodies = [(); 4].map(|()| quotas.begin(&a).unwrap());
    for body in &mut bodies[..3] {
        quotas.arrived(body, 500).unwrap();
    }
    // The second one takes the last bytes, and goes on; the others end where they are.
    quotas.arrived(&mut bodies[1], 600).unwrap();
    quotas.arrived(&mut bodies[1], 5_000).unwrap();
    for n in [0, 2, 3] {
        let refused = quotas.arrived(&mut bodies[n], 100).unwrap_err();
        let used_up: Vec<_> = refused.used_up().map(|limit| limit.measure).collect();
        assert_eq!(used_up, [Measure::Bytes]);
    }
    assert_eq!(bodies.each_ref().map(super::MeteredBody::bytes), [600, 6_100, 600, 100]);
    assert_eq!(quotas.charge(&a, 1).unwrap()[0].left, 19, "what has arrived is not refused");
    // 7,400 bytes of 2,000 were read, and all of them are paid for.
    clock.set(Time::from_ms(5_400));
    assert!(quotas.begin(&a).is_err());
    clock.set(Time::from_ms(5_401));
    assert!(quotas.begin(&a).is_ok());
    // The debt is paid: whoever takes the last bytes now goes on.
    quotas.arrived(&mut bodies[0], 10).unwrap();
    assert!(quotas.arrived(&mut bodies[1], 10).is_err());
}

#[test]
fn tenants_that_are_within_their_quotas_take_no_memory() {
    let (quotas, clock) = quotas(DEFAULT, &[]);
    for n in 0..SWEEP_FROM {
        clock.set(Time::from_ms(n as i64));
        post(&quotas, &tenant(&format!("t{n}")), cost(1, 1)).unwrap();
    }
    let held = quotas.tenants.lock().unwrap().buckets.len();
    assert!(held <= 101, "{held} have buckets, though a unit comes back in 100 ms");
}
