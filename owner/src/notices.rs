//! `notices`: whether the pool tells the owner, and where.

use std::path::PathBuf;
use std::process::ExitCode;

use accounting::{MinerId, Sat};
use anyhow::{Context, Result, bail};
use basics::{clock, output};
use bitcoin::secp256k1::XOnlyPublicKey;
use clap::Subcommand;
use serde::Deserialize;
use serde_json::Value;
use signed::{Channel, Target, Wish, digest};
use wallet::OwnerKey;

use crate::http;
use crate::key::read_key;
use crate::place::parse_mint;
use crate::program;
use crate::runtime::block_on;

/// Get notifications: a worker fell silent, many shares are rejected, sats are ready
///
/// Every miner has a feed at the pool, for any feed reader: `show` prints its address. With
/// a signature by the key the pool also sends the notices to a phone (ntfy) or to a
/// webhook. Everybody who knows an ntfy topic can read it: choose one that nobody can
/// guess.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: NoticesCommand,
}

#[derive(Debug, Subcommand)]
enum NoticesCommand {
    /// Show the feed's address, the pool's options, and the present subscription
    Show(Place),
    /// Subscribe a target; this replaces the previous target
    Set(SetArgs),
    /// End the subscription
    Off(Place),
}

/// Which pool, and who asks.
#[derive(Debug, clap::Args)]
struct Place {
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

#[derive(Debug, clap::Args)]
struct SetArgs {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    to: To,
    /// The least amount of claimable sats that is worth a notice
    #[arg(long, value_name = "SAT", default_value_t = 1)]
    least_sat: u64,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct To {
    /// A topic of an ntfy server that the pool allows: https://ntfy.sh/a-secret-word
    #[arg(long, value_name = "URL")]
    ntfy: Option<String>,
    /// A URL that accepts JSON by POST, if the pool allows webhooks
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
}

/// What the pool answers.
#[derive(Debug, Deserialize)]
struct Shown {
    pool: Option<XOnlyPublicKey>,
    feed: String,
    ntfy_servers: Vec<String>,
    webhooks: bool,
    setting: Option<Set>,
}

#[derive(Debug, Deserialize)]
struct Set {
    channel: Channel,
    least_sat: Sat,
    failures: u32,
}

pub(crate) fn run(args: Args) -> Result<ExitCode> {
    let (place, target) = match args.command {
        NoticesCommand::Show(place) => (place, None),
        NoticesCommand::Off(place) => (place, Some((None, 1))),
        NoticesCommand::Set(set) => {
            let (channel, url) = match (set.to.ntfy, set.to.webhook) {
                (Some(url), None) => (Channel::Ntfy, url),
                (None, Some(url)) => (Channel::Webhook, url),
                _ => bail!("give one of --ntfy and --webhook"),
            };
            let target = Target { channel, url };
            (set.place, Some((Some(target), set.least_sat)))
        }
    };
    let mint = parse_mint(&place.mint)?;
    let key = read_key(place.key.as_deref())?;
    let miner: MinerId = key.public_hex().parse()?;
    let url = format!("{mint}/api/miners/{miner}/notices");
    let answer = block_on(async {
        let client = http::client()?;
        let before = asked(client.get(&url)).await?;
        let Some((target, least_sat)) = target else {
            return Ok(before);
        };
        let pool = shown(&before)?.pool;
        let pool = pool.context("the pool takes no signed requests now: try again later")?;
        let wish = signed(&key, &pool, &miner, target, Sat::new(least_sat));
        asked(client.post(&url).json(&wish)).await
    })?;
    if place.json {
        output::json(&answer)?;
    } else {
        output::line(render(&shown(&answer)?))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn signed(
    key: &OwnerKey,
    pool: &XOnlyPublicKey,
    miner: &MinerId,
    target: Option<Target>,
    least_sat: Sat,
) -> Wish {
    let time_ms = clock::now_ms();
    let digest = digest(pool, miner, target.as_ref(), least_sat, time_ms);
    Wish {
        target,
        least_sat,
        time_ms,
        signature: key.sign_digest(&digest),
    }
}

/// The JSON that the pool answers; its refusals in its own words.
async fn asked(request: reqwest::RequestBuilder) -> Result<Value> {
    let (status, body) = http::send(request, "the pool").await?;
    let body: Option<Value> = serde_json::from_slice(&body).ok();
    if status.is_success() {
        return body.context("the pool answers something else than JSON");
    }
    let why = body.as_ref().and_then(|body| body["detail"].as_str());
    match why {
        Some(why) => bail!("the pool refuses: {why}"),
        None if status == reqwest::StatusCode::NOT_FOUND => bail!("this pool has no notices"),
        None => bail!("the pool answers with the status {status}"),
    }
}

fn shown(answer: &Value) -> Result<Shown> {
    Shown::deserialize(answer).context("the pool answers something else")
}

fn render(shown: &Shown) -> String {
    let set = match &shown.setting {
        None => format!("nowhere; {}", program::command("notices set")),
        Some(set) => {
            let way = match set.channel {
                Channel::Ntfy => "by ntfy",
                Channel::Webhook => "to a webhook",
            };
            let failing = match set.failures {
                0 => String::new(),
                times => format!("; the last {times} tries failed"),
            };
            format!("{way}, sats from {} on{failing}", set.least_sat)
        }
    };
    let webhooks = if shown.webhooks { ", webhooks" } else { "" };
    format!(
        "feed      {}\nsent      {set}\npossible  {}{webhooks}",
        shown.feed,
        shown.ntfy_servers.join(", "),
    )
}
