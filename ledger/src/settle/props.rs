//! Random histories: every invariant after every step, the audit of all of it, and the
//! same books whatever came again.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use super::testing::*;
use super::tests::file_of;
use super::*;
use crate::{EpochId, Msat, Split, Work};

/// Raw numbers, read in the light of the state: any of them make some event.
pub(crate) type Step = (u8, u16, u16, u32);

#[derive(Default)]
pub(crate) struct History {
    heights: Vec<u32>,
    orphans: Vec<u32>,
    payments: u32,
    entries: u32,
    /// The last withdrawal that was asked for, with or without success.
    withdrawn: Option<(String, Msat)>,
    /// Events that may come again at any time.
    repeatable: Vec<Event>,
}

fn amount(b: u16, c: u32) -> u64 {
    match b % 8 {
        0 => u64::from(c % 1_000),
        1 => u64::from(c) * 1_000_000_000,
        2 => u64::MAX - u64::from(c),
        _ => u64::from(c % 5_000_000),
    }
}

impl History {
    fn next_height(&self) -> u32 {
        self.heights
            .iter()
            .chain(&self.orphans)
            .max()
            .map_or(100, |top| top + 1)
    }

    fn any_height(&self, at: u16) -> Option<u32> {
        let known = self.heights.len();
        (known > 0).then(|| self.heights[usize::from(at) % known])
    }

    fn next_terms(&self, a: u16) -> crate::EpochTerms {
        let split = if a & 1 == 0 {
            Split::Epoch
        } else {
            Split::Tides
        };
        terms([0, 1, 250, 10_000][usize::from(a >> 1) % 4], split)
    }

    fn closing(&self, books: &Books, block: Option<Block>, a: u16) -> Option<Event> {
        let epoch = books.open_epoch()?;
        let (next, next_terms) = (epoch.next(), self.next_terms(a));
        Some(Event::EpochClosed {
            epoch,
            block,
            work: books.own_work(epoch),
            miners: books.own_miners(epoch),
            next,
            next_terms,
        })
    }

    fn pay(&mut self, step: Step) -> Event {
        let (kind, a, b, c) = step;
        self.payments += 1;
        let (n, amount) = (self.payments, amount(b, c));
        let height = self.any_height(a).unwrap_or(100);
        let tip = self.next_height() + u32::from(a % 64);
        let named = match kind % 4 {
            0 => note(hash(height), height),
            1 => note(hash(7), height + 30),
            2 => note(hash(7), height),
            _ => note(hash(self.next_height()), self.next_height()),
        };
        let received_ms = u64::from(n);
        let paid = match a % 11 {
            0 => on_chain(n, amount, c & 1 == 0, tip),
            1 | 2 => payment(n, amount, None),
            3 => payment(n, amount, Some("block height".into())),
            _ => payment(n, amount, named),
        };
        let mut paid = Payment {
            received_ms,
            ..paid
        };
        if let Via::Lightning { paid_to, .. } = &mut paid.via {
            *paid_to = match a % 13 {
                0 => PaidTo::NoOffer,
                1 => PaidTo::UnknownOffer,
                _ => PaidTo::OceanOffer,
            };
        }
        Event::Paid(if b & 1 == 0 { at_tip(paid, tip) } else { paid })
    }

    fn command(&mut self, books: &Books, (_, a, b, c): Step) -> Option<Event> {
        let suspended = books.suspended().unwrap();
        let payout = || {
            suspended
                .get(usize::from(a) % suspended.len().max(1))
                .map(|p| p.payment.key())
        };
        let id = self.entries.to_string();
        let amount = Msat::new(u64::from(c % 100_000));
        match b % 4 {
            0 => payout().map(|payout| Event::ToFee { payout }),
            1 => {
                let last = books.open_epoch()?.get();
                payout().map(|payout| Event::Assign {
                    payout,
                    epoch: EpochId::new(u64::from(c) % last + 1),
                })
            }
            2 => Some(Event::Operator(OperatorEntry {
                id,
                kind: OperatorKind::NodeCost,
                amount,
            })),
            _ => Some(Event::Operator(self.withdrawal(id, amount, c))),
        }
    }

