//! Everybody's money, side by side.

use std::collections::BTreeMap;

use accounting::settle::{MinerAccount, Totals, recompute};
use accounting::{MinerId, Work};
use anyhow::{Context, Result};
use basics::humane;
use ledger::Reader;
use simnet::ocean::Account;

use super::verdict::Books;
use super::world::World;

/// What the ledger and OCEAN say of the money.
#[derive(Clone, Debug, Default)]
pub(super) struct Money {
    /// The ledger's sums.
    pub(super) ours: Totals,
    /// Each miner's account.
    pub(super) miners: BTreeMap<MinerId, MinerAccount>,
    /// Each miner's work in the epochs that were paid for.
    pub(super) works: BTreeMap<MinerId, Work>,
    /// What OCEAN's own books have of the pool.
    pub(super) oceans: Account,
    /// OCEAN's books balance.
    pub(super) ocean_is_balanced: bool,
    /// How many payouts were split, and what an auditor finds wrong.
    pub(super) audited: u64,
    pub(super) differences: Vec<String>,
    /// What owners' wallets have, and what follows from what they fetched and paid.
    pub(super) wallets_sat: u64,
    pub(super) wallets_expected_sat: u64,
}

impl Money {
    pub(super) fn collect(
        reader: &Reader,
        world: &World,
        address: &str,
        (wallets_sat, wallets_expected_sat): (u64, u64),
    ) -> Result<Money> {
        let mut works: BTreeMap<MinerId, Work> = BTreeMap::new();
        let (audited, mut differences) = (reader.audit_files()?, Vec::new());
        let mut counted = std::collections::BTreeSet::new();
        for number in 1..=audited {
            let file = reader.audit_file(number)?;
            let file = file.with_context(|| format!("audit file {number} is gone"))?;
            if let Err(difference) = recompute(&file) {
                differences.push(format!("file {number}: {difference}"));
            }
            for epoch in file
                .epochs
                .iter()
                .filter(|epoch| counted.insert(epoch.epoch))
            {
                for row in &epoch.works {
                    let sum = works.entry(row.miner).or_default();
                    *sum = sum.saturating_add(row.work);
                }
            }
        }
        let ocean = world.ocean.books();
        Ok(Money {
            ours: reader.totals()?,
            miners: reader.miner_accounts()?,
            works,
            oceans: ocean.account(address),
            ocean_is_balanced: ocean.totals().is_balanced(),
            audited,
            differences,
            wallets_sat,
            wallets_expected_sat,
        })
    }
}

/// Miner, work, part of the work, sats.
pub(super) fn table(books: &Books) -> String {
    let header = [
        "device",
        "miner",
        "hashes computed",
        "work paid for",
        "part of the work",
        "sat",
        "carried on, msat",
        "part of the sats",
    ];
    let money = &books.money;
    let mut table = humane::table(&header, &[2, 3, 4, 5, 6, 7]);
    let all_work: f64 = money.works.values().map(|work| work.hashes() as f64).sum();
    let all_msat: f64 = money
        .miners
        .values()
        .map(|account| account.allocated.get() as f64)
        .sum();
    for row in &books.rows {
        let work = money.works.get(&row.miner).copied().unwrap_or_default();
        let account = money.miners.get(&row.miner).copied().unwrap_or_default();
        table.add_row([
            row.worker.clone(),
            humane::short_key(&row.npub),
            humane::count(row.hashes),
            humane::count(u64::try_from(work.hashes()).unwrap_or(u64::MAX)),
            humane::percent(work.hashes() as f64, all_work),
            humane::count(account.paid.get()),
            account.carry.to_string(),
            humane::percent(account.allocated.get() as f64, all_msat),
        ]);
    }
    format!("\n{table}")
}
