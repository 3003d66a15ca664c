//! Tenant jobs: requests of FOLIO's tenant interface, by which a tenant is enabled, disabled or
//! purged.
//!
//! `http` and the subcommands pass in a request; the store keeps the job, and
//! `follow::tenant_jobs` carries it out.

use std::fmt;

use serde_json::{Value, json};
use uuid::Uuid;

use super::json::{Raw, Shape};
use super::object_reader::ObjectReader;
use super::tenant::TenantId;
use super::text;
use super::time::Time;
use super::topic::Topic;
use super::trail::Actor;
use super::violation::Violation;
use super::{Invalid, hyphenated};

/// The most parameters of a request.
pub const PARAMETERS_MAX: usize = 100;
/// The parameter of a purge that may lose events.
const FORCE: &str = "force";
/// The parameter by which an upgrade deletes topics.
const DELETE_OBSOLETE: &str = "deleteObsoleteTopics";
/// The parameter that is the reason, for the trail.
const REASON: &str = "reason";
/// The module that the subcommands name in their requests.
const MODULE: &str = "event-gateway";

/// The id of a tenant job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantJobId(Uuid);

impl TenantJobId {
    /// Wraps a UUID that the clock's room made.
    pub const fn new(id: Uuid) -> Self {
        Self(id)
    }

    /// Parses hyphenated text.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        hyphenated("tenant job id", text).map(Self)
    }
}

impl fmt::Display for TenantJobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The act that a request of the tenant interface asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantAct {
    /// The tenant may post and read: its log and its topics are made where they are missing.
    Enable,
    /// The tenant may not post and read any more; its log stays, and what is pending is published.
    Disable,
    /// Everything of the tenant is removed: its topics, its log, and all that hangs on it.
    Purge {
        /// Whether it is purged although events of it are pending or parked.
        force: bool,
    },
}

/// The treatment that an upgrade gives to the topics that no file names any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObsoleteTopics {
    /// The job tells them.
    Tell,
    /// The job deletes those that are empty, and tells all.
    Delete,
}

/// A request of the tenant interface: FOLIO's `tenantAttributes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantAttributes {
    /// The act that is asked for.
    pub act: TenantAct,
    /// The treatment of obsolete topics; `None` if this is no upgrade.
    pub obsolete: Option<ObsoleteTopics>,
    /// The reason that was given.
    pub reason: Option<String>,
    /// The request as it was posted, which the job shows again.
    pub posted: String,
}

impl TenantAttributes {
    /// The members of a request.
    pub const MEMBERS: [&str; 4] = ["module_from", "module_to", "purge", "parameters"];
    /// The members of a parameter.
    pub const PARAMETER_MEMBERS: [&str; 2] = ["key", "value"];

    /// Parses the body of a request, `{module_from?, module_to?, purge?, parameters?}`. With
    /// `module_to`, the tenant is enabled, or upgraded if there is a `module_from` too; without it,
    /// disabled, or purged if `purge` is true. The parameters `deleteObsoleteTopics` of an upgrade,
    /// `force` of a purge and `reason` are the gateway's own. All others, and these on another
    /// act, are accepted and mean nothing: FOLIO's `loadReference` and `loadSample` do, since the
    /// gateway has nothing to load, and those that are for other modules.
    pub fn parse(raw: &Raw) -> Result<Self, Vec<Violation>> {
        let mut members = ObjectReader::parse(raw, &Self::MEMBERS, "")?;
        let attributes = Self::read(&mut members, raw);
        members.finish(Some(attributes))
    }

    fn read(members: &mut ObjectReader, posted: &Raw) -> Self {
        let is_known = members.noun("module_from", text::name).is_some();
        let is_enabled = members.noun("module_to", text::name).is_some();
        let purges = members.flag("purge");
        if purges && is_enabled {
            let why = "a tenant is purged without `module_to`, which enables it";
            members.refuse("purge", "illegal-value", why);
        }
        // A tenant's parameters go to every module of an install, whatever they mean to each.
        let counts = |key: &str| match key {
            FORCE => purges && !is_enabled,
            DELETE_OBSOLETE => is_known && is_enabled,
            _ => key == REASON,
        };
        let Parameters { force, deletes, reason } = parameters(members, counts);
        let act = match (is_enabled, purges) {
            (true, _) => TenantAct::Enable,
            (false, true) => TenantAct::Purge { force },
            (false, false) => TenantAct::Disable,
        };
        let obsolete = if deletes { ObsoleteTopics::Delete } else { ObsoleteTopics::Tell };
        let obsolete = (is_known && is_enabled).then_some(obsolete);
        Self { act, obsolete, reason, posted: posted.as_str().to_owned() }
    }