    /// A new withdrawal, or what became of the last one.
    fn withdrawal(&mut self, id: String, amount: Msat, c: u32) -> OperatorEntry {
        let new = |id, amount| OperatorEntry {
            id,
            kind: OperatorKind::Withdrawal { to: "there".into() },
            amount,
        };
        let last = self.withdrawn.take();
        let Some((withdrawal, amount)) = last.filter(|_| c & 1 == 0) else {
            self.withdrawn = Some((id.clone(), amount));
            return new(id, amount);
        };
        let kind = match c & 2 {
            0 => OperatorKind::Returned {
                withdrawal: withdrawal.clone(),
            },
            _ => OperatorKind::Sent {
                withdrawal: withdrawal.clone(),
                txid: output(1).txid,
            },
        };
        OperatorEntry {
            id: OperatorEntry::outcome_id(&withdrawal),
            kind,
            amount,
        }
    }

    pub(crate) fn event(&mut self, books: &Books, step: Step) -> Option<Event> {
        let (kind, a, b, c) = step;
        match kind % 16 {
            0..=2 => {
                let height = match self.orphans.pop() {
                    // The chain turned back.
                    Some(height) if b % 4 == 0 => height,
                    other => {
                        self.orphans.extend(other);
                        self.next_height() + u32::from(b % 40)
                    }
                };
                self.heights.push(height);
                self.closing(books, Some(block(height)), a)
            }
            3 => self.closing(books, None, a),
            4 => {
                let net = match b % 16 {
                    0 => Policy::SUPPLY,
                    1 => crate::Sat::new(u64::from(c)),
                    _ => crate::Sat::new(u64::from(c % 5_000)),
                };
                let shares_in_window = match b & 3 {
                    0 => Some(u64::from(c >> 20)),
                    2 => Some(own_shares(books, c)),
                    _ => None,
                };
                let earnings = Earnings {
                    net,
                    shares_in_window,
                };
                Some(Event::EarningsKnown {
                    block: hash(self.any_height(a)?),
                    earnings,
                    reward: None,
                })
            }
            5 if b % 3 == 0 => {
                let height = self.any_height(a)?;
                self.heights.retain(|&known| known != height);
                self.orphans.push(height);
                Some(Event::BlockOrphaned {
                    block: hash(height),
                })
            }
            6 => {
                self.entries += 1;
                self.command(books, step)
            }
            _ => Some(self.pay(step)),
        }
    }
}

/// About our own window, in the API's unit.
fn own_shares(books: &Books, c: u32) -> u64 {
    let closed = books.epoch_accounts().values().rev();
    let works = closed.filter(|epoch| epoch.is_closed()).take(8);
    let all = works.fold(Work::ZERO, |sum, epoch| sum.saturating_add(epoch.work));
    let shares = u64::try_from(all.hashes() >> 32).unwrap_or(u64::MAX);
    shares / 2 + u64::from(c) % (shares / 2 + 1)
}

/// What can be told from an event's changes alone.
fn checked(changes: &Changes) {
    for account in changes.miners.values() {
        let paid = account.paid.to_msat().unwrap();
        assert_eq!(paid.checked_add(account.carry), Some(account.allocated));
        assert!(account.carry.get() < 1_000);
    }
    if let Some(totals) = changes.totals {
        assert!(totals.balance(), "{totals:?}");
    }
    for (key, payout) in &changes.payouts {
        let PayoutState::Settled(done) = &payout.state else {
            continue;
        };
        let rows = changes.allocations.get(key).into_iter().flatten();
        let all = Msat::checked_sum(rows.map(|row| row.allocated).chain([done.fee]));
        assert_eq!(all, done.amount(&payout.payment));
    }
}

fn step(books: &mut Books, event: Event) -> Option<Vec<Effect>> {
    let changes = decide(books, &books.policy, event).ok()?;
    checked(&changes);
    Some(books.write(changes))
}

