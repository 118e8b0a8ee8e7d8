//! `http.public_url`: a URL that the pool writes into every token, for ever. A URL that no
//! wallet can use is refused here; whether a good one leads to this pool is asked while the
//! pool runs (`pool/src/run/reach.rs`).

use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bitcoin::Network;
use toml::Value;
use url::{Host, Url};

use super::reader::Section;
use super::setting::{Refusal, Setting};

/// The longest name, and the longest label of one (RFC 1035, 2.3.4).
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// Names that only the resolvers of a local network know.
const LOCAL_ENDINGS: [&str; 9] = [
    ".local",
    ".lan",
    ".home",
    ".home.arpa",
    ".internal",
    ".intranet",
    ".private",
    ".corp",
    ".localdomain",
];

/// An `http` or `https` URL without a slash at its end, a query or a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(String);

/// The machines that a URL's host can be reached from, as far as the host itself tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// All of them.
    Everywhere,
    /// Those of the pool's own network.
    ThisNetwork,
    /// The pool's own machine.
    ThisMachine,
    /// None: it is no address of a host.
    Nowhere,
}

impl PublicUrl {
    /// The URL of a listener on this machine.
    pub(super) fn local(address: SocketAddr, tls: bool) -> PublicUrl {
        let scheme = if tls { "https" } else { "http" };
        let mut url = format!("{scheme}://");
        // Writing to a String cannot fail.
        let _ = if address.ip().is_unspecified() {
            write!(url, "localhost:{}", address.port())
        } else {
            write!(url, "{address}")
        };
        PublicUrl(url)
    }

    /// The public server of ntfy.
    pub(super) fn ntfy() -> PublicUrl {
        PublicUrl("https://ntfy.sh".to_owned())
    }

    /// The URL's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True when nobody between the wallet and the pool can read or change what is
    /// sent: `https`, or an onion service.
    pub(super) fn is_private(&self) -> bool {
        self.0.starts_with("https://") || self.is_onion()
    }

    /// True for an onion service, which only tor reaches.
    pub(crate) fn is_onion(&self) -> bool {
        self.host().ends_with(".onion")
    }

    /// Its host, without brackets and port.
    pub fn host(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or("");
        match authority.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or(""),
            None => authority.split(':').next().unwrap_or(""),
        }
    }

    /// The machines that its host can be reached from.
    pub(super) fn reached_from(&self) -> Reached {
        match self.host().parse::<IpAddr>() {
            Ok(address) => of_address(address),
            Err(_) => of_name(self.host()),
        }
    }

    fn path(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        rest.find('/').map_or("", |at| &rest[at..])
    }
}

fn of_address(address: IpAddr) -> Reached {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let octets = v4.octets();
            // RFC 6598: shared by the customers of a provider, and by tailnets.
            let is_shared = octets[0] == 100 && (64..128).contains(&octets[1]);
            if octets[0] == 0 || v4.is_multicast() || v4 == Ipv4Addr::BROADCAST {
                Reached::Nowhere
            } else if v4.is_loopback() {
                Reached::ThisMachine
            } else if v4.is_private() || v4.is_link_local() || is_shared {
                Reached::ThisNetwork
            } else {
                Reached::Everywhere
            }
        }
        IpAddr::V6(v6) if v6.is_unspecified() || v6.is_multicast() => Reached::Nowhere,
        IpAddr::V6(v6) if v6.is_loopback() => Reached::ThisMachine,
        IpAddr::V6(v6) if v6.is_unique_local() || v6.is_unicast_link_local() => {
            Reached::ThisNetwork
        }
        IpAddr::V6(_) => Reached::Everywhere,
    }
}

