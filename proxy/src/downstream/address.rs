//! The households by which peers are counted, and the part of an address that a log may
//! show.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::IpNetwork;

/// What the per-address limits count by: one IPv4 address, or one IPv6 /64, the least
/// that a household is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum AddressKey {
    /// The whole address.
    V4(Ipv4Addr),
    /// The upper 64 bits.
    V6(u64),
}

impl AddressKey {
    /// The key of a peer. An IPv4 address that a dual-stack socket shows as
    /// `::ffff:a.b.c.d` is the same peer as the plain one.
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => AddressKey::V4(v4),
            IpAddr::V6(v6) => AddressKey::V6(upper_half(v6)),
        }
    }
}

fn upper_half(address: Ipv6Addr) -> u64 {
    let [a, b, c, d, ..] = address.segments();
    [a, b, c, d]
        .into_iter()
        .fold(0, |upper, segment| (upper << 16) | u64::from(segment))
}

/// An address as logs may show it: the /24 or the /48 that it is in. Enough to tell a
/// botnet from a household, too little to name a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Masked(pub IpAddr);

impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                write!(f, "{a}.{b}.{c}.0/24")
            }
            IpAddr::V6(v6) => {
                let [a, b, c, ..] = v6.segments();
                write!(f, "{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
            }
        }
    }
}

impl IpNetwork {
    /// True when `address` is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        contains(self, address)
    }
}

/// True when `address` is in `network`.
pub(crate) fn contains(network: &IpNetwork, address: IpAddr) -> bool {
    match (network.address.to_canonical(), address.to_canonical()) {
        (IpAddr::V4(network_v4), IpAddr::V4(v4)) => {
            let shift = 32u32.saturating_sub(u32::from(network.prefix_len));
            let differing = network_v4.to_bits() ^ v4.to_bits();
            differing.checked_shr(shift).unwrap_or(0) == 0
        }
        (IpAddr::V6(network_v6), IpAddr::V6(v6)) => {
            let shift = 128u32.saturating_sub(u32::from(network.prefix_len));
            let differing = network_v6.to_bits() ^ v6.to_bits();
            differing.checked_shr(shift).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[track_caller]
    fn same_peer(left: &str, right: &str, same: bool) {
        assert_eq!(AddressKey::of(ip(left)) == AddressKey::of(ip(right)), same);
    }

    #[test]
    fn a_household_is_one_peer() {
        same_peer("192.0.2.7", "192.0.2.7", true);
        same_peer("192.0.2.7", "192.0.2.8", false);
        same_peer("192.0.2.7", "::ffff:192.0.2.7", true);
        same_peer("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true);
        same_peer("2001:db8:1:2::1", "2001:db8:1:3::1", false);
    }

    #[track_caller]
    fn masked(full: &str, shown: &str) {
        assert_eq!(Masked(ip(full)).to_string(), shown);
    }

    #[test]
    fn logs_show_no_full_address() {
        masked("192.0.2.77", "192.0.2.0/24");
        masked("::ffff:192.0.2.77", "192.0.2.0/24");
        masked("2001:db8:aaaa:bbbb::1", "2001:db8:aaaa::/48");
    }

    #[track_caller]
    fn inside(network: &str, prefix_len: u8, address: &str, inside: bool) {
        let network = IpNetwork {
            address: ip(network),
            prefix_len,
        };
        assert_eq!(contains(&network, ip(address)), inside);
    }

    #[test]
    fn networks_compare_their_leading_bits() {
        inside("10.0.0.0", 8, "10.255.0.1", true);
        inside("10.0.0.0", 8, "11.0.0.1", false);
        inside("10.0.0.1", 32, "10.0.0.1", true);
        inside("10.0.0.1", 32, "10.0.0.2", false);
        inside("0.0.0.0", 0, "203.0.113.9", true);
        inside("0.0.0.0", 0, "2001:db8::1", false);
        inside("2001:db8::", 32, "2001:db8:ffff::1", true);
        inside("2001:db8::", 32, "2001:db9::1", false);
        inside("::", 0, "2001:db8::1", true);
        inside("10.0.0.0", 8, "::ffff:10.1.2.3", true);
    }
}
