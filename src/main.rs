//! One binary, one verb per subcommand: options, telemetry, configuration, parts, run.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use event_gateway::broker::{self, Opened};
use event_gateway::clock::{Clock, System};
use event_gateway::config::{self, Config, LanesVerb, Line, ListVerb, Options, Verb};
use event_gateway::store::{self, Access, Store};
use event_gateway::{app, cli, telemetry};

/// How long threads that wait for Kafka may hold up the end: what they do is safe to be killed in.
const THREADS_END: Duration = Duration::from_millis(300);

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let line = config::parse();
    telemetry::start(&line.options.log_level)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let ended = runtime.block_on(run(line));
    runtime.shutdown_timeout(THREADS_END);
    match ended {
        // Whoever read our output has had enough of it.
        Err(error) if is_broken_pipe(&error) => Ok(()),
        ended => ended,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

async fn run(line: Line) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(System);
    match line.verb {
        Verb::Serve => {
            let config = Config::new(&line.options)?;
            let app = app::build(&config, clock).await?;
            cli::serve::run(app, config.listen).await
        }
        Verb::Tenants(ListVerb::List) => cli::tenants::list(&*open_beside(&line.options, clock).await?).await,
        Verb::Lanes(LanesVerb::List) => cli::lanes::list(&*open_beside(&line.options, clock).await?).await,
        Verb::Lanes(LanesVerb::Resize { count }) => {
            let by = clock.new_id().to_string();
            // Alone on its folder, where the store is one.
            let store = store::open(&config::store_config(&line.options)?, Access::Serve, clock).await?;
            let broker = open_broker(&line.options, &*store, count).await?;
            cli::lanes::resize(&*store, &broker, &by, count).await
        }
        Verb::Restore { tenant, accept } => {
            let settings = config::settings(&line.options)?;
            let store = open_beside(&line.options, clock.clone()).await?;
            let broker = open_broker(&line.options, &*store, 0).await?;
            let parts =
                cli::restore::Parts { store: &*store, broker: &broker, settings: &settings, clock: &*clock };
            cli::restore::run(&parts, tenant.as_deref(), accept).await
        }
        Verb::Topics(ListVerb::List) => {
            let settings = config::settings(&line.options)?;
            cli::topics::list(&*open_beside(&line.options, clock).await?, &settings).await
        }
    }
}

async fn open_beside(options: &Options, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<dyn Store>> {
    Ok(store::open(&config::store_config(options)?, Access::Beside, clock).await?)
}

/// With as many lanes as the store has, but at least so many.
async fn open_broker(options: &Options, store: &dyn Store, lanes_min: u16) -> anyhow::Result<Opened> {
    let lanes = u16::try_from(store.roster().await?.lanes.len())?;
    Ok(broker::open(&config::broker_config(options, lanes.max(lanes_min))?)?)
}
