//! Connecting: makes the client's settings, and refuses unsafe servers before anything is written.
//!
//! The address goes in, and the adapter gets its database. No commit is answered before a majority
//! has it in its journals, and no read shows it before that. No message shows the URL's
//! credentials.

use std::time::Duration;

use ::mongodb::bson::{Document, doc};
use ::mongodb::options::{
    Acknowledgment, ClientOptions, ConnectionString, HostInfo, ReadConcern, ReadConcernLevel,
    ReadPreference, SelectionCriteria, WriteConcern,
};
use ::mongodb::{Client, Database};
use secrecy::{ExposeSecret, SecretString};

use super::error::{CallError, Kind, answered, kind};

const APP_NAME: &str = "event-gateway";
/// The longest time for which a write waits for a majority.
const MAJORITY_WITHIN: Duration = Duration::from_secs(5);
const SERVER_WITHIN: Duration = Duration::from_secs(3);
const CONNECTIONS_MAX: u32 = 32;
/// The wire version of MongoDB 5.0, which can read snapshots outside transactions.
const WIRE_VERSION_MIN: i32 = 13;

/// The address of a replica set, and the database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Address<'a> {
    /// `mongodb://…`
    pub(crate) url: &'a SecretString,
    /// The database, unless the URL names one.
    pub(crate) database: &'a str,
    /// The variable that sets the URL, for messages.
    pub(crate) variable: &'static str,
}

/// The reason why no database was returned.
#[derive(Debug)]
pub(crate) enum ConnectError {
    /// The URL or the server is refused, for this reason.
    Refused(String),
    /// A call to the server failed.
    Call(CallError),
}

impl From<CallError> for ConnectError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl Address<'_> {
    /// Returns `hosts/database`; `None` if the URL can't be read.
    pub(crate) fn place(&self) -> Option<String> {
        let url = ConnectionString::parse(self.url.expose_secret()).ok()?;
        let database = url.default_database.as_deref().unwrap_or(self.database);
        Some(format!("{}/{database}", hosts(&url)?))
    }

    /// Describes the hosts, the database and the user; `None` if the URL can't be read.
    pub(crate) fn described(&self) -> Option<String> {
        let url = ConnectionString::parse(self.url.expose_secret()).ok()?;
        let hosts = hosts(&url)?;
        let user = url.credential.as_ref().and_then(|credential| credential.username.as_deref());
        let database = url.default_database.as_deref().unwrap_or(self.database);
        let user = user.map_or("no user".to_owned(), |user| format!("user `{user}`"));
        Some(format!("{hosts}, database `{database}`, {user}"))
    }

    /// Returns the driver's objection to the URL, unless it may quote a secret: an odd URL is cut
    /// at odd places, and any piece of it may be part of a password.
    fn illegal(&self, why: &str) -> ConnectError {
        let url = self.url.expose_secret().to_ascii_lowercase();
        ConnectError::Refused(if ["@", "%40", "password"].iter().any(|sign| url.contains(sign)) {
            format!(
                "{} is not a MongoDB address, or has settings that MongoDB doesn't know",
                self.variable
            )
        } else {
            format!("{}: {why}", self.variable)
        })
    }
}

fn hosts(url: &ConnectionString) -> Option<String> {
    match &url.host_info {
        HostInfo::HostIdentifiers(hosts) => {
            Some(hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
        }
        _ => None,
    }
}

/// Returns the database of a replica set that keeps what it has acknowledged.
pub(crate) async fn connect(address: Address<'_>) -> Result<Database, ConnectError> {
    let options = options(address).await?;
    let database = options.default_database.clone();
    let name = database.unwrap_or_else(|| address.database.to_owned());
    let seeds = options.clone();
    let client = Client::with_options(options).map_err(|e| address.illegal(&e.to_string()))?;
    let admin = client.database("admin");
    let hello = match answered(admin.run_command(doc! { "hello": 1 })).await {
        Ok(hello) => hello,
        Err(error) => return Err(diagnosed(address, seeds, error).await),
    };
    replica_set(address, &hello)?;
    journaled(address, &admin).await?;
    Ok(client.database(&name))
}

/// Checks the URL, without connecting.
pub(crate) async fn check(address: Address<'_>) -> Result<(), ConnectError> {
    options(address).await.map(drop)
}

async fn options(address: Address<'_>) -> Result<ClientOptions, ConnectError> {
    let parsed = ClientOptions::parse(address.url.expose_secret()).await;
    let mut options = parsed.map_err(|e| address.illegal(&e.to_string()))?;
    safe(address, &options)?;
    let wtimeout = options.write_concern.as_ref().and_then(|concern| concern.w_timeout);
    let majority = WriteConcern::builder()
        .w(Acknowledgment::Majority)
        .journal(true)
        .w_timeout(wtimeout.filter(|wait| !wait.is_zero()).unwrap_or(MAJORITY_WITHIN))
        .build();
    options.write_concern = Some(majority);
    options.read_concern = Some(ReadConcern::majority());
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    options.retry_writes = Some(true);
    options.app_name.get_or_insert_with(|| APP_NAME.to_owned());
    options.server_selection_timeout.get_or_insert(SERVER_WITHIN);
    options.connect_timeout.get_or_insert(SERVER_WITHIN);
    options.max_pool_size.get_or_insert(CONNECTIONS_MAX);
    Ok(options)
}

/// Refuses options of the URL that weaken durability; options that it lacks are set.
fn safe(address: Address<'_>, options: &ClientOptions) -> Result<(), ConnectError> {
    let concern = options.write_concern.clone().unwrap_or_default();
    let unsafe_because = if concern.w.is_some_and(|w| w != Acknowledgment::Majority) {
        "`w` must be `majority`"
    } else if concern.journal == Some(false) {
        "`journal` must be `true`"
    } else if options
        .read_concern
        .as_ref()
        .is_some_and(|read| read.level != ReadConcernLevel::Majority)
    {
        "`readConcernLevel` must be `majority`"
    } else if options.selection_criteria.as_ref().is_some_and(|from| !from_primary(from)) {
        "`readPreference` must be `primary`"
    } else if options.retry_writes == Some(false) {
        "`retryWrites` must be `true`"
    } else {
        return Ok(());
    };
    Err(ConnectError::Refused(format!(
        "{}: {unsafe_because}: leave the option out, or set it to that value",
        address.variable
    )))
}

fn from_primary(from: &SelectionCriteria) -> bool {
    matches!(from, SelectionCriteria::ReadPreference(ReadPreference::Primary))
}

/// Refuses a server that is no replica set, or of an older version.
fn replica_set(address: Address<'_>, hello: &Document) -> Result<(), ConnectError> {
    if hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid") {
        let why = "leads to a mongos: name the members of a replica set";
        return Err(ConnectError::Refused(format!("{} {why}", address.variable)));
    }
    if !hello.contains_key("setName") {
        return Err(no_replica_set(hello));
    }
    match hello.get_i32("maxWireVersion") {
        Ok(version) if version >= WIRE_VERSION_MIN => Ok(()),
        _ => Err(ConnectError::Refused("MongoDB must be 5.0 or newer".to_owned())),
    }
}

