//! One scrape: the answers that it got, and its text, which no other scrape changes meanwhile.
//!
//! `http` asks the store and the health, and gives the answers here. Values that are forgotten and
//! set anew are so under one lock until they are written, so that each text has each series once.

use std::sync::PoisonError;

use super::Metrics;
use super::log::Scrape;

impl Metrics {
    /// Returns all metrics in their text form, with the answers of a scrape.
    pub fn scraped(&self, scrape: &Scrape) -> String {
        let _turn = self.scrapes.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = scrape.counts.as_ref();
        self.stored(scrape);
        self.lagging(counts.map_or(&[], |counts| &counts.lags));
        self.groups_lagging(counts.map_or(&[], |counts| &counts.groups));
        self.tenants.positions(counts.map_or(&[], |counts| &counts.tenants));
        self.troubled(scrape.troubles);
        if counts.is_none() {
            self.purges(None);
            self.erasures_open(None);
        }
        self.encoded()
    }

    /// Returns all metrics in their text form, with the answers of the last scrape.
    pub fn text(&self) -> String {
        let _turn = self.scrapes.lock().unwrap_or_else(PoisonError::into_inner);
        self.encoded()
    }

    fn encoded(&self) -> String {
        self.process.look();
        self.tenants.show();
        self.catalogue.text()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use crate::domain::follower::Follower;
    use crate::domain::position::Position;
    use crate::domain::subscription::Group;
    use crate::domain::tenant::TenantId;
    use crate::metrics::{GroupLag, Metrics, Scrape, StoreCounts, TenantPositions};
    use crate::store::{EventCounts, Lag};

    fn counts() -> StoreCounts {
        let lag = Lag { events: 3, oldest: Duration::from_secs(4) };
        StoreCounts {
            events: EventCounts { head: 9, published: 6, pending: 3, scopes: 1, ..zero() },
            disk_bytes: Some(8_192),
            lags: vec![(Follower::relay(), lag)],
            groups: ["cg.a", "cg.b", "console-consumer-47132"].map(|name| group(name, lag)).into(),
            tenants: ["diku", "other"].map(ends).into(),
        }
    }

    fn ends(tenant: &str) -> TenantPositions {
        let [head, floor] = [9, 4].map(Position::from_column);
        TenantPositions { tenant: TenantId::parse(tenant).unwrap(), head, floor }
    }

    fn group(name: &str, lag: Lag) -> GroupLag {
        let (group, dead_for) = (Group::of_kafka(name).unwrap(), Duration::ZERO);
        GroupLag { group, is_read: false, lag, is_halted: false, dead: 0, dead_for }
    }

    fn zero() -> EventCounts {
        EventCounts::default()
    }

    fn scrape(counts: Option<StoreCounts>) -> Scrape {
        Scrape { takes_changes: counts.is_some(), counts, has_relay: true, troubles: 0 }
    }

    /// Returns the series of a text, each of which it has once.
    fn series(text: &str) -> BTreeSet<String> {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let mut all = BTreeSet::new();
        for (name, _) in samples.map(|line| line.rsplit_once(' ').unwrap()) {
            assert!(all.insert(name.to_owned()), "{name} is there twice");
        }
        all
    }

    #[test]
    fn each_of_many_scrapes_at_once_has_every_series_once_with_its_value() {
        let metrics = Metrics::default();
        metrics.follows(&Follower::relay());
        metrics.limit_tenants(2);
        for tenant in ["diku", "other"] {
            metrics.batch_accepted(&TenantId::parse(tenant).unwrap(), 5, false);
        }
        let scrape = scrape(Some(counts()));
        let wanted = series(&metrics.scraped(&scrape));
        std::thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(|| {
                    for _ in 0..100 {
                        let text = metrics.scraped(&scrape);
                        assert_eq!(series(&text), wanted);
                        assert!(text.contains("{tenant=\"diku\"} 5\n"), "{text}");
                        assert!(text.contains("floor_position{tenant=\"other\"} 4\n"), "{text}");
                        assert!(text.contains("\nevent_gateway_parked_scopes 1\n"), "{text}");
                    }
                });
            }
        });
    }

    /// 0 would end an alert while nobody knows.
    #[test]
    fn what_only_the_store_knows_is_absent_while_it_is_away() {
        let metrics = Metrics::default();
        let names = ["log_events", "log_bytes", "parked_scopes", "purges", "erasures_in_progress"];
        let shown = |text: &str| {
            let is_shown = |name: &&str| text.contains(&format!("\nevent_gateway_{name} "));
            names.into_iter().filter(is_shown).collect::<Vec<_>>()
        };
        assert!(shown(&metrics.text()).is_empty(), "nothing is known yet");
        metrics.purges(Some(0));
        metrics.erasures_open(Some(0));
        assert_eq!(shown(&metrics.scraped(&scrape(Some(counts())))), names);
        let away = metrics.scraped(&scrape(None));
        assert_eq!(shown(&away), Vec::<&str>::new(), "{away}");
        assert!(!away.contains("\nevent_gateway_events{") && !away.contains("lag_seconds{"));
        assert!(!away.contains("{tenant="), "{away}");
        assert!(away.contains("\nevent_gateway_store_up 0\n"), "{away}");
        // Counts that are late are no reason to say so.
        let late = metrics.scraped(&Scrape { takes_changes: true, ..scrape(None) });
        assert!(late.contains("\nevent_gateway_store_up 1\n"), "{late}");
        assert_eq!(shown(&late), Vec::<&str>::new(), "{late}");
        let no_relay = metrics.scraped(&Scrape { has_relay: false, ..scrape(Some(counts())) });
        assert!(no_relay.contains("\nevent_gateway_parked_scopes 1\n"), "{no_relay}");
    }
}
