//! The chain source's software and network, queried once for `check-config` and for the
//! first-run page.

use std::time::Duration;

use basics::humane;
use bitcoin::Network;
use payout::ChainSource;
use payout::chain::{ChainClient, ChainInfo, NO_FEES, follows_another_chain};
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::config::Config;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the chain source that `config` names. Warnings about what it is; nothing where
/// there is none to ask, or it is as it should be.
pub fn warnings(config: &Config) -> Vec<String> {
    let source = config.income.chain.as_ref();
    let source = source.or(config.income.node.as_ref().map(|node| &node.chain));
    let Some(source) = source else {
        return Vec::new();
    };
    match ask(source) {
        Ok(told) => about(config.network, &told),
        Err(why) => vec![format!(
            "the chain source, {source}, was not checked: {why}"
        )],
    }
}

/// What a source says of itself.
#[derive(Debug)]
pub struct Told {
    info: ChainInfo,
    /// The error where the source would not say what software it is.
    software: Result<Option<String>, String>,
    has_fees: bool,
}

impl Told {
    /// In words, for who chooses a source.
    pub fn words(&self) -> String {
        let Told { info, software, .. } = self;
        let name = software.as_ref().ok().and_then(Option::as_deref);
        let name = name.unwrap_or("It").trim_matches('/');
        let network = info.network.map(|network| format!(" on {network}"));
        format!(
            "{name} answers{}, at block {}",
            network.unwrap_or_default(),
            humane::count(u64::from(info.height))
        )
    }

    /// It is of another network, in words.
    pub fn other_network(&self, network: Network) -> Option<String> {
        let other = self.info.network.filter(|other| *other != network)?;
        Some(format!(
            "the chain source is on {other}, and the pool on {network}"
        ))
    }
}

fn ask(source: &ChainSource) -> Result<Told, String> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(answer_of(source))
}

/// Asks `source`.
///
/// # Errors
/// It gives no answer, in words, with the remedy.
pub async fn answer_of(source: &ChainSource) -> Result<Told, String> {
    let client = ChainClient::new(source).map_err(|error| error.to_string())?;
    let asking = async {
        let info = client.info().await?;
        // A user that may not ask this is no reason to say nothing of the rest.
        let software = client.software().await;
        let software = software.map_err(|error| error.to_string());
        let has_fees = client.has_fees().await?;
        let told = Told {
            info,
            software,
            has_fees,
        };
        Ok::<_, payout::chain::ChainError>(told)
    };
    match timeout(PATIENCE, asking).await {
        Ok(Ok(told)) => Ok(told),
        Ok(Err(error)) => Err(error.with_advice()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

/// Warnings about what a source told.
pub fn about(network: Network, told: &Told) -> Vec<String> {
    let Told { info, software, .. } = told;
    let mut warnings = Vec::new();
    warnings.extend(told.other_network(network));
    if info.is_syncing {
        warnings.push(format!(
            "the chain source is still loading the chain, at block {}",
            info.height
        ));
    }
    if !told.has_fees && network == Network::Bitcoin {
        warnings.push(format!("the chain source: {NO_FEES}"));
    }
    match software {
        Ok(software) => warnings.extend(software.as_deref().and_then(follows_another_chain)),
        Err(why) => warnings.push(format!(
            "the chain source was not asked for its software: it {why}"
        )),
    }
    warnings
}

#[cfg(test)]
mod tests {
    use bitcoin::BlockHash;
    use bitcoin::hashes::Hash as _;

    use super::*;

    #[track_caller]
    fn case(network: Option<Network>, is_syncing: bool, software: Option<&str>, said: &[&str]) {
        told(network, is_syncing, software, true, said);
    }

    #[track_caller]
    fn told(
        network: Option<Network>,
        is_syncing: bool,
        software: Option<&str>,
        has_fees: bool,
        said: &[&str],
    ) {
        let info = ChainInfo {
            network,
            height: 961_632,
            tip: BlockHash::all_zeros(),
            tip_secs: None,
            is_syncing,
            headers: 961_632,
            pruned_below: None,
        };
        let software = Ok(software.map(str::to_owned));
        let told = Told {
            info,
            software,
            has_fees,
        };
        let warnings = about(Network::Bitcoin, &told);
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
        told(None, false, None, false, &["blocksonly"]);
        case(Some(Network::Signet), false, core, &["on signet"]);
        case(Some(Network::Bitcoin), true, core, &["still loading"]);
        let knots = Some("/Satoshi:29.4.3/Knots:20260911/");
        case(Some(Network::Bitcoin), false, knots, &["961632"]);
    }
}
