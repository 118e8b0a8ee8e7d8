//! `[upstream]`: the pools above, and our address and worker there.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use bitcoin::Network;
use bitcoin::address::{Address, NetworkUnchecked};
use proxy::config::{RefusalLimits, UpstreamConfig, UpstreamUrl};
use toml::Value;

use super::from_base;
use super::reader::Section;
use super::setting::Refusal;

/// OCEAN's stratum, which is on mainnet alone.
const OCEAN: (&str, u16) = ("mine.ocean.xyz", 3334);

/// Neutral on purpose: DATUM picks its coinbase's size by the user agent, and a
/// `bitaxe` one gets 6.5 KB, which small miners cannot take.
const USER_AGENT: &str = concat!("axepool/", env!("CARGO_PKG_VERSION"));

const DAY_SECS: u64 = 86_400;

/// The address is `None` when there is a problem with it.
pub(super) fn read(
    section: &mut Section<'_>,
    network: Network,
    base: &Path,
) -> (UpstreamConfig, Option<Address>) {
    let urls = section.get("urls", default_urls(network));
    if urls.is_empty() {
        section.problem(
            "urls",
            None,
            "no upstream to mine at (OCEAN, the default, is on mainnet alone)",
            "give a list of URLs such as [\"stratum+tcp://127.0.0.1:23334\"]",
        );
    }
    let (username, address) = username(section, network);
    let config = UpstreamConfig {
        urls,
        username,
        password: password(section, base),
        user_agent: section.get_if("user_agent", USER_AGENT.to_owned(), |text| plain(text, 128)),
        suggest_difficulty: section.optional("suggest_difficulty"),
        allow_reconnect_elsewhere: section.get("allow_reconnect_elsewhere", false),
        // DATUM keeps a job for 120 s and its work interval.
        job_max_age: section.seconds("job_max_age_secs", Duration::from_secs(150), 10..=DAY_SECS),
        no_job_timeout: section.seconds(
            "no_job_timeout_secs",
            Duration::from_secs(180),
            10..=DAY_SECS,
        ),
        connect_timeout: section.seconds("connect_timeout_secs", Duration::from_secs(15), 1..=600),
        backoff_min: section.millis("backoff_min_ms", Duration::from_millis(500), 10..=60_000),
        backoff_max: section.seconds("backoff_max_secs", Duration::from_secs(30), 1..=3600),
        failback_interval: section.seconds(
            "failback_interval_secs",
            Duration::from_secs(60),
            1..=DAY_SECS,
        ),
        max_lanes: section.number("max_lanes", 8, 1..=1024),
        extra_ca: extra_ca(section, base),
        refusals: RefusalLimits::default(),
    };
    (config, address)
}

/// Most pools want none, and `x` stands for that.
fn password(section: &mut Section<'_>, base: &Path) -> String {
    let Some(password) = section.secret("password", base) else {
        return "x".to_owned();
    };
    if let Err(refusal) = plain(&password, 128) {
        section.problem("password", None, &refusal.why, &refusal.fix);
    }
    password
}

/// Authorities besides the system's, for a pool of one's own behind a private one.
fn extra_ca(section: &mut Section<'_>, base: &Path) -> Option<PathBuf> {
    let path = from_base(base, section.optional("ca_file")?);
    if let Err(error) = std::fs::File::open(&path) {
        section.problem(
            "ca_file",
            Some(&Value::String(path.display().to_string())),
            &format!("cannot be read: {error}"),
            "name a PEM file with the authority's certificate",
        );
    }
    Some(path)
}

fn default_urls(network: Network) -> Vec<UpstreamUrl> {
    let (host, port) = OCEAN;
    match network {
        Network::Bitcoin => vec![UpstreamUrl {
            host: host.to_owned(),
            port,
            tls: false,
        }],
        _ => Vec::new(),
    }
}

/// `<address>.<worker>`: the address is where unpaid earnings go, so a mistyped one is
/// found here and not by an empty wallet.
fn username(section: &mut Section<'_>, network: Network) -> (String, Option<Address>) {
    let address: Option<String> = section.required(
        "address",
        "missing: OCEAN pays to it what it cannot pay over lightning",
        "give a bitcoin address that you hold the key of, address = \"bc1...\"",
    );
    let worker = section.get_if("worker", "axepool".to_owned(), |name| worker_name(name));
    let Some(address) = address else {
        return (String::new(), None);
    };
    let refuse = |section: &mut Section<'_>, why: &str, fix: &str| {
        section.problem("address", Some(&Value::String(address.clone())), why, fix);
        None
    };
    let parsed = match Address::<NetworkUnchecked>::from_str(&address) {
        Err(error) => refuse(
            section,
            &format!("not a bitcoin address: {error}"),
            "copy it from your wallet once more; one mistyped letter breaks it",
        ),
        Ok(parsed) => parsed.require_network(network).ok().or_else(|| {
            refuse(
                section,
                &format!("an address of another network than {network}"),
                "give an address of this network, or change pool.network",
            )
        }),
    };
    (format!("{address}.{worker}"), parsed)
}

fn worker_name(name: &str) -> Result<(), Refusal> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() || name.len() > 32 || !name.chars().all(fits) {
        return Err(Refusal::new(
            "not a worker's name",
            "give 1 to 32 letters, digits, - or _",
        ));
    }
    Ok(())
}

fn plain(text: &str, most: usize) -> Result<(), Refusal> {
    if text.len() > most || !text.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
        return Err(Refusal::new(
            "not plain text",
            format!("give at most {most} printable ASCII characters"),
        ));
    }
    Ok(())
}
