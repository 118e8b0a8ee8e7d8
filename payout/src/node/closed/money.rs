//! The money of a closed channel on its way to the wallet.

use std::fmt;

use accounting::Sat;
use basics::humane;
use ldk_node::{BalanceDetails, LightningBalance};
use lightning::ln::types::ChannelId;
use serde::{Deserialize, Serialize};

use super::super::balances::Swept;
use super::{ClosedChannel, ClosedView};

/// The time from block to block, as it is on average.
const BLOCK_SECS: u64 = 600;

/// So long a person is told of a closed channel after its money has arrived.
const NEWS_FOR_SECS: u64 = 7 * 86_400;

/// The last known state of a closed channel's money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// The most that was seen to be on its way; 0: none of it was this node's.
    pub most: Sat,
    /// The amount that is still to come to the wallet, before the fee of sending it there.
    pub coming: Sat,
    /// From this block on it can be fetched, as far as that is known: the node does it by
    /// itself.
    pub from_block: Option<u32>,
    /// When the last of it was the wallet's, seconds since 1970.
    pub arrived_secs: Option<u64>,
}

impl Money {
    /// With what is on its way now.
    pub(super) fn seen(self, (coming, from_block): (u64, Option<u32>), now_secs: u64) -> Money {
        let coming = Sat::new(coming);
        let most = self.most.max(coming);
        let is_all = coming.is_zero() && !most.is_zero();
        Money {
            most,
            coming,
            from_block: from_block.filter(|_| !coming.is_zero()),
            // Between two steps of its way nobody may list it: it did not arrive then.
            arrived_secs: is_all.then(|| self.arrived_secs.unwrap_or(now_secs)),
        }
    }
}

impl ClosedView {
    /// The closed channel and its money at block `tip`.
    pub(super) fn new(closed: ClosedChannel, tip: Option<u32>, now_secs: u64) -> ClosedView {
        let block = closed.money.from_block;
        let blocks = block.zip(tip).map(|(block, tip)| block.saturating_sub(tip));
        let about_secs =
            blocks.map(|blocks| now_secs.saturating_add(u64::from(blocks) * BLOCK_SECS));
        ClosedView { closed, about_secs }
    }

    /// When its money comes, in words.
    pub fn money(&self) -> String {
        let Money {
            most,
            coming,
            from_block,
            arrived_secs,
        } = self.closed.money;
        let utc = |secs: u64| humane::utc(secs.saturating_mul(1000));
        match (from_block, self.about_secs) {
            _ if most.is_zero() => "no money of it is outstanding".to_owned(),
            _ if coming.is_zero() => match arrived_secs {
                Some(at) => format!("all of its money has been in the wallet since {}", utc(at)),
                None => "all of its money is in the wallet".to_owned(),
            },
            (Some(block), Some(at)) => format!(
                "{coming} sat come back after block {block}, about {}",
                utc(at)
            ),
            (Some(block), None) => format!("{coming} sat come back after block {block}"),
            (None, _) => format!(
                "{coming} sat come back once the transactions for it are confirmed, which the node \
                 makes by itself"
            ),
        }
    }

    /// True while a person should know of it: until its money has arrived, and for a week
    /// after that or after its end. Channels that were opened and never funded are not told.
    pub fn is_news(&self, now_secs: u64) -> bool {
        let closed = &self.closed;
        let Money {
            coming,
            arrived_secs,
            ..
        } = closed.money;
        let last = closed.at_secs.max(arrived_secs.unwrap_or(0));
        let is_fresh = now_secs.saturating_sub(last) < NEWS_FOR_SECS;
        closed.by != super::ClosedBy::Unfunded && (!coming.is_zero() || is_fresh)
    }
}

/// Which, with whom, when, by whom, why, and its money: a sentence.
impl fmt::Display for ClosedView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let closed = &self.closed;
        let peer = closed.peer.map(|peer| humane::short_key(&peer.to_string()));
        write!(
            f,
            "channel {} with {} was closed on {} {} ({}): {}",
            closed.id,
            peer.as_deref().unwrap_or("?"),
            humane::utc(closed.at_secs.saturating_mul(1000)),
            closed.by.words(),
            closed.reason,
            self.money()
        )
    }
}

/// What of a closed channel's money is not in the wallet, and the last block that any of
/// it waits for.
pub(super) fn outstanding(
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
