//! Random histories of shares, closes, blocks and payments: the store has row for row
//! what the books in memory have, whatever was asked twice, killed or cut off.

use std::collections::BTreeMap;
use std::sync::Arc;

use accounting::settle::{
    Auditor, Books, Effect, EpochAccount, Event, FileHash, PayoutKey, Policy, Rows, Stage,
    spread_over_shares_floor,
};
use accounting::{
    CloseCause, EpochId, Identity, KeyPrefix, MinerId, OutboxId, OutboxKind, QuotePer, QuotedShare,
    Sat, SessionId, ShareId, ShareRecord, Work, WorkerName,
};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;

use super::disk::Disk;
use super::driver::{Answer, Driver, NOW_MS, terms};
use super::fixtures::miner;
use super::histories::{History, Step, try_histories};
use crate::entry::Entry;
use crate::{LedgerError, Reader};

/// The store and the books that it must equal.
struct World {
    driver: Driver,
    books: Books,
    history: History,
    shares: u64,
    /// What must be in the outbox.
    orders: Vec<OutboxKind>,
    said: Vec<Event>,
    /// Some epochs have quotes of shares.
    by_share: bool,
    /// How many shares an epoch has, and whose of them have quotes of their own.
    in_epoch: BTreeMap<EpochId, u64>,
    quoted: BTreeMap<(EpochId, MinerId), Vec<QuotedShare>>,
}

fn share(number: usize, sequence: u64, work: u128) -> ShareRecord {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&sequence.to_be_bytes());
    ShareRecord {
        typed: Some(KeyPrefix::Even),
        id: ShareId {
            session: SessionId::new(1, 7),
            sequence,
        },
        who: Arc::new(Identity {
            miner: miner(number),
            worker: WorkerName::clean("w"),
        }),
        work: Work::from_hashes(work),
        hash: BlockHash::from_byte_array(hash),
        upstream_work: Work::from_hashes(1 << 40),
        meets_upstream: false,
        meets_network: false,
        time_ms: NOW_MS + sequence,
    }
}

impl World {
    fn new(by_share: bool) -> Self {
        let driver = Driver::open(&Disk::new()).expect("opens");
        let mut books = Books::new(Policy::default());
        let epoch = EpochId::FIRST;
        let terms = terms();
        books
            .apply(Event::EpochOpened { epoch, terms })
            .expect("the first");
        World {
            driver,
            books,
            history: History::default(),
            shares: 0,
            orders: Vec::new(),
            said: Vec::new(),
            by_share,
            in_epoch: BTreeMap::new(),
            quoted: BTreeMap::new(),
        }
    }

    fn mine(&mut self, number: usize, work: u128) {
        self.shares += 1;
        let record = share(number, self.shares, work);
        let quoted = QuotedShare {
            share: record.id,
            work: record.work,
        };
        assert_eq!(self.driver.append(&[Entry::Share(record)]), Answer::Stored);
        let miner = miner(number);
        self.books.credit(miner, Work::from_hashes(work));
        let epoch = self.books.open_epoch().expect("one is open");
        let done = self.books.works(epoch).expect("in memory")[&miner];
        let terms = self.books.epoch_accounts()[&epoch].terms;
        let ordered = self.books.quote_requested(miner, epoch);
        let count = self.in_epoch.entry(epoch).or_default();
        *count += 1;
        if terms.quote_per == QuotePer::Share && *count <= terms.max_share_quotes.into() {
            let own = self.quoted.entry((epoch, miner)).or_default();
            own.push(quoted);
            self.orders.push(OutboxKind::CreateQuote {
                miner,
                epoch,
                share: Some(quoted.share),
                typed: Some(KeyPrefix::Even),
            });
        } else if done >= terms.quote_min_work && !ordered.expect("in memory") {
            self.books.quote_ordered(miner, epoch);
            self.orders.push(OutboxKind::CreateQuote {
                miner,
                epoch,
                share: None,
                typed: Some(KeyPrefix::Even),
            });
        }
    }

