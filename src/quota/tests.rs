//! Tests of the quotas: who is refused, and what a refusal costs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Cost, Measure, Quotas, SWEEP_FROM};
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

#[test]
fn whoever_has_used_up_either_quota_is_refused_and_nobody_else_is() {
    for (spent, used_up, wait) in
        [(cost(20, 1), Measure::Events, 1), (cost(1, 2_500), Measure::Bytes, 1)]
    {
        let (quotas, clock) = quotas(DEFAULT, &[]);
        assert!(quotas.admit(&tenant("a")).is_ok());
        assert!(quotas.charge(&tenant("a"), spent).is_ok());
        let refused = quotas.admit(&tenant("a")).unwrap_err();
        let measures: Vec<_> = refused.used_up().map(|limit| limit.measure).collect();
        assert_eq!((measures, refused.wait_seconds()), (vec![used_up], wait));
        assert_eq!(quotas.charge(&tenant("a"), cost(1, 1)).unwrap_err().limits, refused.limits);
        assert!(quotas.charge(&tenant("b"), cost(20, 2_000)).is_ok());
        clock.set(Time::from_ms(1_000));
        assert!(quotas.admit(&tenant("a")).is_ok());
    }
}

#[test]
fn a_refusal_costs_nothing() {
    let (quotas, clock) = quotas(DEFAULT, &[]);
    quotas.charge(&tenant("a"), cost(20, 0)).unwrap();
    for _ in 0..100 {
        quotas.charge(&tenant("a"), cost(1_000, 100_000)).unwrap_err();
    }
    clock.set(Time::from_ms(100));
    let limits = quotas.charge(&tenant("a"), cost(0, 0)).unwrap();
    assert_eq!(limits.iter().map(|limit| limit.left).collect::<Vec<_>>(), [1, 2_000]);
}

#[test]
fn a_batch_larger_than_a_burst_is_taken_and_paid_for() {
    let (quotas, clock) = quotas(DEFAULT, &[]);
    quotas.charge(&tenant("a"), cost(1_000, 1)).unwrap();
    assert_eq!(quotas.admit(&tenant("a")).unwrap_err().wait_seconds(), 99);
    clock.set(Time::from_ms(98_099));
    assert!(quotas.admit(&tenant("a")).is_err());
    clock.set(Time::from_ms(98_100));
    assert!(quotas.admit(&tenant("a")).is_ok());
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
    let shown = given.charge(&tenant("own"), cost(1, 1)).unwrap();
    let shown: Vec<_> = shown.iter().map(|l| (l.measure, l.quota, l.window_seconds)).collect();
    assert_eq!(shown, [(Measure::Events, 2, 2), (Measure::Bytes, 2_000, 2)]);
    assert_eq!(given.charge(&tenant("free"), cost(1_000_000, 1 << 30)), Ok(Vec::new()));
    assert!(given.admit(&tenant("free")).is_ok() && given.limits_any());
    let (unlimited, _) = quotas(Quota::NONE, &[("free", none)]);
    assert!(!unlimited.limits_any());
    assert!(quotas(Quota::NONE, &[("own", own)]).0.limits_any());
}

#[test]
fn replicas_divide_the_quota_and_each_has_its_part() {
    let (quotas, _) = quotas(DEFAULT, &[]);
    quotas.share_among(4);
    let shown = quotas.charge(&tenant("a"), cost(2, 100)).unwrap();
    let shown: Vec<_> = shown.iter().map(|limit| (limit.quota, limit.left)).collect();
    assert_eq!(shown, [(5, 3), (500, 400)]);
    quotas.share_among(0);
    assert_eq!(quotas.charge(&tenant("b"), cost(0, 0)).unwrap()[0].quota, 20);
}

#[test]
fn what_could_not_be_appended_is_given_back() {
    let (quotas, _) = quotas(DEFAULT, &[]);
    quotas.charge(&tenant("a"), cost(20, 2_000)).unwrap();
    assert!(quotas.admit(&tenant("a")).is_err());
    quotas.give_back(&tenant("a"), cost(20, 2_000));
    assert!(quotas.admit(&tenant("a")).is_ok());
    quotas.spend(&tenant("a"), cost(0, 5_000));
    assert!(quotas.admit(&tenant("a")).is_err());
}

#[test]
fn tenants_that_are_within_their_quotas_take_no_memory() {
    let (quotas, clock) = quotas(DEFAULT, &[]);
    for n in 0..SWEEP_FROM {
        clock.set(Time::from_ms(n as i64));
        quotas.charge(&tenant(&format!("t{n}")), cost(1, 1)).unwrap();
    }
    let held = quotas.tenants.lock().unwrap().buckets.len();
    assert!(held <= 101, "{held} have buckets, though a unit comes back in 100 ms");
}
