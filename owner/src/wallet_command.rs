//! `wallet`: the ecash that was fetched, to see, send and spend.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use basics::{humane, output};
use clap::Subcommand;
use serde::Serialize;
use wallet::{Destination, Home, MintUrl, Purse, Restored, WordKey};

use crate::key::read_key;
use crate::place::{Place, parse_mint};
use crate::program;
use crate::runtime::block_on;

/// Bytes read from stdin at most: a token of 20,000 proofs.
const MAX_STDIN: u64 = 8 << 20;

/// Show, send and spend the ecash in the wallet
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// The mint to use, if the wallet has ecash of several
    ///
    /// Any spelling of its address will do, and the address of your page at the pool.
    #[arg(long, value_name = "URL", env = "AXEPOOL_MINT", global = true)]
    mint: Option<String>,
    #[command(subcommand)]
    command: WalletCommand,
}

#[derive(Debug, Subcommand)]
enum WalletCommand {
    /// Show the balance
    Balance {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a token for somebody else, who can receive it with any Cashu wallet
    Send {
        /// The amount in sat
        #[arg(value_name = "SAT", value_parser = clap::value_parser!(u64).range(1..))]
        amount: u64,
    },
    /// Receive a token
    ///
    /// A token of many proofs is received in parts. If the command is stopped, the same
    /// command receives the rest.
    Receive {
        /// The token (cashu...), or - to read it from stdin: a long one does not fit into a
        /// command line
        token: String,
        /// The file of the key to which the token is locked
        #[arg(long, value_name = "FILE", env = "AXEPOOL_KEY")]
        key: Option<PathBuf>,
    },
    /// Pay over lightning
    Pay {
        /// An invoice, a BOLT12 offer or a lightning address
        to: String,
        /// The amount in sat, if the destination states none
        #[arg(value_name = "SAT", value_parser = clap::value_parser!(u64).range(1..))]
        amount: Option<u64>,
        /// Seconds to wait for the outcome
        #[arg(long, value_name = "S", default_value_t = 120)]
        wait: u64,
    },
    /// List sent tokens that nobody has received yet
    Sent,
    /// Take back a sent token that nobody has received
    TakeBack {
        /// The token's id, as `wallet sent` shows it
        id: String,
    },
    /// Recover interrupted payments and swaps
    Recover,
    /// Restore ecash from the wallet's seed words, and find the words' keys
    ///
    /// The command asks the mint (--mint) for unspent ecash that follows from the seed
    /// words, and adds the missing ecash to the wallet. It also asks which of the first 200
    /// keys of the words have mined there, and shows how to bring each into a file. The mint
    /// learns that these keys belong together. Run the command once for each mint. Sent
    /// tokens that nobody received come back too. Use the words in one directory at a time:
    /// two wallets with the same words see, and spend, the same ecash.
    Restore {
        /// A file with the seed words, or - to read them from stdin: this creates the
        /// wallet anew. Without it the wallet's own words are used
        #[arg(long, value_name = "FILE")]
        words: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// What `wallet restore --json` prints.
#[derive(Debug, Serialize)]
struct RestoredWallet<'a> {
    #[serde(flatten)]
    ecash: &'a Restored,
    keys: Vec<FoundKey>,
}

/// A key of the words that the mint knows.
#[derive(Debug, Serialize)]
struct FoundKey {
    number: u32,
    public_key: String,
    npub: String,
}

impl RestoredWallet<'_> {
    fn new<'a>(ecash: &'a Restored, keys: &[WordKey]) -> RestoredWallet<'a> {
        let found = |key: &WordKey| FoundKey {
            number: key.number,
            public_key: key.key.public_hex(),
            npub: key.key.npub(),
        };
        RestoredWallet {
            ecash,
            keys: keys.iter().map(found).collect(),
        }
    }
}

