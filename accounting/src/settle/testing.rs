//! A small world for tests: miners a, b, c...; blocks by their height; payments by a
//! number. After every event the books are added up from scratch.

pub(crate) use super::fixtures::*;
use super::*;
use crate::{EpochId, EpochTerms, MinerId, Sat, Split, Work};

pub(crate) struct World {
    pub(crate) books: Books,
    /// For epochs opened from now on.
    pub(crate) terms: EpochTerms,
}

impl World {
    pub(crate) fn new(fee_bps: u16, split: Split) -> World {
        let mut books = Books::new(Policy::default());
        let terms = terms(fee_bps, split);
        books
            .apply(Event::EpochOpened {
                epoch: EpochId::FIRST,
                terms,
            })
            .unwrap();
        World { books, terms }
    }

    /// Miners' work in the open epoch, from a on.
    pub(crate) fn mine(&mut self, works: &[u128]) -> &mut Self {
        for (n, &work) in works.iter().enumerate().filter(|(_, work)| **work > 0) {
            assert!(self.books.credit(miner(n), Work::from_hashes(work)));
        }
        self
    }

    pub(crate) fn closing(&self, block: Option<Block>) -> Event {
        let epoch = self.books.open_epoch().unwrap();
        let work = self.books.own_work(epoch);
        Event::EpochClosed {
            epoch,
            block,
            work,
            miners: self.books.own_miners(epoch),
            next: epoch.next(),
            next_terms: self.terms,
        }
    }

    /// An OCEAN block closes the open epoch.
    #[track_caller]
    pub(crate) fn block(&mut self, height: u32) -> Vec<String> {
        self.apply(self.closing(Some(block(height))))
    }

    /// An epoch: its work, and the block that closes it.
    #[track_caller]
    pub(crate) fn epoch(&mut self, works: &[u128], height: u32) -> &mut Self {
        self.mine(works);
        assert_eq!(self.block(height), Vec::<String>::new());
        self
    }

    /// The API tells the earnings of a block.
    #[track_caller]
    pub(crate) fn earns(&mut self, height: u32, sats: u64, shares: Option<u64>) -> Vec<String> {
        let earnings = Earnings {
            net: Sat::new(sats),
            shares_in_window: shares,
        };
        self.apply(Event::EarningsKnown {
            block: hash(height),
            earnings,
            reward: None,
        })
    }

    /// The event, three times: the first does all, the others nothing.
    #[track_caller]
    pub(crate) fn apply(&mut self, event: Event) -> Vec<String> {
        let effects = self.books.apply(event.clone()).unwrap();
        self.books.check().unwrap();
        let after = self.books.clone();
        for _ in 0..2 {
            assert_eq!(self.books.apply(event.clone()), Ok(Vec::new()));
            assert_eq!(self.books, after);
        }
        effects.iter().map(told).collect()
    }

    #[track_caller]
    pub(crate) fn fails(&mut self, event: Event) -> String {
        let before = self.books.clone();
        let error = self.books.apply(event).unwrap_err().to_string();
        assert_eq!(self.books, before);
        error
    }

    /// A payment, with exactly what follows.
    #[track_caller]
    pub(crate) fn pays(&mut self, payment: Payment, expected: &[&str]) -> &mut Self {
        assert_eq!(self.apply(Event::Paid(payment)), expected);
        self
    }

    pub(crate) fn account(&self, epoch: u64) -> &EpochAccount {
        &self.books.epoch_accounts()[&EpochId::new(epoch)]
    }

    pub(crate) fn settled(&self, key: PayoutKey) -> &Settlement {
        match &self.books.payouts()[&key].state {
            PayoutState::Settled(settlement) => settlement,
            other => panic!("{key} is {other:?}"),
        }
    }
}

fn name(miner_id: &MinerId) -> char {
    let n = (0_usize..26).find(|&n| miner(n) == *miner_id).unwrap();
    char::from(b'a' + u8::try_from(n).unwrap())
}

/// `outside > carry a 5` for a posting, `order a/1`, `pay a/1 2` (sats), `! ...`.
fn told(effect: &Effect) -> String {
    let account = |account: &Account| match account {
        Account::Carry(miner) => format!("carry {}", name(miner)),
        Account::Quote(miner, epoch) => format!("quote {}/{epoch}", name(miner)),
        other => format!("{other:?}").to_lowercase(),
    };
    match effect {
        Effect::Posting(Posting {
            from, to, amount, ..
        }) => {
            format!("{} > {} {amount}", account(from), account(to))
        }
        Effect::CreateQuote { miner, epoch } => format!("order {}/{epoch}", name(miner)),
        Effect::PayQuote {
            miner, epoch, sats, ..
        } => {
            format!("pay {}/{epoch} {sats}", name(miner))
        }
        Effect::Alarm(alarm) => match alarm {
            Alarm::Suspended { why, .. } => match why {
                Suspense::NoEpoch { .. } => "! suspended: no epoch".into(),
                Suspense::UnknownOffer => "! suspended: unknown offer".into(),
                Suspense::BeforeRestore => "! suspended: before the restore".into(),
                why => format!("! suspended: {why:?}").to_lowercase(),
            },
            Alarm::OrphanedAfterMoney { epoch, .. } => format!("! orphaned after money: {epoch}"),
            Alarm::DissolvedAfterMoney { epoch, .. } => format!("! dissolved after money: {epoch}"),
            Alarm::AmountChanged { told, .. } => format!("! amount changed: {told}"),
            Alarm::EarningsImplausible { epoch, .. } => format!("! earnings implausible: {epoch}"),
            Alarm::EarningsChanged { epoch, .. } => format!("! earnings changed: {epoch}"),
        },
    }
}
