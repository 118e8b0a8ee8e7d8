//! Who asks: the peer of the connection, or whom a trusted proxy names.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName};
use proxy::config::IpNetwork;

use super::rate::household;

/// Who asks; routes find it among a request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client(pub(super) IpAddr);

impl Client {
    /// As whom it is counted.
    pub(super) fn household(self) -> IpAddr {
        household(self.0)
    }
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address that a request is counted under.
///
/// Each proxy adds its own peer to the right end, so it is read from there: the first
/// address that is no trusted proxy is the client. Everything left of it was written by
/// the client itself, and so was the whole header when the peer is not trusted.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNetwork]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    if !is_trusted(client) {
        return client;
    }
    let lines: Vec<&str> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    for text in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        let Ok(address) = text.trim().parse::<IpAddr>() else {
            break;
        };
        client = address.to_canonical();
        if !is_trusted(client) {
            break;
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(peer: &str, forwarded: &[&str], expected: &str) {
        let trusted = [IpNetwork {
            address: "10.0.0.0".parse().expect("an address"),
            prefix_len: 8,
        }];
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR, line.parse().expect("a header"));
        }
        let found = client(peer.parse().expect("an address"), &headers, &trusted);
        assert_eq!(found.to_string(), expected, "{peer} {forwarded:?}");
    }

    #[test]
    fn only_a_trusted_proxy_names_the_client() {
        case("192.0.2.1", &[], "192.0.2.1");
        case("192.0.2.1", &["198.51.100.7"], "192.0.2.1");
        case("10.0.0.1", &["198.51.100.7"], "198.51.100.7");
        case("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7");
        // What the client wrote itself stands to the left.
        case("10.0.0.1", &["203.0.113.9, 198.51.100.7"], "198.51.100.7");
        case("10.0.0.1", &["203.0.113.9", "198.51.100.7"], "198.51.100.7");
        case("10.0.0.1", &["198.51.100.7, 10.2.3.4"], "198.51.100.7");
        case("10.0.0.1", &["198.51.100.7, rubbish"], "10.0.0.1");
        case("10.0.0.1", &[], "10.0.0.1");
        case("10.0.0.1", &["2001:db8::1"], "2001:db8::1");
    }
}