fn no_replica_set(hello: &Document) -> ConnectError {
    let initiate = "run `rs.initiate()` once in mongosh";
    ConnectError::Refused(if hello.contains_key("isreplicaset") {
        format!("the replica set of this MongoDB was never initiated: {initiate}")
    } else {
        let why = "this MongoDB is a standalone server, which has no transactions";
        format!("{why}: start it with `--replSet rs0` (replication.replSetName) and {initiate}")
    })
}

/// A check that refuses an answer.
type Check = fn(&Document) -> Result<(), ConnectError>;

/// Refuses a server that acknowledges before data is on disk, as far as the user has the right to
/// ask.
async fn journaled(address: Address<'_>, admin: &Database) -> Result<(), ConnectError> {
    let checks: [(Document, Check); 3] = [
        (doc! { "replSetGetConfig": 1 }, majority_journaled),
        (doc! { "serverStatus": 1, "repl": 0, "metrics": 0, "locks": 0 }, persistent),
        (doc! { "getCmdLineOpts": 1 }, with_journal),
    ];
    for (command, check) in checks {
        let name = command.keys().next().cloned().unwrap_or_default();
        match answered(admin.run_command(command)).await {
            Ok(answer) => check(&answer)?,
            Err(error) => tracing::warn!(
                command = name,
                error = error.why(),
                "failed to check that MongoDB keeps what it acknowledges: give the user of {} the \
                 role clusterMonitor, or check it yourself",
                address.variable
            ),
        }
    }
    Ok(())
}

fn majority_journaled(answer: &Document) -> Result<(), ConnectError> {
    let config = answer.get_document("config");
    if config.and_then(|c| c.get_bool("writeConcernMajorityJournalDefault")).is_ok_and(|on| !on) {
        let why = "`writeConcernMajorityJournalDefault` of the replica set must be `true`";
        return Err(ConnectError::Refused(why.to_owned()));
    }
    Ok(())
}

fn persistent(answer: &Document) -> Result<(), ConnectError> {
    let Ok(engine) = answer.get_document("storageEngine") else { return Ok(()) };
    if engine.get_bool("persistent").is_ok_and(|on| !on) {
        let name = engine.get_str("name").unwrap_or("in memory");
        let why = format!("`storage.engine` `{name}` keeps nothing on disk: must be `wiredTiger`");
        return Err(ConnectError::Refused(why));
    }
    Ok(())
}

fn with_journal(answer: &Document) -> Result<(), ConnectError> {
    let storage = answer.get_document("parsed").and_then(|parsed| parsed.get_document("storage"));
    let journal = storage.and_then(|storage| storage.get_document("journal"));
    if journal.and_then(|journal| journal.get_bool("enabled")).is_ok_and(|on| !on) {
        let why = "`storage.journal.enabled` must be `true` (no `--nojournal`)";
        return Err(ConnectError::Refused(why.to_owned()));
    }
    Ok(())
}

/// Explains why no primary was found: the driver only says that there is none, so each host is
/// asked what it is.
async fn diagnosed(address: Address<'_>, options: ClientOptions, error: CallError) -> ConnectError {
    if let CallError::Failed(cause) = &error
        && kind(cause) != Kind::Other
    {
        return error.into();
    }
    for host in &options.hosts {
        let mut alone = options.clone();
        alone.hosts = vec![host.clone()];
        alone.direct_connection = Some(true);
        let wanted = alone.repl_set_name.take();
        alone.credential = None;
        let Ok(client) = Client::with_options(alone) else { continue };
        let hello = answered(client.database("admin").run_command(doc! { "hello": 1 })).await;
        client.shutdown().immediate(true).await;
        match (hello, wanted) {
            (Ok(hello), _) if !hello.contains_key("setName") => return no_replica_set(&hello),
            (Ok(hello), Some(wanted))
                if hello.get_str("setName").is_ok_and(|name| name != wanted) =>
            {
                let name = hello.get_str("setName").unwrap_or_default();
                return ConnectError::Refused(format!(
                    "{}: `replicaSet` is `{wanted}`, but {host} is of `{name}`",
                    address.variable
                ));
            }
            _ => {}
        }
    }
    error.into()
}
