//! The operator's balance, and withdrawals of it.
//!
//! A withdrawal is booked before it is sent, under an id that was made before the first
//! try. Its outcome is an entry of its own. Without one nobody knows whether it was sent:
//! it is shown, and never sent again by itself.

use std::collections::BTreeMap;
use std::str::FromStr;

use accounting::settle::{Event, OperatorEntry, OperatorKind};
use accounting::{MSAT_PER_SAT, Msat, Sat};
use anyhow::{Context, Result, anyhow, bail};
use basics::clock;
use bitcoin::address::NetworkUnchecked;
use bitcoin::{Address, Network, Txid};
use ledger::{Ledger, LedgerError, Reader};
use payout::NodeError;

use super::{Coffer, Sending};
use crate::admin::{FeeStatus, WithdrawalOutcome, WithdrawalRow};

/// A new withdrawal's id: the time, and the process that asks.
pub fn withdrawal_id() -> String {
    // 13 digits until the year 2286: in the order of time they are in the order of text.
    format!("{:013}-{}", clock::now_ms(), std::process::id())
}

/// The operator's account.
pub(super) fn status(reader: &Reader) -> Result<FeeStatus, LedgerError> {
    let totals = reader.totals()?;
    Ok(FeeStatus {
        fee_msat: totals.fee,
        node_costs_msat: totals.node_costs,
        withdrawn_msat: totals.withdrawn,
        withdrawable_msat: totals.withdrawable(),
        withdrawals: withdrawals(reader.operator_entries()?),
    })
}

/// The withdrawals among the operator's entries, each with its outcome.
fn withdrawals(entries: Vec<OperatorEntry>) -> Vec<WithdrawalRow> {
    let mut outcomes = BTreeMap::new();
    let mut rows = Vec::new();
    for entry in entries {
        match entry.kind {
            OperatorKind::NodeCost => {}
            OperatorKind::Withdrawal { to } => rows.push(WithdrawalRow {
                id: entry.id,
                to,
                amount_sat: entry.amount.to_sat_floor(),
                outcome: WithdrawalOutcome::Unknown,
                after: None,
            }),
            OperatorKind::Sent { withdrawal, txid } => {
                outcomes.insert(withdrawal, WithdrawalOutcome::Sent { txid });
            }
            OperatorKind::Returned { withdrawal } => {
                outcomes.insert(withdrawal, WithdrawalOutcome::Returned { why: None });
            }
        }
    }
    for row in &mut rows {
        if let Some(outcome) = outcomes.remove(&row.id) {
            row.outcome = outcome;
        }
    }
    rows
}

/// Satoshis of withdrawals whose outcome nobody knows: they may have left the wallet, which
/// may not have heard of it.
pub(crate) fn undecided(reader: &Reader) -> Result<u128, LedgerError> {
    let rows = withdrawals(reader.operator_entries()?);
    let unknown = rows
        .iter()
        .filter(|row| row.outcome == WithdrawalOutcome::Unknown);
    Ok(unknown.map(|row| u128::from(row.amount_sat.get())).sum())
}

/// Sends of the operator's money on-chain; what the transaction costs comes on top, and is
/// the node's cost. Refused when money of others would pay for it, unless by `force`.
///
/// # Errors
/// It was refused before anything was booked, or the books cannot be written. What
/// became of a booked one is in the answer.
pub(super) async fn withdraw(
    ledger: &Ledger,
    (coffer, network): (&dyn Coffer, Network),
    id: String,
    (to, amount): (&str, Option<Sat>),
    force: bool,
) -> Result<WithdrawalRow> {
    if let Some(known) = find(ledger, &id).await? {
        return Ok(known);
    }
    let address = Address::<NetworkUnchecked>::from_str(to)
        .with_context(|| format!("{to:?} is not a bitcoin address"))?;
    if !address.is_valid_for_network(network) {
        bail!("{to} is not an address of {network}");
    }
    coffer.may_go_to(&address)?;
    // Until its outcome is booked.
    let sending = coffer.begin().await?;
    let amount = match amount {
        Some(amount) => amount,
        None => all(ledger.reader().clone(), sending.as_ref()).await?,
    };
    let after = sending.may_withdraw(amount, force).await?;
    let entry = OperatorEntry {
        id,
        kind: OperatorKind::Withdrawal { to: to.to_owned() },
        amount: amount.to_msat().context("that is more than there is")?,
    };
    let booked = ledger.settle(Event::Operator(entry.clone())).await?;
    if booked.is_empty() {
        // Somebody asked at the same time: that one sends it.
        return find(ledger, &entry.id)
            .await?
            .context("a withdrawal is booked and not there");
    }
    tracing::warn!(
        id = entry.id,
        to,
        amount_sat = amount.get(),
        "a withdrawal is booked"
    );
    let sent = sending.send(address, amount).await;
    let outcome = outcome(ledger, &entry, sent).await;
    Ok(WithdrawalRow {
        id: entry.id,
        to: to.to_owned(),
        amount_sat: amount,
        outcome,
        after,
    })
}

