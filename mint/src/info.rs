//! The mint's NUT-06 info and its cdk builder: the info names only the methods that the mint
//! has.

use cdk::mint::{MintBuilder, MintMeltLimits, UnitConfig};
use cdk_common::nuts::nut17::{SupportedMethods, WsCommand};
use cdk_common::nuts::nut19::{CachedEndpoint, Method, Path};
use cdk_common::nuts::{MintInfo, MintVersion};
use cdk_common::{CurrencyUnit, PaymentMethod};
use std::sync::Arc;

use crate::config::MintConfig;
use crate::keysets::amounts;
use crate::lightning::Lightning;
use crate::melt_method::LightningMethod;
use crate::method::WorkMethod;
use crate::pause::Pause;
use crate::quote::{MAX_MONEY_SAT, METHOD, method};

/// A repeated request is answered from cdk's response cache for this long (NUT-19): cdk's
/// own default, seconds.
const CACHE_SECS: u64 = 60;

/// Adds unit, methods and limits to `builder`, and gives what the mint says about
/// itself.
pub(crate) async fn configure(
    mut builder: MintBuilder,
    config: &MintConfig,
    lightning: Option<Arc<dyn Lightning>>,
    pause: &Arc<Pause>,
) -> Result<(MintBuilder, MintInfo), cdk::Error> {
    builder = builder
        .with_limits(config.max_inputs, config.max_outputs)
        .with_batch_minting(Some(config.max_batch), Some(vec![METHOD.to_owned()]));
    builder.configure_unit(
        CurrencyUnit::Sat,
        UnitConfig {
            amounts: amounts(),
            input_fee_ppk: 0,
        },
    )?;
    let limits = || MintMeltLimits::new(1, MAX_MONEY_SAT);
    let work = Arc::new(WorkMethod::default());
    builder
        .add_payment_processor(CurrencyUnit::Sat, method(), limits(), work)
        .await?;
    let melts = lightning.is_some();
    if let Some(node) = lightning {
        let node = Arc::new(LightningMethod::new(node, Arc::clone(pause)));
        for name in ["bolt11", "bolt12"] {
            let method = PaymentMethod::from(name);
            builder
                .add_payment_processor(CurrencyUnit::Sat, method, limits(), Arc::clone(&node) as _)
                .await?;
        }
    }
    let info = describe(builder.current_mint_info(), config, melts);
    Ok((builder.with_mint_info(info.clone()), info))
}

fn describe(mut info: MintInfo, config: &MintConfig, melts: bool) -> MintInfo {
    info.name = Some(config.name.clone());
    info.description = Some(config.description.clone());
    info.description_long = Some(
        "Ecash of this mint is earned by mining: the pool makes a quote of method axepool for \
         a miner's work, locked to the miner's key (NUT-20), and pays it when the pool is paid. \
         Find yours with POST /v1/mint/quote/axepool/pubkey."
            .to_owned(),
    );
    info.urls = Some(vec![config.public_url.clone()]);
    info.motd = config.motd.clone();
    info.version = Some(MintVersion::new(
        "axepool".to_owned(),
        env!("CARGO_PKG_VERSION").to_owned(),
    ));

    let nuts = &mut info.nuts;
    // cdk enters each method both ways; ours only mints, lightning only melts.
    nuts.nut04.methods.retain(|entry| entry.method == method());
    nuts.nut05.methods.retain(|entry| entry.method != method());
    nuts.nut05.disabled = !melts;
    // Fee return is part of melting.
    nuts.nut08.supported = melts;
    nuts.nut17.supported = vec![SupportedMethods::new(
        method(),
        CurrencyUnit::Sat,
        vec![WsCommand::custom_mint_quote(METHOD), WsCommand::ProofState],
    )];
    if melts {
        for (name, command) in [
            ("bolt11", WsCommand::Bolt11MeltQuote),
            ("bolt12", WsCommand::Bolt12MeltQuote),
        ] {
            nuts.nut17.supported.push(SupportedMethods::new(
                PaymentMethod::from(name),
                CurrencyUnit::Sat,
                vec![command, WsCommand::ProofState],
            ));
        }
    }
    nuts.nut19.ttl = Some(CACHE_SECS);
    nuts.nut19.cached_endpoints = cached(melts);
    info
}

fn cached(melts: bool) -> Vec<CachedEndpoint> {
    let mut paths = vec![
        Path::Swap,
        Path::custom_mint(METHOD),
        Path::Custom(format!("/v1/mint/{METHOD}/batch")),
    ];
    if melts {
        paths.extend(["bolt11", "bolt12"].map(Path::custom_melt));
    }
    paths
        .into_iter()
        .map(|path| CachedEndpoint::new(Method::Post, path))
        .collect()
}
