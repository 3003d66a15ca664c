//! The binary, with one function per subcommand: options, telemetry, configuration, parts, run.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use event_gateway::cli::descriptor::Variable;
use event_gateway::cli::replays::Show;
use event_gateway::cli::topics::Form;
use event_gateway::clock::{Clock, System};
use event_gateway::config::{
    self, AclOptions, AuditOptions, Cli, Command, Config, ErasuresCommand, LanesCommand,
    ListTrailOptions, PartsOptions, PurgeOptions, ReplaysCommand, RepublishOptions, ResizeOptions,
    RestoreOptions, SinksCommand, StoreOptions, SubscriptionsCommand, TenantsCommand,
    TopicsCommand, TopicsOptions, TrailCommand,
};
use event_gateway::domain::replay::Wish;
use event_gateway::domain::settings::Settings;
use event_gateway::domain::tenant_job::TenantAct;
use event_gateway::follow::audit::Scope;
use event_gateway::follow::erasure::submit::ErasureDeps;
use event_gateway::follow::replay::submit::SubmitDeps;
use event_gateway::follow::tenant_jobs::TenantDeps;
use event_gateway::follow::topics::{Shorten, TopicDeps, acl::AclSet, grow::Parked};
use event_gateway::metrics::Metrics;
use event_gateway::sink::{self, Sinks};
use event_gateway::store::{self, Access, Store, TrailScan};
use event_gateway::subscribe::Groups;
use event_gateway::{app, cli, telemetry};

/// The longest time that threads that wait for Kafka may hold up the end of the process, at which
/// they may safely be killed.
const THREADS_END: Duration = Duration::from_millis(300);
/// The exit status of an illegal command line.
const USAGE: u8 = 2;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let metrics = Arc::new(Metrics::default());
    let arguments = match config::parse() {
        Ok(arguments) => arguments,
        Err(usage) if telemetry::form() == telemetry::Form::Text => usage.exit(),
        Err(usage) => {
            let (logs, _) = telemetry::start("info", &metrics);
            logs.fatal(&usage.line());
            logs.finish();
            return ExitCode::from(USAGE);
        }
    };
    let (logs, understood) = telemetry::start(&arguments.logs.log_level, &metrics);
    let ended = understood.and_then(|()| run(arguments, metrics));
    let code = match &ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if cli::exit::is_silent(error) => cli::exit::code(error),
        Err(error) => {
            logs.fatal(error);
            cli::exit::code(error)
        }
    };
    logs.finish();
    code
}

fn run(arguments: Cli, metrics: Arc<Metrics>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let ended = runtime.block_on(done(arguments, metrics));
    runtime.shutdown_timeout(THREADS_END);
    ended
}

async fn done(arguments: Cli, metrics: Arc<Metrics>) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(System);
    match arguments.command {
        Command::Serve(options) => {
            let config = Config::new(&options, &arguments.given)?;
            let store = store::open(&config.store, Access::Serve, clock.clone()).await?;
            let app = app::build(&config, store, clock, metrics).await?;
            cli::serve::run(app, config.listen).await
        }
        Command::Tenants(command) => tenants(command, clock).await,
        Command::Subscriptions(command) => subscriptions(command, clock).await,
        Command::Lanes(LanesCommand::List(store)) => {
            cli::lanes::list(&*open_attached(&store, clock).await?).await
        }
        Command::Lanes(LanesCommand::Resize(options)) => resize(&options, clock).await,
        Command::Audit(options) => audit(&options, clock).await,
        Command::Replays(command) => replays(command, clock).await,
        Command::Erasures(command) => erasures(command, clock).await,
        Command::Republish(options) => republish(&options, clock).await,
        Command::Sinks(command) => sinks(command, clock).await,
        Command::Trail(TrailCommand::List(options)) => trail(*options, clock).await,
        Command::PublishPending(options) => {
            let store = open_attached(&options.store, clock).await?;
            let wait = options.wait.map(Duration::from_secs);
            let tenant = options.tenant.as_ref();
            cli::publish_pending::run(&*store, tenant, options.release, wait).await
        }
        Command::Restore(options) => restore(&options, clock).await,
        Command::Descriptor(options) => {
            let variables = config::variables().into_iter();
            let variables = variables.map(|(name, default, help)| Variable { name, default, help });
            cli::descriptor::print(&config::described(&options)?, variables.collect())
        }
        Command::Backup(options) => {
            cli::backup::back_up(&config::store_config(&options.store)?, &options.file).await
        }
        Command::RestoreBackup(options) => {
            let store = config::store_config(&options.store)?;
            cli::backup::restore(&store, &options.file, &*clock).await
        }
        Command::Topics(command) => topics(command, clock).await,
    }
}

