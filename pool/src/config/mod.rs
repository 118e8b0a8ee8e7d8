//! The config file: read once, here and nowhere else, into plain values for the rooms.
//!
//! Everything but the upstream's address has a default. An unknown key is refused, all
//! problems are reported at once, and the effective config can be printed as a config file
//! of its own.
//!
//! A section is read by asking the reader for its keys. Asking for a key registers it,
//! gives it its default and adds it to the output of `check-config`, so these cannot drift
//! apart. `axepool.example.toml` has every key with its default, which a test checks;
//! `axepool init` fills it in, and the reader itself checks each answer. An environment
//! variable `AXEPOOL__SECTION__KEY` overrides its key and is parsed by the key's type. A
//! secret is in the file, in a file of its own or in a variable that the config names; it
//! is never printed. `risks.rs` lists settings that are allowed but risky: `check-config`
//! and `run` print them.

mod advice;
mod effective;
mod environment;
mod expert;
mod http;
mod income;
mod ledger;
mod log;
mod mint;
mod notices;
mod operator;
mod payout;
mod pool;
mod problem;
mod public_url;
mod reader;
mod risks;
mod secret;
mod setting;
mod stratum;
mod upstream;

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ::payout::ChainSource;
use accounting::EpochTerms;
use basics::mask;
use bitcoin::Network;
use proxy::config::{DownstreamConfig, UpstreamConfig};
use toml::Table;

pub use crate::logs::LogConfig;
pub use effective::{Effective, Origin};
pub use environment::Environment;
pub use http::{HttpConfig, HttpLimits};
pub use income::{Income, NodeConfig};
pub use ledger::LedgerConfig;
pub use mint::MintSettings;
pub use notices::NoticesConfig;
pub use operator::OperatorConfig;
pub use problem::{Problem, Problems};
pub use public_url::PublicUrl;
use reader::Reader;

/// All that the binary is told, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[pool] network`.
    pub network: Network,
    /// `[pool] name`, for people.
    pub name: String,
    /// `[pool] data_dir`, absolute or from the current directory.
    pub data_dir: PathBuf,
    /// `[upstream]`.
    pub upstream: UpstreamConfig,
    /// `[stratum]`.
    pub downstream: DownstreamConfig,
    /// `[ledger]`.
    pub ledger: LedgerConfig,
    /// `[http]`.
    pub http: HttpConfig,
    /// `[mint]`, but for what epochs record.
    pub mint: MintSettings,
    /// `[notices]`.
    pub notices: NoticesConfig,
    /// `[log]`.
    pub log: LogConfig,
    /// `[metrics] listen`; empty when metrics are switched off.
    pub metrics_listen: Vec<SocketAddr>,
    /// `[operator]`.
    pub operator: OperatorConfig,
    /// `[chain]`, `[lightning]`, `[ocean]`.
    pub income: Income,
    /// The terms of epochs opened from now on: `[payout]` and `[mint]`.
    pub terms: EpochTerms,
}

/// A config, and every key as it is in force.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The checked values.
    pub config: Config,
    /// In the order in which a config file is written.
    pub effective: Vec<Effective>,
    /// What can be used as it is, and a person should know of.
    pub warnings: Vec<Problem>,
    /// Keys whose secret stands in the file itself.
    plain_secrets: Vec<String>,
}

/// Reads the file `path` and what the environment says instead. Relative paths start where
/// the file is.
pub fn load(path: &Path) -> Result<Loaded, Problems> {
    let (text, base) = read(path)?;
    let mut loaded =
        parse_with(&text, base, Environment::of_process()).map_err(|list| in_file(path, list))?;
    loaded
        .warnings
        .extend(risks::of_file(path, &loaded.plain_secrets));
    Ok(loaded)
}

/// Of the file `path` the lightning node's part alone, however little else is in it yet:
/// the node's wallet has the address that `[upstream] address` asks for.
pub fn load_node(path: &Path) -> Result<Option<NodeConfig>, Problems> {
    let (text, base) = read(path)?;
    let sources = parse_sources(&text, base, Environment::of_process());
    sources
        .map(|sources| sources.node)
        .map_err(|list| in_file(path, list))
}