/// Plays a history; with `again`, every event comes twice and an older one after it.
fn play(steps: &[Step], again: bool) -> (Books, Vec<AuditFile>) {
    let mut books = Books::new(Policy::default());
    let mut history = History::default();
    let first = Event::EpochOpened {
        epoch: EpochId::FIRST,
        terms: history.next_terms(0),
    };
    step(&mut books, first).unwrap();
    let mut files = Vec::new();
    for (at, &(kind, a, b, c)) in steps.iter().enumerate() {
        if kind >= 160 {
            let work = u128::from(c) << (b % 40);
            books.credit(miner(usize::from(a % 6)), Work::from_hashes(work));
            continue;
        }
        if kind >= 156 {
            // A backup is restored, and accepted; or it is another pool's history.
            books.policy.held = match c % 4 {
                0 => Some(Held::EVERYTHING),
                1 => Some(Held {
                    until_ms: history.payments.into(),
                    until_height: history.next_height(),
                }),
                _ => None,
            };
            continue;
        }
        let Some(event) = history.event(&books, (kind, a, b, c)) else {
            continue;
        };
        let Some(effects) = step(&mut books, event.clone()) else {
            continue;
        };
        if books.policy.held == Some(Held::EVERYTHING) && !matches!(event, Event::Assign { .. }) {
            let pays = |effect: &Effect| matches!(effect, Effect::PayQuote { .. });
            assert!(!effects.iter().any(pays), "paid while held: {event:?}");
        }
        if again {
            assert_eq!(books.apply(event.clone()), Ok(Vec::new()), "{event:?}");
            let old = history
                .repeatable
                .get(usize::from(b) % history.repeatable.len().max(1));
            if let Some(old) = old {
                // Refused (settled otherwise since) or nothing new.
                assert_eq!(books.apply(old.clone()).unwrap_or_default(), []);
            }
        } else {
            publish(&books, &effects, &mut files);
        }
        if matches!(
            event,
            Event::Paid(_) | Event::Assign { .. } | Event::ToFee { .. } | Event::Operator(_)
        ) {
            history.repeatable.push(event);
        }
        if at % 16 == 0 {
            books.check().unwrap();
        }
    }
    books.check().unwrap();
    (books, files)
}

/// Audit files for what was just settled.
fn publish(books: &Books, effects: &[Effect], files: &mut Vec<AuditFile>) {
    let mut settled = Vec::new();
    for effect in effects {
        if let Effect::Posting(Posting {
            cause: Cause::Payout(key),
            ..
        }) = effect
            && !settled.contains(key)
        {
            settled.push(*key);
        }
    }
    for key in settled {
        let previous = files
            .last()
            .map(|file| FileHash::of(&file.to_bytes().unwrap()));
        files.extend(file_of(books, key, previous));
    }
}

