//! `axepool offer`.

use std::process::ExitCode;

use anyhow::Result;
use basics::output;
use pool::admin::{OfferAnswer, call};

use super::place::Place;

/// Show the BOLT12 offer for OCEAN, and whether it can be paid now
///
/// The offer is made once and kept: it outlives channels and restarts, and older offers
/// stay payable. The exit code is 1 if it cannot be paid now. Next step: axepool
/// ocean-sign.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// Make a new offer if the present one does not work any more; OCEAN then needs the new
    /// one
    #[arg(long)]
    renew: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Do not print a QR code
    #[arg(long)]
    no_qr: bool,
}

pub(super) fn run(args: Args) -> Result<ExitCode> {
    let offer = args.place.ask_running(call::offer(args.renew))?;
    if args.json {
        output::json(&offer)?;
    } else {
        tell(&offer, args.no_qr)?;
    }
    Ok(if offer.trouble.is_none() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn tell(offer: &OfferAnswer, no_qr: bool) -> Result<()> {
    output::line(&offer.offer)?;
    if output::is_screen()
        && !no_qr
        && let Some(qr) = wallet::terminal_qr(&offer.offer.to_uppercase(), true)
    {
        output::line(qr)?;
    }
    output::remark(format!("for        OCEAN Payouts for {}", offer.address));
    output::remark(format!("found      {}", offer.route));
    match &offer.trouble {
        Some(trouble) => output::remark(format!("BAD        {trouble}")),
        None => output::remark("good       it can be paid"),
    }
    for advice in &offer.advice {
        output::remark(format!("to do      {advice}"));
    }
    if offer.is_new {
        output::remark(
            "to do      OCEAN does not know it yet: sign its message (axepool ocean-sign) and enter both at OCEAN",
        );
    }
    Ok(())
}
