//! The credentials of consumers that have no user and no token: checks their passwords, and follows
//! their files.
//!
//! `listen` asks for the caller that has a name and a password. A check takes a processor's time on
//! purpose, so only a few are made at once, on threads where nobody waits; a password that was
//! right is remembered, under a key of this process, until its file changes. Whoever is refused has
//! had one hash of each cost made that any file has, so that a name that nobody has takes as long
//! as one that somebody has.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::caller::Caller;
use super::credential::{Credential, CredentialName, Grant};
use super::passwords::{Cost, Memory, PasswordHash};
use crate::metrics::Metrics;

/// The most passwords that are checked at once: each takes a processor and 32 MiB or more.
const CHECKS_MAX: usize = 2;
/// The longest time until a file that was changed or removed counts.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The grants of the files, by the names of the credentials.
pub type Grants = BTreeMap<CredentialName, Grant>;

/// Returns what the files grant, as they are now; it blocks while it reads.
pub type Look = Arc<dyn Fn() -> Grants + Send + Sync>;

/// The name or the password is wrong; nobody is told which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name or the password is wrong")]
pub struct WrongPassword;

/// The hashes that a login takes: those that it is refused after, or the first one, if that is the
/// password's.
struct Work {
    /// The hash of whoever has the name.
    own: Option<PasswordHash>,
    /// One of each other cost, which lets nobody in.
    others: Vec<PasswordHash>,
}

/// The result of a login.
struct Checked {
    /// The credential whose name and password were given.
    credential: Option<Arc<Credential>>,
    /// How that was found out.
    outcome: &'static str,
    /// The costs of the hashes that were made.
    made: Vec<Cost>,
}

/// The credentials.
pub struct Credentials {
    look: Look,
    known: Mutex<BTreeMap<CredentialName, Arc<Credential>>>,
    memory: Memory,
    checks: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

impl Credentials {
    /// Reads what the files grant.
    pub fn new(look: Look, metrics: &Arc<Metrics>) -> io::Result<Self> {
        let memory = Memory::new()?;
        let (known, checks) = (Mutex::default(), Arc::new(Semaphore::new(CHECKS_MAX)));
        let all = Self { look, known, memory, checks, metrics: metrics.clone() };
        all.take((all.look)());
        Ok(all)
    }

    /// Takes up what changes in the files, until the gateway stops.
    pub async fn follow(self: Arc<Self>, closing: CancellationToken) {
        while closing.run_until_cancelled(sleep(LOOK_EVERY)).await.is_some() {
            let look = self.look.clone();
            if let Ok(grants) = spawn_blocking(move || look()).await {
                self.take(grants);
            }
        }
    }

    /// Takes the place of what was granted before. Credentials that are gone, or not the same any
    /// more, end.
    fn take(&self, grants: Grants) {
        let mut known = self.known();
        let mut before = std::mem::take(&mut *known);
        for (name, grant) in grants {
            let same = before.get(&name).is_some_and(|it| it.grant == grant);
            let kept = if same { before.remove(&name) } else { None };
            let credential = kept.unwrap_or_else(|| Arc::new(Credential::new(name.clone(), grant)));
            known.insert(name, credential);
        }
        for (name, gone) in before {
            tracing::info!(credential = %name, "a credential was removed or changed");
            gone.ended.cancel();
        }
    }

    /// Returns the caller that has a name and a password.
    pub async fn caller(
        &self,
        name: &CredentialName,
        password: &SecretString,
    ) -> Result<Caller, WrongPassword> {
        let checked = self.check(name, password).await.unwrap_or_else(|error| {
            tracing::error!(%error, "failed to check the password of a credential");
            Checked { credential: None, outcome: "refused", made: Vec::new() }
        });
        self.metrics.password_checked(checked.outcome);
        tracing::debug!(outcome = checked.outcome, made = ?checked.made, "checked a password");
        let credential =
            checked.credential.filter(|it| !it.ended.is_cancelled()).ok_or(WrongPassword)?;
        let Grant { tenant, .. } = &credential.grant;
        Ok(Caller {
            tenant: Some(tenant.clone()),
            user: None,
            subject: None,
            issuer: None,
            permissions: credential.grant.permissions(),
            is_operator: Some(false),
            expires: None,
            credential: Some(credential),
        })
    }

