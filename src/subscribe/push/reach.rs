//! The reach of webhooks: the addresses that they may have. Tenants ask for webhooks, so without
//! the operator's word none leads to an address that only this host's network reaches.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The networks that are not public (IANA's registries of special-purpose addresses).
const SPECIAL: [&str; 25] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/127",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "fc00::/7",
    "fe80::/10",
    "ff00::/8",
];

/// The addresses that webhooks may have.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// The networks that are not public and that the operator allows.
    pub allowed: Vec<IpNet>,
}

/// A webhook's address is none that it may have.
#[derive(Debug, thiserror::Error)]
#[error(
    "the webhook's address {0} is not public: the operator allows such networks by \
     WEBHOOK_NETWORKS"
)]
pub struct NotAllowed(IpAddr);

impl Reach {
    /// Checks an address.
    pub fn check(&self, address: IpAddr) -> Result<(), NotAllowed> {
        let address = address.to_canonical();
        let is_special = special().any(|network| network.contains(&address));
        if is_special && !self.allowed.iter().any(|network| network.contains(&address)) {
            return Err(NotAllowed(address));
        }
        Ok(())
    }

    /// Checks the host of a URL, if it is an address: those are not looked up.
    pub(super) fn check_url(&self, url: &str) -> Result<(), NotAllowed> {
        let url = Url::parse(url).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host.parse().map_or(Ok(()), |address| self.check(address))
    }
}

fn special() -> impl Iterator<Item = IpNet> {
    SPECIAL.iter().map(|network| network.parse().expect("a network"))
}

impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
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
    use super::Reach;

    #[test]
    fn no_webhook_leads_into_the_operators_network_unless_it_is_allowed() {
        let nobody = Reach::default();
        for url in [
            "http://127.0.0.1:8081/",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://192.168.1.7",
            "http://[fe80::1]/",
        ] {
            assert!(nobody.check_url(url).is_err(), "{url}");
        }
        assert!(nobody.check_url("https://9.9.9.9/hook").is_ok());
        assert!(nobody.check_url("https://example.org/").is_ok(), "it is looked up");
        let some = Reach { allowed: vec!["10.1.0.0/16".parse().unwrap()] };
        assert!(some.check("10.1.2.3".parse().unwrap()).is_ok());
        assert!(some.check("10.2.2.3".parse().unwrap()).is_err());
    }
}