/// The part of a config that can be used before the rest is known: where the chain is read,
/// and the node.
#[derive(Clone, Debug)]
pub struct Sources {
    /// `[pool] network`.
    pub network: Network,
    /// `[pool] data_dir`.
    pub data_dir: PathBuf,
    /// `[chain]`.
    pub chain: Option<ChainSource>,
    /// `[lightning]`.
    pub node: Option<NodeConfig>,
}

/// Of the `text` of a config file in the directory `base`, and of what `environment` says
/// instead, that part alone.
pub fn parse_sources(
    text: &str,
    base: &Path,
    environment: Environment,
) -> Result<Sources, Vec<Problem>> {
    let file: Table = toml::from_str(text).map_err(|error| vec![not_toml(text, &error)])?;
    let mut reader = Reader::new(file, environment);
    let pool = reader.section("pool", |section| pool::read(section, base));
    let chain = reader.section("chain", |section| {
        income::read_chain(section, pool.network, base)
    });
    let node = reader.section("lightning", |section| {
        income::read_node(section, &pool, base, chain.as_ref())
    });
    match reader.into_problems() {
        list if list.is_empty() => Ok(Sources {
            network: pool.network,
            data_dir: pool.data_dir,
            chain,
            node,
        }),
        list => Err(list),
    }
}

/// The data directory of the same.
///
/// # Errors
/// `[pool]` cannot be read.
pub fn parse_data_dir(
    text: &str,
    base: &Path,
    environment: Environment,
) -> Result<PathBuf, Vec<Problem>> {
    let file: Table = toml::from_str(text).map_err(|error| vec![not_toml(text, &error)])?;
    let mut reader = Reader::new(file, environment);
    let pool = reader.section("pool", |section| pool::read(section, base));
    match reader.into_problems() {
        list if list.is_empty() => Ok(pool.data_dir),
        list => Err(list),
    }
}

fn in_file(path: &Path, list: Vec<Problem>) -> Problems {
    Problems {
        source: path.display().to_string(),
        list,
    }
}

/// The file's text, and where its relative paths start.
fn read(path: &Path) -> Result<(String, &Path), Problems> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let problem = Problem {
            key: String::new(),
            value: None,
            why: format!("cannot be read: {error}"),
            fix: unreadable_fix(path, &error),
        };
        in_file(path, vec![problem])
    })?;
    Ok((text, path.parent().unwrap_or(Path::new(""))))
}

/// Reads the `text` of a config file in the directory `base`, and nothing else.
pub fn parse(text: &str, base: &Path) -> Result<Loaded, Vec<Problem>> {
    parse_with(text, base, Environment::default())
}

/// Reads the `text` of a config file in the directory `base`, and what `environment` says
/// instead.
pub fn parse_with(
    text: &str,
    base: &Path,
    environment: Environment,
) -> Result<Loaded, Vec<Problem>> {
    let file: Table = toml::from_str(text).map_err(|error| vec![not_toml(text, &error)])?;
    let mut reader = Reader::new(file, environment);
    let pool = reader.section("pool", |section| pool::read(section, base));
    let (upstream, address) = reader.section("upstream", |section| {
        upstream::read(section, pool.network, base)
    });
    let downstream = reader.section("stratum", |section| stratum::read(section, base));
    let ledger = reader.section("ledger", ledger::read);
    let http = reader.section("http", |section| http::read(section, pool.network, base));
    let metrics_listen = reader.section("metrics", |section| {
        section.get("listen", vec![SocketAddr::from(([127, 0, 0, 1], 9332))])
    });
    let log = reader.section("log", |section| log::read(section, base));
    let operator = reader.section("operator", operator::read);
    let (quotes, mint) = reader.section("mint", |section| {
        (
            payout::read_quotes(section),
            mint::read(section, &pool, base),
        )
    });
    let notices = reader.section("notices", notices::read);
    let chain = reader.section("chain", |section| {
        income::read_chain(section, pool.network, base)
    });
    let node = reader.section("lightning", |section| {
        income::read_node(section, &pool, base, chain.as_ref())
    });
    let ocean = reader.section("ocean", |section| income::read_ocean(section, pool.network));
    let terms = reader.section("payout", |section| payout::read(section, &quotes));
    let own = [
        ("metrics.listen", metrics_listen.as_slice()),
        ("operator.listen", operator.listen.as_slice()),
    ];
    listeners_differ(&mut reader, &downstream, &http, &own);

    let read = reader.finish()?;
    // Without one there is a problem, and `finish` has told it.
    let Some(address) = address else {
        return Err(Vec::new());
    };
    let config = Config {
        network: pool.network,
        name: pool.name,
        data_dir: pool.data_dir,
        upstream,
        downstream,
        ledger,
        http,
        mint,
        notices,
        metrics_listen,
        log,
        operator,
        income: ocean.join(address, chain, node),
        terms,
    };
    let mut warnings = read.warnings;
    warnings.extend(risks::of(&config));
    Ok(Loaded {
        config,
        effective: read.effective,
        warnings,
        plain_secrets: read.plain_secrets,
    })
}

