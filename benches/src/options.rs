//! Options that the benchmarks share on the command line.

use std::time::Duration;

use clap::Args;

/// How often and how long.
#[derive(Debug, Clone, Args)]
pub struct Rounds {
    /// Rounds; the sides take turns.
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// Seconds that each side is measured in a round.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Seconds before, that are not measured.
    #[arg(long, default_value_t = 2)]
    warm_up: u64,
}

impl Rounds {
    /// Measured.
    pub fn time(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// Not measured.
    pub fn warm_up(&self) -> Duration {
        Duration::from_secs(self.warm_up)
    }
}

/// The load's shape.
#[derive(Debug, Clone, Args)]
pub struct Load {
    /// Changes in each POST.
    #[arg(long, default_value_t = 1)]
    pub changes: usize,
    /// Connections; 64 for single changes, 8 for batches when it is left out.
    #[arg(long)]
    connections: Option<usize>,
    /// Tenants, by turns.
    #[arg(long, default_value_t = 1)]
    pub tenants: usize,
}

impl Load {
    /// Connections.
    pub fn connections(&self) -> usize {
        self.connections.unwrap_or(if self.changes == 1 { 64 } else { 8 })
    }

    /// Rows in a raw commit: as many as can share a commit of the gateway. While one commit is
    /// under way, half of the clients wait for the next.
    pub fn commit_rows(&self) -> usize {
        match self.changes {
            1 => self.connections(),
            changes => changes * self.connections() / 2,
        }
    }

    /// For the report.
    pub fn what(&self) -> String {
        let each = if self.changes == 1 {
            "single".to_owned()
        } else {
            format!("batches of {}", self.changes)
        };
        format!("{each}, {} connections, tenants {}", self.connections(), self.tenants)
    }
}