    /// Looks for the credential whose name and password these are.
    async fn check(&self, name: &CredentialName, password: &SecretString) -> io::Result<Checked> {
        let remembered = self.memory.of(password)?;
        let found = self.known().get(name).cloned();
        if found.as_ref().is_some_and(|it| it.remembers(&remembered)) {
            return Ok(Checked { credential: found, outcome: "remembered", made: Vec::new() });
        }
        let (fits, made) = self.make(self.work(found.as_deref()), password.clone()).await?;
        match found.filter(|_| fits) {
            Some(credential) => {
                credential.remember(remembered);
                Ok(Checked { credential: Some(credential), outcome: "right", made })
            }
            None => Ok(Checked { credential: None, outcome: "refused", made }),
        }
    }

    /// Returns the hashes that a login takes: of the same costs, whether or not one has the name.
    fn work(&self, found: Option<&Credential>) -> Work {
        let own = found.map(|credential| credential.grant.password.clone());
        let mut others: BTreeMap<Cost, PasswordHash> = BTreeMap::new();
        for credential in self.known().values() {
            let hash = &credential.grant.password;
            others.entry(hash.cost()).or_insert_with(|| hash.clone());
        }
        if let Some(own) = &own {
            others.remove(&own.cost());
        }
        Work { own, others: others.into_values().collect() }
    }

