//! The chain source's software and network, queried once for `check-config`.

use std::time::Duration;

use bitcoin::Network;
use payout::ChainSource;
use payout::chain::{ChainClient, ChainInfo, follows_another_chain};
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::config::Config;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the chain source that `config` names. Warnings about what it is; nothing where
/// there is none to ask, or it is as it should be.
pub(crate) fn warnings(config: &Config) -> Vec<String> {
    let source = config.income.chain.as_ref();
    let source = source.or(config.income.node.as_ref().map(|node| &node.chain));
    let Some(source) = source else {
        return Vec::new();
    };
    match ask(source) {
        Ok(None) => Vec::new(),
        Ok(Some((info, software))) => about(config.network, &info, software.as_deref()),
        Err(why) => vec![format!(
            "the chain source does not answer, and what it is was not checked: {why}"
        )],
    }
}

type Told = (ChainInfo, Option<String>);

fn ask(source: &ChainSource) -> Result<Option<Told>, String> {
    let client = ChainClient::new(source).map_err(|error| error.to_string())?;
    let Some(client) = client else {
        return Ok(None);
    };
    let asking = async {
        let info = client.info().await?;
        let software = client.software().await?;
        Ok::<_, payout::chain::ChainError>((info, software))
    };
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    match runtime.block_on(async { timeout(PATIENCE, asking).await }) {
        Ok(Ok(told)) => Ok(Some(told)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("not within {} s", PATIENCE.as_secs())),
    }
}

fn about(network: Network, info: &ChainInfo, software: Option<&str>) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(other) = info.network.filter(|other| *other != network) {
        warnings.push(format!(
            "the chain source is on {other}, and the pool on {network}"
        ));
    }
    if info.is_syncing {
        warnings.push(format!(
            "the chain source is still loading the chain, at block {}",
            info.height
        ));
    }
    warnings.extend(software.and_then(follows_another_chain));
    warnings
}

#[cfg(test)]
mod tests {
    use bitcoin::BlockHash;
    use bitcoin::hashes::Hash as _;

    use super::*;

    #[track_caller]
    fn case(network: Option<Network>, is_syncing: bool, software: Option<&str>, said: &[&str]) {
        let info = ChainInfo {
            network,
            height: 961_632,
            tip: BlockHash::all_zeros(),
            tip_secs: None,
            is_syncing,
        };
        let warnings = about(Network::Bitcoin, &info, software);
        assert_eq!(warnings.len(), said.len(), "{warnings:?}");
        for (warning, said) in warnings.iter().zip(said) {
            assert!(warning.contains(said), "{warning}");
        }
    }

    #[test]
    fn what_is_odd_about_a_source_is_told() {
        let core = Some("/Satoshi:30.2.0/");
        case(Some(Network::Bitcoin), false, core, &[]);
        case(None, false, None, &[]);
        case(Some(Network::Signet), false, core, &["on signet"]);
        case(Some(Network::Bitcoin), true, core, &["still loading"]);
        let knots = Some("/Satoshi:29.4.3/Knots:20260911/");
        case(Some(Network::Bitcoin), false, knots, &["961632"]);
    }
}
