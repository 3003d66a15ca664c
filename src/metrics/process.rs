//! Metrics of the process, under the names that Prometheus has for those of any program, and the
//! version.
//!
//! They are read from `/proc` when metrics are asked for. What can't be read keeps its last value.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::catalogue::{Catalogue, Declared, Label, Seconds};

/// The ticks of a second in which Linux tells programs times, on every architecture of today.
const TICKS: f64 = 100.0;

const BUILD: Declared<1> = Declared::replica(
    "event_gateway_build_info",
    "constant",
    "1, with the version that this replica runs",
)
.by([Label::described("version", "the version that runs")])
.note("Alerts of the process go by it to tell the gateway from other programs")
.alerts(&["EventGatewayAbsent", "EventGatewayFilesNearLimit", "EventGatewayRestarts"]);
const CPU: Declared<0> =
    Declared::replica("process_cpu_seconds", "seconds", "CPU time of the process");
const MEMORY: Declared<0> = Declared::replica(
    "process_resident_memory_bytes",
    "bytes",
    "Memory of the process that is resident",
);
const FILES: Declared<0> =
    Declared::replica("process_open_fds", "files", "Files and sockets that the process has open")
        .alerts(&["EventGatewayFilesNearLimit"]);
const FILES_MAX: Declared<0> =
    Declared::replica("process_max_fds", "files", "Files and sockets that it may have open")
        .alerts(&["EventGatewayFilesNearLimit"]);
const START: Declared<0> = Declared::replica(
    "process_start_time_seconds",
    "Unix time",
    "Unix time at which the process started",
)
.alerts(&["EventGatewayRestarts"]);

/// The metrics of the process.
pub(super) struct ProcessMetrics {
    cpu: Counter<f64, AtomicU64>,
    memory: Gauge,
    files: Gauge,
    files_max: Gauge,
    start: Seconds,
}

impl ProcessMetrics {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        all.section("Process");
        all.gauges(BUILD).with([env!("CARGO_PKG_VERSION").into()]).set(1);
        Self {
            cpu: all.seconds_counter(CPU),
            memory: all.gauge(MEMORY),
            files: all.gauge(FILES),
            files_max: all.gauge(FILES_MAX),
            start: all.seconds(START),
        }
    }

    /// Reads them from `/proc`.
    pub(super) fn look(&self) {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        if let Some(stat) = Stat::parse(&read("/proc/self/stat")) {
            self.cpu.inner().store(stat.cpu_seconds.to_bits(), Ordering::Relaxed);
            if let Some(booted) = number(&read("/proc/stat"), "btime ") {
                self.start.set(booted as f64 + stat.started_seconds);
            }
        }
        if let Some(kib) = number(&read("/proc/self/status"), "VmRSS:") {
            self.memory.set(kib.saturating_mul(1024));
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // One of them is the folder that is read.
            let open = open.count().saturating_sub(1);
            self.files.set(i64::try_from(open).unwrap_or(i64::MAX));
        }
        if let Some(max) = number(&read("/proc/self/limits"), "Max open files") {
            self.files_max.set(max);
        }
    }
}

/// The times of a process, by Linux's `/proc/PID/stat`.
#[derive(Debug, PartialEq)]
struct Stat {
    cpu_seconds: f64,
    /// The time from the machine's start to the process's.
    started_seconds: f64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The second field, a name in parentheses, may hold spaces; the fields after it count from
        // the third on.
        let (_, fields) = text.rsplit_once(") ")?;
        let fields: Vec<_> = fields.split(' ').collect();
        let ticks = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let (user, system, started) = (ticks(14)?, ticks(15)?, ticks(22)?);
        Some(Self {
            cpu_seconds: (user + system) as f64 / TICKS,
            started_seconds: started as f64 / TICKS,
        })
    }
}

/// Returns the first number after a name that begins a line.
fn number(text: &str, name: &str) -> Option<i64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Stat, number};
    use crate::metrics::Metrics;

    #[test]
    fn the_times_of_a_process_with_an_odd_name_are_read() {
        let text = "4242 (a b) S (c) ) S 1 4242 4242 0 -1 4194560 9 0 0 0 150 50 0 0 20 0 9 0 \
                    12345 1000 100 18446744073709551615";
        let stat = Stat { cpu_seconds: 2.0, started_seconds: 123.45 };
        assert_eq!(Stat::parse(text), Some(stat));
        assert_eq!(Stat::parse("4242 (short) S 1"), None);
    }

    #[test]
    fn numbers_of_proc_are_found_by_their_names() {
        let limits = "Limit   Soft Limit  Hard Limit  Units\nMax open files   1024   4096  files\n";
        assert_eq!(number(limits, "Max open files"), Some(1024));
        assert_eq!(number("Max open files   unlimited", "Max open files"), None);
        assert_eq!(number(limits, "VmRSS:"), None);
    }

    #[test]
    fn a_process_tells_of_itself() {
        let text = Metrics::default().text();
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
            line.unwrap_or_else(|| panic!("{name} is not in {text}")).parse().unwrap()
        };
        assert!(value("process_resident_memory_bytes") > 1e6, "{text}");
        assert!(value("process_open_fds") >= 1.0, "{text}");
        assert!(value("process_max_fds") > value("process_open_fds"), "{text}");
        assert!(value("process_start_time_seconds") > 1.7e9, "{text}");
        assert!(value("process_cpu_seconds_total") >= 0.0, "{text}");
    }
}