/// What a history went through, to know that the histories together tried all of it.
fn seen(books: &Books, seen: &mut BTreeSet<String>) {
    let mut note = |what: &str| seen.insert(what.to_owned());
    for payout in books.payouts().values() {
        match &payout.state {
            PayoutState::Operators => note("operators"),
            PayoutState::Gathered => note("gathered"),
            PayoutState::ToFee => note("to fee"),
            PayoutState::Suspended(Suspense::NoEpoch { .. }) => note("no epoch"),
            PayoutState::Suspended(Suspense::NoWork) => note("no work"),
            PayoutState::Suspended(Suspense::Implausible) => note("implausible"),
            PayoutState::Suspended(Suspense::Stranger) => note("stranger"),
            PayoutState::Suspended(Suspense::BeforeRestore) => note("held"),
            PayoutState::Suspended(Suspense::UnknownOffer) => note("unknown offer"),
            PayoutState::Settled(done) => {
                if done.parts.len() > 2 {
                    note("three parts");
                }
                let slices = || done.parts.iter().flat_map(|part| &part.slices);
                if slices().any(|slice| slice.taken < slice.work) {
                    note("cut window");
                }
                if done.parts.iter().any(|part| part.epoch != part.pays_over) {
                    note("passed back");
                }
                if done.parts.len() == 1 && done.candidates.len() > 1 {
                    note("gift");
                }
                if !done.gathered.is_zero() {
                    note("with what gathered");
                }
                if done.candidates.iter().all(|c| c.expected.is_none()) {
                    note("by level");
                }
                match done.found {
                    Found::Named {
                        by: NamedBy::Hash, ..
                    } => note("by hash"),
                    Found::Named {
                        by: NamedBy::PayoutHeight,
                        ..
                    } => note("by payout height"),
                    Found::Named {
                        by: NamedBy::FoundHeight,
                        ..
                    } => note("by found height"),
                    Found::Deep => note("deep"),
                    Found::Assigned { .. } => note("assigned"),
                }
            }
        };
    }
    for epoch in books.epoch_accounts().values() {
        if !epoch.absorbed.is_empty() && epoch.paid_over {
            note("absorbed and paid");
        }
        if epoch.orphaned {
            note("orphaned after money");
        }
        if matches!(epoch.stage, Stage::Merged { .. }) && !epoch.received.is_zero() {
            note("dissolved after money");
        }
        if epoch.earnings_refused.is_some() {
            note("earnings refused");
        }
    }
    if books.sums().withdrawn > 0 && books.sums().node_costs > 0 {
        note("costs and withdrawals");
    }
}

const ALL_WAYS: [&str; 26] = [
    "by level",
    "dissolved after money",
    "gathered",
    "held",
    "unknown offer",
    "with what gathered",
    "operators",
    "to fee",
    "no epoch",
    "no work",
    "implausible",
    "stranger",
    "three parts",
    "cut window",
    "passed back",
    "gift",
    "by hash",
    "by payout height",
    "by found height",
    "deep",
    "assigned",
    "absorbed and paid",
    "orphaned after money",
    "earnings refused",
    "costs and withdrawals",
    "resolved",
];

fn history(steps: &[Step], ways: &mut BTreeSet<String>) {
    let (books, files) = play(steps, false);
    let (repeated, _) = play(steps, true);
    assert_eq!(books, repeated);
    seen(&books, ways);
    let resolved = |line: &Posting| line.from == Account::Suspense && line.to != Account::Operator;
    if books.postings().iter().any(resolved) {
        ways.insert("resolved".into());
    }
    let mut auditor = Auditor::default();
    let mut paid: BTreeMap<_, u64> = BTreeMap::new();
    for file in &files {
        auditor.check(file).unwrap();
        // Made now, long after, it is the same.
        let now = file_of(&books, file.payment.key(), file.previous);
        assert_eq!(now.as_ref(), Some(file));
        for row in &file.miners {
            *paid.entry(row.miner).or_default() += row.paid.get();
        }
    }
    for (miner, account) in books.miner_accounts() {
        assert_eq!(
            paid.get(miner).copied().unwrap_or_default(),
            account.paid.get()
        );
    }
}

/// Tries histories, so many of at most such a length: by night new ones every time, by
/// day always the same.
pub(crate) fn try_histories(
    by_day: (u32, usize),
    by_night: (u32, usize),
    history: impl Fn(&[Step]),
) {
    let nightly = std::env::var_os("AXEPOOL_NIGHTLY").is_some();
    let (cases, length) = if nightly { by_night } else { by_day };
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = if nightly {
        TestRunner::new(config)
    } else {
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
    };
    let steps = prop::collection::vec(any::<Step>(), 0..=length);
    runner
        .run(&steps, |steps| {
            history(&steps);
            Ok(())
        })
        .unwrap();
}

#[test]
fn the_books_hold_whatever_happens() {
    let ways = RefCell::new(BTreeSet::new());
    // A million steps by night.
    try_histories((64, 240), (2_000, 1_000), |steps| {
        history(steps, &mut ways.borrow_mut());
    });
    let all: BTreeSet<String> = ALL_WAYS.iter().map(|&way| way.to_owned()).collect();
    assert_eq!(ways.into_inner(), all);
}
