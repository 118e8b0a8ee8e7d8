//! `axepool ocean-sign`.

use std::process::ExitCode;

use anyhow::{Context, Result};
use basics::output;
use payout::sign::{SignError, Signed, ocean_message, sign};
use pool::admin::call;
use pool::config;

use super::address::{node, seed};
use super::place::Place;

/// Print the message that tells OCEAN of the offer, and its signatures
///
/// OCEAN pays over lightning once the owner of the payout address has given it the offer in
/// a signed message (ocean.xyz, the page of your address, Configuration). If the address
/// belongs to the node's wallet, both kinds of signature are printed; the page accepts
/// either.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// The offer; by default the running pool's
    #[arg(long, value_name = "LNO")]
    offer: Option<String>,
    /// The height of a recent block; by default the last block that the running pool's node
    /// saw
    #[arg(long, value_name = "N")]
    height: Option<u32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> Result<ExitCode> {
    let offer = match &args.offer {
        Some(offer) => offer.clone(),
        None => offer_of(&args.place)?,
    };
    let height = match args.height {
        Some(height) => height,
        None => height_of(&args.place)?,
    };
    let message = ocean_message(height, &offer)?;
    let address = config::load(args.place.config())?.config.income.address;
    let node = node(args.place.config())?;
    let signed = sign(
        &seed(&node)?,
        node.settings.network,
        address.into_unchecked(),
        message.clone(),
    );
    match signed {
        Ok(signed) => tell(&signed, args.json),
        Err(SignError::NotOurs { address }) => {
            output::line(&message)?;
            output::remark(format!(
                "{address} is not of the node's wallet, so its own wallet has to sign this line, \
                 to the letter and without a line break: in Sparrow Tools > Sign/Verify Message, \
                 in Electrum Tools > Sign/verify message, a Ledger or Trezor through either. \
                 Then enter message and signature at OCEAN"
            ));
            Ok(ExitCode::FAILURE)
        }
        Err(error) => Err(error.into()),
    }
}

fn tell(signed: &Signed, json: bool) -> Result<ExitCode> {
    if json {
        output::json(&serde_json::json!({
            "message": signed.message,
            "address": signed.address.to_string(),
            "bip322": signed.bip322,
            "bip137": signed.bip137,
        }))?;
    } else {
        output::line(format!(
            "address    {}\nmessage    {}\nBIP-322    {}\nBIP-137    {}",
            signed.address, signed.message, signed.bip322, signed.bip137
        ))?;
        output::remark(
            "enter the message and one of the signatures at OCEAN, the page of the address, Configuration",
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn offer_of(place: &Place) -> Result<String> {
    let answer = place.ask_running(call::offer(false));
    let answer = answer.context("the offer (--offer gives one without the running pool)")?;
    Ok(answer.offer)
}

fn height_of(place: &Place) -> Result<u32> {
    let status = place.ask_running(call::node_status());
    let status = status.context("the height (--height gives one)")?;
    let node = status.node.context("the node is not up: give --height")?;
    Ok(node.tip_height)
}