    /// Reads what the store keeps, which was parsed before, perhaps by a newer version: what this
    /// one would refuse means nothing here.
    pub fn from_column(text: &str) -> Result<Self, String> {
        let raw = Raw::parse(&text.to_owned().into()).map_err(|error| error.to_string())?;
        let members = ObjectReader::parse(&raw, &Self::MEMBERS, "");
        let mut members =
            members.map_err(|all| all.into_iter().map(|it| it.message).collect::<String>())?;
        Ok(Self::read(&mut members, &raw))
    }

    /// Makes the attributes of a request that names no module of its own, as the subcommands do.
    pub fn of(act: TenantAct, reason: Option<&str>) -> Self {
        let mut posted = match act {
            TenantAct::Enable => json!({ "module_to": MODULE }),
            TenantAct::Disable => json!({ "module_from": MODULE }),
            TenantAct::Purge { .. } => json!({ "module_from": MODULE, "purge": true }),
        };
        let force = (act == TenantAct::Purge { force: true }).then_some((FORCE, "true"));
        let own = force.into_iter().chain(reason.map(|reason| (REASON, reason)));
        let own: Vec<_> = own.map(|(key, value)| json!({ "key": key, "value": value })).collect();
        if !own.is_empty() {
            posted["parameters"] = Value::Array(own);
        }
        let (posted, reason) = (posted.to_string(), reason.map(str::to_owned));
        Self { act, obsolete: None, reason, posted }
    }
}

/// The parameters of a request that mean something here.
#[derive(Debug, Clone, Default)]
struct Parameters {
    force: bool,
    deletes: bool,
    reason: Option<String>,
}

/// Reads the parameters, a list of `{key, value}`, and notes what is illegal of those that count.
fn parameters(members: &mut ObjectReader, counts: impl Fn(&str) -> bool) -> Parameters {
    let mut all = Parameters::default();
    let Some(list) = members.value("parameters").cloned() else { return all };
    if list.shape() != Shape::Array {
        members.refuse("parameters", "not-a-list", "must be a list of objects");
        return all;
    }
    for (index, item) in list.elements().take(PARAMETERS_MAX + 1).enumerate() {
        if index == PARAMETERS_MAX {
            let why = format!("must have at most {PARAMETERS_MAX} items");
            members.refuse("parameters", "too-many", why);
            return all;
        }
        let at = format!("/parameters/{index}");
        let parsed = ObjectReader::parse(&item, &TenantAttributes::PARAMETER_MEMBERS, &at)
            .and_then(|mut parameter| {
                parameter.need("key", "missing", "must be given");
                let key = parameter.string("key");
                let value = parameter.string("value");
                let Parameters { force, deletes, reason } = &mut all;
                let kept = match key.as_deref().filter(|key| counts(key)) {
                    Some(FORCE) => keep(force, flag(value.as_deref())),
                    Some(DELETE_OBSOLETE) => keep(deletes, flag(value.as_deref())),
                    Some(REASON) => keep(reason, reason_of(value.as_deref())),
                    _ => Ok(()),
                };
                if let Err(rule) = kept {
                    parameter.refuse("value", "illegal-value", rule);
                }
                parameter.finish(Some(()))
            });
        members.keep(parsed);
    }
    all
}

/// Keeps a legal value of a parameter.
fn keep<T>(place: &mut T, value: Result<T, &'static str>) -> Result<(), &'static str> {
    *place = value?;
    Ok(())
}

/// Parses the value of a parameter that is true or false.
fn flag(value: Option<&str>) -> Result<bool, &'static str> {
    match value {
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        _ => Err("must be true or false"),
    }
}

