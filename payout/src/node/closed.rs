//! Channels that were closed: by whom, why, and when their money comes. The node forgets
//! the first two with its event, so they are kept in a file.

use std::io;
use std::path::{Path, PathBuf};

use accounting::Sat;
use bitcoin::secp256k1::PublicKey;
use ldk_node::{BalanceDetails, LightningBalance};
use lightning::events::ClosureReason;
use lightning::ln::types::ChannelId;
use serde::{Deserialize, Serialize};

use super::balances::Swept;
use crate::files;

/// The file beside the node's store.
const NAME: &str = "closed-channels.json";

/// The shape of the file.
const VERSION: u64 = 1;

/// So many are kept; the oldest goes first.
const KEPT: usize = 100;

/// Of a reason, which may be a peer's words, so many characters are kept.
const MAX_REASON: usize = 200;

/// Who closed a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClosedBy {
    /// Both sides agreed.
    Agreement,
    /// This node, alone.
    Us,
    /// The peer, alone.
    Peer,
    /// It was never funded, so that there is no money in it.
    Unfunded,
}

impl ClosedBy {
    /// For a sentence: closed ...
    pub fn words(self) -> &'static str {
        match self {
            ClosedBy::Agreement => "by agreement",
            ClosedBy::Us => "BY FORCE, by this node",
            ClosedBy::Peer => "BY FORCE, by its peer",
            ClosedBy::Unfunded => "before it was funded",
        }
    }

    /// One side closed it alone.
    pub fn is_forced(self) -> bool {
        matches!(self, ClosedBy::Us | ClosedBy::Peer)
    }
}

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
    /// Why, in LDK's words or the peer's.
    pub reason: String,
}

/// A closed channel and what of its money has not come yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedView {
    /// The channel.
    pub closed: ClosedChannel,
    /// What is still to come to the wallet, before what sending it there costs.
    pub coming: Sat,
    /// From this block on it can be fetched, as far as that is known: the node does it by
    /// itself.
    pub from_block: Option<u32>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u64,
    /// Oldest first.
    channels: Vec<ClosedChannel>,
}

/// Who closed it, as LDK's reason has it.
fn closed_by(reason: Option<&ClosureReason>) -> ClosedBy {
    match reason {
        Some(
            ClosureReason::LegacyCooperativeClosure
            | ClosureReason::CounterpartyInitiatedCooperativeClosure
            | ClosureReason::LocallyInitiatedCooperativeClosure,
        ) => ClosedBy::Agreement,
        Some(
            ClosureReason::FundingTimedOut
            | ClosureReason::DisconnectedPeer
            | ClosureReason::CounterpartyCoopClosedUnfundedChannel
            | ClosureReason::LocallyCoopClosedUnfundedChannel
            | ClosureReason::FundingBatchClosure,
        ) => ClosedBy::Unfunded,
        Some(
            ClosureReason::CounterpartyForceClosed { .. } | ClosureReason::CommitmentTxConfirmed,
        ) => ClosedBy::Peer,
        Some(
            ClosureReason::HolderForceClosed { .. }
            | ClosureReason::ProcessingError { .. }
            | ClosureReason::OutdatedChannelManager
            | ClosureReason::HTLCsTimedOut { .. }
            | ClosureReason::PeerFeerateTooLow { .. },
        )
        | None => ClosedBy::Us,
    }
}