/// All whole satoshis that can be withdrawn, less what sending them costs: that is the
/// operator's to pay, too.
async fn all(reader: Reader, sending: &dyn Sending) -> Result<Sat> {
    let totals = tokio::task::spawn_blocking(move || reader.totals()).await??;
    let sats = totals.withdrawable() / u128::from(MSAT_PER_SAT);
    let sats = Sat::new(u64::try_from(sats).unwrap_or(u64::MAX));
    if sats.is_zero() {
        bail!("there is nothing to withdraw (axepool fee status)");
    }
    let cost = sending.cost(sats).await?;
    match sats.get().checked_sub(cost.get()).filter(|left| *left > 0) {
        Some(left) => Ok(Sat::new(left)),
        None => bail!("sending costs about {cost} sat, and {sats} sat can be withdrawn"),
    }
}

async fn find(ledger: &Ledger, id: &str) -> Result<Option<WithdrawalRow>> {
    let reader = ledger.reader().clone();
    let status = tokio::task::spawn_blocking(move || status(&reader)).await??;
    Ok(status.withdrawals.into_iter().find(|row| row.id == id))
}

/// Books what became of it. Where that cannot be written it stays unknown: the log tells.
async fn outcome(
    ledger: &Ledger,
    withdrawal: &OperatorEntry,
    sent: Result<Txid, NodeError>,
) -> WithdrawalOutcome {
    let id = &withdrawal.id;
    let (kind, outcome) = match sent {
        Ok(txid) => {
            tracing::warn!(id, %txid, "a withdrawal is sent");
            let kind = OperatorKind::Sent {
                withdrawal: id.clone(),
                txid,
            };
            (kind, WithdrawalOutcome::Sent { txid })
        }
        // The node refuses before it hands anything to the network, or not at all.
        Err(error @ (NodeError::Down(_) | NodeError::Failed(_) | NodeError::ChainInDoubt(_))) => {
            tracing::warn!(id, %error, "a withdrawal is not sent");
            let kind = OperatorKind::Returned {
                withdrawal: id.clone(),
            };
            let why = Some(error.to_string());
            (kind, WithdrawalOutcome::Returned { why })
        }
        Err(error @ (NodeError::BrokeOff(_) | NodeError::Unseen(_))) => {
            tracing::error!(id, %error, "the outcome of a withdrawal is unknown: see axepool fee status");
            return WithdrawalOutcome::Unknown;
        }
    };
    match tell(ledger, withdrawal, kind).await {
        Ok(()) => outcome,
        Err(error) => {
            tracing::error!(id, ?outcome, %error, "the outcome of a withdrawal cannot be booked: see axepool fee status");
            match outcome {
                WithdrawalOutcome::Sent { .. } => outcome,
                _ => WithdrawalOutcome::Unknown,
            }
        }
    }
}

async fn tell(
    ledger: &Ledger,
    withdrawal: &OperatorEntry,
    kind: OperatorKind,
) -> Result<(), LedgerError> {
    let entry = OperatorEntry {
        id: OperatorEntry::outcome_id(&withdrawal.id),
        kind,
        amount: withdrawal.amount,
    };
    ledger.settle(Event::Operator(entry)).await.map(drop)
}

