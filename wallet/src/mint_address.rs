//! One spelling for a mint's address. The store keeps ecash under it, so that two spellings
//! of one mint would be two purses.

use std::net::Ipv4Addr;

use cdk_common::mint_url::MintUrl;
use thiserror::Error;
use url::{Host, Url};

use crate::text::plain;

/// Bytes of an address at most.
const MAX_LENGTH: usize = 2048;

/// Why a text is no mint's address.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum MintAddressError {
    /// It is too long to be one.
    #[error("a mint's address has at most {MAX_LENGTH} bytes")]
    Long,
    /// It has no scheme, or another one.
    #[error("{0}: the mint's address begins with https:// (or http:// in your own network)")]
    Scheme(String),
    /// It could be a secret: it is not repeated.
    #[error(
        "the mint's address has a user name or a password before an @: leave them out, a mint takes none"
    )]
    Credentials,
    /// It cannot be read.
    #[error("{text}: this is not the address of a mint: {why}")]
    Form {
        /// The text.
        text: String,
        /// The fault of the address.
        why: String,
    },
}

/// Reads a mint's address, in the one spelling that this wallet uses.
///
/// The host is in lower case, without a dot at its end; a port is there unless it is the
/// scheme's own; `localhost` is 127.0.0.1. A query, a fragment, slashes at the end, the page
/// of a miner (`/miners/...`) and the mint's routes (`/v1/...`) are left out. Path letters
/// stay as they are: a host can have several mints.
///
/// # Errors
/// [`MintAddressError`]
pub fn mint_address(text: &str) -> Result<MintUrl, MintAddressError> {
    let url = parsed(text)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(MintAddressError::Credentials);
    }
    canonical(&url)
}

/// The spelling of today for an address that an earlier version took, which kept user names
/// and passwords.
pub(crate) fn of_earlier_version(text: &str) -> Result<MintUrl, MintAddressError> {
    canonical(&parsed(text)?)
}

fn parsed(text: &str) -> Result<Url, MintAddressError> {
    let text = text.trim();
    if text.len() > MAX_LENGTH {
        return Err(MintAddressError::Long);
    }
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    let known = ["http", "https"];
    if !scheme.is_some_and(|scheme| known.iter().any(|one| scheme.eq_ignore_ascii_case(one))) {
        // A password could stand here too: `user:password@host`.
        return Err(match text.contains('@') {
            true => MintAddressError::Credentials,
            false => MintAddressError::Scheme(plain(text)),
        });
    }
    Url::parse(text).map_err(|error| match text.contains('@') {
        true => MintAddressError::Credentials,
        false => form(text, &error.to_string()),
    })
}

fn form(text: &str, why: &str) -> MintAddressError {
    MintAddressError::Form {
        text: plain(text),
        why: plain(why),
    }
}

fn canonical(url: &Url) -> Result<MintUrl, MintAddressError> {
    let shown = || {
        let host = url.host_str().unwrap_or_default();
        format!("{}://{host}", url.scheme())
    };
    let host = match url.host() {
        Some(Host::Domain(name)) => domain(name).ok_or_else(|| form(&shown(), "no host"))?,
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => match address.to_ipv4_mapped() {
            Some(address) => address.to_string(),
            None => format!("[{address}]"),
        },
        None => return Err(form(&shown(), "no host")),
    };
    if url.port() == Some(0) {
        return Err(form(&shown(), "no server listens on port 0"));
    }
    let port = url.port().map_or(String::new(), |port| format!(":{port}"));
    let mut address = format!("{}://{host}{port}", url.scheme());
    let segments: Vec<&str> = url
        .path()
        .split('/')
        .filter(|one| !one.is_empty())
        .collect();
    for segment in &segments[..mint_path(&segments)] {
        address.push('/');
        address.push_str(segment);
    }
    address
        .parse()
        .map_err(|_| form(&address, "it cannot be read"))
}

fn domain(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let labels = || name.split('.');
    if labels().any(str::is_empty) {
        return None;
    }
    if name == "localhost" {
        return Some(Ipv4Addr::LOCALHOST.to_string());
    }
    Some(name.to_owned())
}

/// How many segments of a path are the mint's own.
fn mint_path(segments: &[&str]) -> usize {
    let is_page = |place: usize| match segments[place] {
        "v1" => true,
        "miners" => segments.get(place + 1).is_none_or(|key| is_key(key)),
        _ => false,
    };
    let page = (0..segments.len()).find(|place| is_page(*place));
    let end = page.unwrap_or(segments.len());
    match end.checked_sub(1).map(|last| segments[last]) {
        // `/api/miners/...`
        Some("api") if page.is_some() => end - 1,
        _ => end,
    }
}