/// Parses the value of the parameter that is the reason, if it has one.
fn reason_of(value: Option<&str>) -> Result<Option<String>, &'static str> {
    value.map(text::reason).transpose().map_err(|invalid| invalid.rule)
}

/// A job of the tenant interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantJob {
    /// The id.
    pub id: TenantJobId,
    /// The tenant that it is about.
    pub tenant: TenantId,
    /// The request.
    pub attributes: TenantAttributes,
    /// The actor of the request, who also does what the job still has to do.
    pub by: Actor,
    /// The time of the request.
    pub submitted: Time,
    /// How far it is.
    pub progress: JobProgress,
}

/// The beginning of a message that tells in which topic records stay.
const STAYS: &str = "its records stay in ";
/// The beginning of a message that tells which events are lost.
const LOST: &str = "lost without being published: ";

/// How far a tenant job is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobProgress {
    /// Sentences for the operator: what stays for ever, and the job's causes to wait.
    pub messages: Vec<String>,
    /// The reason why the job failed.
    pub error: Option<String>,
    /// The time at which it ended.
    pub completed: Option<Time>,
}

impl JobProgress {
    /// Returns the message that a purge leaves a topic.
    pub fn stays_in(topic: &Topic) -> String {
        format!("{STAYS}{topic}, which other tenants have, or may have, as well")
    }

    /// Returns the message that a forced purge loses events.
    pub fn loses(pending: u64, parked: u64) -> String {
        format!("{LOST}{pending} events that were pending, and {parked} that were parked")
    }

