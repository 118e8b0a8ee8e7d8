//! Admission to the pages of the first run.
//!
//! There is no cookie: browsers send a cookie to every port of a host, so that every other
//! program of a home server would get it. The secret is exchanged for a session, which stands
//! in the forms of the answers alone, and each request sends it back in its body.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, bail};
use axum::http::{HeaderMap, header};
use bitcoin::hashes::{Hash as _, sha256};

use super::PASSWORD;
use crate::operator;

/// A password cannot be guessed when it has so many characters at least: those of home
/// servers are random.
const LEAST_PASSWORD: usize = 20;

/// And so many different ones: 64 random hex digits have more, and a repeated key has one.
const LEAST_DISTINCT: usize = 10;

/// The secret that opens the pages. It has no `Debug`: nothing may print it.
pub(super) enum Secret {
    /// Made for this process, and printed. It opens the pages once.
    Made(String),
    /// Given by the environment; the person has it from there. It opens them each time.
    Given(String),
}

impl Secret {
    /// # Errors
    /// The password can be guessed.
    pub(super) fn of(password: Option<String>) -> Result<Secret> {
        // A file that a variable is read from often ends in a line break, which no form sends.
        let password = password.map(|password| password.trim().to_owned());
        let Some(password) = password.filter(|password| !password.is_empty()) else {
            return Ok(Secret::Made(operator::random()));
        };
        if password.chars().count() < LEAST_PASSWORD {
            bail!(
                "{PASSWORD} has fewer than {LEAST_PASSWORD} characters: give a longer one, or none"
            );
        }
        let mut distinct: Vec<char> = password.chars().collect();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.len() < LEAST_DISTINCT {
            bail!(
                "{PASSWORD} has fewer than {LEAST_DISTINCT} different characters: give a random \
                 one, or none"
            );
        }
        Ok(Secret::Given(password))
    }

    fn text(&self) -> &str {
        match self {
            Secret::Made(text) | Secret::Given(text) => text,
        }
    }
}

/// What becomes of a secret that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entered {
    /// It opens the pages.
    In,
    /// It is another one.
    Wrong,
    /// It opened them before, and does not do so again.
    Used,
}

/// Lets in whoever has the secret, and then whoever has the session.
pub(super) struct Gate {
    secret: Secret,
    session: String,
    /// A secret that is good for one time has been used.
    is_used: AtomicBool,
}

impl Gate {
    pub(super) fn new(secret: Secret) -> Gate {
        Gate {
            secret,
            session: operator::random(),
            is_used: AtomicBool::new(false),
        }
    }

    /// What every form carries.
    pub(super) fn session(&self) -> &str {
        &self.session
    }

    /// True for what a form of ours carries.
    pub(super) fn knows(&self, session: &str) -> bool {
        is_same(session, &self.session)
    }

    /// True when a request may ask by this name. A page elsewhere whose name was bound to
    /// this machine's address (DNS rebinding) could read the answers. Behind a proxy, which
    /// a password is for, only the proxy knows the names.
    pub(super) fn answers_to(&self, headers: &HeaderMap) -> bool {
        match self.secret {
            Secret::Given(_) => true,
            Secret::Made(_) => operator::answers_to(host_of(headers)),
        }
    }

    /// The secret in the address that was printed; whether it was used is not yet told. A
    /// password is never read from an address, which stays in histories and logs.
    pub(super) fn printed<'a>(&self, query: Option<&'a str>) -> Option<&'a str> {
        let Secret::Made(token) = &self.secret else {
            return None;
        };
        let mut parts = query?.split('&');
        let sent = parts.find_map(|part| part.strip_prefix("token="))?;
        is_same(sent, token).then_some(sent)
    }

    /// Judges a secret. There is no delay after a wrong one: none can be guessed, and a delay
    /// would let a stranger keep the owner waiting.
    pub(super) fn enter(&self, sent: &str) -> Entered {
        if !is_same(sent, self.secret.text()) {
            return Entered::Wrong;
        }
        let is_once = matches!(self.secret, Secret::Made(_));
        if is_once && self.is_used.swap(true, Ordering::Relaxed) {
            return Entered::Used;
        }
        Entered::In
    }
}

/// Compared by hash: how long that takes says nothing.
fn is_same(one: &str, other: &str) -> bool {
    let hash = |text: &str| sha256::Hash::hash(text.as_bytes());
    hash(one) == hash(other)
}

/// The name that a request asks by, with its port.
pub(super) fn host_of(headers: &HeaderMap) -> &str {
    let host = headers.get(header::HOST);
    host.and_then(|host| host.to_str().ok()).unwrap_or_default()
}

/// True when a browser says that another site made the request. `Sec-Fetch-Site` is missing
/// on pages that came over plain HTTP under a name; `Origin` is not.
pub(super) fn comes_from_elsewhere(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site");
    if site.is_some_and(|site| site != "same-origin" && site != "none") {
        return true;
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return false;
    };
    let authority = origin.to_str().ok().and_then(|text| text.split_once("://"));
    !authority.is_some_and(|(_, own)| own.eq_ignore_ascii_case(host_of(headers)))
}

