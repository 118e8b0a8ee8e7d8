//! Choices that can be meant, and that a person should know of.

use std::net::IpAddr;
use std::path::Path;

use accounting::Split;
use bitcoin::Network;
use proxy::config::DownstreamConfig;
use toml::Value;

use super::Config;
use super::problem::Problem;
use super::public_url::Reached;
use super::secret::read_by_others;
use super::setting::Setting;

/// What is risky about `config`, in the order of the file's sections.
pub(super) fn of(config: &Config) -> Vec<Problem> {
    let found = [
        http_url(config),
        near_url(config),
        no_url(config),
        http_certificate(config),
        onion(config),
        share_quotes(config),
        mnemonic("mint.mnemonic", Some(&config.mint.mnemonic_file)),
        mnemonic("lightning.config", {
            let node = config.income.node.as_ref();
            node.map(|node| node.settings.mnemonic_file.as_path())
        }),
        epoch_split(config),
    ];
    found.into_iter().flatten().collect()
}

/// Secrets that stand in a config file that others can read.
pub(super) fn of_file(path: &Path, plain_secrets: &[String]) -> Vec<Problem> {
    let Some(mode) = read_by_others(path) else {
        return Vec::new();
    };
    let why = format!("a secret, and {} has mode {mode:o}", path.display());
    let fix = "chmod 600 the file, or name the secret's own: { file = \"...\" }";
    let about = |key: &String| warning(key, None, &why, fix);
    plain_secrets.iter().map(about).collect()
}

fn warning(key: &str, value: Option<Value>, why: &str, fix: &str) -> Problem {
    Problem {
        key: key.to_owned(),
        value: value.map(|value| value.to_string()),
        why: why.to_owned(),
        fix: fix.to_owned(),
    }
}

fn http_url(config: &Config) -> Option<Problem> {
    let url = config.http.public_url.as_ref()?;
    let is_risky = config.network != Network::Regtest && !url.is_private();
    is_risky.then(|| {
        warning(
            "http.public_url",
            Some(url.show()),
            "neither https nor an onion service: anybody on the network in between can take the ecash",
            "put a certificate or a reverse proxy before it",
        )
    })
}

fn near_url(config: &Config) -> Option<Problem> {
    let url = config.http.public_url.as_ref()?;
    if config.network == Network::Regtest {
        return None;
    }
    let why = match url.reached_from() {
        Reached::ThisNetwork => {
            "only machines of your own network reach it, and every token names it: elsewhere \
             wallets can neither receive a token nor spend it"
        }
        Reached::ThisMachine => "only wallets on this machine reach it, and every token names it",
        Reached::Everywhere | Reached::Nowhere => return None,
    };
    let fix = "keep it if all wallets are on that network; otherwise give a name that is reached \
               from everywhere, or an onion address";
    Some(warning("http.public_url", Some(url.show()), why, fix))
}

fn no_url(config: &Config) -> Option<Problem> {
    let has_none = config.mint.enabled && config.http.no_tokens(config.network).is_some();
    has_none.then(|| {
        warning(
            "http.public_url",
            None,
            "not set: the pool makes no tokens to scan, and owners can only sweep",
            "set it to the address under which their wallets reach this machine",
        )
    })
}

fn onion(config: &Config) -> Option<Problem> {
    let mut listen = config.http.onion_listen.iter();
    let remote = listen.find(|address| !address.ip().is_loopback())?;
    Some(warning(
        "http.onion_listen",
        Some(remote.show()),
        "processes other than tor may reach it, and evade every limit per visitor there",
        "listen on 127.0.0.1, or on a network that only the tor process is in",
    ))
}

fn http_certificate(config: &Config) -> Option<Problem> {
    let why = config.http.certificate_trouble()?;
    Some(warning(
        "http.certificate",
        None,
        &format!("cannot be used: {why}. No page is served until it can; mining goes on"),
        "name a PEM file with the chain, and its key as http.key, that the pool's user may read",
    ))
}

fn share_quotes(config: &Config) -> Option<Problem> {
    let is_risky = config.terms.max_share_quotes > 0 && is_public(&config.downstream);
    is_risky.then(|| {
        warning(
            "mint.quote_per",
            Some(config.terms.quote_per.show()),
            "everybody who reaches stratum.listen makes a permanent quote with each share",
            "it is for private pools and demonstrations: use \"epoch\", or listen on a private \
             address",
        )
    })
}

fn epoch_split(config: &Config) -> Option<Problem> {
    let is_risky = config.terms.split.rewards_timing()
        && config.network != Network::Regtest
        && is_public(&config.downstream);
    is_risky.then(|| {
        warning(
            "payout.split",
            Some(config.terms.split.show()),
            "strangers may reach stratum.listen, and a miner who comes only for short epochs \
             earns more than those who stay",
            &format!(
                "use \"{}\" unless only people you know mine here, or listen on a private address",
                Split::FOR_STRANGERS
            ),
        )
    })
}

/// The file may not be there yet: the first start makes it, for its owner alone.
fn mnemonic(key: &str, path: Option<&Path>) -> Option<Problem> {
    let path = path?;
    let mode = read_by_others(path)?;
    Some(warning(
        key,
        Some(Value::String(path.display().to_string())),
        &format!("has mode {mode:o}: others can read the seed words of the money"),
        "chmod 600 it; if others were on this machine, they may have them",
    ))
}

/// Whether others than this machine and its own network may reach the stratum listeners.
/// An address like 0.0.0.0 may be reached by anybody, as far as can be told from here.
fn is_public(downstream: &DownstreamConfig) -> bool {
    let private = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    };
    let tls = downstream.tls.iter().flat_map(|tls| &tls.listen);
    let mut listen = downstream.listen.iter().chain(tls);
    listen.any(|address| !private(address.ip()))
}
