//! `reissue`: an unspent token of the pool once more, locked to the other spelling of its key.

use std::path::PathBuf;
use std::process::ExitCode;

use accounting::{KeyPrefix, MinerId, MinerKey, Sat};
use anyhow::{Context, Result, bail};
use basics::{clock, humane, output};
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::secp256k1::{Message, PublicKey};
use clap::ValueEnum;
use reqwest::{Client, RequestBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use signed::{Purpose, message};
use wallet::OwnerKey;

use crate::http;
use crate::key::read_key;
use crate::place::parse_mint;
use crate::runtime::block_on;

/// Have an unspent token locked to the other spelling of its key
///
/// 02 and 03 at the beginning of a public key are two spellings of one key, but some wallets
/// (Nutshell, scripts with cashu-ts) open only a token that is locked to the spelling that
/// they show. The pool makes the token again, with the same number and the same sum. The key
/// signs for it: nobody else can ask for it. The old text of the token is worth nothing
/// afterwards.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The number of the token on the miner's page, if several tokens are unspent
    #[arg(value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    number: Option<u64>,
    /// The first two digits of the public key that your wallet shows, unless the other ones
    #[arg(long, value_name = "02|03")]
    prefix: Option<Prefix>,
    /// The pool's address, as its page shows it
    #[arg(long, value_name = "URL", env = "AXEPOOL_MINT")]
    mint: String,
    /// The key's file [default: ~/.axepool/key]
    #[arg(long, value_name = "FILE", env = "AXEPOOL_KEY")]
    key: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Prefix {
    #[value(name = "02")]
    Even,
    #[value(name = "03")]
    Odd,
}

impl From<Prefix> for KeyPrefix {
    fn from(prefix: Prefix) -> Self {
        match prefix {
            Prefix::Even => KeyPrefix::Even,
            Prefix::Odd => KeyPrefix::Odd,
        }
    }
}

/// A token as the pool lists it.
#[derive(Debug, Deserialize)]
struct Listed {
    number: u64,
    amount: Sat,
    state: String,
    prefix: KeyPrefix,
    /// Not there when it is spent.
    token: Option<String>,
}

#[derive(Debug, Deserialize)]
struct List {
    tokens: Vec<Listed>,
}

#[derive(Debug, Deserialize)]
struct MintInfo {
    pubkey: Option<PublicKey>,
}

/// The answer that `--json` prints.
#[derive(Debug, Serialize)]
struct Reissued<'a> {
    number: u64,
    amount_sat: Sat,
    locked_to: String,
    token: &'a str,
}

pub(crate) fn run(args: Args) -> Result<ExitCode> {
    let mint = parse_mint(&args.mint)?;
    let key = read_key(args.key.as_deref())?;
    let miner: MinerId = key.public_hex().parse()?;
    let token = block_on(async {
        let client = http::client()?;
        let list = format!("{mint}/api/miners/{miner}/tokens");
        let List { tokens } = read(asked(client.get(list)).await?)?;
        let token = chosen(&tokens, args.number)?;
        let prefix = args.prefix.map_or(other(token.prefix), KeyPrefix::from);
        let lock = MinerKey { miner, prefix };
        reissued(&client, &mint.to_string(), &key, lock, token.number).await
    })?;
    tell(&token, miner, args.json)?;
    Ok(ExitCode::SUCCESS)
}

/// Asks the pool at `mint` for the token `number`, locked to `lock`.
async fn reissued(
    client: &Client,
    mint: &str,
    key: &OwnerKey,
    lock: MinerKey,
    number: u64,
) -> Result<Listed> {
    let info: MintInfo = read(asked(client.get(format!("{mint}/v1/info"))).await?)?;
    let of_mint = info
        .pubkey
        .context("the mint names no public key, and a request is signed for it")?;
    let prefix = lock.prefix;
    let time_ms = clock::now_ms();
    let purpose = Purpose::Reissue { number, prefix };
    let text = message(purpose, &of_mint, &lock.miner, time_ms);
    let digest = sha256::Hash::hash(text.as_bytes()).to_byte_array();
    let signature = key.sign_digest(&Message::from_digest(digest));
    let url = format!("{mint}/api/miners/{lock}/tokens/{number}/reissue");
    let body = json!({ "time_ms": time_ms, "signature": signature.to_string() });
    let token: Listed = read(asked(client.post(url).json(&body)).await?)?;
    if (token.number, token.prefix) != (number, prefix) {
        bail!(
            "the pool answers with token {}, locked to the prefix {}, instead of token {number} \
             and {prefix}",
            token.number,
            token.prefix
        );
    }
    Ok(token)
}