async fn tenants(command: TenantsCommand, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let (options, act) = match &command {
        TenantsCommand::List(store) => {
            return cli::tenants::list(&*open_attached(store, clock).await?).await;
        }
        TenantsCommand::Enable(options) => (options, TenantAct::Enable),
        TenantsCommand::Disable(options) => (options, TenantAct::Disable),
        TenantsCommand::Purge(options) => return purge(options, clock).await,
    };
    let settings = Arc::new(config::settings(&options.tenants, &options.store)?);
    let store = open_attached(&options.store, clock.clone()).await?;
    cli::foreign_settings::refuse(&*store, &settings).await?;
    let deps = TenantDeps::new(store, settings, Arc::new(Vec::new), Vec::new(), clock);
    cli::tenants::change(&deps, &options.tenant, act).await
}

async fn purge(options: &PurgeOptions, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let opened = open_parts(&options.parts, Access::Attach, 1, clock.clone()).await?;
    let Opened { store, settings, sinks } = opened;
    let (files, followers) = (Arc::new(Vec::new), sinks.followers());
    let deps = TenantDeps::new(store.clone(), settings, files, followers, clock);
    use cli::tenants::Show;
    let show = if options.detach { Show::Nothing } else { Show::Progress };
    cli::tenants::purge((&deps, &*store), &options.tenant, options.force, show).await
}

/// Runs a subcommand of `topics`.
async fn topics(command: TopicsCommand, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    use cli::topics::{apply, diff, grow, list, obsolete};
    let form = |is_json| if is_json { Form::Json } else { Form::Text };
    let by = clock.new_id().to_string();
    match command {
        TopicsCommand::List(options) => {
            let Opened { store, settings, sinks } = open_broker(&options, clock).await?;
            list::run(&*store, &settings, &sinks).await
        }
        TopicsCommand::Diff(options) => {
            let compared = async {
                let opened = open_broker(&options.some.topics, clock).await?;
                diff::run(opened.topic_deps()?, options.some.tenant.as_ref(), form(options.json))
                    .await
            };
            let compared: anyhow::Result<usize> = compared.await;
            match compared.context(diff::NotCompared)? {
                0 => Ok(()),
                different => Err(diff::Differ(different).into()),
            }
        }
        TopicsCommand::Apply(options) => {
            let opened = open_broker(&options.some.topics, clock).await?;
            let shorten = if options.shorten { Shorten::Yes } else { Shorten::No };
            apply::run(opened.topic_deps()?, options.some.tenant.as_ref(), shorten).await
        }
        TopicsCommand::Grow(options) => {
            let opened = open_broker(&options.topics, clock).await?;
            let parked = if options.with_parked { Parked::Accepted } else { Parked::Refused };
            let how = (options.wait.map(Duration::from_secs), parked);
            grow::run(opened.topic_deps()?, &options.topic, &by, how).await
        }
        TopicsCommand::Obsolete(options) => {
            let opened = open_broker(&options.some.topics, clock).await?;
            let (tenant, form) = (options.some.tenant.as_ref(), form(options.json));
            let by = options.delete.then_some(&*by);
            obsolete::run(opened.topic_deps()?, tenant, by, form).await
        }
        TopicsCommand::Acl(options) => acl(&options, form(options.json), clock).await,
    }
}

async fn acl(options: &AclOptions, form: Form, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let AclOptions { tenant, group, principal, manage, topics, .. } = options;
    let settings = config::settings(&topics.tenants, &topics.store)?;
    let store = open_attached(&topics.store, clock);
    let tenants = match tenant {
        // Its rights are granted before it is enabled, and perhaps before there is a store.
        Some(tenant) => vec![tenant.clone()],
        None => cli::topics::tenants(&*store.await?, &settings).await?,
    };
    let (principal, tenants, group) = (principal.as_deref(), &*tenants, group.as_ref());
    let set = if *manage { AclSet::Manage } else { AclSet::Serve };
    let sinks = open_outside(config::sinks(&topics.kafka, &topics.store, 1)?)?;
    let holder = cli::topics::acl::Holder { principal, tenants, group, set };
    cli::topics::acl::run(&settings, &holder, sinks.broker().map(|kafka| kafka.place()), form)
}

