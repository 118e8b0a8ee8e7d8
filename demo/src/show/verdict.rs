//! Everybody's books, side by side.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use accounting::{EpochTotals, MinerId, Work};
use anyhow::Result;
use ledger::Reader;
use pool::run::View;
use simnet::bitaxe::BitaxeStats;

use super::act::until;
use super::money::Money;
use super::world::World;

/// How long OCEAN's answers to the last shares may take to be booked.
const SETTLED_WITHIN: Duration = Duration::from_secs(10);

/// The work and the hashes of an honest device differ by luck alone; so many standard
/// deviations are no luck (once in a thousand million).
const MOST_SIGMAS: f64 = 6.0;

/// With fewer shares the normal distribution says nothing about luck.
const SHARES_FOR_LUCK: u64 = 20;

/// One device, by its own word and by the pool's.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) miner: MinerId,
    pub(super) worker: String,
    pub(super) npub: String,
    /// Hashes that the device computed.
    pub(super) hashes: u64,
    /// Shares that it was told are accepted.
    pub(super) told_shares: u64,
    /// Their work, by the difficulties that it was told.
    pub(super) told_work: u128,
    /// Its miner's shares in the ledger.
    pub(super) shares: u64,
    /// Its miner's work in the ledger.
    pub(super) work: Work,
}

/// What everybody says at the end.
#[derive(Clone, Debug, Default)]
pub(super) struct Books {
    pub(super) rows: Vec<Row>,
    /// The shares and the work of miners that are not simulated: nobody here can confirm
    /// them.
    pub(super) guests: (u64, Work),
    /// The ledger's sums.
    pub(super) ours: EpochTotals,
    /// Shares that the simulated OCEAN accepted of us.
    pub(super) ocean_accepted: u64,
    /// Their work.
    pub(super) ocean_work: u128,
    /// Shares that it rejected.
    pub(super) ocean_rejected: u64,
    /// The usernames that it saw.
    pub(super) ocean_usernames: Vec<String>,
    /// The devices hashed all the time: what rests, or waits for a block, throws hashes
    /// away.
    pub(super) mined_freely: bool,
    /// And the money.
    pub(super) money: Money,
}

impl Books {
    /// Collects them.
    pub(super) fn collect(
        view: &View,
        world: &World,
        devices: Vec<BitaxeStats>,
        money: Money,
    ) -> Result<Books> {
        let mut tallies: BTreeMap<MinerId, (u64, Work)> = BTreeMap::new();
        for epoch in view.ledger().epochs(usize::MAX)? {
            for (miner, tally) in view.ledger().tallies(epoch.id)? {
                let (shares, work) = tallies.entry(miner).or_default();
                *shares += tally.shares;
                *work = work.saturating_add(tally.work);
            }
        }
        let rows = world.devices().iter().zip(devices).map(|(device, stats)| {
            let (shares, work) = tallies.get(&device.miner).copied().unwrap_or_default();
            Row {
                miner: device.miner,
                worker: device.worker.clone(),
                npub: device.npub.clone(),
                hashes: stats.hashes,
                told_shares: stats.accepted,
                told_work: stats.accepted_work,
                shares,
                work,
            }
        });
        let rows: Vec<Row> = rows.collect();
        let is_guest = |miner: &MinerId| rows.iter().all(|row| row.miner != *miner);
        let mut guests = (0, Work::ZERO);
        for (_, (shares, work)) in tallies.iter().filter(|(miner, _)| is_guest(miner)) {
            guests.0 += shares;
            guests.1 = guests.1.saturating_add(*work);
        }
        let ours = sums(view.ledger())?;
        Ok(world.ocean.pool().read_books(|ocean| Books {
            rows,
            guests,
            ours,
            ocean_accepted: ocean.accepted(),
            ocean_work: ocean.work(),
            ocean_rejected: ocean.rejected(),
            ocean_usernames: ocean.users.keys().cloned().collect(),
            mined_freely: !world.is_seeded,
            money,
        }))
    }
}

/// The ledger's sums over all epochs.
fn sums(ledger: &Reader) -> Result<EpochTotals> {
    let mut sums = EpochTotals::default();
    for epoch in ledger.epochs(usize::MAX)? {
        let more = &epoch.totals;
        sums.work = sums.work.saturating_add(more.work);
        sums.shares += more.shares;
        sums.upstream_found += more.upstream_found;
        sums.upstream_accepted += more.upstream_accepted;
        sums.upstream_accepted_work = sums
            .upstream_accepted_work
            .saturating_add(more.upstream_accepted_work);
        sums.upstream_refused += more.upstream_refused;
    }
    Ok(sums)
}

/// Waits until the simulated OCEAN's answers are booked; if they are not in time, the
/// comparison tells.
pub(super) async fn upstream_is_booked(view: &View, world: &World) -> Result<()> {
    let booked = until(async || {
        let ours = sums(view.ledger())?;
        let theirs = world
            .ocean
            .pool()
            .read_books(|books| books.accepted() + books.rejected());
        let answered = ours.upstream_accepted + ours.upstream_refused;
        Ok((answered == theirs && answered == ours.upstream_found).then_some(()))
    });
    match tokio::time::timeout(SETTLED_WITHIN, booked).await {
        Ok(looked) => looked,
        Err(_late) => Ok(()),
    }
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    what: String,
    said: String,
    pub(super) agrees: bool,
}