    /// What the books in memory say to it, with the orders for the mint that follow.
    fn expect(&mut self, event: Event) -> Result<Vec<Effect>, String> {
        let before = self.books.epoch_accounts().clone();
        let effects = self.books.apply(event).map_err(|error| error.to_string())?;
        for effect in &effects {
            if let Effect::PayQuote {
                payout,
                miner,
                epoch,
                sats,
                per,
            } = *effect
            {
                let parts = match per {
                    QuotePer::Epoch => vec![(None, sats)],
                    QuotePer::Share => self.spread(epoch, miner, sats),
                };
                let orders = parts.into_iter().map(|(share, sats)| OutboxKind::PayQuote {
                    payout,
                    miner,
                    epoch,
                    share,
                    sats,
                });
                self.orders.extend(orders);
            }
        }
        let marks = marks(&before, self.books.epoch_accounts());
        self.orders.extend(marks);
        Ok(effects)
    }

    /// How sats are spread over a miner's quotes of an epoch.
    fn spread(&self, epoch: EpochId, miner: MinerId, sats: Sat) -> Vec<(Option<ShareId>, Sat)> {
        let own = self
            .quoted
            .get(&(epoch, miner))
            .cloned()
            .unwrap_or_default();
        let absorbed = &self.books.epoch_accounts()[&epoch].absorbed;
        let works = absorbed.iter().chain([&epoch]).map(|&epoch| {
            let works = self.books.works(epoch).expect("in memory");
            works.get(&miner).map_or(0, |work| work.hashes())
        });
        let all: u128 = works.sum();
        let in_shares: u128 = own.iter().map(|own| own.work.hashes()).sum();
        let rest = Work::from_hashes(all - in_shares);
        let works: Vec<Work> = own.iter().map(|own| own.work).chain([rest]).collect();
        let names = own.iter().map(|own| Some(own.share)).chain([None]);
        let parts = names.zip(spread_over_shares_floor(sats, &works));
        parts.filter(|(_, part)| !part.is_zero()).collect()
    }

    /// What the mint is told to pay for each allocation.
    fn paid(&self) -> BTreeMap<(PayoutKey, MinerId, EpochId), u64> {
        let mut paid = BTreeMap::new();
        for (_, kind) in outbox(&self.driver.reader()) {
            if let OutboxKind::PayQuote {
                payout,
                miner,
                epoch,
                sats,
                ..
            } = kind
            {
                *paid.entry((payout, miner, epoch)).or_insert(0) += sats.get();
            }
        }
        paid
    }

    fn event(&mut self, event: Event, (_, a, b, _): Step) {
        if let Event::EpochClosed {
            epoch,
            block,
            work,
            miners,
            next,
            mut next_terms,
        } = event
        {
            // Of many quotes the order comes from the settlement.
            if b & 1 == 0 {
                next_terms.quote_min_work = Work::from_hashes(1 << 60);
            }
            if self.by_share && b & 2 == 0 {
                next_terms.quote_per = QuotePer::Share;
                next_terms.max_share_quotes = u32::from(a % 9);
            }
            let cause = block.map_or(CloseCause::Command, |block| CloseCause::OceanBlock {
                hash: block.hash,
                height: block.height,
            });
            let close = Entry::Close {
                cause,
                at_ms: NOW_MS,
                next: next_terms,
            };
            assert_eq!(self.driver.append(&[close]), Answer::Stored);
            self.expect(Event::EpochClosed {
                epoch,
                block,
                work,
                miners,
                next,
                next_terms,
            })
            .expect("a close");
            // The books may lag behind it: whatever is booked next comes after it.
            if a & 1 == 0 {
                self.driver.catch_up().expect("books");
            }
            return;
        }
        let told = match self.driver.settle(event.clone()) {
            Err(LedgerError::Refused(why)) => Err(why.to_string()),
            other => Ok(other.expect("books")),
        };
        assert_eq!(told, self.expect(event.clone()), "{event:?}");
        if told.is_ok() {
            let again = self.driver.settle(event.clone()).expect("books");
            assert_eq!(again, [], "{event:?}");
        }
        let repeatable = !matches!(
            event,
            Event::EarningsKnown { .. } | Event::BlockOrphaned { .. }
        );
        if repeatable {
            let old = self.said.get(usize::from(b) % self.said.len().max(1));
            if let Some(old) = old {
                let again = self.driver.settle(old.clone()).unwrap_or_default();
                assert_eq!(again, []);
            }
            self.said.extend(told.is_ok().then_some(event));
        }
    }

