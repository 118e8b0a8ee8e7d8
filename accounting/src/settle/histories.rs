//! Random histories of blocks, payments and commands for tests. The ledger's tests
//! compile this file too.

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use super::fixtures::{at_tip, block, hash, note, on_chain, output, payment, terms};
use accounting::settle::{
    Block, Books, Earnings, Event, OperatorEntry, OperatorKind, PaidTo, Payment, Policy, Rows, Via,
};
use accounting::{EpochId, EpochTerms, Msat, Sat, Split, Work};

/// Raw numbers, read in the light of the state: any of them make some event.
pub(crate) type Step = (u8, u16, u16, u32);

#[derive(Default)]
pub(crate) struct History {
    heights: Vec<u32>,
    orphans: Vec<u32>,
    pub(crate) payments: u32,
    entries: u32,
    /// The last withdrawal that was asked for, with or without success.
    withdrawn: Option<(String, Msat)>,
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
    pub(crate) fn next_height(&self) -> u32 {
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

    pub(crate) fn next_terms(&self, a: u16) -> EpochTerms {
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
                    1 => Sat::new(u64::from(c)),
                    _ => Sat::new(u64::from(c % 5_000)),
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
