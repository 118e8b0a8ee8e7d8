//! Where notices may be sent. Whoever has a key may name a place, and a key is free: so
//! the place must be none that only the pool's machine can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use signed::{Channel, Target};
use thiserror::Error;
use url::{Host, Url};

/// Longer URLs are refused, in bytes.
pub(crate) const MAX_URL: usize = 512;

/// Why a place is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TargetError {
    /// See [`MAX_URL`].
    #[error("the URL has {0} bytes: {MAX_URL} at most")]
    Long(usize),
    /// Not a URL.
    #[error("not a URL: {0}")]
    Url(String),
    /// Not one of the config's servers.
    #[error("this pool sends only to the ntfy servers {0}, and the URL belongs to none of them")]
    Server(String),
    /// No topic behind the server's URL.
    #[error(
        "behind the server comes a topic: 1 to 64 letters, digits, - and _ (make one that nobody \
         can guess)"
    )]
    Topic,
    /// Switched off.
    #[error("this pool does not allow webhooks: use ntfy or the feed")]
    NoWebhooks,
    /// Not `https`.
    #[error("a webhook's URL begins with https:// and names no other port than 443")]
    Scheme,
    /// A user, a password or a fragment.
    #[error("a webhook's URL has no user, no password and no fragment: put a token in its path")]
    Parts,
    /// A place that is not everybody's.
    #[error("{0} is no public address: this pool sends nothing there")]
    Private(IpAddr),
    /// Known to lead to the machine itself.
    #[error("{0:?} is no public name: this pool sends nothing there")]
    PrivateName(String),
    /// It leads nowhere.
    #[error("{0:?} has no address")]
    NoAddress(String),
}

/// Which places may be named.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The servers of ntfy, without a slash at the end. The operator named them, so they
    /// may be anywhere.
    pub ntfy_servers: Vec<String>,
    /// Whether there are webhooks at all.
    pub webhooks: bool,
    /// For a pool whose miners are its operator's own: webhooks may lead anywhere.
    pub allow_private: bool,
}

/// An accepted place, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// POST JSON with the topic to the server.
    Ntfy {
        /// The server's URL.
        server: String,
        /// The topic.
        topic: String,
    },
    /// POST JSON.
    Webhook {
        /// The whole URL.
        url: Url,
    },
}

impl Policy {
    /// Takes a target apart, if it may be sent to by its name. What the name resolves to
    /// is another matter, see [`Self::allows`].
    pub(crate) fn place(&self, target: &Target) -> Result<Place, TargetError> {
        let text = target.url.as_str();
        if text.len() > MAX_URL {
            return Err(TargetError::Long(text.len()));
        }
        match target.channel {
            Channel::Ntfy => self.ntfy(text),
            Channel::Webhook => self.webhook(text),
        }
    }

    /// The config's ntfy server that a URL is a topic of.
    pub fn server_of(&self, url: &str) -> Option<&str> {
        let is_of = |server: &&String| {
            let rest = url.strip_prefix(server.as_str());
            rest.is_some_and(|rest| rest.starts_with('/'))
        };
        self.ntfy_servers.iter().find(is_of).map(String::as_str)
    }

    fn ntfy(&self, text: &str) -> Result<Place, TargetError> {
        let refused = || TargetError::Server(self.ntfy_servers.join(", "));
        let server = self.server_of(text).ok_or_else(refused)?;
        let topic = text.get(server.len() + 1..).unwrap_or("");
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !(1..=64).contains(&topic.len()) || !topic.bytes().all(good) {
            return Err(TargetError::Topic);
        }
        Ok(Place::Ntfy {
            server: server.to_owned(),
            topic: topic.to_owned(),
        })
    }

