//! The CPU time and memory of a process, by the system's counts.

/// A process that runs.
#[derive(Debug, Clone, Copy)]
pub struct Process(pub u32);

impl Process {
    /// CPU time so far, in ms.
    pub fn cpu_ms(self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap();
        // User and system time, in hundredths of a second, come after the name, which may contain
        // anything.
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        fields.skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap() * 10.0).sum()
    }

    /// CPU time so far for each thousand of these, in ms.
    #[allow(clippy::cast_precision_loss, reason = "nobody counts to 2^52")]
    pub fn cpu_ms_per_thousand(self, count: u64) -> f64 {
        self.cpu_ms() * 1e3 / count as f64
    }

    /// Resident memory, in MiB.
    pub fn resident_mib(self) -> f64 {
        self.status_mib("VmRSS:")
    }

    /// The most that it ever was, in MiB.
    pub fn peak_mib(self) -> f64 {
        self.status_mib("VmHWM:")
    }

    /// The same; `None` if it has ended.
    pub fn peak_mib_if_any(self) -> Option<f64> {
        self.status_mib_if_any("VmHWM:")
    }

    fn status_mib(self, name: &str) -> f64 {
        self.status_mib_if_any(name).unwrap()
    }

    fn status_mib_if_any(self, name: &str) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().trim_end_matches(" kB").trim().parse::<f64>().ok()? / 1024.0)
    }
}