pub(crate) fn run(args: Args) -> Result<ExitCode> {
    let mint = args.mint.as_deref().map(parse_mint).transpose()?;
    match args.command {
        WalletCommand::Balance { json } => balance(&args.place, json),
        WalletCommand::Send { amount } => {
            let (_home, purse) = open(&args.place, mint)?;
            output::line(block_on(async { Ok(purse.send(amount).await?) })?)?;
            output::remark(format!(
                "until somebody takes it, `{}` shows it and `{}` undoes it",
                program::command("wallet sent"),
                program::command("wallet take-back")
            ));
            Ok(ExitCode::SUCCESS)
        }
        WalletCommand::Receive { token, key } => receive(&args.place, mint, &token, key),
        WalletCommand::Pay { to, amount, wait } => {
            let to: Destination = to.parse()?;
            let (_home, mut purse) = open(&args.place, mint)?;
            purse.wait_at_most(Duration::from_secs(wait));
            let paid = block_on(async { Ok(purse.pay(&to, amount).await?) })?;
            output::line(format!(
                "paid {} sat, fee {} sat{}",
                humane::count(paid.amount_sat),
                humane::count(paid.fee_sat),
                paid.proof
                    .map_or(String::new(), |proof| format!("\nproof {proof}")),
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        WalletCommand::Sent => sent(&args.place, mint),
        WalletCommand::TakeBack { id } => {
            let (_home, purse) = open(&args.place, mint)?;
            let sat = block_on(async { Ok(purse.take_back(&id).await?) })?;
            output::line(format!("{} sat are back in the wallet", humane::count(sat)))?;
            Ok(ExitCode::SUCCESS)
        }
        WalletCommand::Recover => recover(&args.place, mint),
        WalletCommand::Restore { words, json } => restore(&args.place, mint, words, json),
    }
}

/// The wallet, and the mint in it that is meant: the one that is named, or the only one
/// that it has ecash of.
fn open(place: &Place, mint: Option<MintUrl>) -> Result<(Home, Purse)> {
    let home = place.open()?;
    let mint = match mint {
        Some(mint) => mint,
        None => only_mint(&home)?,
    };
    let purse = home.purse(&mint)?;
    Ok((home, purse))
}

fn only_mint(home: &Home) -> Result<MintUrl> {
    let balances = block_on(async { Ok(home.balances().await?) })?;
    let mut funded: Vec<&String> = balances
        .iter()
        .filter(|(_, balance)| *balance != &wallet::MintBalance::default())
        .map(|(mint, _)| mint)
        .collect();
    if funded.is_empty() {
        funded = balances.keys().collect();
    }
    match funded.as_slice() {
        [mint] => parse_mint(mint),
        [] => bail!(
            "the wallet is empty: `{}` fills it",
            program::command("sweep --mint URL")
        ),
        several => {
            let names: Vec<&str> = several.iter().map(|mint| mint.as_str()).collect();
            bail!(
                "the wallet has ecash of several mints: say which with --mint\n  {}",
                names.join("\n  ")
            )
        }
    }
}

fn balance(place: &Place, json: bool) -> Result<ExitCode> {
    let home = place.open()?;
    let balances = block_on(async { Ok(home.balances().await?) })?;
    if json {
        output::json(&balances)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = humane::table(
        &["mint", "sat", "pending", "sent, not redeemed"],
        &[1, 2, 3],
    );
    for (mint, balance) in &balances {
        table.add_row([
            mint.clone(),
            humane::count(balance.spendable_sat),
            humane::count(balance.pending_sat),
            humane::count(balance.sent_sat),
        ]);
    }
    if balances.is_empty() {
        output::line(format!(
            "0 sat: the wallet is empty; `{}` fills it",
            program::command("sweep --mint URL")
        ))?;
    } else {
        output::line(table.to_string())?;
    }
    if balances.values().any(|balance| balance.pending_sat > 0) {
        output::remark(format!(
            "`{}` asks what became of what is under way",
            program::command("wallet recover")
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn receive(
    place: &Place,
    mint: Option<MintUrl>,
    token: &str,
    key: Option<PathBuf>,
) -> Result<ExitCode> {
    let token = match token {
        "-" => from_stdin("the token")?,
        token => token.to_owned(),
    };
    let of = Purse::mint_of(&token)?;
    let keys = key.map(|path| read_key(Some(&path))).transpose()?;
    let home = place.open()?;
    let known = block_on(async { Ok(home.balances().await?.contains_key(&of.to_string())) })?;
    // A token is as good as its mint: whoever takes one trusts that mint.
    if !known && mint.as_ref() != Some(&of) {
        bail!(
            "the token is of {of}, a mint that this wallet does not know. If you trust it: --mint {of}"
        );
    }
    let purse = home.purse(&of)?;
    let keys: Vec<_> = keys.into_iter().collect();
    let sat = block_on(async { Ok(purse.receive(&token, &keys).await?) })?;
    output::line(format!("{} sat received", humane::count(sat)))?;
    Ok(ExitCode::SUCCESS)
}

fn from_stdin(what: &str) -> Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .take(MAX_STDIN + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read {what} from stdin"))?;
    if text.len() as u64 > MAX_STDIN {
        bail!("{what} from stdin: more than {MAX_STDIN} bytes");
    }
    Ok(text)
}

fn sent(place: &Place, mint: Option<MintUrl>) -> Result<ExitCode> {
    let (_home, purse) = open(place, mint)?;
    let sent = block_on(async { Ok(purse.sent().await?) })?;
    for token in &sent {
        output::line(format!(
            "{}  {} sat\n  {}",
            token.id,
            humane::count(token.amount_sat),
            token.token.as_deref().unwrap_or("(not written down)")
        ))?;
    }
    if sent.is_empty() {
        output::line("no token waits to be taken")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn recover(place: &Place, mint: Option<MintUrl>) -> Result<ExitCode> {
    let (_home, purse) = open(place, mint)?;
    let recovered = block_on(async { Ok(purse.recover().await?) })?;
    output::line(format!(
        "{} brought to their end, {} undone, {} still open",
        recovered.completed, recovered.undone, recovered.open
    ))?;
    Ok(if recovered.open == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn restore(
    place: &Place,
    mint: Option<MintUrl>,
    words: Option<PathBuf>,
    json: bool,
) -> Result<ExitCode> {
    let Some(mint) = mint else {
        bail!("say which mint with --mint: the words do not know where their ecash is of");
    };
    let dir = place.dir()?;
    let given = match words {
        Some(path) if path.as_os_str() == "-" => Some(from_stdin("the words")?),
        Some(path) => Some(
            std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?,
        ),
        None if Home::is_there(&dir) => None,
        None => bail!(
            "there is no wallet in {}: give its words with --words FILE, or --words - to type them",
            dir.display()
        ),
    };
    let (restored, keys) = block_on(async {
        let home = match given {
            Some(words) => Home::open_with_words(&dir, &words).await?,
            None => Home::open(&dir).await?,
        };
        Ok((home.restore(&mint).await?, home.find_keys(&mint).await?))
    })?;
    if json {
        output::json(&RestoredWallet::new(&restored, &keys))?;
        return Ok(ExitCode::SUCCESS);
    }
    output::line(format!(
        "{} sat brought back; {} sat of these words were in the wallet already",
        humane::count(restored.restored_sat),
        humane::count(restored.known_sat)
    ))?;
    for key in &keys {
        output::line(format!(
            "key {}, {}, has mined here: `{}` brings it back",
            key.number,
            key.key.npub(),
            program::command(&format!("key new --number {} --key FILE", key.number))
        ))?;
    }
    if restored.pending_sat > 0 {
        output::remark(format!(
            "{} sat are in payments that the mint has not ended: restore again later",
            humane::count(restored.pending_sat)
        ));
    }
    Ok(ExitCode::SUCCESS)
}
