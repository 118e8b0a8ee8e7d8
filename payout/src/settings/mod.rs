//! The node's settings: a file of `ldk-node-config/`, where every key is explained.

mod cookie;
mod fees;
mod parsed;
mod peer;
mod source;

use std::path::{Path, PathBuf};

use accounting::Sat;
use basics::mask;
use bitcoin::Network;
use bitcoin::secp256k1::PublicKey;
use lightning::ln::msgs::SocketAddress;
use serde::Deserialize;
use thiserror::Error;

pub(crate) use cookie::Login;
pub use cookie::{Cookie, CookieError};
pub use fees::Fees;
use parsed::Parsed;
pub use peer::{Peer, PeerError};
pub use source::{ChainSource, ChainSourceError, RpcLogin};

/// The settings of the node, as its file has them. Paths are as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Must be the pool's.
    pub network: Network,
    /// Where the node keeps channels and wallet.
    pub storage_dir: PathBuf,
    /// The 24 words that are the node's money.
    pub mnemonic_file: PathBuf,
    /// None: the pool's own, of `[chain]`.
    pub chain_source: Option<ChainSource>,
    /// The node's own log.
    pub log: Log,
    /// How others reach it.
    pub reach: Reach,
    /// Whom it knows and how far it trusts them.
    pub peers: Peers,
    /// Reserves for channels with anchors.
    pub anchors: Anchors,
    /// How the offer for OCEAN is made.
    pub offer_path: OfferPath,
    /// Warn when no usable channel can receive as much in one payment, in satoshis; none:
    /// the expected payout alone counts.
    pub inbound_alarm_sat: Option<u64>,
    /// What is set aside for the way of a payment that ecash is burnt for.
    pub melt_fees: Fees,
}

/// The node's own log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// What is too fine to be written.
    pub level: LogLevel,
    /// A file that it appends to, and that something else rotates; none: the pool's own log.
    pub file: Option<PathBuf>,
}

/// How much the node tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What needs a person.
    Error,
    /// What a person should see.
    Warn,
    /// What happens.
    Info,
    /// How.
    Debug,
    /// Every message.
    Trace,
}

/// How others reach the node, and how it learns of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Where it accepts connections.
    pub listen: Vec<SocketAddress>,
    /// What it tells the network to connect to; empty: the same as `listen`.
    pub announce: Vec<SocketAddress>,
    /// Its name in the network. With `listen` it makes the node a public one.
    pub alias: Option<String>,
    /// Where the map of the network comes from.
    pub gossip: Gossip,
}

/// Where the map of the network comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gossip {
    /// Its peers. Needed to reach a payer that names itself by its node id.
    PeerToPeer,
    /// Snapshots of a server.
    Rapid(String),
}

/// Whom the node knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peers {
    /// Connected to at start and ever again.
    pub persistent: Vec<Peer>,
    /// OCEAN's nodes: they pay, so they may not be the way in of a private node's offer.
    pub ocean: Vec<PublicKey>,
    /// The peer whose channels to us may be filled almost whole by payments in flight,
    /// instead of a tenth; it is trusted with unconfirmed channels, too.
    pub full_in_flight: Option<Peer>,
    /// Peers whose channels count before they are confirmed.
    pub zero_conf: Vec<PublicKey>,
}

/// Reserves for channels with anchors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchors {
    /// Kept on-chain for each such channel, in satoshis.
    pub reserve_sat: u64,
    /// Peers that are trusted to bring a closing transaction into a block, so that
    /// nothing is reserved for their channels.
    pub trusted: Vec<PublicKey>,
}

/// How the offer for OCEAN is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OfferPath {
    /// As the node stands: without a path when it is public, through its channel peer
    /// when it is private.
    #[default]
    Auto,
    /// Without a path, always.
    None,
    /// Through this peer, always.
    Through(PublicKey),
}

/// Why the file is not taken.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// It cannot be read.
    #[error("{path} cannot be read: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is not what it should be; the text names line and key.
    #[error("{path}: {error}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        error: String,
    },
}

impl Settings {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// If it is not there, has an unknown key or a value that cannot be.
    pub fn read(path: &Path) -> Result<Settings, SettingsError> {
        let text = std::fs::read_to_string(path).map_err(|error| SettingsError::Unreadable {
            path: path.to_owned(),
            error,
        })?;
        Settings::parse(&text).map_err(|error| SettingsError::Malformed {
            path: path.to_owned(),
            error,
        })
    }

