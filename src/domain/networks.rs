//! Networks: the addresses that webhooks may have. Tenants ask for webhooks, so without the
//! operator's word none leads to an address that only this host's network reaches.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Invalid;

/// The networks that are not public (IANA's registries of special-purpose addresses).
const SPECIAL: [&str; 29] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    // The host that Azure's machines reach at a public address.
    "168.63.129.16/32",
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
    "::/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

/// All addresses, none of which is reached.
const NONE: [&str; 2] = ["!0.0.0.0/0", "!::/0"];

/// The networks that webhooks may lead to although they are not public, and those that they may not
/// lead to although they are. Of those that an address is in, the smallest counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Networks(Vec<Named>);

/// A network that is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Named {
    network: IpNet,
    is_refused: bool,
}

impl Networks {
    /// Parses networks and single addresses, separated by commas; `!` stands before those that are
    /// refused, and `none` for that of all.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let network = |text: &str| {
            let address = || text.parse::<IpAddr>().map(IpNet::from).ok();
            text.parse().ok().or_else(address)
        };
        let rule = "must be networks such as 10.0.0.0/8 and fd00::/8, separated by commas, with ! \
                    before those that are refused; or none";
        let named = |text: &str| {
            let rest = text.strip_prefix('!');
            let network = network(rest.unwrap_or(text));
            let network = network.ok_or_else(|| Invalid::new("network", text, rule))?;
            Ok(Named { network, is_refused: rest.is_some() })
        };
        let given = text.split(',').map(str::trim).filter(|text| !text.is_empty());
        let all: Vec<_> = match text.trim() {
            "none" => NONE.to_vec(),
            _ => given.collect(),
        };
        Ok(Self(all.into_iter().map(named).collect::<Result<_, _>>()?))
    }

    /// Returns whether a webhook may lead to an address.
    pub fn may_reach(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let named = self.0.iter().filter(|named| named.network.contains(&address));
        let smallest = named.max_by_key(|named| (named.network.prefix_len(), named.is_refused));
        smallest.map_or_else(|| Self::is_public(address), |named| !named.is_refused)
    }

    /// Returns whether an address is public.
    pub fn is_public(address: IpAddr) -> bool {
        !is_special(address.to_canonical())
    }
}

fn is_special(address: IpAddr) -> bool {
    SPECIAL.iter().filter_map(|text| text.parse().ok()).any(|it: IpNet| it.contains(&address))
}

#[cfg(test)]
mod tests {
    use ipnet::IpNet;

    use super::{Networks, SPECIAL};

    #[test]
    fn no_address_of_a_network_of_its_own_is_reached_unless_it_is_allowed() {
        let reaches = |all: &Networks, text: &str| all.may_reach(text.parse().unwrap());
        let none = Networks::default();
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.7",
            "169.254.169.254",
            "100.100.100.200",
            "168.63.129.16",
            "0.0.0.0",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "fd00::1",
            "fe80::1",
        ] {
            assert!(!reaches(&none, address), "{address}");
        }
        assert!(reaches(&none, "9.9.9.9") && reaches(&none, "2620:fe::fe"));
        let some = Networks::parse("10.1.0.0/16, fd00::/8,127.0.0.1").unwrap();
        for (address, may) in [
            ("10.1.2.3", true),
            ("10.2.2.3", false),
            ("fd00::1", true),
            ("127.0.0.1", true),
            ("127.0.0.2", false),
            ("::ffff:10.1.2.3", true),
        ] {
            assert_eq!(reaches(&some, address), may, "{address}");
        }
        assert!(SPECIAL.iter().all(|text| text.parse::<IpNet>().is_ok()));
    }

    #[test]
    fn an_operator_may_refuse_networks_and_forbid_webhooks() {
        let reaches =
            |all: &str, text: &str| Networks::parse(all).unwrap().may_reach(text.parse().unwrap());
        for (all, address, may) in [
            ("none", "9.9.9.9", false),
            ("none", "2620:fe::fe", false),
            ("!9.9.9.0/24", "9.9.9.9", false),
            ("!9.9.9.0/24", "9.9.8.9", true),
            ("!9.9.9.0/24", "::ffff:9.9.9.9", false),
            ("10.0.0.0/8, !10.1.0.0/16", "10.1.2.3", false),
            ("!10.1.0.0/16,10.0.0.0/8", "10.2.2.3", true),
            ("!0.0.0.0/0,!::/0,10.0.0.0/8", "10.2.2.3", true),
            ("!0.0.0.0/0,!::/0,10.0.0.0/8", "9.9.9.9", false),
            ("10.0.0.1,!10.0.0.1", "10.0.0.1", false),
        ] {
            assert_eq!(reaches(all, address), may, "{all} {address}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        assert_eq!(Networks::parse(" ").unwrap(), Networks::default());
        for text in
            ["10.0.0.0/33", "example.org", "10.0.0.0/8;127.0.0.1", "10.0.0", "!", "none,10.0.0.0/8"]
        {
            assert!(Networks::parse(text).is_err(), "{text}");
        }
    }
}
