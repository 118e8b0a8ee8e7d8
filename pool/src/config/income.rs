//! `[chain]`, `[lightning]`, `[ocean]`: the ways of OCEAN's money, and the sources about
//! OCEAN's blocks.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use basics::mask;
use bitcoin::{Address, Network};
use payout::{ChainSource, Settings};
use toml::Value;

use super::from_base;
use super::pool::Pool;
use super::reader::Section;
use super::secret::Secret;
use super::setting::{Refusal, Setting};

/// OCEAN's API, which is of mainnet alone.
const OCEAN_API: &str = "https://api.ocean.xyz/v1";

/// How OCEAN's money comes in.
#[derive(Clone, Debug)]
pub struct Income {
    /// The payout address: `[upstream] address`.
    pub address: Address,
    /// Where the chain is read.
    pub chain: Option<ChainSource>,
    /// The lightning node; none: the pool mines and tallies, and quotes stay unpaid.
    pub node: Option<NodeConfig>,
    /// Where OCEAN's API is, if it is asked.
    pub ocean_api: Option<String>,
    /// The chain is looked at for OCEAN's blocks and payouts.
    pub watches_chain: bool,
    /// How often the API and the chain are asked.
    pub ask_every: Duration,
}

/// The lightning node's part.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Its settings, with absolute paths or such from the current directory.
    pub settings: Settings,
    /// Where it reads the chain: its own settings' source, else the pool's.
    pub chain: ChainSource,
}

/// Where OCEAN's blocks are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BlockSource {
    Api,
    Chain,
}

impl Setting for BlockSource {
    fn read(value: &Value) -> Result<Self, Refusal> {
        match value.as_str() {
            Some("api") => Ok(BlockSource::Api),
            Some("chain") => Ok(BlockSource::Chain),
            _ => Err(Refusal::new(
                "not a source of blocks",
                "give \"api\", \"chain\" or both, [\"api\", \"chain\"]",
            )),
        }
    }

    fn show(&self) -> Value {
        let name = match self {
            BlockSource::Api => "api",
            BlockSource::Chain => "chain",
        };
        Value::String(name.to_owned())
    }
}

/// A chain source's URL, which may have a password in it: as such, or where the secret
/// with it is.
#[derive(Clone, PartialEq, Eq)]
struct ChainUrl(Secret);

const CHAIN_FIX: &str = "give bitcoind's RPC, \"http://user:password@127.0.0.1:8332\", or \
                         \"http://127.0.0.1:8332\" with its cookie; an Esplora server, \
                         \"https://host/api\"; or { file = \"...\" } or { env = \"...\" } with the \
                         URL in it";

impl fmt::Debug for ChainUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.show())
    }
}

impl Setting for ChainUrl {
    const IS_SECRET: bool = true;

    fn read(value: &Value) -> Result<Self, Refusal> {
        let read = Secret::read(value).map(ChainUrl);
        read.map_err(|_| Refusal::new("not a URL", CHAIN_FIX))
    }

    fn show(&self) -> Value {
        match &self.0 {
            Secret::Here(url) => Value::String(mask::url(url)),
            elsewhere => elsewhere.show(),
        }
    }
}