/// Books the outcome of a withdrawal that nobody knew of, as the operator found it.
///
/// # Errors
/// There is no such withdrawal, its outcome is known, or the books cannot be written.
pub(super) async fn resolve(
    ledger: &Ledger,
    id: &str,
    txid: Option<Txid>,
) -> Result<WithdrawalRow> {
    let known = find(ledger, id).await?;
    let row = known.ok_or_else(|| anyhow!("there is no withdrawal {id:?} (axepool fee status)"))?;
    if row.outcome != WithdrawalOutcome::Unknown {
        bail!("what became of withdrawal {id:?} is known already");
    }
    let withdrawal = OperatorEntry {
        id: row.id.clone(),
        kind: OperatorKind::Withdrawal { to: row.to.clone() },
        amount: row.amount_sat.to_msat().unwrap_or(Msat::ZERO),
    };
    let withdrawal_id = id.to_owned();
    let (kind, outcome) = match txid {
        Some(txid) => (
            OperatorKind::Sent {
                withdrawal: withdrawal_id,
                txid,
            },
            WithdrawalOutcome::Sent { txid },
        ),
        None => (
            OperatorKind::Returned {
                withdrawal: withdrawal_id,
            },
            WithdrawalOutcome::Returned { why: None },
        ),
    };
    tell(ledger, &withdrawal, kind).await?;
    tracing::warn!(
        id,
        ?outcome,
        "the outcome of a withdrawal is recorded by command"
    );
    Ok(WithdrawalRow { outcome, ..row })
}

#[cfg(test)]
mod tests {
    use accounting::EpochTerms;
    use accounting::settle::{PaidTo, Payment, Via};
    use bitcoin::hashes::{Hash as _, sha256};
    use ledger::LedgerOptions;
    use payout::NodeState;
    use prometheus::Registry;

    use super::*;

    const TO: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
    const PAID_MSAT: u64 = 20_000_000;

    /// Books with money of the operator's, and a withdrawal of all of it that is booked
    /// and whose outcome is not.
    async fn booked(dir: &std::path::Path) -> (Ledger, OperatorEntry) {
        let path = dir.join("ledger.redb");
        let options = LedgerOptions::new(path, EpochTerms::default(), 1);
        let ledger = Ledger::open(options, &Registry::new()).expect("opens");
        let foreign = Payment {
            amount: Msat::new(PAID_MSAT),
            received_ms: 2,
            via: Via::Lightning {
                payment_hash: sha256::Hash::hash(b"a payment to the operator"),
                preimage: None,
                paid_to: PaidTo::NoOffer,
                note: None,
                tip_height: None,
            },
        };
        ledger.settle(Event::Paid(foreign)).await.expect("books");
        let withdrawal = OperatorEntry {
            id: "1-a".into(),
            kind: OperatorKind::Withdrawal { to: TO.into() },
            amount: Msat::new(PAID_MSAT),
        };
        let event = Event::Operator(withdrawal.clone());
        ledger.settle(event).await.expect("books");
        (ledger, withdrawal)
    }

    /// What the account says after the node said `sent`: the row's outcome, and what can
    /// be withdrawn.
    #[track_caller]
    fn case(
        sent: Result<Txid, NodeError>,
        expected: WithdrawalOutcome,
        left_msat: u64,
    ) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        async move {
            let dir = tempfile::tempdir().expect("a directory");
            let (ledger, withdrawal) = booked(dir.path()).await;
            let told = outcome(&ledger, &withdrawal, sent).await;
            let account = status(ledger.reader()).expect("reads");
            let shown = &account.withdrawals[0].outcome;
            match (&told, shown) {
                // Why is told once.
                (WithdrawalOutcome::Returned { .. }, WithdrawalOutcome::Returned { .. }) => {}
                _ => assert_eq!(&told, shown, "{place}"),
            }
            assert_eq!(shown, &expected, "{place}");
            assert_eq!(account.withdrawable_msat, u128::from(left_msat), "{place}");
            ledger.close().await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn only_what_is_certain_is_booked() {
        let returned = WithdrawalOutcome::Returned { why: None };
        let down = NodeError::Down(NodeState::Starting);
        let failed = NodeError::Failed("there are no coins".into());
        let broke_off = NodeError::BrokeOff("the process ends".into());
        let txid = Txid::from_byte_array([7; 32]);
        case(Ok(txid), WithdrawalOutcome::Sent { txid }, 0).await;
        case(Err(down), returned.clone(), PAID_MSAT).await;
        case(Err(failed), returned, PAID_MSAT).await;
        // Nobody knows whether it left: neither sent nor back, and it is not there twice.
        case(Err(broke_off), WithdrawalOutcome::Unknown, 0).await;
        case(Err(NodeError::Unseen(txid)), WithdrawalOutcome::Unknown, 0).await;
    }
}