/// True when what is sent can be read on its way, as far as the request tells: it was not
/// asked for on this machine, nor by an onion service, nor under TLS of a proxy.
pub(super) fn can_be_read(headers: &HeaderMap) -> bool {
    let name = super::pages::name_of(host_of(headers));
    let proto = headers.get("x-forwarded-proto");
    !operator::is_loopback(name)
        && !name.ends_with(".onion")
        && proto.is_none_or(|proto| proto != "https")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD_GIVEN: &str = "0123456789abcdef0123";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().expect("a value"));
        }
        headers
    }

    #[test]
    fn a_password_is_long_and_random_or_there_is_none() {
        let none = [None, Some(String::new())];
        for none in none {
            assert!(matches!(Secret::of(none), Ok(Secret::Made(_))));
        }
        for (weak, why) in [
            ("correct horse", "fewer than 20"),
            ("passwordpassword1passwordpassword", "different"),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "different"),
        ] {
            let error = Secret::of(Some(weak.to_owned())).err().expect("weak");
            let error = error.to_string();
            assert!(error.contains(PASSWORD) && error.contains(why), "{error}");
            assert!(!error.contains(weak), "{error}");
        }
        // As a file has it.
        let long = Secret::of(Some(format!("{PASSWORD_GIVEN}\n")));
        assert!(matches!(long, Ok(Secret::Given(text)) if text == PASSWORD_GIVEN));
    }

    #[test]
    fn a_printed_secret_opens_once_and_a_password_each_time() {
        let printed = Gate::new(Secret::Made("t".to_owned()));
        assert_eq!(printed.enter("x"), Entered::Wrong);
        assert_eq!(printed.enter("t"), Entered::In);
        assert_eq!(printed.enter("t"), Entered::Used);
        let given = Gate::new(Secret::Given(PASSWORD_GIVEN.to_owned()));
        for _ in 0..2 {
            assert_eq!(given.enter(PASSWORD_GIVEN), Entered::In);
        }
        assert!(given.knows(given.session()) && !given.knows("") && !given.knows(PASSWORD_GIVEN));
    }

    #[test]
    fn a_password_in_an_address_opens_nothing() {
        let given = Gate::new(Secret::Given(PASSWORD_GIVEN.to_owned()));
        let query = format!("token={PASSWORD_GIVEN}");
        assert_eq!(given.printed(Some(&query)), None);
        let made = Gate::new(Secret::Made("t".to_owned()));
        assert_eq!(made.printed(Some("a=b&token=t")), Some("t"));
        assert_eq!(made.printed(Some("token=x")), None);
        assert_eq!(made.printed(None), None);
    }

    #[test]
    fn a_name_from_elsewhere_is_ours_only_behind_a_proxy() {
        let foreign = headers(&[("host", "evil.example")]);
        let home = headers(&[("host", "umbrel.local:8081")]);
        let made = Gate::new(Secret::Made("t".to_owned()));
        assert!(!made.answers_to(&foreign) && made.answers_to(&home));
        assert!(!made.answers_to(&HeaderMap::new()));
        let given = Gate::new(Secret::Given(PASSWORD_GIVEN.to_owned()));
        assert!(given.answers_to(&foreign));
    }

    #[test]
    fn another_site_and_another_port_are_elsewhere() {
        let host = ("host", "umbrel.local:3380");
        let is = |more: &[(&'static str, &str)]| {
            comes_from_elsewhere(&headers(&[&[host], more].concat()))
        };
        assert!(!is(&[]));
        assert!(!is(&[("origin", "http://umbrel.local:3380")]));
        assert!(!is(&[("sec-fetch-site", "same-origin")]));
        for origin in [
            "http://umbrel.local:2100",
            "http://umbrel.local",
            "http://evil.example",
            "null",
            "umbrel.local:3380",
        ] {
            assert!(is(&[("origin", origin)]), "{origin}");
            // Both have to say that it is ours.
            assert!(is(&[("origin", origin), ("sec-fetch-site", "same-origin")]));
        }
        assert!(is(&[("sec-fetch-site", "same-site")]));
        assert!(is(&[("sec-fetch-site", "cross-site")]));
    }

    #[test]
    fn what_is_sent_over_a_network_at_home_can_be_read() {
        for (host, proto, readable) in [
            ("umbrel.local:3380", "http", true),
            ("10.0.0.7:8080", "", true),
            ("umbrel.local", "https", false),
            ("127.0.0.1:8081", "", false),
            ("localhost:8081", "", false),
            ("[::1]:8081", "", false),
            ("xyz.onion", "http", false),
            ("127.evil.example", "http", true),
        ] {
            let head = headers(&[("host", host), ("x-forwarded-proto", proto)]);
            assert_eq!(can_be_read(&head), readable, "{host} {proto}");
        }
    }
}
