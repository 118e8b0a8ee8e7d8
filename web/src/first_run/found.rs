//! The chain sources that the environment tells of.

use pool::init::Draft;

/// A bitcoind of this machine, by network, at its own port.
const OWN: [(&str, &str); 5] = [
    ("mainnet", "http://127.0.0.1:8332"),
    ("testnet", "http://127.0.0.1:18332"),
    ("testnet4", "http://127.0.0.1:48332"),
    ("signet", "http://127.0.0.1:38332"),
    ("regtest", "http://127.0.0.1:18443"),
];

/// A chain source that need not be typed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Its name in the form.
    pub(super) id: &'static str,
    /// Its description, without its password.
    pub(super) words: String,
    /// The config's value; `None` when the environment gives the key itself.
    pub(super) url: Option<String>,
}

/// A password may be in the URL.
impl std::fmt::Debug for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Found").field(&self.words).finish()
    }
}

/// All that are found. `variable` reads the environment, `has_cookie` tells whether bitcoind
/// left its cookie for a URL.
pub(super) fn all(
    draft: &Draft,
    variable: impl Fn(&str) -> Option<String>,
    has_cookie: impl Fn(&str) -> bool,
) -> Vec<Found> {
    if draft.is_given("chain", "url") || draft.is_given("chain", "cookie") {
        let words = "The bitcoind that this installation names".to_owned();
        return vec![Found {
            id: "given",
            words,
            url: None,
        }];
    }
    let of_home_server = of_home_server(variable);
    let own = OWN.iter().filter(|(_, url)| has_cookie(url));
    let own = own.map(|(network, url)| Found {
        id: network,
        words: format!("The bitcoind of this machine on {network}, with its cookie"),
        url: Some((*url).to_owned()),
    });
    of_home_server.into_iter().chain(own).collect()
}

/// The bitcoind of a home server such as Umbrel, which names it in these variables.
fn of_home_server(variable: impl Fn(&str) -> Option<String>) -> Option<Found> {
    let given = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let host = given("APP_BITCOIN_NODE_IP")?;
    let port = given("APP_BITCOIN_RPC_PORT")?;
    let user = given("APP_BITCOIN_RPC_USER")?;
    let password = given("APP_BITCOIN_RPC_PASS")?;
    Some(Found {
        id: "home",
        words: format!("The bitcoind of this home server, at {host}:{port}"),
        url: Some(format!("http://{user}:{password}@{host}:{port}")),
    })
}

/// The network of a home server's bitcoind, by its name in the config.
pub(super) fn network(variable: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    let name = variable("APP_BITCOIN_NETWORK")?;
    let name = if name == "testnet3" { "testnet" } else { &name };
    let own = OWN.iter().find(|(network, _)| *network == name);
    own.map(|(network, _)| *network)
}

/// Every network that a config can name.
pub(super) fn networks() -> impl Iterator<Item = &'static str> {
    OWN.iter().map(|(network, _)| *network)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use pool::config::Environment;

    fn umbrel(name: &str) -> Option<String> {
        let value = match name {
            "APP_BITCOIN_NODE_IP" => "10.21.21.8",
            "APP_BITCOIN_RPC_PORT" => "8332",
            "APP_BITCOIN_RPC_USER" => "umbrel",
            "APP_BITCOIN_RPC_PASS" => "se/cr@t",
            "APP_BITCOIN_NETWORK" => "testnet3",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn what_a_home_server_names_is_found_without_its_password() {
        let found = all(&Draft::new(), umbrel, |_| false);
        assert_eq!(found.len(), 1);
        let url = found[0].url.as_deref();
        assert_eq!(url, Some("http://umbrel:se/cr@t@10.21.21.8:8332"));
        assert!(found[0].words.contains("10.21.21.8:8332"));
        assert!(!format!("{found:?}").contains("se/cr@t"));
        assert_eq!(network(umbrel), Some("testnet"));
        // One of them alone says nothing.
        let half = |name: &str| umbrel(name).filter(|_| name != "APP_BITCOIN_RPC_PASS");
        assert!(all(&Draft::new(), half, |_| false).is_empty());
    }

    #[test]
    fn a_cookie_in_its_place_is_found() {
        let found = all(&Draft::new(), |_| None, |url| url.ends_with(":38332"));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].url.as_deref(), Some("http://127.0.0.1:38332"));
        assert_eq!(found[0].id, "signet");
    }

    #[test]
    fn a_source_that_the_environment_gives_is_the_only_one() {
        let variable = (
            OsString::from("AXEPOOL__CHAIN__URL"),
            OsString::from("http://a:b@c:1"),
        );
        let environment: Environment = [variable].into_iter().collect();
        let found = all(&Draft::within(environment), umbrel, |_| true);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].id, &found[0].url), ("given", &None));
    }
}