async fn audit(options: &AuditOptions, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let opened = open_broker(&options.topics, clock.clone()).await?;
    let Opened { store, settings, sinks } = &opened;
    let deps = cli::audit::Deps { store: &**store, sinks, settings };
    let submit = opened.submit_deps(clock);
    let repair = options.repair.then_some(&submit);
    let form = if options.json { cli::audit::Form::Json } else { cli::audit::Form::Text };
    let scope = Scope { topics: options.topic.clone(), since: options.since };
    cli::audit::run(&deps, options.tenant.as_ref(), &scope, form, repair).await
}

async fn republish(options: &RepublishOptions, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let RepublishOptions { tenant, timestamp, dry_run, topics } = options;
    let deps = open_broker(topics, clock.clone()).await?.submit_deps(clock);
    cli::republish::run(&deps, tenant.as_ref(), *timestamp, *dry_run).await
}

async fn replays(command: ReplaysCommand, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let (options, wish) = match &command {
        ReplaysCommand::Start(options) => {
            let deps = open_broker(&options.topics, clock.clone()).await?.submit_deps(clock);
            let show = if options.detach { Show::Id } else { Show::Progress };
            return cli::replays::start(&deps, &options.tenant, &options.request(), show).await;
        }
        ReplaysCommand::List(options) => {
            let store = open_attached(&options.store, clock).await?;
            return cli::replays::list(&*store, options.tenant.as_ref()).await;
        }
        ReplaysCommand::Watch(options) => (options, None),
        ReplaysCommand::Pause(options) => (options, Some(Wish::Pause)),
        ReplaysCommand::Resume(options) => (options, Some(Wish::Run)),
        ReplaysCommand::Cancel(options) => (options, Some(Wish::Cancel)),
    };
    // An operator's wish needs neither settings nor a broker.
    let store = open_attached(&options.store, clock.clone()).await?;
    let opened = Opened { store, settings: Arc::default(), sinks: Sinks::default() };
    let deps = opened.submit_deps(clock);
    match wish {
        Some(wish) => cli::replays::wish(&deps, &options.tenant, options.id, wish).await,
        None => cli::replays::watch(&deps, &options.tenant, options.id).await,
    }
}

async fn erasures(command: ErasuresCommand, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    match command {
        ErasuresCommand::Start(options) => {
            let deps = erasure_deps(&options.parts, clock).await?;
            use cli::erasures::Show;
            let show = if options.detach { Show::Id } else { Show::Progress };
            cli::erasures::start(&deps, &options.tenant, &options.request(), show).await
        }
        ErasuresCommand::List(options) => {
            let store = open_attached(&options.store, clock).await?;
            cli::erasures::list(&*store, options.tenant.as_ref()).await
        }
        ErasuresCommand::Watch(options) => {
            let deps = erasure_deps(&options.parts, clock).await?;
            cli::erasures::watch(&deps, &options.tenant, options.id).await
        }
    }
}

async fn erasure_deps(parts: &PartsOptions, clock: Arc<dyn Clock>) -> anyhow::Result<ErasureDeps> {
    let opened = open_parts(parts, Access::Attach, 1, clock.clone()).await?;
    let Opened { store, settings, sinks } = opened;
    Ok(ErasureDeps { store, settings, sinks: sinks.followers(), clock })
}

async fn subscriptions(command: SubscriptionsCommand, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    use SubscriptionsCommand::{Delete, List, Put, Seek, Show};
    let options = match &command {
        List(options) => {
            let store = open_attached(&options.store, clock).await?;
            return cli::subscriptions::list(&*store, options.tenant.as_ref()).await;
        }
        Show(options) | Delete(options) => options,
        Seek(options) => &options.group,
        Put(options) => &options.group,
    };
    let settings = match &command {
        Put(put) => config::settings(&put.tenants, &options.store)?,
        _ => Settings::default(),
    };
    let store = open_attached(&options.store, clock).await?;
    let groups = Groups { store: &*store, settings: &settings };
    let named = cli::subscriptions::Named { tenant: &options.tenant, group: &options.group };
    match &command {
        List(_) | Show(_) => cli::subscriptions::show(groups, named).await,
        Put(put) => {
            cli::foreign_settings::refuse(&*store, &settings).await?;
            cli::subscriptions::put(groups, named, &put.form(), put.start()).await
        }
        Seek(seek) => cli::subscriptions::seek(groups, named, seek.to()).await,
        Delete(_) => cli::subscriptions::delete(groups, named).await,
    }
}

