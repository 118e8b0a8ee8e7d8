//! Access to the operator's page. Pure.
//!
//! The token opens the door once and leaves a cookie behind, so that it does not stay in
//! the address. The cookie is of this process alone and says nothing of the token:
//! browsers send it to every port of the machine. Whoever listens at another port of the
//! same name can read the page with it, which docs/operator.md tells; the page changes nothing.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::http::{HeaderMap, header};
use bitcoin::hashes::{Hash as _, sha256};

/// The cookie's name.
const COOKIE: &str = "axepool_operator";

/// Lets in whoever has the token.
#[derive(Clone)]
pub(super) struct Door {
    token: sha256::Hash,
    session: String,
    session_hash: sha256::Hash,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is answered.
    In,
    /// It has the token, and gets the cookie for it.
    Welcome,
    /// It has neither.
    Stranger,
    /// It asks for a name that is not this machine's: a page elsewhere may have sent it
    /// (DNS rebinding), and would read the answer.
    ForeignName,
}

impl Door {
    /// Opened by `token`; `session` is random, and is what the cookie says.
    pub(super) fn new(token: &str, session: String) -> Self {
        Door {
            token: hash(token),
            session_hash: hash(&session),
            session,
        }
    }

    /// What becomes of a request with this head. What is secret is compared by its
    /// hash: how long that takes says nothing.
    pub(super) fn judge(&self, headers: &HeaderMap, query: Option<&str>) -> Verdict {
        let host = headers.get(header::HOST);
        let host = host.and_then(|host| host.to_str().ok());
        if !host.is_some_and(is_this_machine) {
            return Verdict::ForeignName;
        }
        let has_session = |value: &str| hash(value) == self.session_hash;
        let cookies = headers.get_all(header::COOKIE).iter();
        let cookies = cookies.filter_map(|value| value.to_str().ok());
        let mut cookies = cookies
            .flat_map(|line| line.split(';'))
            .filter_map(|cookie| cookie.trim().split_once('='));
        if cookies.any(|(name, value)| name == COOKIE && has_session(value)) {
            return Verdict::In;
        }
        let parts = query.into_iter().flat_map(|query| query.split('&'));
        let mut tokens = parts.filter_map(|part| part.strip_prefix("token="));
        if tokens.any(|token| hash(token) == self.token) {
            return Verdict::Welcome;
        }
        Verdict::Stranger
    }

    /// What a browser keeps until it is closed, and no script reads.
    pub(super) fn cookie(&self) -> String {
        format!(
            "{COOKIE}={}; HttpOnly; SameSite=Strict; Path=/",
            self.session
        )
    }
}

/// Neither the token nor the session is shown.
impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").finish_non_exhaustive()
    }
}

fn hash(text: &str) -> sha256::Hash {
    sha256::Hash::hash(text.as_bytes())
}

/// An address, the one name that always is this machine's, or a name of multicast DNS
/// (RFC 6762), with a port or without. Whoever rebinds a name has that name in the request,
/// and no server of the public DNS answers for `.local`.
pub(super) fn is_this_machine(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((v6, port)) if v6.parse::<Ipv6Addr>().is_ok() => ("localhost", port),
            _ => return false,
        },
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let is_port = |digits: &str| {
        digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok()
    };
    (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        && (name.eq_ignore_ascii_case("localhost")
            || name.parse::<Ipv4Addr>().is_ok()
            || is_of_multicast_dns(name))
}

fn is_of_multicast_dns(name: &str) -> bool {
    let is_label = |label: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(fits)
    };
    let label = name.rsplit_once('.');
    label.is_some_and(|(label, end)| end.eq_ignore_ascii_case("local") && is_label(label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(host: &str, cookie: &str, query: &str, expected: Verdict) {
        let door = Door::new("the-token", "the-session".to_owned());
        let mut headers = HeaderMap::new();
        if !host.is_empty() {
            headers.insert(header::HOST, host.parse().expect("a host"));
        }
        if !cookie.is_empty() {
            headers.insert(header::COOKIE, cookie.parse().expect("a cookie"));
        }
        let found = door.judge(&headers, Some(query));
        assert_eq!(found, expected, "{host} {cookie} {query}");
    }

    #[test]
    fn the_token_opens_and_the_cookie_keeps_open() {
        use Verdict::{In, Stranger, Welcome};
        let host = "127.0.0.1:8081";
        case(host, "", "", Stranger);
        case(host, "", "token=the-token", Welcome);
        case(host, "", "x=1&token=the-token", Welcome);
        case(host, "", "token=the-toke", Stranger);
        case(host, "", "token=", Stranger);
        case(host, "axepool_operator=the-session", "", In);
        case(host, "a=b; axepool_operator=the-session", "", In);
        case(host, "axepool_operator=the-session", "token=no", In);
        // The cookie is not the token, nor the other way round.
        case(host, "axepool_operator=the-token", "", Stranger);
        case(host, "", "token=the-session", Stranger);
        case(host, "other=the-session", "", Stranger);
    }

    #[test]
    fn a_name_from_elsewhere_is_not_ours() {
        use Verdict::{ForeignName, Welcome};
        for host in [
            "localhost",
            "LOCALHOST:1",
            "[::1]:8081",
            "[::1]",
            "[fd00::7]:1",
            "10.0.0.7",
            "10.0.0.7:1",
            "umbrel.local",
            "Start-9.LOCAL:8081",
        ] {
            case(host, "", "token=the-token", Welcome);
        }
        for host in [
            "",
            "evil.example",
            "127.0.0.1.evil.example:8081",
            "localhost.evil.example",
            "local",
            ".local",
            "umbrel.local.",
            "umbrel.local.evil.example",
            "a.umbrel.local",
            "um_brel.local",
            "umbrel.local:80@evil.example",
            "[evil",
            "[::1",
            "[evil.example]:80",
            "[::1]evil.example",
            "[::1]:80@evil.example",
            "[127.0.0.1]",
            "::1",
            "127.0.0.1:80@evil.example",
            "127.0.0.1@evil.example",
            "127.0.0.1:",
            "127.0.0.1:+80",
            "127.0.0.1:65536",
            "127.0.0.1:80:80",
            "localhost:",
            "localhost.",
            " localhost",
            "2130706433x",
        ] {
            let cookie = "axepool_operator=the-session";
            case(host, cookie, "token=the-token", ForeignName);
        }
    }

    #[test]
    fn the_cookie_is_for_no_script_and_no_other_site() {
        let cookie = Door::new("the-token", "abc".to_owned()).cookie();
        assert!(cookie.starts_with("axepool_operator=abc; "), "{cookie}");
        for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(!cookie.contains("the-token"));
    }
}