/// `[chain]`.
pub(super) fn read_chain(
    section: &mut Section<'_>,
    network: Network,
    base: &Path,
) -> Option<ChainSource> {
    let given: Option<ChainUrl> = section.optional("url");
    let is_given = given.is_some();
    let is_here = matches!(given, Some(ChainUrl(Secret::Here(_))));
    let cookie: Option<PathBuf> = section.optional("cookie");
    let url = match given {
        Some(ChainUrl(Secret::Here(url))) => Some(url),
        Some(ChainUrl(elsewhere)) => Some(section.fetch("url", base, elsewhere)?),
        None => None,
    };
    let read = match (url, cookie) {
        (url, Some(cookie)) => {
            let cookie = from_base(base, cookie);
            ChainSource::with_cookie(url.as_deref(), cookie, network)
        }
        (Some(url), None) => url.parse(),
        (None, None) => return None,
    };
    let source = match read {
        Ok(source) => source,
        Err(error) => {
            let key = if is_given { "url" } else { "cookie" };
            section.problem(key, None, &error.to_string(), CHAIN_FIX);
            return None;
        }
    };
    if is_here && source.has_password() {
        section.note_plain_secret("url");
    }
    if matches!(source, ChainSource::Electrum(_)) {
        section.problem(
            "url",
            None,
            "an Electrum server has no whole blocks, in which the pool looks for OCEAN's",
            "give bitcoind's RPC or an Esplora server here; the node's own file may name an \
             Electrum server",
        );
    }
    Some(source)
}

/// `[lightning]`.
pub(super) fn read_node(
    section: &mut Section<'_>,
    pool: &Pool,
    base: &Path,
    chain: Option<&ChainSource>,
) -> Option<NodeConfig> {
    let path: PathBuf = section.optional("config")?;
    let shown = Value::String(path.display().to_string());
    let settings = match Settings::read(&from_base(base, path)) {
        Ok(settings) => settings.under(&pool.data_dir),
        Err(error) => {
            let fix =
                "name a file made after one of ldk-node-config/, where every key is explained";
            section.problem("config", Some(&shown), &error.to_string(), fix);
            return None;
        }
    };
    if settings.network != pool.network {
        section.problem(
            "config",
            Some(&shown),
            &format!(
                "its network is {}, and the pool's is {}",
                settings.network, pool.network
            ),
            "make network in it and pool.network the same",
        );
    }
    let source = settings.chain_source.as_ref().or(chain).cloned();
    let Some(source) = source else {
        section.problem(
            "config",
            Some(&shown),
            "the node has no chain to read",
            "give [chain] url = \"http://user:password@127.0.0.1:8332\", or [chain] cookie, or \
             chain_source in that file",
        );
        return None;
    };
    Some(NodeConfig {
        settings,
        chain: source,
    })
}

/// `[ocean]`, as read.
pub(super) struct Ocean {
    api: Option<String>,
    watches_chain: bool,
    ask_every: Duration,
}

/// `[ocean]`.
pub(super) fn read_ocean(section: &mut Section<'_>, network: Network) -> Ocean {
    let url = match network {
        Network::Bitcoin => Some(section.get_if("api_url", OCEAN_API.to_owned(), |url| http(url))),
        _ => section.optional_if("api_url", |url: &String| http(url)),
    };
    let blocks = section.get("blocks", vec![BlockSource::Api, BlockSource::Chain]);
    if blocks.is_empty() {
        section.problem(
            "blocks",
            None,
            "nobody to ask for OCEAN's blocks: no epoch would ever be closed by one",
            "give \"api\", \"chain\" or both, [\"api\", \"chain\"]",
        );
    }
    Ocean {
        api: url.filter(|_| blocks.contains(&BlockSource::Api)),
        watches_chain: blocks.contains(&BlockSource::Chain),
        // OCEAN asks for no more than one question in 30 to 60 s.
        ask_every: section.seconds("ask_every_secs", payout::ocean::ASK_EVERY, 1..=3600),
    }
}

fn http(url: &str) -> Result<(), Refusal> {
    let is_http = url.starts_with("https://") || url.starts_with("http://");
    if is_http && url.chars().all(|c| c.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Refusal::new(
        "not a URL",
        "give one that begins with https:// or http://",
    ))
}

impl Ocean {
    /// The whole, once its sections are read.
    pub(super) fn join(
        self,
        address: Address,
        chain: Option<ChainSource>,
        node: Option<NodeConfig>,
    ) -> Income {
        Income {
            address,
            watches_chain: self.watches_chain && chain.is_some(),
            chain,
            node,
            ocean_api: self.api,
            ask_every: self.ask_every,
        }
    }
}