    fn webhook(&self, text: &str) -> Result<Place, TargetError> {
        if !self.webhooks {
            return Err(TargetError::NoWebhooks);
        }
        let url = Url::parse(text).map_err(|error| TargetError::Url(error.to_string()))?;
        let plain = self.allow_private && url.scheme() == "http";
        if url.scheme() != "https" && !plain {
            return Err(TargetError::Scheme);
        }
        if url.port().is_some() && !self.allow_private {
            return Err(TargetError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(TargetError::Parts);
        }
        match url.host() {
            Some(Host::Ipv4(address)) => self.allows(address.into())?,
            Some(Host::Ipv6(address)) => self.allows(address.into())?,
            Some(Host::Domain(name)) if !self.allow_private => public_name(name)?,
            Some(Host::Domain(_)) => {}
            None => return Err(TargetError::Url("it names no host".to_owned())),
        }
        Ok(Place::Webhook { url })
    }

    /// Whether a webhook may be sent to `address`.
    pub fn allows(&self, address: IpAddr) -> Result<(), TargetError> {
        if self.allow_private || is_public(address) {
            Ok(())
        } else {
            Err(TargetError::Private(address))
        }
    }
}

/// Names that a resolver answers from the machine or the house itself (RFC 6761, 6762,
/// 8375). The addresses are looked at all the same.
fn public_name(name: &str) -> Result<(), TargetError> {
    let lower = name.trim_end_matches('.').to_ascii_lowercase();
    let inside = [
        "localhost",
        "local",
        "internal",
        "arpa",
        "lan",
        "home",
        "onion",
    ];
    let last = lower.rsplit('.').next().unwrap_or("");
    if inside.contains(&last) || !lower.contains('.') {
        return Err(TargetError::PrivateName(name.to_owned()));
    }
    Ok(())
}

/// Whether an address is reached over the internet alike from everywhere, by IANA's
/// registries of special-purpose addresses (RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let within = |network: [u8; 4], bits: u32| {
        let mask = u32::MAX << (32 - bits);
        address.to_bits() & mask == u32::from_be_bytes(network)
    };
    let special = [
        ([0, 0, 0, 0], 8),
        ([10, 0, 0, 0], 8),
        ([100, 64, 0, 0], 10),
        ([127, 0, 0, 0], 8),
        ([169, 254, 0, 0], 16),
        ([172, 16, 0, 0], 12),
        ([192, 0, 0, 0], 24),
        ([192, 0, 2, 0], 24),
        ([192, 88, 99, 0], 24),
        ([192, 168, 0, 0], 16),
        ([198, 18, 0, 0], 15),
        ([198, 51, 100, 0], 24),
        ([203, 0, 113, 0], 24),
        // Multicast, and all that is reserved behind it.
        ([224, 0, 0, 0], 3),
    ];
    !special
        .iter()
        .any(|(network, bits)| within(*network, *bits))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let within = |network: u128, bits: u32| {
        let mask = u128::MAX << (128 - bits);
        address.to_bits() & mask == network << 96
    };
    // Nothing outside of 2000::/3 is given to anybody. Within it are tunnels that lead
    // to an IPv4 address of the sender's choice, and documentation.
    let special = [
        (0x2001_0000, 23),
        (0x2001_0db8, 32),
        (0x2002_0000, 16),
        (0x3fff_0000, 20),
    ];
    within(0x2000_0000, 3)
        && !special
            .iter()
            .any(|(network, bits)| within(*network, *bits))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy(webhooks: bool, allow_private: bool) -> Policy {
        Policy {
            ntfy_servers: vec![
                "https://ntfy.sh".to_owned(),
                "http://10.0.0.9:8090/ntfy".to_owned(),
            ],
            webhooks,
            allow_private,
        }
    }

    #[track_caller]
    fn case(policy: &Policy, channel: Channel, url: &str, good: bool) {
        let target = Target {
            channel,
            url: url.to_owned(),
        };
        let place = policy.place(&target);
        assert_eq!(place.is_ok(), good, "{url}: {place:?}");
    }

    #[test]
    fn ntfy_is_a_topic_of_a_known_server() {
        let case = |url: &str, good| case(&policy(false, false), Channel::Ntfy, url, good);
        case("https://ntfy.sh/axe_9f3-x", true);
        case("http://10.0.0.9:8090/ntfy/mine", true);
        case("https://ntfy.sh/", false);
        case("https://ntfy.sh", false);
        case("https://ntfy.sh/a/b", false);
        case("https://ntfy.sh/a?b=c", false);
        case("https://ntfy.sh.evil.example/a", false);
        case("https://ntfy.sh@evil.example/a", false);
        case("http://ntfy.sh/a", false);
        case(&format!("https://ntfy.sh/{}", "a".repeat(64)), true);
        case(&format!("https://ntfy.sh/{}", "a".repeat(65)), false);
        case(&format!("https://ntfy.sh/{}", "a".repeat(600)), false);
    }

    #[test]
    fn a_webhook_is_somewhere_in_public() {
        let case = |url: &str, good| case(&policy(true, false), Channel::Webhook, url, good);
        case("https://hooks.example.org/axe?token=1", true);
        case("https://1.1.1.1/", true);
        case("https://[2606:4700::1111]/", true);
        case("https://hooks.example.org:443/axe", true);
        for url in [
            "http://hooks.example.org/axe",
            "https://hooks.example.org:8443/axe",
            "https://user@hooks.example.org/axe",
            "https://hooks.example.org/axe#there",
            "ftp://hooks.example.org/",
            "file:///etc/passwd",
            "https://",
            "hooks",
            "https://localhost/",
            "https://LOCALHOST./",
            "https://printer.local/",
            "https://metadata.google.internal/",
            "https://intranet/",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0/",
            "https://169.254.169.254/latest/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
        ] {
            case(url, false);
        }
        let longest = format!("https://e.org/{}", "a".repeat(MAX_URL - 14));
        case(&longest, true);
        case(&format!("{longest}a"), false);
    }

    #[test]
    fn the_operator_may_open_it_or_close_it() {
        let mine = "http://10.0.0.9:8123/api/webhook/axe";
        case(&policy(true, true), Channel::Webhook, mine, true);
        case(&policy(true, false), Channel::Webhook, mine, false);
        let public = "https://hooks.example.org/axe";
        case(&policy(false, true), Channel::Webhook, public, false);
    }

    #[test]
    fn special_addresses_are_not_public() {
        let case = |text: &str, public: bool| {
            let address: IpAddr = text.parse().expect("an address");
            assert_eq!(is_public(address), public, "{text}");
        };
        for text in [
            "0.0.0.0",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:192.168.1.1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "100::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "4000::1",
        ] {
            case(text, false);
        }
        for text in [
            "1.1.1.1",
            "9.255.255.255",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.169.0.0",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "2001:4860::8888",
            "2606:4700::1111",
            "2a00::1",
        ] {
            case(text, true);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_panic(url: String, webhooks: bool, allow_private: bool) {
            for channel in [Channel::Ntfy, Channel::Webhook] {
                let target = Target { channel, url: url.clone() };
                let _ = policy(webhooks, allow_private).place(&target);
            }
        }

        // What the standard library knows to be special, is.
        #[test]
        fn no_private_address_is_public(bits: u32) {
            let v4 = Ipv4Addr::from_bits(bits);
            if v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
                || v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified() {
                prop_assert!(!is_public(v4.into()));
            }
            prop_assert_eq!(is_public(v4.into()), is_public(v4.to_ipv6_mapped().into()));
        }
    }
}