    fn step(&mut self, step: Step) {
        let (kind, a, b, c) = step;
        match kind {
            ..=139 => {
                if let Some(event) = self.history.event(&self.books, step) {
                    self.event(event, step);
                }
            }
            140..=144 => self.driver.writer.checkpoint(),
            145..=147 => (0..=c % 4).for_each(|_| self.driver.writer.pack()),
            148..=153 => {
                self.driver.close();
                self.driver.reopen();
            }
            154..=163 => {
                self.driver.disk.lose_power(u64::from(c));
                self.driver.reopen();
            }
            164..=167 => self.driver.hash_files().expect("books"),
            _ => self.mine(usize::from(a % 6), u128::from(c) << (b % 40)),
        }
    }

    fn check(&mut self) {
        self.driver.catch_up().expect("books");
        self.books.check().expect("adds up");
        let reader = self.driver.reader();
        let stored = reader.whole_books(Policy::default()).expect("reads");
        assert_eq!(stored, self.books);
        let mut orders: Vec<String> = self.orders.iter().map(|o| format!("{o:?}")).collect();
        let mut kinds: Vec<String> = outbox(&reader)
            .iter()
            .map(|(_, kind)| format!("{kind:?}"))
            .collect();
        orders.sort_unstable();
        kinds.sort_unstable();
        assert_eq!(kinds, orders);
        check_quotes(&self.orders, &reader);
        for (key, paid) in self.paid() {
            let rows = self.books.allocations(&key.0).iter();
            let own = rows.filter(|row| (row.miner, row.quote_epoch) == (key.1, key.2));
            assert_eq!(own.map(|row| row.paid.get()).sum::<u64>(), paid, "{key:?}");
        }
        check_reads(&self.books, &reader);
    }
}

fn marks(
    before: &BTreeMap<EpochId, EpochAccount>,
    after: &BTreeMap<EpochId, EpochAccount>,
) -> Vec<OutboxKind> {
    let mut marks = Vec::new();
    for (&epoch, account) in after {
        let before = before.get(&epoch);
        if let Stage::Merged { into, .. } = account.stage
            && before.is_some_and(|before| before.stage != account.stage)
        {
            marks.push(OutboxKind::MergeEpoch { epoch, into });
        }
        if account.covered && before.is_some_and(|before| !before.covered) {
            marks.push(OutboxKind::SettleEpoch { epoch });
        }
    }
    marks
}

pub(super) fn outbox(reader: &Reader) -> Vec<(OutboxId, OutboxKind)> {
    let rows = reader.outbox(OutboxId::START, usize::MAX).expect("reads");
    rows.into_iter().map(|row| (row.id, row.kind)).collect()
}

/// What the mint's repair reads: every quote once, with all that it was paid.
fn check_quotes(orders: &[OutboxKind], reader: &Reader) {
    let mut quotes: Vec<accounting::OrderedQuote> = Vec::new();
    loop {
        let after = quotes.last();
        let after = after.map(|quote| (quote.epoch, quote.miner, quote.share));
        let page = reader.ordered_quotes(after, 2).expect("reads");
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 2);
        quotes.extend(page);
    }
    assert!(quotes.is_sorted_by_key(|quote| (quote.epoch, quote.miner, quote.share.is_none())));
    let mut expected: BTreeMap<_, BTreeMap<PayoutKey, Sat>> = BTreeMap::new();
    for order in orders {
        match *order {
            OutboxKind::CreateQuote {
                miner,
                epoch,
                share,
                ..
            } => {
                expected.entry((epoch, miner, share)).or_default();
            }
            OutboxKind::PayQuote {
                payout,
                miner,
                epoch,
                share,
                sats,
            } => {
                let quote = expected.entry((epoch, miner, share)).or_default();
                assert_eq!(quote.insert(payout, sats), None);
            }
            OutboxKind::SettleEpoch { .. } | OutboxKind::MergeEpoch { .. } => {}
        }
    }
    for quote in quotes {
        let key = (quote.epoch, quote.miner, quote.share);
        let payments: BTreeMap<_, _> = quote.payments.iter().copied().collect();
        assert_eq!(payments.len(), quote.payments.len());
        assert_eq!(expected.remove(&key), Some(payments), "{key:?}");
    }
    assert!(expected.is_empty(), "ordered and not listed: {expected:?}");
}

