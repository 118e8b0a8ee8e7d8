//! The states of the epochs, and the money expected for them.

use std::collections::BTreeMap;

use accounting::EpochId;
use accounting::settle::{EpochAccount, Stage};
use ledger::{LedgerError, Reader};
use prometheus::{Gauge, IntGauge, IntGaugeVec, Registry};

use super::super::paying::still_expected;
use super::{clip, family, gauge};

/// The gauges.
#[derive(Debug)]
pub(super) struct Books {
    epochs: IntGaugeVec,
    epoch_work: Gauge,
    epoch_shares: IntGauge,
    epoch_miners: IntGauge,
    expected: IntGauge,
    unpaid_depth: IntGauge,
    last_block: IntGauge,
    settled: IntGauge,
    suspended: IntGauge,
    last_payment: IntGauge,
}

/// The epochs at a glance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Summary {
    open: u64,
    /// Closed, and less than half of what is expected has come.
    unpaid: u64,
    covered: u64,
    /// Dissolved into another, since their block was orphaned.
    merged: u64,
    /// What OCEAN said of the blocks that it has not paid yet.
    expected_msat: u64,
    /// How many blocks are on top of the oldest one that should bring money, that one
    /// not counted; 0 when there is none.
    unpaid_depth: u32,
    /// The height of the newest OCEAN block; 0 before the first.
    last_block: u32,
}

impl Summary {
    fn of(accounts: &BTreeMap<EpochId, EpochAccount>, tip: Option<u32>) -> Self {
        let mut summary = Summary::default();
        let mut oldest_due = None;
        for account in accounts.values() {
            let count = match account.stage {
                Stage::Open => &mut summary.open,
                Stage::Merged { .. } => &mut summary.merged,
                Stage::Closed { .. } if account.covered => &mut summary.covered,
                Stage::Closed { .. } => &mut summary.unpaid,
            };
            *count = count.saturating_add(1);
            let Some(block) = account.block() else {
                continue;
            };
            summary.last_block = summary.last_block.max(block.height);
            if !account.covered && brings_money(account) {
                oldest_due = oldest_due.or(Some(block.height));
                let more = still_expected(account).map_or(0, |msat| msat.get());
                summary.expected_msat = summary.expected_msat.saturating_add(more);
            }
        }
        if let (Some(height), Some(tip)) = (oldest_due, tip) {
            summary.unpaid_depth = tip.saturating_sub(height);
        }
        summary
    }
}

/// Nobody worked for it, or OCEAN counts nothing of it: then nothing will come.
fn brings_money(account: &EpochAccount) -> bool {
    let earns_nothing = account.earnings.is_some_and(|known| known.net.get() == 0);
    !account.work.is_zero() && !earns_nothing
}