async fn resize(options: &ResizeOptions, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let by = clock.new_id().to_string();
    let opened = open_parts(&options.parts, Access::Alone, options.count, clock).await?;
    let Opened { store, sinks, .. } = opened;
    cli::lanes::resize(&*store, &sinks, &by, options.count).await
}

async fn restore(options: &RestoreOptions, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let opened = open_parts(&options.parts, Access::Attach, 0, clock.clone()).await?;
    let Opened { store, settings, sinks } = opened;
    let deps =
        cli::restore::Deps { store: &*store, sinks: &sinks, settings: &settings, clock: &*clock };
    cli::restore::run(&deps, options.tenant.as_ref(), options.accept).await
}

async fn trail(options: ListTrailOptions, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let ListTrailOptions { tenant, act, from, to, json, store } = options;
    let scan = TrailScan { tenant, act, from, to, ..TrailScan::default() };
    let form = if json { cli::trail::Form::Json } else { cli::trail::Form::Text };
    cli::trail::list(&*open_attached(&store, clock).await?, scan, form).await
}

async fn open_attached(
    options: &StoreOptions,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Arc<dyn Store>> {
    Ok(store::open(&config::store_config(options)?, Access::Attach, clock).await?)
}

/// Runs a subcommand of `sinks`.
async fn sinks(command: SinksCommand, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    match command {
        SinksCommand::List(store) => cli::sinks::list(&*open_attached(&store, clock).await?).await,
        SinksCommand::Forget(options) => {
            let opened = open_parts(&options.parts, Access::Attach, 1, clock).await?;
            let Opened { store, sinks, .. } = opened;
            cli::sinks::forget(&*store, &sinks, &options.sink).await
        }
    }
}

/// The parts that a subcommand works on.
struct Opened {
    store: Arc<dyn Store>,
    settings: Arc<Settings>,
    sinks: Sinks,
}

impl Opened {
    fn topic_deps(&self) -> anyhow::Result<TopicDeps<'_>> {
        let unset = "the topics are compared with Kafka's: set KAFKA_HOST";
        let kafka = self.sinks.repair.as_deref().context(unset)?;
        Ok(TopicDeps { store: &*self.store, settings: &self.settings, kafka })
    }

    fn submit_deps(&self, clock: Arc<dyn Clock>) -> SubmitDeps {
        let Self { store, settings, sinks } = self;
        let (store, settings) = (store.clone(), settings.clone());
        SubmitDeps { store, settings, broker: sinks.broker().cloned(), clock }
    }
}

/// Opens the store and every sink.
async fn open_parts(
    parts: &PartsOptions,
    access: Access,
    lanes_min: u16,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Opened> {
    let sinks = |settings: &Arc<Settings>, lanes| config::all_sinks(parts, settings, lanes);
    open(&parts.topics, access, lanes_min, clock, sinks).await
}

/// Opens the store, and the broker alone of the sinks.
async fn open_broker(topics: &TopicsOptions, clock: Arc<dyn Clock>) -> anyhow::Result<Opened> {
    let broker = |_: &_, lanes| config::sinks(&topics.kafka, &topics.store, lanes);
    open(topics, Access::Attach, 1, clock, broker).await
}

/// Opens the store, and these sinks for as many lanes as the store has, but at least `lanes_min`.
/// An embedded broker is left out, since it would not be that of a running `serve`.
async fn open(
    topics: &TopicsOptions,
    access: Access,
    lanes_min: u16,
    clock: Arc<dyn Clock>,
    sinks: impl FnOnce(&Arc<Settings>, u16) -> anyhow::Result<Vec<sink::Config>>,
) -> anyhow::Result<Opened> {
    let settings = Arc::new(config::settings(&topics.tenants, &topics.store)?);
    let store = store::open(&config::store_config(&topics.store)?, access, clock).await?;
    cli::foreign_settings::refuse(&*store, &settings).await?;
    let lanes = u16::try_from(store.members().await?.lanes.len())?.max(lanes_min);
    let sinks = open_outside(sinks(&settings, lanes)?)?;
    Ok(Opened { store, settings, sinks })
}

/// Opens the sinks that are outside of this process.
fn open_outside(mut sinks: Vec<sink::Config>) -> anyhow::Result<Sinks> {
    sinks.retain(|sink| !matches!(sink, sink::Config::Embedded));
    Ok(sink::open(&sinks)?)
}
