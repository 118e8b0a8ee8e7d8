//! Random histories: every invariant after every step, the audit of all of it, and the
//! same books whatever came again.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::histories::{History, Step, try_histories};
use super::testing::*;
use super::tests::file_of;
use super::*;
use crate::{EpochId, Msat, Work};

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
    // Events that may come again at any time.
    let mut repeatable: Vec<Event> = Vec::new();
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
            let old = repeatable.get(usize::from(b) % repeatable.len().max(1));
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
            repeatable.push(event);
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
