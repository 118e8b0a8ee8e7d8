//! Whose connections and requests count as one visitor's.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proxy::Masked;

/// The unit that limits count by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Household {
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 /64, the least that a household is given.
    V6(u64),
    /// A circuit of Tor, by the number that the tor process gives it; 0 where it gives
    /// none, and all visitors of the onion service are one.
    Circuit(u64),
    /// Somebody whom the trusted proxy of this household named in a way that cannot be
    /// read. The proxy's own requests are not counted with theirs.
    Unreadable(Ipv4Addr),
    /// The same behind a proxy with an IPv6 address.
    UnreadableV6(u64),
}

impl Household {
    /// The household of an address. An IPv4 address that a dual-stack socket shows as
    /// `::ffff:a.b.c.d` is the plain one.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Household::V4(v4),
            IpAddr::V6(v6) => Household::V6(upper_half(v6.to_bits())),
        }
    }

    /// Of those whom the proxy at `address` does not name readably.
    pub fn unreadable(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Household::Unreadable(v4),
            IpAddr::V6(v6) => Household::UnreadableV6(upper_half(v6.to_bits())),
        }
    }
}

/// As a log may show it: no more of an address than its /24 or /48.
impl fmt::Display for Household {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v6 = |upper: u64| Masked(Ipv6Addr::from_bits(u128::from(upper) << 64).into());
        match *self {
            Household::V4(v4) => Masked(v4.into()).fmt(f),
            Household::V6(upper) => v6(upper).fmt(f),
            Household::Circuit(_) => f.write_str("a circuit of Tor"),
            Household::Unreadable(proxy) => {
                write!(f, "unreadable, behind {}", Masked(proxy.into()))
            }
            Household::UnreadableV6(proxy) => write!(f, "unreadable, behind {}", v6(proxy)),
        }
    }
}

fn upper_half(bits: u128) -> u64 {
    u64::try_from(bits >> 64).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn same(left: &str, right: &str, expected: bool) {
        let of = |text: &str| Household::of(text.parse().expect("an address"));
        assert_eq!(of(left) == of(right), expected, "{left} {right}");
    }

    #[test]
    fn a_log_shows_the_network_alone() {
        let shown = |text: &str| Household::of(text.parse().expect("an address")).to_string();
        assert_eq!(shown("192.0.2.77"), "192.0.2.0/24");
        assert_eq!(shown("2001:db8:5:6:7::8"), "2001:db8:5::/48");
    }

    #[test]
    fn an_ipv4_address_or_a_64_is_one() {
        same("192.0.2.1", "192.0.2.1", true);
        same("192.0.2.1", "192.0.2.2", false);
        same("192.0.2.1", "::ffff:192.0.2.1", true);
        same("2001:db8::1", "2001:db8::ffff:0:0:1", true);
        same("2001:db8::1", "2001:db8:0:1::1", false);
    }

    #[test]
    fn who_is_not_named_readably_is_not_the_proxy() {
        for text in ["127.0.0.1", "::1"] {
            let address = text.parse().expect("an address");
            assert_ne!(Household::of(address), Household::unreadable(address));
        }
    }
}
