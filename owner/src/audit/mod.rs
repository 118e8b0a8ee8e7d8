//! `audit`: a payment is split again, from the pool's audit file alone.

mod compare;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use accounting::settle::{AuditFile, FileHash, Via};
use anyhow::{Context, Result, bail};
use basics::{humane, output};
use serde::de::DeserializeOwned;
use signed::Receipt;

use crate::ocean;
use crate::runtime::block_on;
use compare::{Finding, Sums};

/// The longest audit file: of more miners than there are Bitaxes.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// A receipt has some 700 bytes.
const MAX_RECEIPT_BYTES: u64 = 16 << 10;

/// How long before a payment OCEAN is asked for the earnings that it pays.
const LOOK_BACK_SECS: u64 = 90 * 24 * 3600;

/// Split a payment again, from the pool's audit file alone
///
/// Anybody can run this; it needs only the file (GET /api/audit of the pool lists all
/// files). It prints `equal` with the sums, or each difference. The exit code is 1 on a
/// difference. Comparisons that were impossible are listed, and do not count as
/// differences.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The audit file, as fetched: its SHA256 is its name in the chain
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Check that the file contains the work of this receipt (GET
    /// /api/miners/{key}/receipt)
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// Check that the file follows on this one, the audit file before it
    #[arg(long, value_name = "FILE")]
    previous: Option<PathBuf>,
    /// Compare the file's earnings with OCEAN's present figures for this payout address
    /// (GET /api/ prints the pool's)
    #[arg(long, value_name = "ADDRESS")]
    ocean: Option<String>,
    /// The URL of OCEAN's API
    #[arg(long, value_name = "URL", default_value = "https://api.ocean.xyz/v1")]
    ocean_api: String,
}

pub(crate) fn run(args: Args) -> Result<ExitCode> {
    let (bytes, file): (_, AuditFile) = read(&args.file, MAX_FILE_BYTES, "an audit file")?;
    let sums = match compare::split_again(&bytes, &file) {
        Ok(sums) => sums,
        Err(difference) => {
            output::line(format!("NOT EQUAL: {difference}"))?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let mut all_agree = true;
    let mut tell = |about: &str, finding: Finding| {
        let said = match finding {
            Finding::Agrees(said) => said,
            Finding::Silent(said) => format!("nothing to compare: {said}"),
            Finding::Differs(said) => {
                all_agree = false;
                format!("NOT EQUAL: {said}")
            }
        };
        output::line(format!("{about:<11}{said}"))
    };
    output::line(render(&file, &sums, FileHash::of(&bytes)))?;
    if let Some(path) = &args.previous {
        let (before_bytes, before) = read(path, MAX_FILE_BYTES, "an audit file")?;
        tell(
            "chain",
            compare::against_previous(&file, (&before_bytes, &before)),
        )?;
    }
    if let Some(path) = &args.receipt {
        let (_, receipt): (_, Receipt) = read(path, MAX_RECEIPT_BYTES, "a receipt")?;
        tell("receipt", compare::against_receipt(&file, &receipt))?;
    }
    if let Some(address) = &args.ocean {
        for finding in ask_ocean(&args.ocean_api, address, &file)? {
            tell("OCEAN", finding)?;
        }
    }
    Ok(match all_agree {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn read<T: DeserializeOwned>(path: &Path, most: u64, what: &str) -> Result<(Vec<u8>, T)> {
    let shown = path.display();
    let file = File::open(path).with_context(|| format!("{shown} cannot be opened"))?;
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .with_context(|| format!("{shown} cannot be read"))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        bail!("{shown} is not {what}: it has more than {most} bytes");
    }
    let value = serde_json::from_slice(&bytes).with_context(|| format!("{shown} is not {what}"))?;
    Ok((bytes, value))
}

fn ask_ocean(api: &str, address: &str, file: &AuditFile) -> Result<Vec<Finding>> {
    if !address.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        bail!("{address:?} is not a bitcoin address");
    }
    let since_secs = (file.payment.received_ms / 1000).saturating_sub(LOOK_BACK_SECS);
    let told = block_on(ocean::earnings(api, address, since_secs))?;
    Ok(compare::against_ocean(file, &told))
}

fn render(file: &AuditFile, sums: &Sums, hash: FileHash) -> String {
    let how = match file.payment.via {
        Via::Lightning { preimage, .. } => match preimage {
            Some(_) => "over lightning, with the preimage",
            None => "over lightning",
        },
        Via::OnChain { .. } => "on-chain",
    };
    let epochs = file.settlement.parts.iter().map(|part| {
        let listed = file.epochs.iter().find(|epoch| epoch.epoch == part.epoch);
        let block = listed.and_then(|epoch| epoch.block);
        let block = block.map(|block| format!(", block {}", block.height));
        format!(
            "{}{}: {} msat",
            part.epoch,
            block.unwrap_or_default(),
            part.amount
        )
    });
    let epochs: Vec<String> = epochs.collect();
    let previous = file.previous;
    let previous = previous.map_or("none: the first".to_owned(), |hash| hash.to_string());
    [
        "equal: split again from the file alone, to the last msat".to_owned(),
        format!(
            "payment    {} {how}, {} (UTC)",
            file.payment.key(),
            humane::utc(file.payment.received_ms)
        ),
        format!(
            "amount     {} msat = fee {} msat + miners {} msat",
            sums.amount, sums.fee, sums.allocated
        ),
        format!(
            "miners     {}, paid {} sat, carry from before among it",
            humane::count(u64::try_from(sums.miners).unwrap_or(u64::MAX)),
            sums.paid
        ),
        format!("epochs     {}", epochs.join("; ")),
        format!("hash       {hash}"),
        format!("previous   {previous}"),
    ]
    .join("\n")
}