/// The unspent token that is meant.
fn chosen(tokens: &[Listed], number: Option<u64>) -> Result<&Listed> {
    let is_unspent = |token: &&Listed| token.state == "unspent";
    if let Some(number) = number {
        let token = tokens.iter().find(|token| token.number == number);
        let token = token.with_context(|| {
            format!(
                "the pool lists no token {number} of this key: the miner's page shows the numbers"
            )
        })?;
        if !is_unspent(&token) {
            bail!("token {number} is spent, in whole or in part: it is not made again");
        }
        return Ok(token);
    }
    let unspent: Vec<&Listed> = tokens.iter().filter(is_unspent).collect();
    match unspent[..] {
        [] => bail!("this key has no unspent token: Get my sats on the miner's page makes one"),
        [token] => Ok(token),
        _ => {
            let numbers = unspent.iter().map(|token| token.number.to_string());
            let numbers: Vec<String> = numbers.collect();
            bail!(
                "several tokens of this key are unspent: name one of the numbers {}",
                numbers.join(", ")
            )
        }
    }
}

const fn other(prefix: KeyPrefix) -> KeyPrefix {
    match prefix {
        KeyPrefix::Even => KeyPrefix::Odd,
        KeyPrefix::Odd => KeyPrefix::Even,
    }
}

fn tell(token: &Listed, miner: MinerId, is_json: bool) -> Result<()> {
    // Whatever else it may be, it is fit for a terminal.
    let text = token.token.as_deref();
    let text = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()));
    let text = text.context("the pool answers without the token: look at the miner's page")?;
    let prefix = token.prefix;
    let locked_to = MinerKey { miner, prefix }.to_string();
    if is_json {
        let (number, amount_sat) = (token.number, token.amount);
        return Ok(output::json(&Reissued {
            number,
            amount_sat,
            locked_to,
            token: text,
        })?);
    }
    output::remark(format!(
        "token {} of {} sat, locked to {locked_to}; its text of before is worth nothing now",
        token.number,
        humane::count(token.amount.get())
    ));
    Ok(output::line(text)?)
}

fn read<T: for<'a> Deserialize<'a>>(answer: Value) -> Result<T> {
    T::deserialize(answer).context("the pool answers something else")
}

/// The JSON that the pool answers; its refusals in its own words.
async fn asked(request: RequestBuilder) -> Result<Value> {
    let (status, body) = http::send(request, "the pool").await?;
    let body: Option<Value> = serde_json::from_slice(&body).ok();
    if status.is_success() {
        return body.context("the pool answers something else than JSON");
    }
    match body.as_ref().and_then(|body| body["detail"].as_str()) {
        Some(why) => bail!("the pool refuses: {}", http::shown(why)),
        None => bail!("the pool answers with the status {status}: is this its address?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(number: u64, state: &str) -> Listed {
        Listed {
            number,
            amount: Sat::new(5),
            state: state.to_owned(),
            prefix: KeyPrefix::Even,
            token: None,
        }
    }

    #[track_caller]
    fn case(tokens: &[Listed], number: Option<u64>, expected: Result<u64, &str>) {
        let found = chosen(tokens, number).map(|token| token.number);
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(error), Err(words)) => {
                let error = error.to_string();
                assert!(error.contains(words), "{error}");
            }
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn a_token_is_chosen_where_there_is_one() {
        case(&[], None, Err("no unspent token"));
        case(&[token(1, "spent")], None, Err("no unspent token"));
        let one = [
            token(3, "spent"),
            token(2, "unspent"),
            token(1, "partly_spent"),
        ];
        case(&one, None, Ok(2));
        case(&one, Some(2), Ok(2));
        case(&one, Some(1), Err("in whole or in part"));
        case(&one, Some(9), Err("no token 9"));
        let two = [token(5, "unspent"), token(4, "unspent")];
        case(&two, None, Err("numbers 5, 4"));
        case(&two, Some(4), Ok(4));
    }
}
