//! The binary: reads the command line, starts the log, runs the subcommand, and ends with its exit
//! status.

use std::process::ExitCode;
use std::sync::Arc;

use event_gateway::cli::{self, exit};
use event_gateway::metrics::Metrics;
use event_gateway::telemetry;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let metrics = Arc::new(Metrics::default());
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(usage) if telemetry::form() == telemetry::Form::Text => usage.exit(),
        Err(usage) => {
            let (logs, _) = telemetry::start("info", &metrics);
            logs.fatal(&usage.line());
            logs.finish();
            return exit::usage();
        }
    };
    let (logs, understood) = telemetry::start(&cli.logs.log_level, &metrics);
    let ended = cli.with_log_level(understood).and_then(|cli| cli.run(metrics));
    let code = match &ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if exit::is_silent(error) => exit::code(error),
        Err(error) => {
            logs.fatal(error);
            exit::code(error)
        }
    };
    logs.finish();
    code
}
