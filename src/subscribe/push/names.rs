//! The names of webhooks' hosts: each is looked up in a thread, of which there are few and each
//! tenant has its part, and what was found, or that nothing was, is known for a while.
//!
//! The system's resolver keeps a thread for as long as a name's servers don't answer, whoever still
//! waits for it. A tenant may name such hosts as often as it likes; the threads are also those in
//! which the gateway reads files and waits for Kafka.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::Instant;

use crate::domain::tenant::TenantId;
use crate::shares::Queue;

/// The most names that are looked up at once.
const THREADS_MAX: usize = 16;
/// The most of a single tenant.
const TENANT_THREADS_MAX: usize = 4;
/// The time for which an address is taken as it was found.
const FRESH: Duration = Duration::from_secs(30);
/// The same for a name that was not found.
const FRESH_FAILURE: Duration = Duration::from_secs(10);
/// The time for which a call that has begun may connect to what was found.
const KEPT: Duration = Duration::from_mins(2);
/// The most names that are known.
const NAMES_MAX: usize = 10_000;

/// The way in which a name is looked up; it blocks.
type LookUp = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// The names that are known.
pub(super) struct Names {
    threads: Arc<Queue>,
    known: Mutex<HashMap<String, Known>>,
    look_up: Box<LookUp>,
}

/// The answer to a name, and when it came.
struct Known {
    at: Instant,
    found: Result<Vec<SocketAddr>, String>,
}

impl Names {
    /// Returns names that are looked up as the system does it.
    pub(super) fn of_system() -> Arc<Self> {
        Self::new(|name: &str| Ok((name, 0).to_socket_addrs()?.collect()))
    }

    fn new(
        look_up: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let threads = Queue::new(THREADS_MAX, TENANT_THREADS_MAX);
        Arc::new(Self { threads, known: Mutex::default(), look_up: Box::new(look_up) })
    }

    /// Looks a name up, unless it is known; an error if it is not found.
    pub(super) async fn look_up(
        self: &Arc<Self>,
        tenant: &TenantId,
        name: &str,
    ) -> Result<(), String> {
        if let Some(known) = self.fresh(name) {
            return known;
        }
        let thread = self.threads.take(tenant, 1).await;
        // Another call may have looked meanwhile.
        if let Some(known) = self.fresh(name) {
            return known;
        }
        let (names, name) = (self.clone(), name.to_owned());
        let looking = spawn_blocking(move || {
            // The share is the thread's: the thread ends later than who waits for it may go.
            let _thread = thread;
            let found = (names.look_up)(&name).map_err(|error| error.to_string());
            let told = found.as_ref().map(drop).map_err(String::clone);
            names.note(name, found);
            told
        });
        looking.await.map_err(|error| error.to_string())?
    }

    /// Returns the addresses of a name that was looked up.
    pub(super) fn addresses(&self, name: &str) -> Option<Vec<SocketAddr>> {
        let known = self.known.lock().expect("no holder panics");
        let known = known.get(name).filter(|known| known.at.elapsed() < KEPT)?;
        known.found.clone().ok()
    }

    /// Returns what is known of a name, if that is fresh.
    fn fresh(&self, name: &str) -> Option<Result<(), String>> {
        let known = self.known.lock().expect("no holder panics");
        let Known { at, found } = known.get(name)?;
        let lasts = if found.is_ok() { FRESH } else { FRESH_FAILURE };
        (at.elapsed() < lasts).then(|| found.as_ref().map(drop).map_err(String::clone))
    }

    fn note(&self, name: String, found: Result<Vec<SocketAddr>, String>) {
        let mut known = self.known.lock().expect("no holder panics");
        if known.len() >= NAMES_MAX {
            known.retain(|_, known| known.at.elapsed() < KEPT);
        }
        if known.len() >= NAMES_MAX {
            known.clear();
        }
        known.insert(name, Known { at: Instant::now(), found });
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex, mpsc};
    use std::task::Poll;
    use std::time::Duration;

    use futures_util::poll;
    use tokio::time::advance;

    use super::{FRESH_FAILURE, Names, TENANT_THREADS_MAX};
    use crate::domain::tenant::TenantId;

    fn tenant(name: &str) -> TenantId {
        TenantId::parse(name).unwrap()
    }

    /// Waiting for the threads themselves would wait for what they hang on.
    #[tokio::test]
    async fn a_tenant_whose_names_nobody_answers_for_keeps_its_own_threads_alone() {
        let (release, held) = mpsc::channel::<()>();
        let (held, begun) = (Mutex::new(held), Arc::new(AtomicUsize::new(0)));
        let count = begun.clone();
        let names = Names::new(move |name| {
            if name == "quiet.example" {
                return Ok(vec![SocketAddr::from(([192, 0, 2, 1], 0))]);
            }
            count.fetch_add(1, Ordering::SeqCst);
            _ = held.lock().unwrap().recv();
            Err(io::Error::other("no servers"))
        });
        let (busy, quiet) = (tenant("busy"), tenant("quiet"));
        // Whoever gives up leaves its thread behind.
        for number in 0..TENANT_THREADS_MAX * 3 {
            let name = format!("{number}.example");
            let mut looking = Box::pin(names.look_up(&busy, &name));
            assert!(poll!(&mut looking).is_pending(), "{number}");
        }
        assert_eq!(names.look_up(&quiet, "quiet.example").await, Ok(()));
        assert_eq!(names.threads.held(), TENANT_THREADS_MAX);
        assert!(begun.load(Ordering::SeqCst) <= TENANT_THREADS_MAX);
        drop(release);
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_not_looked_up_again_while_the_answer_is_fresh() {
        let looked = Arc::new(AtomicUsize::new(0));
        let count = looked.clone();
        let names = Names::new(move |name| {
            count.fetch_add(1, Ordering::SeqCst);
            match name {
                "gone.example" => Err(io::Error::other("no such host")),
                _ => Ok(vec![SocketAddr::from(([192, 0, 2, 1], 0))]),
            }
        });
        let diku = tenant("diku");
        for _ in 0..3 {
            assert_eq!(names.look_up(&diku, "gone.example").await, Err("no such host".to_owned()));
        }
        assert_eq!((looked.load(Ordering::SeqCst), names.addresses("gone.example")), (1, None));
        advance(FRESH_FAILURE).await;
        names.look_up(&diku, "gone.example").await.unwrap_err();
        assert_eq!(looked.load(Ordering::SeqCst), 2);
        assert_eq!(names.addresses("there.example"), None, "nobody has looked");
        names.look_up(&diku, "there.example").await.unwrap();
        advance(Duration::from_secs(20)).await;
        let mut known = Box::pin(names.look_up(&diku, "there.example"));
        assert_eq!(poll!(&mut known), Poll::Ready(Ok(())));
        assert_eq!(names.addresses("there.example").map(|found| found.len()), Some(1));
    }
}