/// All comparisons.
pub(super) fn checks(books: &Books) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut equal = |what: &str, ours: u128, theirs: u128, whose: &str| {
        let said = format!("the ledger {ours}, {whose} {theirs}");
        checks.push(Check {
            what: what.to_owned(),
            said,
            agrees: ours == theirs,
        });
    };
    let told_shares: u64 = books.rows.iter().map(|row| row.told_shares).sum();
    let told_work: u128 = books.rows.iter().map(|row| row.told_work).sum();
    let (guests_shares, guests_work) = books.guests;
    let whose = match guests_shares {
        0 => "the devices".to_owned(),
        guests => format!("{guests} shares of guests and the devices"),
    };
    equal(
        "shares answered with true",
        books.ours.shares.into(),
        u128::from(told_shares) + u128::from(guests_shares),
        &whose,
    );
    equal(
        "their work",
        books.ours.work.hashes(),
        told_work.saturating_add(guests_work.hashes()),
        &whose,
    );
    for row in &books.rows {
        if (row.shares, row.work.hashes()) != (row.told_shares, row.told_work) {
            equal(
                &format!("shares of {}", row.worker),
                row.shares.into(),
                row.told_shares.into(),
                "the device",
            );
            equal(
                &format!("work of {}", row.worker),
                row.work.hashes(),
                row.told_work,
                "the device",
            );
        }
    }
    let ocean = "the simulated OCEAN";
    equal(
        "upstream accepted",
        books.ours.upstream_accepted.into(),
        books.ocean_accepted.into(),
        ocean,
    );
    equal(
        "upstream accepted work",
        books.ours.upstream_accepted_work.hashes(),
        books.ocean_work,
        ocean,
    );
    equal(
        "upstream rejected",
        books.ours.upstream_refused.into(),
        books.ocean_rejected.into(),
        ocean,
    );
    checks.push(Check {
        what: "one username upstream".to_owned(),
        said: books.ocean_usernames.join(", "),
        agrees: books.ocean_usernames.len() == 1,
    });
    if books.mined_freely {
        checks.push(luck(&books.rows));
    }
    money(&books.money, books.ocean_work, &mut checks);
    checks
}

/// What arrived, where it is, and whether an auditor comes to the same.
fn money(money: &Money, ocean_work: u128, checks: &mut Vec<Check>) {
    let mut check = |what: &str, said: String, agrees: bool| {
        checks.push(Check {
            what: what.to_owned(),
            said,
            agrees,
        });
    };
    let ours = &money.ours;
    let paid = money.oceans.paid_msat();
    check(
        "msat received",
        format!("the ledger {}, OCEAN paid {paid}", ours.received),
        ours.received == u128::from(paid),
    );
    check(
        "every msat is somewhere",
        format!(
            "{} = {} fee + {} to quotes + {} carry + {} suspense",
            ours.received, ours.fee, ours.paid, ours.carry, ours.suspense
        ),
        ours.balance(),
    );
    let quotes: u128 = money
        .miners
        .values()
        .map(|account| u128::from(account.paid.get()) * 1000)
        .sum();
    check(
        "msat to quotes",
        format!("the ledger {}, the miners' accounts {quotes}", ours.paid),
        ours.paid == quotes,
    );
    check(
        "OCEAN's work of ours",
        format!("its stratum {ocean_work}, its books {}", money.oceans.work),
        ocean_work == money.oceans.work,
    );
    check(
        "OCEAN's own books",
        "rewards = fees + others + owed + paid".to_owned(),
        money.ocean_is_balanced,
    );
    check(
        "audits",
        match money.differences.first() {
            None => format!(
                "{} payouts split again from their files: equal",
                money.audited
            ),
            Some(difference) => difference.clone(),
        },
        money.differences.is_empty(),
    );
    check(
        "sat in the owners' wallets",
        format!(
            "{}, fetched less spent {}",
            money.wallets_sat, money.wallets_expected_sat
        ),
        money.wallets_sat == money.wallets_expected_sat,
    );
}

/// Whether each device's work fits the hashes that it computed.
fn luck(rows: &[Row]) -> Check {
    let sigmas = |row: &Row| {
        let work = row.work.hashes() as f64;
        let deviation = work / (row.shares as f64).sqrt();
        (work - row.hashes as f64) / deviation
    };
    let rated = rows.iter().filter(|row| row.shares >= SHARES_FOR_LUCK);
    let worst = rated
        .map(|row| (sigmas(row), row))
        .max_by(|a, b| a.0.abs().total_cmp(&b.0.abs()));
    let what = "work fits the hashes".to_owned();
    match worst {
        None => Check {
            what,
            said: "too few shares to tell".to_owned(),
            agrees: true,
        },
        Some((sigmas, row)) => Check {
            what,
            said: format!(
                "at most {:.1} standard deviations apart ({})",
                sigmas.abs(),
                row.worker
            ),
            agrees: sigmas.abs() <= MOST_SIGMAS,
        },
    }
}

/// The comparisons as text, with a last line that says it all.
pub(super) fn render(checks: &[Check]) -> String {
    let mut text = String::from("\n");
    for check in checks {
        let mark = if check.agrees { "agrees " } else { "DIFFERS" };
        let _ = writeln!(text, "{mark}  {:<26} {}", check.what, check.said);
    }
    let differing = checks.iter().filter(|check| !check.agrees).count();
    let _ = match differing {
        0 => write!(text, "\nall books agree"),
        1 => write!(text, "\n1 comparison DIFFERS"),
        many => write!(text, "\n{many} comparisons DIFFER"),
    };
    text
}

#[cfg(test)]
mod tests;
