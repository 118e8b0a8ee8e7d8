//! Channels that were closed: by whom, why, and when their money comes. The node forgets
//! the first two with its event, so they are kept in a file.

mod money;
mod reason;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bitcoin::secp256k1::PublicKey;
use ldk_node::BalanceDetails;
use lightning::events::ClosureReason;
use lightning::ln::types::ChannelId;
use serde::{Deserialize, Serialize};

use super::balances::Swept;
use crate::files;
pub use money::Money;
pub use reason::ClosedBy;

/// The file beside the node's store.
const NAME: &str = "closed-channels.json";

/// The shape of the file. 1 did not know of the money.
const VERSION: u64 = 2;

/// So many are kept.
const KEPT: usize = 100;

/// A channel that was closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClosedChannel {
    /// The node's own name for it, which commands take.
    #[serde(with = "accounting::as_text")]
    pub id: u128,
    /// The network's name for it, 64 hex digits.
    pub channel: String,
    /// With whom.
    pub peer: Option<PublicKey>,
    /// When this node learnt of it, seconds since 1970.
    pub at_secs: u64,
    /// Who closed it.
    pub by: ClosedBy,
    /// Why, in plain words, which may be the peer's.
    pub reason: String,
    /// The last known state of its money.
    #[serde(default)]
    pub money: Money,
}

/// A closed channel, and when its money comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedView {
    /// The channel.
    pub closed: ClosedChannel,
    /// About when its money comes, seconds since 1970, by ten minutes for a block; none where
    /// the block is not known, or the node is not up.
    pub about_secs: Option<u64>,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u64,
    /// Oldest first.
    channels: Vec<ClosedChannel>,
}

impl ClosedChannel {
    /// From the node's event.
    pub(super) fn new(
        (id, channel): (u128, &ChannelId),
        peer: Option<PublicKey>,
        reason: Option<&ClosureReason>,
        at_secs: u64,
    ) -> ClosedChannel {
        ClosedChannel {
            id,
            channel: channel.to_string(),
            peer,
            at_secs,
            by: reason::closed_by(reason),
            reason: reason::why(reason),
            money: Money::default(),
        }
    }

    /// How little is lost with it: the greatest goes first when there are too many.
    fn spare(&self) -> u8 {
        match (self.by, self.money.coming.is_zero()) {
            (ClosedBy::Unfunded, _) => 2,
            (_, true) => 1,
            (_, false) => 0,
        }
    }
}

/// Whoever changes the file has read it before: a closing that is told of in between would
/// be lost. One for all directories, since a process has one node.
static CHANGES: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    CHANGES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn place(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

fn read(dir: &Path) -> io::Result<File> {
    let Some(text) = files::read_if_there(&place(dir))? else {
        return Ok(File::default());
    };
    files::check_version(&text, VERSION).map_err(io::Error::other)?;
    Ok(serde_json::from_str(&text)?)
}

fn write(dir: &Path, channels: Vec<ClosedChannel>) -> io::Result<()> {
    let file = File {
        version: VERSION,
        channels,
    };
    files::write_whole(&place(dir), &serde_json::to_string(&file)?)
}

/// Keeps one, with what `all` has of its money; a channel that is told of again stays as it
/// was first told.
pub(super) fn add(dir: &Path, mut one: ClosedChannel, all: &BalanceDetails) -> io::Result<()> {
    let _alone = alone();
    let mut channels = read(dir)?.channels;
    if channels.iter().any(|known| known.channel == one.channel) {
        return Ok(());
    }
    let coming = money::outstanding(&one.channel, all, &|_| false);
    one.money = one.money.seen(coming, one.at_secs);
    channels.push(one);
    while channels.len() > KEPT {
        // The first of those that matter least: strangers may open channels and not fund them.
        let spare = channels.iter().map(ClosedChannel::spare).max();
        let at = channels.iter().position(|one| Some(one.spare()) == spare);
        channels.remove(at.unwrap_or(0));
    }
    write(dir, channels)
}

/// All that are kept, the newest first, as they were seen last; for a node that is not up.
pub(super) fn recorded(dir: &Path) -> Vec<ClosedView> {
    let views = kept(dir).into_iter().rev();
    views
        .map(|closed| ClosedView::new(closed, None, 0))
        .collect()
}

/// All that are kept, the newest first, with what `all` has of their money. What is new of
/// that is kept, too.
pub(super) fn look(
    dir: &Path,
    all: &BalanceDetails,
    is_wallets: impl Fn(&Swept) -> bool,
    (tip, now_secs): (u32, u64),
) -> Vec<ClosedView> {
    let _alone = alone();
    let mut channels = kept(dir);
    let before = channels.clone();
    for one in &mut channels {
        let coming = money::outstanding(&one.channel, all, &is_wallets);
        one.money = one.money.seen(coming, now_secs);
    }
    if channels != before
        && let Err(error) = write(dir, channels.clone())
    {
        tracing::warn!(%error, "the list of closed channels cannot be stored");
    }
    let views = channels.into_iter().rev();
    views
        .map(|closed| ClosedView::new(closed, Some(tip), now_secs))
        .collect()
}

fn kept(dir: &Path) -> Vec<ClosedChannel> {
    read(dir).map(|file| file.channels).unwrap_or_else(|error| {
        tracing::warn!(%error, "the list of closed channels cannot be read");
        Vec::new()
    })
}

#[cfg(test)]
mod tests;