impl ClosedChannel {
    /// From the node's event.
    pub(super) fn new(
        (id, channel): (u128, &ChannelId),
        peer: Option<PublicKey>,
        reason: Option<&ClosureReason>,
        at_secs: u64,
    ) -> ClosedChannel {
        let words = reason.map_or("not told".to_owned(), ToString::to_string);
        ClosedChannel {
            id,
            channel: channel.to_string(),
            peer,
            at_secs,
            by: closed_by(reason),
            reason: words.chars().take(MAX_REASON).collect(),
        }
    }
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

/// Keeps one; a channel that is told of again stays as it was first told.
pub(super) fn add(dir: &Path, one: ClosedChannel) -> io::Result<()> {
    let mut channels = read(dir)?.channels;
    if channels.iter().any(|known| known.channel == one.channel) {
        return Ok(());
    }
    channels.push(one);
    let too_many = channels.len().saturating_sub(KEPT);
    channels.drain(..too_many);
    let file = File {
        version: VERSION,
        channels,
    };
    files::write_whole(&place(dir), &serde_json::to_string(&file)?)
}

/// All that are kept, the newest first, with what `all` has of their money.
pub(super) fn look(
    dir: &Path,
    all: &BalanceDetails,
    is_wallets: impl Fn(&Swept) -> bool,
) -> Vec<ClosedView> {
    let channels = read(dir).map(|file| file.channels).unwrap_or_else(|error| {
        tracing::warn!(%error, "the list of closed channels cannot be read");
        Vec::new()
    });
    let newest_first = channels.into_iter().rev();
    let view = |closed: ClosedChannel| {
        let (coming, from_block) = outstanding(&closed.channel, all, &is_wallets);
        ClosedView {
            closed,
            coming: Sat::new(coming),
            from_block,
        }
    };
    newest_first.map(view).collect()
}

/// What of a closed channel's money is not in the wallet, and the last block that any of
/// it waits for.
fn outstanding(
    channel: &str,
    all: &BalanceDetails,
    is_wallets: &impl Fn(&Swept) -> bool,
) -> (u64, Option<u32>) {
    let is_it = |id: &ChannelId| id.to_string() == channel;
    let (mut sat, mut block) = (0_u64, None);
    for balance in &all.lightning_balances {
        let (more, at) = match balance {
            LightningBalance::ClaimableAwaitingConfirmations {
                channel_id,
                amount_satoshis,
                confirmation_height,
                ..
            } if is_it(channel_id) => (*amount_satoshis, Some(*confirmation_height)),
            LightningBalance::ClaimableOnChannelClose {
                channel_id,
                amount_satoshis,
                ..
            }
            | LightningBalance::ContentiousClaimable {
                channel_id,
                amount_satoshis,
                ..
            }
            | LightningBalance::CounterpartyRevokedOutputClaimable {
                channel_id,
                amount_satoshis,
                ..
            } if is_it(channel_id) => (*amount_satoshis, None),
            LightningBalance::MaybeTimeoutClaimableHTLC {
                channel_id,
                amount_satoshis,
                claimable_height,
                ..
            } if is_it(channel_id) => (*amount_satoshis, Some(*claimable_height)),
            _ => continue,
        };
        sat = sat.saturating_add(more);
        block = block.max(at);
    }
    for swept in &all.pending_balances_from_channel_closures {
        let swept = Swept::of(swept);
        if swept.channel.as_ref().is_some_and(is_it) && !is_wallets(&swept) {
            sat = sat.saturating_add(swept.sat);
        }
    }
    (sat, block)
}

#[cfg(test)]
mod tests {
    use lightning::types::string::UntrustedString;

    use super::*;

    fn closed(n: u8, reason: &ClosureReason) -> ClosedChannel {
        let channel = ChannelId([n; 32]);
        ClosedChannel::new((u128::from(n), &channel), None, Some(reason), 7)
    }

    #[test]
    fn who_closed_is_kept_over_a_restart_and_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let by_peer = ClosureReason::CounterpartyForceClosed {
            peer_msg: UntrustedString("x".repeat(60_000)),
        };
        let ours = closed(2, &ClosureReason::LocallyInitiatedCooperativeClosure);
        add(dir.path(), closed(1, &by_peer)).unwrap();
        add(dir.path(), ours.clone()).unwrap();
        add(dir.path(), closed(1, &ClosureReason::CommitmentTxConfirmed)).unwrap();
        let nothing = BalanceDetails {
            total_onchain_balance_sats: 0,
            spendable_onchain_balance_sats: 0,
            total_anchor_channels_reserve_sats: 0,
            total_lightning_balance_sats: 0,
            lightning_balances: Vec::new(),
            pending_balances_from_channel_closures: Vec::new(),
        };
        let found = look(dir.path(), &nothing, |_| false);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].closed, ours);
        assert_eq!(found[0].closed.by, ClosedBy::Agreement);
        assert_eq!(found[1].closed.by, ClosedBy::Peer);
        assert!(found[1].closed.reason.len() <= MAX_REASON);
        for n in 3..=200 {
            add(dir.path(), closed(n, &by_peer)).unwrap();
        }
        assert_eq!(look(dir.path(), &nothing, |_| false).len(), KEPT);
    }
}
