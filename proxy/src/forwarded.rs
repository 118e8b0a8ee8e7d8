//! The client that a trusted HTTP proxy names: `X-Forwarded-For`. Pure.
//!
//! Each proxy adds its own peer to the right end, so the header is read from there: the
//! first address that is no trusted proxy is the client. Everything left of it was written
//! by the client itself, and so was the whole header when the peer is not trusted.

use std::net::{IpAddr, SocketAddr};

use crate::config::IpNetwork;

/// An address with a port is at most so long: `[` 45 bytes `]:65535`.
const MAX_ELEMENT_BYTES: usize = 64;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// The client's address; of who is not named readably, the proxy's that should have.
    pub address: IpAddr,
    /// False when what stands where the client should be named is no address.
    pub is_readable: bool,
}

/// The client of a request from `peer`. `lines` are the values of all `X-Forwarded-For`
/// headers, in their order.
pub fn client<'a>(
    peer: IpAddr,
    lines: impl DoubleEndedIterator<Item = &'a [u8]>,
    trusted: &[IpNetwork],
) -> Named {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut named = Named {
        address: peer.to_canonical(),
        is_readable: true,
    };
    if !is_trusted(named.address) {
        return named;
    }
    let elements = lines
        .rev()
        .flat_map(|line| line.rsplit(|byte| *byte == b','));
    for element in elements {
        let Some(address) = address(element) else {
            named.is_readable = false;
            break;
        };
        named.address = address.to_canonical();
        if !is_trusted(named.address) {
            break;
        }
    }
    named
}

/// `192.0.2.1`, `192.0.2.1:443`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:443`.
fn address(element: &[u8]) -> Option<IpAddr> {
    let element = element.trim_ascii();
    if element.len() > MAX_ELEMENT_BYTES {
        return None;
    }
    let text = std::str::from_utf8(element).ok()?;
    let bracketed = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match bracketed {
        Some(v6) => v6.parse().ok().map(IpAddr::V6),
        None => text
            .parse()
            .or_else(|_| text.parse::<SocketAddr>().map(|with_port| with_port.ip()))
            .ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted() -> [IpNetwork; 1] {
        [IpNetwork {
            address: "10.0.0.0".parse().unwrap(),
            prefix_len: 8,
        }]
    }

    #[track_caller]
    fn found(peer: &str, lines: &[&[u8]]) -> Named {
        client(peer.parse().unwrap(), lines.iter().copied(), &trusted())
    }

    #[track_caller]
    fn case(peer: &str, lines: &[&[u8]], expected: &str) {
        let named = found(peer, lines);
        let shown = (named.address.to_string(), named.is_readable);
        assert_eq!(shown, (expected.to_owned(), true), "{peer} {lines:?}");
    }

    #[test]
    fn only_a_trusted_proxy_names_the_client() {
        case("192.0.2.1", &[], "192.0.2.1");
        case("192.0.2.1", &[b"198.51.100.7"], "192.0.2.1");
        case("192.0.2.1", &[b"\xff"], "192.0.2.1");
        case("10.0.0.1", &[b"198.51.100.7"], "198.51.100.7");
        case("::ffff:10.0.0.1", &[b"198.51.100.7"], "198.51.100.7");
        case("10.0.0.1", &[], "10.0.0.1");
        case("10.0.0.1", &[b"2001:db8::1"], "2001:db8::1");
    }

    #[test]
    fn what_the_client_wrote_itself_stands_to_the_left() {
        let expected = "198.51.100.7";
        case("10.0.0.1", &[b"203.0.113.9, 198.51.100.7"], expected);
        case("10.0.0.1", &[b"203.0.113.9", b"198.51.100.7"], expected);
        case("10.0.0.1", &[b"198.51.100.7, 10.2.3.4"], expected);
        case("10.0.0.1", &[b"198.51.100.7", b" 10.2.3.4\t"], expected);
        // What it wrote need not be readable.
        case("10.0.0.1", &[b"\xff\xfe", b"198.51.100.7"], expected);
        case("10.0.0.1", &[b"\xff, rubbish,, 198.51.100.7"], expected);
    }

    #[test]
    fn ports_and_brackets_are_read() {
        case("10.0.0.1", &[b"198.51.100.7:50123"], "198.51.100.7");
        case("10.0.0.1", &[b"[2001:db8::1]"], "2001:db8::1");
        case("10.0.0.1", &[b"[2001:db8::1]:50123"], "2001:db8::1");
        case("10.0.0.1", &[b"[::ffff:198.51.100.7]:1"], "198.51.100.7");
        case("10.0.0.1", &[b"198.51.100.7, 10.2.3.4:80"], "198.51.100.7");
    }

    #[test]
    fn what_cannot_be_read_ends_the_search() {
        let long = b"1".repeat(100_000);
        let bad: [&[u8]; 10] = [
            b"rubbish",
            b"\xff",
            b"",
            b" ",
            b"unknown",
            b"198.51.100.7:99999",
            b"[198.51.100.7]",
            b"fe80::1%eth0",
            b"198.51.100.7 198.51.100.8",
            &long,
        ];
        for bad in bad {
            // Neither is an earlier element or line believed, which the client wrote.
            let left = [&b"198.51.100.7,"[..], bad].concat();
            let lines: [&[&[u8]]; 3] = [&[bad], &[&left], &[b"198.51.100.7", bad]];
            for lines in lines {
                let named = found("10.0.0.1", lines);
                assert!(!named.is_readable, "{lines:?}");
                assert_eq!(named.address.to_string(), "10.0.0.1");
            }
            let hop = [bad, b", 10.9.9.9"].concat();
            let named = found("10.0.0.1", &[&hop]);
            assert_eq!(
                named.address.to_string(),
                "10.9.9.9",
                "the last trusted hop"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_the_client_writes_the_proxy_has_the_last_word(
            written in proptest::collection::vec(
                proptest::collection::vec(proptest::num::u8::ANY, 0..60), 0..4),
            client_bits: u32,
        ) {
            let client = std::net::Ipv4Addr::from_bits(client_bits);
            proptest::prop_assume!(client.octets()[0] != 10);
            let last = client.to_string();
            let mut lines: Vec<&[u8]> = written.iter().map(Vec::as_slice).collect();
            lines.push(last.as_bytes());
            let named = found("10.0.0.1", &lines);
            proptest::prop_assert_eq!(named.address, IpAddr::V4(client));
            proptest::prop_assert!(named.is_readable);
        }
    }
}