/// The effective config as a config file: what the file does not say is marked, and
/// secrets are masked.
pub fn render(effective: &[Effective]) -> String {
    let mut text = String::new();
    let mut section = String::new();
    let plain = effective.iter().filter(|entry| !entry.is_expert);
    let experts = effective.iter().filter(|entry| entry.is_expert);
    for entry in plain.chain(experts) {
        let table = entry.table();
        if table != section {
            let gap = if section.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}[{table}]");
            section = table;
        }
        let Some(value) = &entry.value else {
            let _ = writeln!(text, "# {} is not set", entry.key);
            continue;
        };
        let origin = match entry.origin {
            Origin::File => String::new(),
            Origin::Default => "  # default".to_owned(),
            Origin::Environment => {
                format!("  # from {}", environment::name(entry.section, entry.key))
            }
        };
        let _ = writeln!(text, "{} = {}{origin}", entry.key, reader::masked(value));
    }
    text
}

/// Where `path` of a config file in `base` is.
fn from_base(base: &Path, path: PathBuf) -> PathBuf {
    if path.is_absolute() {
        path
    } else {
        base.join(path)
    }
}

/// Two listeners cannot have one address. Port 0 is a different free port each time.
fn listeners_differ(
    reader: &mut Reader,
    downstream: &DownstreamConfig,
    http: &HttpConfig,
    own: &[(&'static str, &[SocketAddr])],
) {
    let plain = downstream
        .listen
        .iter()
        .map(|address| ("stratum.listen", address));
    let tls = downstream
        .tls
        .iter()
        .flat_map(|tls| &tls.listen)
        .map(|address| ("stratum.tls_listen", address));
    let onion = http.onion_listen.iter();
    let onion = onion.map(|address| ("http.onion_listen", address));
    let http = http.listen.iter().map(|address| ("http.listen", address));
    let own = own
        .iter()
        .flat_map(|&(key, list)| list.iter().map(move |address| (key, address)));
    let mut taken: Vec<(&str, &SocketAddr)> = Vec::new();
    for (key, address) in plain
        .chain(tls)
        .chain(http)
        .chain(onion)
        .chain(own)
        .filter(|(_, address)| address.port() != 0)
    {
        match taken.iter().find(|(_, other)| *other == address) {
            Some((other, _)) => reader.problem(
                key,
                Some(&toml::Value::String(address.to_string())),
                &format!("{other} has this address already"),
                "give each listener an address and port of its own",
            ),
            None => taken.push((key, address)),
        }
    }
}

/// A file that is no TOML has one problem: nothing else can be said about it.
fn not_toml(text: &str, error: &toml::de::Error) -> Problem {
    let place = error
        .span()
        .and_then(|span| text.get(..span.start))
        .map(|before| {
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
            format!("line {line}, column {column}: ")
        });
    Problem {
        key: String::new(),
        value: None,
        why: format!(
            "{}this is not TOML: {}",
            place.unwrap_or_default(),
            mask::text(error.message().trim())
        ),
        fix: "texts are in \"quotes\", a section is a line [name], each key is there once"
            .to_owned(),
    }
}

/// What to do about a config file that cannot be read. A file that is there but closed to
/// this user is the usual result of editing it as root, so that case names the commands.
fn unreadable_fix(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "let the user that runs axepool read it: `chown axepool: {path}` and `chmod 600 {path}` \
             for the packaged service, or run the command as the user who owns the file"
        ),
        io::ErrorKind::IsADirectory => {
            "name the file itself, for example its axepool.toml, and not the directory".to_owned()
        }
        io::ErrorKind::InvalidData => {
            "save it as UTF-8 text; it has bytes that are no UTF-8".to_owned()
        }
        _ => "write one; a line [upstream] and a line address = \"bc1...\" are enough".to_owned(),
    }
}