fn check_reads(books: &Books, reader: &Reader) {
    let postings = reader.postings(0, usize::MAX).expect("reads");
    for after in [0, postings.len() / 2, postings.len()] {
        let page = reader.postings(after as u64, 3).expect("reads");
        assert_eq!(page, postings[after..postings.len().min(after + 3)]);
    }
    let payouts = reader.payouts(usize::MAX).expect("reads");
    for number in 0..6 {
        let own = reader
            .allocations_of(&miner(number), usize::MAX)
            .expect("reads");
        let mut expected = Vec::new();
        for file in (1..=reader.audit_files().expect("reads")).rev() {
            let payout = reader.audited_payout(file).expect("reads");
            let payout = payout.expect("is there");
            let rows = books.allocations(&payout.payment.key()).iter();
            let rows = rows.filter(|row| row.miner == miner(number));
            expected.extend(rows.map(|row| (payout.clone(), *row)));
        }
        assert_eq!(own, expected);
    }
    for payout in &payouts {
        let key = payout.payment.key();
        assert_eq!(reader.payout(&key).expect("reads").as_ref(), Some(payout));
        assert_eq!(
            reader.allocations(&key).expect("reads"),
            books.allocations(&key)
        );
    }
    let suspended = reader.suspense().expect("reads");
    assert_eq!(suspended.len(), books.suspended().expect("in memory").len());
}

/// Everything that was settled is published, in a chain, and recomputes.
pub(super) fn check_audit(reader: &Reader) -> Option<FileHash> {
    let mut auditor = Auditor::default();
    let mut last = None;
    for number in 1..=reader.audit_files().expect("reads") {
        let file = reader.audit_file(number).expect("reads").expect("is there");
        auditor.check(&file).expect("recomputes");
        last = reader.audit_hash(number).expect("reads");
        let bytes = file.to_bytes().expect("writes");
        assert_eq!(last, Some(FileHash::of(&bytes)));
        let payout = reader.audited_payout(number).expect("reads");
        assert_eq!(payout.map(|payout| payout.payment), Some(file.payment));
    }
    last
}

/// Gives what the mint was told to pay, and how many quotes of shares were paid.
fn history(
    steps: &[Step],
    by_share: bool,
) -> (BTreeMap<(PayoutKey, MinerId, EpochId), u64>, usize) {
    let mut world = World::new(by_share);
    for (at, step) in steps.iter().enumerate() {
        world.step(*step);
        if at % 16 == 0 {
            world.check();
        }
    }
    world.check();
    check_audit(&world.driver.reader());
    world.driver.disk.lose_power(1);
    world.driver.reopen();
    world.check();
    let of_share =
        |order: &&OutboxKind| matches!(order, OutboxKind::PayQuote { share: Some(_), .. });
    (world.paid(), world.orders.iter().filter(of_share).count())
}

#[test]
fn the_store_has_what_the_books_in_memory_have() {
    let paid = std::cell::Cell::new((0, 0));
    try_histories((32, 120), (4_000, 250), |steps| {
        let (by_epoch, none) = history(steps, false);
        let (by_share, shares) = history(steps, true);
        // How the quotes are made changes nothing about what is paid.
        assert_eq!(by_epoch, by_share);
        assert_eq!(none, 0);
        let (all, of_shares) = paid.get();
        paid.set((all + by_epoch.len(), of_shares + shares));
    });
    let (all, of_shares) = paid.get();
    assert!(
        all > 100 && of_shares > 50,
        "only {all} and {of_shares} were paid"
    );
}