    /// Returns the messages that are still true once the job has ended.
    pub fn lasting(&self) -> impl Iterator<Item = &str> {
        let lasts = |message: &&str| [STAYS, LOST].iter().any(|begin| message.starts_with(begin));
        self.messages.iter().map(String::as_str).filter(lasts)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{ObsoleteTopics, TenantAct, TenantAttributes};
    use crate::domain::json::Raw;

    fn parse(text: &str) -> Result<TenantAct, Vec<String>> {
        let raw = Raw::parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap();
        let parsed = TenantAttributes::parse(&raw).map(|attributes| {
            let again = TenantAttributes::from_column(&attributes.posted);
            assert_eq!(again.unwrap(), attributes);
            attributes.act
        });
        parsed.map_err(|all| all.into_iter().map(|v| v.pointer).collect())
    }

    #[test]
    fn a_module_to_go_to_enables_and_none_disables_or_purges() {
        for enables in [
            r#"{"module_to":"event-gateway-1.0.0"}"#,
            r#"{"module_from":"event-gateway-1.0.0","module_to":"event-gateway-1.1.0"}"#,
            r#"{"module_to":"m","purge":false,"parameters":[{"key":"loadSample","value":"true"}]}"#,
            r#"{"module_to":"m","parameters":[{"key":"loadReference"}]}"#,
        ] {
            assert_eq!(parse(enables), Ok(TenantAct::Enable), "{enables}");
        }
        let purges = r#"{"module_from":"m","purge":true}"#;
        assert_eq!(parse(purges), Ok(TenantAct::Purge { force: false }));
        let forced = |value: &str| {
            let parameters = format!(r#"[{{"key":"force","value":"{value}"}}]"#);
            parse(&format!(r#"{{"purge":true,"parameters":{parameters}}}"#))
        };
        assert_eq!(forced("true"), Ok(TenantAct::Purge { force: true }));
        assert_eq!(forced("false"), Ok(TenantAct::Purge { force: false }));
        assert_eq!(forced("yes").unwrap_err(), ["/parameters/0/value"]);
        for act in [TenantAct::Enable, TenantAct::Disable, TenantAct::Purge { force: true }] {
            for reason in [None, Some("they \"leave\"")] {
                let made = TenantAttributes::of(act, reason);
                assert_eq!((made.act, made.reason.as_deref()), (act, reason));
                assert_eq!(TenantAttributes::from_column(&made.posted).unwrap(), made);
            }
        }
        for disables in ["{}", r#"{"module_from":"m","module_to":null,"purge":false}"#] {
            assert_eq!(parse(disables), Ok(TenantAct::Disable), "{disables}");
        }
    }

    #[test]
    fn a_reason_is_text_that_is_not_too_long() {
        let with = |reason: &str| {
            let parameters = format!(r#"[{{"key":"reason","value":"{reason}"}}]"#);
            parse(&format!(r#"{{"purge":true,"parameters":{parameters}}}"#))
        };
        assert_eq!(with("they leave"), Ok(TenantAct::Purge { force: false }));
        for illegal in [String::new(), "x".repeat(1_001)] {
            assert_eq!(with(&illegal).unwrap_err(), ["/parameters/0/value"]);
        }
        let missing = r#"{"parameters":[{"key":"reason"}]}"#;
        assert_eq!(parse(missing), Ok(TenantAct::Disable), "there is none");
    }

    #[test]
    fn a_job_of_a_newer_version_is_read_by_what_this_one_knows() {
        let newer = r#"{"module_to":"m","purge":false,"dryRun":true,"parameters":[{"of":1}]}"#;
        assert!(parse(newer).is_err());
        let read = TenantAttributes::from_column(newer).unwrap();
        assert_eq!((read.act, &*read.posted), (TenantAct::Enable, newer));
    }

    #[test]
    fn an_upgrade_tells_obsolete_topics_and_deletes_them_only_if_it_is_told_to() {
        let obsolete = |text: &str| {
            let raw = Raw::parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap();
            TenantAttributes::parse(&raw).unwrap().obsolete
        };
        let upgrade = |parameters: &str| {
            format!(r#"{{"module_from":"a-1","module_to":"a-2","parameters":[{parameters}]}}"#)
        };
        let (tell, delete) = (Some(ObsoleteTopics::Tell), Some(ObsoleteTopics::Delete));
        assert_eq!(obsolete(r#"{"module_to":"a-2"}"#), None);
        assert_eq!(obsolete(r#"{"module_from":"a-1"}"#), None);
        assert_eq!(obsolete(&upgrade("")), tell);
        for other in [
            r#"{"key":"deleteObsoleteTopics","value":"false"}"#,
            r#"{"key":"loadSample","value":"true"}"#,
        ] {
            assert_eq!(obsolete(&upgrade(other)), tell, "{other}");
        }
        let asked = r#"{"key":"loadSample"},{"key":"deleteObsoleteTopics","value":"true"}"#;
        assert_eq!(obsolete(&upgrade(asked)), delete);
    }

    #[test]
    fn whatever_is_illegal_is_named() {
        let refused = |text: &str| parse(text).unwrap_err();
        assert_eq!(refused("[]"), [""]);
        assert_eq!(refused(r#"{"module_to":""}"#), ["/module_to"]);
        assert_eq!(refused(r#"{"purge":"true"}"#), ["/purge"]);
        assert_eq!(refused(r#"{"purge":true,"module_to":"m"}"#), ["/purge"]);
        assert_eq!(refused(r#"{"parameters":{}}"#), ["/parameters"]);
        let (purge, upgrade) = (r#""purge":true"#, r#""module_from":"a-1","module_to":"a-2""#);
        let force = r#"{"key":"force","value":"1"}"#;
        let deletes = r#"{"key":"deleteObsoleteTopics"}"#;
        for (act, unclear, is_its_own) in [
            (purge, force, true),
            (upgrade, deletes, true),
            (upgrade, force, false),
            (r#""module_to":"a-2""#, deletes, false),
            (purge, deletes, false),
        ] {
            let asked = parse(&format!(r#"{{{act},"parameters":[{unclear}]}}"#));
            assert_eq!(asked.is_err(), is_its_own, "{act} {unclear}");
        }
        let parameters = r#"{"parameters":[{"value":"a"},3,{"key":1},{"key":"a","more":1}]}"#;
        let places = ["0/key", "1", "2/key", "3/more"];
        assert_eq!(refused(parameters), places.map(|at| format!("/parameters/{at}")));
        let many = format!(r#"{{"parameters":[{}]}}"#, [r#"{"key":"a"}"#; 101].join(","));
        assert_eq!(refused(&many), ["/parameters"]);
    }
}