fn of_name(name: &str) -> Reached {
    let is_here = name == "localhost"
        || name.ends_with(".localhost")
        || name == "localhost.localdomain"
        || name == "ip6-localhost";
    if is_here {
        Reached::ThisMachine
    } else if !name.contains('.') || LOCAL_ENDINGS.iter().any(|end| name.ends_with(end)) {
        Reached::ThisNetwork
    } else {
        Reached::Everywhere
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Setting for PublicUrl {
    fn read(value: &Value) -> Result<Self, Refusal> {
        let text = String::read(value)?;
        let url = parse(&text).map_err(|why| Refusal {
            // What stands before the @ is a user's name and password.
            hides_value: text.contains('@'),
            ..Refusal::new(
                why,
                "give a URL such as \"https://pool.example.org\", as wallets will type it",
            )
        })?;
        Ok(PublicUrl(url.as_str().trim_end_matches('/').to_owned()))
    }

    fn show(&self) -> Value {
        Value::String(self.0.clone())
    }
}

/// The URL, or the reason for which nobody could use it.
fn parse(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("not an http or https URL".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it names a user or a password, which wallets would all send".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("more than scheme, host, port and path".to_owned());
    }
    if url.port() == Some(0) {
        return Err("nothing listens on port 0".to_owned());
    }
    match url.host() {
        None => Err("not an http or https URL".to_owned()),
        Some(Host::Domain(name)) => check_name(name).map(|()| url),
        Some(Host::Ipv4(address)) => check_address(address.into()).map(|()| url),
        Some(Host::Ipv6(address)) => check_address(address.into()).map(|()| url),
    }
}

fn check_address(address: IpAddr) -> Result<(), String> {
    match of_address(address) {
        Reached::Nowhere => Err(format!("{address} is the address of no host")),
        Reached::Everywhere | Reached::ThisNetwork | Reached::ThisMachine => Ok(()),
    }
}

fn check_name(name: &str) -> Result<(), String> {
    if name.split('.').any(str::is_empty) {
        return Err(format!("the host name {name} has an empty part at a dot"));
    }
    if name.len() > MAX_NAME || name.split('.').any(|label| label.len() > MAX_LABEL) {
        return Err("the host name, or a part of it, is longer than names can be".to_owned());
    }
    match name.strip_suffix(".onion") {
        Some(service) if !is_onion(service.rsplit('.').next().unwrap_or("")) => Err(format!(
            "{name} is no onion address: before .onion come 56 letters and digits, the last a d"
        )),
        _ => Ok(()),
    }
}

/// Version 3, the only one that tor still knows (rend-spec-v3, 6).
fn is_onion(service: &str) -> bool {
    let is_base32 = |byte: u8| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte);
    service.len() == 56 && service.ends_with('d') && service.bytes().all(is_base32)
}

/// The key of `[http]`, fit to stand in tokens.
pub(super) fn read(section: &mut Section<'_>, network: Network) -> Option<PublicUrl> {
    let url: Option<PublicUrl> =
        section.optional_if("public_url", |url| is_fit_for_tokens(url, network));
    let allowed = section.get("allow_http_public_url", false);
    if let Some(url) = &url
        && network == Network::Bitcoin
        && !allowed
        && !url.is_private()
    {
        section.problem(
            "public_url",
            Some(&url.show()),
            "neither https nor an onion service: anybody on the network in between can take the ecash",
            "put a certificate or a reverse proxy before it, or set allow_http_public_url = true \
             for a network of your own",
        );
    }
    url
}

fn is_fit_for_tokens(url: &PublicUrl, network: Network) -> Result<(), Refusal> {
    let (base, path) = url.0.split_at(url.0.len() - url.path().len());
    let small = path.to_ascii_lowercase();
    if small.starts_with("/v1/") || small.ends_with("/v1") {
        let kept = match small.starts_with("/v1/") {
            true => "",
            false => &path[..path.len() - "/v1".len()],
        };
        return Err(Refusal::new(
            "wallets add /v1 to it by themselves, and would ask for /v1/v1",
            format!("write \"{base}{kept}\""),
        ));
    }
    if network == Network::Bitcoin && url.reached_from() == Reached::ThisMachine {
        return Err(Refusal::new(
            "it leads each wallet to the wallet's own machine",
            "give the URL under which other machines reach this one, or leave public_url out: \
             owners can sweep without it",
        ));
    }
    Ok(())
}