    /// Reads and checks a file's text.
    ///
    /// # Errors
    /// What is wrong with it, in words, with the line where there is one.
    pub fn parse(text: &str) -> Result<Settings, String> {
        // Not the error's own text, which quotes the line: a password may be in it.
        let file: File = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            format!("line {line}: {}", mask::text(error.message().trim()))
        })?;
        file.checked().map_err(|why| mask::text(&why).into_owned())
    }

    /// The same with relative paths put under `data_dir`.
    #[must_use]
    pub fn under(mut self, data_dir: &Path) -> Settings {
        self.storage_dir = data_dir.join(self.storage_dir);
        self.mnemonic_file = data_dir.join(self.mnemonic_file);
        self.log.file = self.log.file.map(|file| data_dir.join(file));
        self.chain_source = self.chain_source.map(|source| source.under(data_dir));
        self
    }

    /// True when the node is to be seen by the whole network: it has a name and an
    /// address (both are needed for public channels).
    pub fn is_public(&self) -> bool {
        self.reach.alias.is_some() && !self.reach.listen.is_empty()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    network: String,
    #[serde(default = "default_storage_dir")]
    storage_dir: PathBuf,
    #[serde(default = "default_mnemonic_file")]
    mnemonic_file: PathBuf,
    chain_source: Option<String>,
    chain_cookie: Option<PathBuf>,
    #[serde(default)]
    log: LogFile,
    #[serde(default)]
    reach: ReachFile,
    #[serde(default)]
    peers: PeersFile,
    #[serde(default)]
    anchors: AnchorsFile,
    #[serde(default)]
    offer: OfferFile,
    #[serde(default)]
    alarm: AlarmFile,
    #[serde(default)]
    melts: MeltsFile,
}

fn default_storage_dir() -> PathBuf {
    PathBuf::from("node")
}

