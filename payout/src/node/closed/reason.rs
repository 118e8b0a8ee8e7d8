//! Who closed a channel and why, from LDK's reason.

use lightning::events::ClosureReason;
use serde::{Deserialize, Serialize};

/// Of a reason, which may be a peer's words, so many characters are kept.
pub(super) const MAX_REASON: usize = 200;

/// Who closed a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClosedBy {
    /// Both sides agreed; nobody knows any more who asked.
    Agreement,
    /// Both sides agreed, and this node asked.
    AgreementAskedByUs,
    /// Both sides agreed, and the peer asked.
    AgreementAskedByPeer,
    /// This node, alone.
    Us,
    /// The peer, alone.
    Peer,
    /// It was never funded, so that there is no money in it.
    Unfunded,
}

impl ClosedBy {
    /// The labels of metrics.
    pub const LABELS: [&'static str; 4] = ["agreement", "us", "peer", "unfunded"];

    /// For a sentence: closed ...
    pub fn words(self) -> &'static str {
        match self {
            ClosedBy::Agreement => "by agreement",
            ClosedBy::AgreementAskedByUs => "by agreement, as this node asked",
            ClosedBy::AgreementAskedByPeer => "by agreement, as its peer asked",
            ClosedBy::Us => "BY FORCE, by this node",
            ClosedBy::Peer => "BY FORCE, by its peer",
            ClosedBy::Unfunded => "before it was funded",
        }
    }

    /// The metric's label: one of [`Self::LABELS`].
    pub fn label(self) -> &'static str {
        match self {
            ClosedBy::Agreement | ClosedBy::AgreementAskedByUs | ClosedBy::AgreementAskedByPeer => {
                "agreement"
            }
            ClosedBy::Us => "us",
            ClosedBy::Peer => "peer",
            ClosedBy::Unfunded => "unfunded",
        }
    }

    /// One side closed it alone.
    pub fn is_forced(self) -> bool {
        matches!(self, ClosedBy::Us | ClosedBy::Peer)
    }
}

/// Who closed it, as LDK's reason has it.
pub(super) fn closed_by(reason: Option<&ClosureReason>) -> ClosedBy {
    match reason {
        Some(ClosureReason::LegacyCooperativeClosure) => ClosedBy::Agreement,
        Some(ClosureReason::LocallyInitiatedCooperativeClosure) => ClosedBy::AgreementAskedByUs,
        Some(ClosureReason::CounterpartyInitiatedCooperativeClosure) => {
            ClosedBy::AgreementAskedByPeer
        }
        Some(
            ClosureReason::FundingTimedOut
            | ClosureReason::DisconnectedPeer
            | ClosureReason::CounterpartyCoopClosedUnfundedChannel
            | ClosureReason::LocallyCoopClosedUnfundedChannel
            | ClosureReason::FundingBatchClosure
            | ClosureReason::HolderForceClosed {
                broadcasted_latest_txn: Some(false),
                ..
            },
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

/// Why, in plain words. A peer's own words have no control characters and an end.
pub(super) fn why(reason: Option<&ClosureReason>) -> String {
    let words = match reason {
        None => "the reason was not told".to_owned(),
        Some(ClosureReason::CounterpartyForceClosed { peer_msg }) => {
            format!("the peer said: {peer_msg}")
        }
        Some(ClosureReason::HolderForceClosed { message, .. }) if message.is_empty() => {
            "the operator ordered it, with axepool node close --force".to_owned()
        }
        Some(ClosureReason::HolderForceClosed { message, .. }) => {
            format!("this node was made to close it: {message}")
        }
        Some(
            ClosureReason::LegacyCooperativeClosure
            | ClosureReason::LocallyInitiatedCooperativeClosure
            | ClosureReason::CounterpartyInitiatedCooperativeClosure,
        ) => "both sides signed its closing transaction".to_owned(),
        Some(ClosureReason::CommitmentTxConfirmed) => {
            "a transaction that closes it was found in a block".to_owned()
        }
        Some(ClosureReason::FundingTimedOut) => {
            "its opening transaction was not confirmed in time".to_owned()
        }
        Some(ClosureReason::ProcessingError { err }) => {
            format!("the peer broke the protocol: {err}")
        }
        Some(ClosureReason::DisconnectedPeer) => {
            "the peer went away before it was funded".to_owned()
        }
        Some(ClosureReason::OutdatedChannelManager) => {
            "this node was ended in the middle of a write, and its own state of the channel was \
             older than the channel's last one"
                .to_owned()
        }
        Some(
            ClosureReason::CounterpartyCoopClosedUnfundedChannel
            | ClosureReason::LocallyCoopClosedUnfundedChannel
            | ClosureReason::FundingBatchClosure,
        ) => "its opening was called off".to_owned(),
        Some(ClosureReason::HTLCsTimedOut { .. }) => {
            "a payment in it was not settled before its time was over".to_owned()
        }
        Some(ClosureReason::PeerFeerateTooLow {
            peer_feerate_sat_per_kw,
            required_feerate_sat_per_kw,
        }) => format!(
            "the peer wanted a fee rate of {peer_feerate_sat_per_kw} sat/kw for its closing \
             transaction, and {required_feerate_sat_per_kw} are needed"
        ),
    };
    let shown = words.chars().filter(|c| !c.is_control());
    shown.take(MAX_REASON).collect()
}