/// A miner's public key, as a page's address has it.
fn is_key(segment: &str) -> bool {
    let is_hex = segment.bytes().all(|byte| byte.is_ascii_hexdigit());
    segment.starts_with("npub1") || (is_hex && [64, 66].contains(&segment.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn same(texts: &[&str], expected: &str) {
        for text in texts {
            let read = mint_address(text).map(|url| url.to_string());
            assert_eq!(read.as_deref(), Ok(expected), "{text:?}");
        }
        let again = mint_address(expected).map(|url| url.to_string());
        assert_eq!(again.as_deref(), Ok(expected), "it is not its own spelling");
    }

    #[test]
    fn all_spellings_of_one_mint_are_one() {
        same(
            &[
                "https://pool.example",
                "https://pool.example/",
                "https://pool.example//",
                " https://pool.example\n",
                "HTTPS://Pool.EXAMPLE/",
                "https://pool.example.",
                "https://pool.example:443",
                "https://pool.example:0443/",
                "https://pool.example?x=1",
                "https://pool.example/?x=1&y=https://other.example",
                "https://pool.example#f",
                "https://pool.example/#/miners",
                "https://pool.example/./",
                "https://pool.example/a/..",
                "https:\u{2f}\u{2f}pool.example\u{5c}",
                "https://pool.example/v1/info",
                "https://pool.example/v1",
                "https://pool.example/miners",
                "https://pool.example/miners/npub1qqqsyqcyq5rqwzqfpqqq.garage",
                "https://pool.example/miners/02aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899",
                "https://pool.example/miners/02aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899/live?x",
                "https://pool.example/api/miners/02aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899/tokens",
            ],
            "https://pool.example",
        );
        same(
            &[
                "http://localhost:3338",
                "http://LOCALHOST:3338/",
                "http://localhost.:3338",
                "http://127.0.0.1:3338",
                "http://127.1:3338",
                "http://0x7f.0.0.1:3338",
                "http://2130706433:3338",
                "http://[::ffff:127.0.0.1]:3338",
            ],
            "http://127.0.0.1:3338",
        );
        same(&["http://pool:80", "http://POOL/"], "http://pool");
        same(&["http://[0:0::1]:80/"], "http://[::1]");
        same(
            &["https://b\u{fc}cher.example"],
            "https://xn--bcher-kva.example",
        );
    }

    #[test]
    fn different_mints_stay_different() {
        same(&["http://pool.example"], "http://pool.example");
        same(&["https://pool.example:444"], "https://pool.example:444");
        same(&["http://127.0.0.2:3338"], "http://127.0.0.2:3338");
        same(&["https://a.example/Bitcoin/"], "https://a.example/Bitcoin");
        same(&["https://a.example/bitcoin"], "https://a.example/bitcoin");
        same(
            &[
                "https://a.example/x/miners/npub1abc",
                "https://a.example/x/v1/keys",
            ],
            "https://a.example/x",
        );
        same(
            &["https://a.example/miners/x"],
            "https://a.example/miners/x",
        );
        same(&["https://a.example/api"], "https://a.example/api");
        same(
            &["http://abcdefghijklmnop.onion/"],
            "http://abcdefghijklmnop.onion",
        );
    }

    #[track_caller]
    fn refused(text: &str, said: &str) {
        let error = mint_address(text).expect_err(text).to_string();
        assert!(error.contains(said), "{text:?}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn what_is_no_mints_address_is_said() {
        for text in [
            "",
            "pool.example",
            "pool.example:3338",
            "ftp://pool.example",
            "//pool.example",
            "npub1abc",
        ] {
            refused(text, "begins with https://");
        }
        for text in [
            "https://me:hunter2@pool.example",
            "https://me@pool.example/x",
            "https://pool.example@evil.example",
            "me:hunter2@pool.example",
            "https://me:hunter2@",
            "https://:hunter2@pool.example",
        ] {
            refused(text, "leave them out");
        }
        for text in [
            "https://",
            "http:///",
            "https://a b",
            "https://.",
            "https://a..b",
            "https://[::1",
            "https://a:99999",
            "https://1.2.3.400",
        ] {
            refused(text, "not the address of a mint");
        }
        refused("https://pool.example:0", "port 0");
        refused(&format!("https://{}", "a".repeat(MAX_LENGTH)), "2048");
    }

    #[test]
    fn what_an_earlier_version_kept_is_found() {
        for (kept, today) in [
            ("https://me:hunter2@pool.example", "https://pool.example"),
            ("http://localhost:3338", "http://127.0.0.1:3338"),
            ("https://pool.example?x=1", "https://pool.example"),
            ("https://pool.example:443", "https://pool.example"),
        ] {
            let kept: MintUrl = kept.parse().expect("an earlier version took it");
            let found = of_earlier_version(&kept.to_string()).expect("found");
            assert_eq!(found.to_string(), today);
        }
    }

    proptest! {
        #[test]
        fn a_spelling_is_its_own(text in "(https?://)?[a-zA-Z0-9./:@?#\\[\\]%-]{0,40}") {
            if let Ok(url) = mint_address(&text) {
                prop_assert_eq!(mint_address(&url.to_string()), Ok(url));
            }
        }

        #[test]
        fn any_text_is_read_without_panic(text in ".{0,200}") {
            let _ = mint_address(&text);
        }
    }
}