fn default_mnemonic_file() -> PathBuf {
    PathBuf::from("node-mnemonic")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LogFile {
    level: LogLevel,
    file: Option<PathBuf>,
}

impl Default for LogFile {
    fn default() -> Self {
        LogFile {
            level: LogLevel::Info,
            file: None,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ReachFile {
    listen: Vec<Parsed<SocketAddress>>,
    announce: Vec<Parsed<SocketAddress>>,
    alias: Option<String>,
    gossip: Option<String>,
    rapid_gossip_url: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PeersFile {
    persistent: Vec<Parsed<Peer>>,
    ocean: Vec<Parsed<PublicKey>>,
    full_in_flight: Option<Parsed<Peer>>,
    zero_conf: Vec<Parsed<PublicKey>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AnchorsFile {
    reserve_sat: u64,
    trusted: Vec<Parsed<PublicKey>>,
}

impl Default for AnchorsFile {
    fn default() -> Self {
        AnchorsFile {
            // What ldk-node itself thinks fit.
            reserve_sat: 25_000,
            trusted: Vec::new(),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct OfferFile {
    path: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AlarmFile {
    inbound_sat: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct MeltsFile {
    fee_base_sat: u64,
    fee_ppm: u32,
}

impl Default for MeltsFile {
    fn default() -> Self {
        let Fees { base, ppm } = Fees::default();
        MeltsFile {
            fee_base_sat: base.get(),
            fee_ppm: ppm,
        }
    }
}

/// More than a tenth for the way is a slip of the pen.
const MAX_FEE_PPM: u32 = 100_000;

/// The same for the base.
const MAX_FEE_BASE_SAT: u64 = 100_000;

/// The most bytes of an alias (BOLT 7).
const MAX_ALIAS_BYTES: usize = 32;

impl File {
    fn checked(self) -> Result<Settings, String> {
        let reach = self.reach.checked()?;
        let network = network(&self.network)?;
        Ok(Settings {
            network,
            storage_dir: self.storage_dir,
            mnemonic_file: self.mnemonic_file,
            chain_source: chain_source(self.chain_source, self.chain_cookie, network)?,
            log: Log {
                level: self.log.level,
                file: self.log.file,
            },
            reach,
            peers: Peers {
                persistent: all(self.peers.persistent),
                ocean: all(self.peers.ocean),
                full_in_flight: self.peers.full_in_flight.map(Parsed::into),
                zero_conf: all(self.peers.zero_conf),
            },
            anchors: Anchors {
                reserve_sat: self.anchors.reserve_sat,
                trusted: all(self.anchors.trusted),
            },
            offer_path: offer_path(self.offer.path.as_deref())?,
            inbound_alarm_sat: self.alarm.inbound_sat,
            melt_fees: self.melts.checked()?,
        })
    }
}

impl MeltsFile {
    fn checked(&self) -> Result<Fees, String> {
        let MeltsFile {
            fee_base_sat,
            fee_ppm,
        } = *self;
        if fee_base_sat > MAX_FEE_BASE_SAT {
            return Err(format!(
                "melts.fee_base_sat {fee_base_sat} is above {MAX_FEE_BASE_SAT}"
            ));
        }
        if fee_ppm > MAX_FEE_PPM {
            return Err(format!("melts.fee_ppm {fee_ppm} is above {MAX_FEE_PPM}"));
        }
        Ok(Fees {
            base: Sat::new(fee_base_sat),
            ppm: fee_ppm,
        })
    }
}

impl ReachFile {
    fn checked(self) -> Result<Reach, String> {
        if let Some(alias) = &self.alias {
            if alias.is_empty()
                || alias.len() > MAX_ALIAS_BYTES
                || alias.chars().any(char::is_control)
            {
                return Err(format!(
                    "reach.alias {alias:?} is not 1 to {MAX_ALIAS_BYTES} bytes of plain text"
                ));
            }
            if self.listen.is_empty() {
                return Err("reach.alias makes the node public, which needs reach.listen".into());
            }
        }
        if !self.announce.is_empty() && self.alias.is_none() {
            return Err(
                "reach.announce tells addresses to the network, which needs reach.alias".into(),
            );
        }
        let gossip = match (self.gossip.as_deref(), self.rapid_gossip_url) {
            (None | Some("p2p"), None) => Gossip::PeerToPeer,
            (Some("rapid"), Some(url)) => Gossip::Rapid(url),
            (Some("rapid"), None) => {
                return Err("reach.gossip \"rapid\" needs reach.rapid_gossip_url".into());
            }
            (None | Some("p2p"), Some(_)) => {
                return Err("reach.rapid_gossip_url needs reach.gossip = \"rapid\"".into());
            }
            (Some(other), _) => {
                return Err(format!(
                    "reach.gossip is \"p2p\" or \"rapid\", not {other:?}"
                ));
            }
        };
        Ok(Reach {
            listen: all(self.listen),
            announce: all(self.announce),
            alias: self.alias,
            gossip,
        })
    }
}

/// The source's text is not repeated where it does not do: a password may be in it.
fn chain_source(
    url: Option<String>,
    cookie: Option<PathBuf>,
    network: Network,
) -> Result<Option<ChainSource>, String> {
    let source = match (url, cookie) {
        (url, Some(cookie)) => ChainSource::with_cookie(url.as_deref(), cookie, network),
        (Some(url), None) => url.parse(),
        (None, None) => return Ok(None),
    };
    source
        .map(Some)
        .map_err(|error| format!("chain_source: {error}"))
}

fn all<T>(parsed: Vec<Parsed<T>>) -> Vec<T> {
    parsed.into_iter().map(Parsed::into).collect()
}

fn network(name: &str) -> Result<Network, String> {
    match name {
        "mainnet" => Ok(Network::Bitcoin),
        "testnet" => Ok(Network::Testnet),
        "signet" => Ok(Network::Signet),
        "regtest" => Ok(Network::Regtest),
        other => Err(format!(
            "network is \"mainnet\", \"testnet\", \"signet\" or \"regtest\", not {other:?}"
        )),
    }
}

fn offer_path(text: Option<&str>) -> Result<OfferPath, String> {
    match text {
        None | Some("auto") => Ok(OfferPath::Auto),
        Some("none") => Ok(OfferPath::None),
        Some(id) => id.parse().map(OfferPath::Through).map_err(|_| {
            format!("offer.path is \"auto\", \"none\" or a peer's node id, not {id:?}")
        }),
    }
}

#[cfg(test)]
mod tests;
