//! One binary, one verb per subcommand: options, telemetry, configuration, parts, run.

use std::sync::Arc;

use event_gateway::clock::{Clock, System};
use event_gateway::config::{self, Config, ListVerb, Options, Verb};
use event_gateway::store::{self, Access, Store};
use event_gateway::{app, cli, telemetry};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let line = config::parse();
    telemetry::start(&line.options.log_level)?;
    let clock: Arc<dyn Clock> = Arc::new(System);
    match line.verb {
        Verb::Serve => {
            let config = Config::new(&line.options)?;
            let app = app::build(&config, clock).await?;
            cli::serve::run(app, config.listen).await
        }
        Verb::Tenants(ListVerb::List) => cli::tenants::list(&*open_beside(&line.options, clock).await?).await,
        Verb::Topics(ListVerb::List) => {
            let config = Config::new(&line.options)?;
            cli::topics::list(&*open_beside(&line.options, clock).await?, &config.settings).await
        }
    }
}

async fn open_beside(options: &Options, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<dyn Store>> {
    Ok(store::open(&config::store_config(options), Access::Beside, clock).await?)
}