impl Books {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name, help| gauge(registry, name, help);
        let epoch_work = Gauge::new(
            "axepool_epoch_work_hashes",
            "Work in the open epoch, expected hashes",
        )?;
        registry.register(Box::new(epoch_work.clone()))?;
        Ok(Books {
            epochs: family(registry, "axepool_epochs", "Epochs by state", &["state"])?,
            epoch_work,
            epoch_shares: gauge("axepool_epoch_shares", "Shares in the open epoch")?,
            epoch_miners: gauge(
                "axepool_epoch_miners",
                "Miners with a share in the open epoch",
            )?,
            expected: gauge(
                "axepool_expected_payout_msat",
                "Earnings that OCEAN announced for the blocks that it has not paid yet",
            )?,
            unpaid_depth: gauge(
                "axepool_unpaid_block_depth",
                "Blocks on top of the oldest OCEAN block whose money has not come; 0 when there is none",
            )?,
            last_block: gauge(
                "axepool_last_block_height",
                "The height of the newest OCEAN block in the books; 0 before the first",
            )?,
            settled: gauge("axepool_payouts_settled", "Payouts that were split")?,
            suspended: gauge(
                "axepool_payouts_suspended",
                "Payments in suspense: not assigned to miners yet",
            )?,
            last_payment: gauge(
                "axepool_last_payment_timestamp_seconds",
                "When the last payment came, seconds since 1970; 0 before the first",
            )?,
        })
    }

    pub(super) fn look(&self, reader: &Reader, tip: Option<u32>) -> Result<(), LedgerError> {
        let summary = Summary::of(&reader.epoch_accounts()?, tip);
        for (state, count) in [
            ("open", summary.open),
            ("unpaid", summary.unpaid),
            ("covered", summary.covered),
            ("merged", summary.merged),
        ] {
            self.epochs.with_label_values(&[state]).set(clip(count));
        }
        let open = reader.open_epoch().totals;
        self.epoch_work.set(open.work.hashes() as f64);
        self.epoch_shares.set(clip(open.shares));
        self.epoch_miners.set(clip(open.miners));
        self.expected.set(clip(summary.expected_msat));
        self.unpaid_depth.set(i64::from(summary.unpaid_depth));
        self.last_block.set(i64::from(summary.last_block));
        self.settled.set(clip(reader.audit_files()?));
        self.suspended.set(clip(reader.suspense()?.len() as u64));
        let last = reader.payouts(1)?;
        let last_ms = last.first().map_or(0, |payout| payout.payment.received_ms);
        self.last_payment.set(clip(last_ms / 1000));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use accounting::settle::{Block, Earnings};
    use accounting::{EpochTerms, Msat, Sat, Work};
    use bitcoin::BlockHash;
    use bitcoin::hashes::Hash as _;

    use super::*;

    /// An epoch that the block at `height` closed, with some work.
    fn closed(id: u64, height: u32, change: impl FnOnce(&mut EpochAccount)) -> EpochAccount {
        let mut account = EpochAccount::opened(EpochId::new(id), EpochTerms::default());
        let hash = BlockHash::all_zeros();
        account.stage = Stage::Closed {
            block: Some(Block { hash, height }),
        };
        account.work = Work::from_hashes(1000);
        change(&mut account);
        account
    }

    fn earned(sat: u64) -> Option<Earnings> {
        Some(Earnings {
            net: Sat::new(sat),
            shares_in_window: None,
        })
    }

    #[track_caller]
    fn case(accounts: Vec<EpochAccount>, tip: Option<u32>, expected: Summary) {
        let accounts = accounts.into_iter();
        let accounts = accounts.map(|account| (account.epoch, account)).collect();
        assert_eq!(Summary::of(&accounts, tip), expected);
    }

    #[test]
    fn what_is_still_to_come() {
        let open = EpochAccount::opened(EpochId::new(9), EpochTerms::default());
        case(Vec::new(), Some(100), Summary::default());
        let paid = closed(1, 100, |account| account.covered = true);
        let due = closed(2, 110, |account| account.earnings = earned(7));
        let half = closed(3, 120, |account| {
            account.earnings = earned(10);
            account.received = Msat::new(3000);
        });
        case(
            vec![paid, due, half, open],
            Some(150),
            Summary {
                open: 1,
                unpaid: 2,
                covered: 1,
                merged: 0,
                expected_msat: 14_000,
                unpaid_depth: 40,
                last_block: 120,
            },
        );
    }

    #[test]
    fn who_can_expect_nothing_is_not_overdue() {
        let nothing = closed(1, 100, |account| account.earnings = earned(0));
        let idle = closed(2, 101, |account| account.work = Work::ZERO);
        let by_command = closed(3, 102, |account| {
            account.stage = Stage::Closed { block: None };
        });
        let summary = Summary {
            unpaid: 3,
            last_block: 101,
            ..Summary::default()
        };
        case(vec![nothing, idle, by_command], Some(500), summary);
        // Without a chain nobody knows how deep it is.
        let due = closed(1, 100, |account| account.earnings = earned(1));
        let summary = Summary {
            unpaid: 1,
            expected_msat: 1000,
            last_block: 100,
            ..Summary::default()
        };
        case(vec![due], None, summary);
    }
}
