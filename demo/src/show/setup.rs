//! An ordinary config of the ordinary pool, with difficulties for devices that are ten
//! million times slower than a Bitaxe.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bitcoin::Network;
use payout::{Seed, payout_address};
use pool::config::{self, Config};
use pool::data_dir;

use super::world::World;

/// The pool's config in `data_dir`, with a node whose first address is the payout
/// address. Miners and browsers find it at `listen`, at free ports.
pub(super) fn config(world: &World, listen: IpAddr, data_dir: PathBuf) -> Result<Config> {
    let listen = SocketAddr::new(listen, 0);
    data_dir::prepare(&data_dir)?;
    let ocean = &world.ocean;
    let node_id = ocean.node_id().context("OCEAN has no lightning node")?;
    let node_at = ocean
        .node_address()
        .context("OCEAN has no lightning node")?;
    let node = format!(
        "network = \"regtest\"\n[log]\nlevel = \"error\"\n\
         [reach]\nlisten = [\"{}\"]\nalias = \"axepool-demo\"\n\
         [peers]\npersistent = [\"{node_id}@{node_at}\"]\nocean = [\"{node_id}\"]\n\
         [anchors]\ntrusted = [\"{node_id}\"]\n",
        free_address()?
    );
    let node_file = data_dir.join("node.toml");
    std::fs::write(&node_file, node)
        .with_context(|| format!("{} cannot be written", node_file.display()))?;
    let seed = Seed::open(&data_dir.join("node-mnemonic"), &data_dir.join("node"))?;
    let address = payout_address(&seed, Network::Regtest)?;
    let text = format!(
        "[pool]\nnetwork = \"regtest\"\nname = \"Demonstration\"\n\
         [upstream]\nurls = [\"stratum+tcp://{}\"]\naddress = \"{address}\"\n\
         [stratum]\nlisten = \"{listen}\"\nmin_difficulty = {:e}\nstart_difficulty = {:e}\n\
         target_shares_per_minute = {}\n\
         [http]\nlisten = \"{listen}\"\n[metrics]\nlisten = \"127.0.0.1:0\"\n\
         [operator]\nlisten = \"127.0.0.1:0\"\n\
         [expert.mint]\nquote_min_work = 0\n\
         [chain]\nurl = \"http://demo:demo@{}\"\n\
         [lightning]\nconfig = {}\n\
         [ocean]\napi_url = \"{}\"\n[expert.ocean]\nask_every_secs = 1\n",
        ocean.stratum(),
        world.min_difficulty,
        world.start_difficulty,
        world.shares_per_minute,
        ocean.chain_rpc(),
        toml::Value::String(node_file.display().to_string()),
        ocean.api_url(),
    );
    // The node's relative paths are under the data directory that the text names.
    let place = toml::Value::String(data_dir.display().to_string());
    let text = text.replacen("[pool]\n", &format!("[pool]\ndata_dir = {place}\n"), 1);
    match config::parse(&text, Path::new("")) {
        Ok(loaded) => Ok(loaded.config),
        Err(list) => Err(config::Problems {
            source: "the demonstration's config".to_owned(),
            list,
        }
        .into()),
    }
}

/// An address of this machine that is free now.
pub(super) fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free port")?;
    Ok(listener.local_addr()?)
}

/// Where the pool's node listens, by the settings that [`config`] wrote.
pub(super) fn node_listens(data_dir: &Path) -> Result<SocketAddr> {
    let settings = payout::Settings::read(&data_dir.join("node.toml"))?;
    let listen = settings.reach.listen.first();
    let listen = listen.context("the node listens nowhere")?.to_string();
    listen.parse().context("where the node listens")
}
