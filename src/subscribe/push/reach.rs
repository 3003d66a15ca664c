//! The reach of webhooks: a URL's host is looked up here, and connected to only at an address that
//! a webhook may have.

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::names::Names;
use crate::domain::networks::Networks;
use crate::domain::tenant::TenantId;

/// The resolver of webhooks' hosts.
#[derive(Clone)]
pub(super) struct Reach {
    networks: Arc<Networks>,
    names: Arc<Names>,
}

/// A webhook's address is none that it may have.
#[derive(Debug, thiserror::Error)]
#[error("the webhook may not lead to {0}: it is not public, or WEBHOOK_NETWORKS refuses it")]
pub(super) struct NotAllowed(IpAddr);

/// A name is connected to long after it was looked up.
#[derive(Debug, thiserror::Error)]
#[error("the address of {0} is not known any more")]
struct NotKnown(String);

impl Reach {
    /// Makes a resolver for addresses that are public, or of these networks.
    pub(super) fn new(networks: Arc<Networks>) -> Self {
        Self { networks, names: Names::of_system() }
    }

    /// Returns whether an address is the public's, and none that the operator alone reaches.
    pub(super) fn is_public(address: IpAddr) -> bool {
        Networks::is_public(address)
    }

    fn check(&self, address: IpAddr) -> Result<(), NotAllowed> {
        if self.networks.may_reach(address) { Ok(()) } else { Err(NotAllowed(address)) }
    }

    /// Checks the host of a URL, if it is an address: those are not looked up.
    pub(super) fn check_url(&self, url: &str) -> Result<(), NotAllowed> {
        let url = Url::parse(url).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host.parse().map_or(Ok(()), |address| self.check(address))
    }

    /// Looks up the host of a tenant's URL, if it is a name; an error if it is not found.
    pub(super) async fn look_up(&self, tenant: &TenantId, url: &str) -> Result<(), String> {
        let url = Url::parse(url).ok();
        match url.as_ref().and_then(Url::domain) {
            Some(name) => self.names.look_up(tenant, name).await,
            None => Ok(()),
        }
    }
}

impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.clone();
        Box::pin(async move {
            let found = reach.names.addresses(name.as_str());
            let found = found.ok_or_else(|| NotKnown(name.as_str().to_owned()))?;
            let (mut may, mut refused) = (Vec::new(), None);
            for address in found {
                match reach.check(address.ip()) {
                    Ok(()) => may.push(address),
                    Err(error) => refused = Some(error),
                }
            }
            match refused.filter(|_| may.is_empty()) {
                Some(error) => Err(Box::new(error) as Box<dyn Error + Send + Sync>),
                None => Ok(Box::new(may.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use reqwest::dns::Resolve;

    use super::Reach;
    use crate::domain::networks::Networks;
    use crate::domain::tenant::TenantId;

    fn reach(networks: &str) -> Reach {
        Reach::new(Arc::new(Networks::parse(networks).unwrap()))
    }

    /// Returns a resolver that has looked this host up.
    async fn looked_up(networks: &str) -> Reach {
        let (reach, diku) = (reach(networks), TenantId::parse("diku").unwrap());
        reach.look_up(&diku, "http://localhost:8080/").await.unwrap();
        reach
    }

    #[test]
    fn an_address_is_checked_however_a_url_writes_it() {
        for url in [
            "http://127.0.0.1:8081/",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://017700000001/",
        ] {
            assert!(reach("").check_url(url).is_err(), "{url}");
        }
        assert!(reach("").check_url("https://9.9.9.9/hook").is_ok());
        assert!(reach("").check_url("https://example.org/").is_ok(), "it is looked up");
        assert!(reach("127.0.0.0/8").check_url("http://2130706433/").is_ok());
    }

    #[tokio::test]
    async fn a_name_leads_only_to_addresses_that_are_allowed() {
        let local = || "localhost".parse().unwrap();
        assert!(reach("").resolve(local()).await.is_err(), "nobody has looked it up");
        let refused = looked_up("").await.resolve(local()).await;
        let told = refused.err().expect("it is this host").to_string();
        assert!(told.contains("WEBHOOK_NETWORKS"), "{told}");
        let found = looked_up("127.0.0.0/8").await.resolve(local()).await;
        assert!(found.unwrap().all(|address| address.is_ipv4()));
    }
}