    /// Makes the hashes of a password, once it has its turn; returns whether it is the one of
    /// whoever has the name, and the costs. Whoever leaves meanwhile takes no turn from others.
    async fn make(&self, work: Work, password: SecretString) -> io::Result<(bool, Vec<Cost>)> {
        let turn = self.checks.clone().acquire_owned().await.map_err(io::Error::other)?;
        let made = spawn_blocking(move || {
            let made = work.make(&password);
            drop(turn);
            made
        });
        made.await.map_err(io::Error::other)?
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<CredentialName, Arc<Credential>>> {
        self.known.lock().expect("no holder panics")
    }
}

impl Work {
    /// Makes the hashes of a password. It blocks while it does.
    fn make(self, password: &SecretString) -> io::Result<(bool, Vec<Cost>)> {
        let mut made = Vec::new();
        if let Some(own) = self.own {
            made.push(own.cost());
            if own.fits(password)? {
                return Ok((true, made));
            }
        }
        for other in self.others {
            other.fits(password)?;
            made.push(other.cost());
        }
        Ok((false, made))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use secrecy::SecretString;

    use super::{Credentials, Grant, Grants};
    use crate::access::credential::CredentialName;
    use crate::access::passwords::PasswordHash;
    use crate::domain::subscription::{Group, GroupPattern};
    use crate::domain::tenant::TenantId;
    use crate::metrics::Metrics;

    fn secret(text: &str) -> SecretString {
        text.to_owned().into()
    }

    fn name(text: &str) -> CredentialName {
        CredentialName::parse(text).unwrap()
    }

    fn grant(tenant: &str, group: &str, password: &str) -> Grant {
        Grant {
            tenant: TenantId::parse(tenant).unwrap(),
            groups: vec![GroupPattern::parse(group).unwrap()],
            topics: Vec::new(),
            more: Vec::new(),
            password: PasswordHash::of(&secret(password)).unwrap(),
        }
    }

    fn credentials(grants: &Grants) -> Credentials {
        let grants = grants.clone();
        Credentials::new(Arc::new(move || grants.clone()), &Arc::default()).unwrap()
    }

    #[tokio::test]
    async fn a_password_lets_its_own_name_in_and_no_other() {
        let one = (name("diku.one"), grant("diku", "cg.one", "the password of one"));
        let two = (name("college.two"), grant("college", "cg.two", "the password of two"));
        let all = credentials(&[one, two].into());
        let tenant = async |named: &str, password: &str| {
            let caller = all.caller(&name(named), &secret(password)).await.ok();
            caller.map(|caller| caller.tenant.unwrap().to_string())
        };
        // Twice: what is remembered is of one name, too.
        for _ in 0..2 {
            assert_eq!(tenant("diku.one", "the password of one").await.as_deref(), Some("diku"));
            assert_eq!(
                tenant("college.two", "the password of two").await.as_deref(),
                Some("college")
            );
            for (named, password) in [
                ("diku.one", "the password of two"),
                ("college.two", "the password of one"),
                ("diku.one", ""),
                ("diku.one", "the password of onE"),
                // Against the first one's hash, which an unknown name is compared with.
                ("college.none", "the password of two"),
                ("diku.none", "the password of one"),
            ] {
                assert_eq!(tenant(named, password).await, None, "{named} {password}");
            }
        }
        assert!(credentials(&Grants::new()).caller(&name("a.b"), &secret("x")).await.is_err());
    }

    #[tokio::test]
    async fn a_credential_that_is_removed_or_changed_ends_and_the_others_go_on() {
        let one = grant("diku", "cg.one", "the password of one");
        let two = grant("diku", "cg.two", "the password of two");
        let [is, was] = ["diku.one", "diku.two"].map(name);
        let all = credentials(&[(is.clone(), one.clone()), (was.clone(), two.clone())].into());
        let of = async |named: &CredentialName, password: &str| {
            let caller = all.caller(named, &secret(password)).await.ok()?;
            caller.credential
        };
        let first = of(&is, "the password of one").await.unwrap();
        let second = of(&was, "the password of two").await.unwrap();
        all.take([(is.clone(), one.clone()), (was.clone(), two)].into());
        assert!(!first.ended().is_cancelled() && !second.ended().is_cancelled());
        all.take([(is.clone(), one.clone())].into());
        assert!(!first.ended().is_cancelled() && second.ended().is_cancelled());
        assert!(of(&was, "the password of two").await.is_none());
        let wider = Grant { groups: vec![GroupPattern::parse("cg.*").unwrap()], ..one };
        all.take([(is.clone(), wider)].into());
        assert!(first.ended().is_cancelled());
        let again = of(&is, "the password of one").await.unwrap();
        assert!(again.has_group(&Group::parse("cg.two").unwrap()));
        assert!(!first.has_group(&Group::parse("cg.two").unwrap()));
    }

    #[tokio::test]
    async fn whoever_is_refused_takes_the_same_hashes_whether_or_not_somebody_has_the_name() {
        // They are nobody's password; the first name's hash is the cheapest one.
        let hash = |cost: &str| {
            let text = format!("$scrypt${cost}$U29kaXVtQ2hsb3JpZGU${}", "A".repeat(43));
            PasswordHash::parse(&text).unwrap()
        };
        let with = |cost: &str| Grant { password: hash(cost), ..grant("diku", "*", "a password") };
        let grants = [
            (name("diku.a"), with("ln=14,r=8,p=1")),
            (name("diku.b"), with("ln=15,r=8,p=1")),
            (name("diku.c"), with("ln=15,r=8,p=1")),
            (name("diku.d"), grant("diku", "*", "the password of d")),
        ];
        let all = credentials(&grants.into());
        let made = async |named: &str, password: &str| {
            let checked = all.check(&name(named), &secret(password)).await.unwrap();
            let mut made = checked.made;
            made.sort();
            (checked.outcome, made)
        };
        let unknown = made("diku.none", "another").await;
        assert_eq!((unknown.0, unknown.1.len()), ("refused", 3), "{unknown:?}");
        for known in ["diku.a", "diku.b", "diku.c", "diku.d"] {
            assert_eq!(made(known, "another").await, unknown, "{known}");
        }
        assert_eq!(made("diku.0", "the password of d").await, unknown);
        let right = made("diku.d", "the password of d").await;
        assert_eq!((right.0, right.1.len()), ("right", 1));
        assert_eq!(made("diku.d", "the password of d").await, ("remembered", Vec::new()));
        assert_eq!(made("diku.d", "another").await, unknown, "one is remembered");
    }

    #[tokio::test]
    async fn a_password_is_checked_once_and_remembered_then() {
        let metrics = Arc::new(Metrics::default());
        let grants: Grants = [(name("a.b"), grant("diku", "*", "a password of its own"))].into();
        let all = Credentials::new(Arc::new(move || grants.clone()), &metrics).unwrap();
        for (password, expected) in [
            ("a password of its own", true),
            ("a password of its own", true),
            ("another password", false),
            ("a password of its own", true),
        ] {
            let caller = all.caller(&name("a.b"), &secret(password)).await;
            assert_eq!(caller.is_ok(), expected, "{password}");
        }
        let shown = metrics.text();
        for (outcome, count) in [("right", 1), ("remembered", 2), ("refused", 1)] {
            let line =
                format!("event_gateway_passwords_checked_total{{outcome=\"{outcome}\"}} {count}\n");
            assert!(shown.contains(&line), "{line}{shown}");
        }
    }
}
