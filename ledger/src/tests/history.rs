//! Random histories: whatever happens in whatever order, the ledger says what the
//! model says.

use std::sync::Arc;

use accounting::{
    CloseCause, EpochTerms, Identity, OutboxId, QuotePer, SessionId, ShareId, ShareRecord,
    UpstreamResult, Work, WorkerName,
};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use proptest::prelude::*;

use super::disk::Disk;
use super::driver::{Answer, Driver, NOW_MS, terms};
use crate::entry::Entry;
use crate::testing::{miner, prefix};

/// A step of a history.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Batch(Vec<Telling>),
    Checkpoint,
    Pack,
    Restart,
    PowerLoss(u64),
}

/// An entry before it has its sequence and its time.
#[derive(Clone, Debug)]
pub(super) enum Telling {
    Share {
        miner: u8,
        session: u8,
        worker: u8,
        work: u8,
        block: bool,
        minutes: u8,
    },
    Again {
        session: u8,
    },
    Upstream {
        miner: u8,
        work: u8,
        accepted: bool,
    },
    Close {
        block: Option<u8>,
        quote_min_work: u8,
        /// So many shares of the next epoch have quotes of their own.
        share_quotes: u8,
    },
    Done {
        ids: Vec<u8>,
    },
}

/// Gives tellings what makes them entries.
#[derive(Debug, Default)]
pub(super) struct Teller {
    last: std::collections::BTreeMap<u8, ShareRecord>,
    minutes: u64,
    hashes: u32,
}

impl Teller {
    pub(super) fn entry(&mut self, telling: &Telling) -> Option<Entry> {
        Some(match telling {
            Telling::Again { session } => Entry::Share(self.last.get(session)?.clone()),
            Telling::Share {
                miner: number,
                session,
                worker,
                work,
                block,
                minutes,
            } => {
                self.minutes += u64::from(*minutes);
                self.hashes += 1;
                let mut hash = [0; 32];
                hash[..4].copy_from_slice(&self.hashes.to_be_bytes());
                let sequence = self
                    .last
                    .get(session)
                    .map_or(1, |last| last.id.sequence + 1);
                let worker = WorkerName::clean(&format!("w{worker}"));
                let share = ShareRecord {
                    typed: prefix(sequence),
                    id: ShareId {
                        session: SessionId::new(1, (*session).into()),
                        sequence,
                    },
                    who: Arc::new(Identity {
                        miner: miner(*number),
                        worker,
                    }),
                    work: Work::from_hashes((*work).into()),
                    hash: BlockHash::from_byte_array(hash),
                    upstream_work: Work::from_hashes(100),
                    meets_upstream: *work > 200,
                    meets_network: *block,
                    time_ms: NOW_MS + self.minutes * 60_000,
                };
                self.last.insert(*session, share.clone());
                Entry::Share(share)
            }
            Telling::Upstream {
                miner: number,
                work,
                accepted,
            } => {
                let upstream_work = Work::from_hashes((*work).into());
                let (miner, accepted) = (miner(*number), *accepted);
                Entry::Upstream(UpstreamResult {
                    miner,
                    upstream_work,
                    accepted,
                })
            }
            Telling::Close {
                block,
                quote_min_work,
                share_quotes,
            } => {
                let block = block.map(|number| BlockHash::from_byte_array([number; 32]));
                let cause = block.map_or(CloseCause::Command, |hash| CloseCause::OceanBlock {
                    hash,
                    height: 7,
                });
                let quote_min_work = Work::from_hashes((*quote_min_work).into());
                let next = EpochTerms {
                    quote_min_work,
                    ..quoting(*share_quotes)
                };
                Entry::Close {
                    cause,
                    at_ms: NOW_MS + self.minutes * 60_000,
                    next,
                }
            }
            Telling::Done { ids } => {
                Entry::OutboxDone(ids.iter().map(|id| OutboxId::new((*id).into())).collect())
            }
        })
    }
}

/// The terms of an epoch of which so many shares have quotes of their own.
pub(super) fn quoting(share_quotes: u8) -> EpochTerms {
    EpochTerms {
        quote_per: match share_quotes {
            0 => QuotePer::Epoch,
            _ => QuotePer::Share,
        },
        max_share_quotes: share_quotes.into(),
        ..terms()
    }
}

fn telling() -> impl Strategy<Value = Telling> {
    let share = (1..5u8, 1..6u8, 0..3u8, 1..=255u8, 0..20u8, 0..12u8).prop_map(
        |(miner, session, worker, work, block, minutes)| {
            let block = block == 0;
            Telling::Share {
                miner,
                session,
                worker,
                work,
                block,
                minutes,
            }
        },
    );
    let upstream = (1..5u8, any::<u8>(), any::<bool>()).prop_map(|(miner, work, accepted)| {
        Telling::Upstream {
            miner,
            work,
            accepted,
        }
    });
    let close = (proptest::option::of(0..4u8), any::<u8>(), 0..9u8).prop_map(
        |(block, quote_min_work, share_quotes)| Telling::Close {
            block,
            quote_min_work,
            share_quotes,
        },
    );
    let done = proptest::collection::vec(0..12u8, 0..4).prop_map(|ids| Telling::Done { ids });
    prop_oneof![
        12 => share,
        2 => (1..6u8).prop_map(|session| Telling::Again { session }),
        2 => upstream,
        1 => close,
        1 => done,
    ]
}

pub(super) fn batch() -> impl Strategy<Value = Vec<Telling>> {
    proptest::collection::vec(telling(), 1..8)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => batch().prop_map(Step::Batch),
        2 => Just(Step::Checkpoint),
        4 => Just(Step::Pack),
        1 => Just(Step::Restart),
        2 => any::<u64>().prop_map(Step::PowerLoss),
    ]
}

fn run(steps: &[Step]) {
    let mut driver = Driver::open(&Disk::new()).expect("opens");
    let mut teller = Teller::default();
    for step in steps {
        match step {
            Step::Batch(tellings) => {
                let entries: Vec<Entry> = tellings
                    .iter()
                    .filter_map(|telling| teller.entry(telling))
                    .collect();
                assert_eq!(driver.append(&entries), Answer::Stored);
            }
            Step::Checkpoint => driver.writer.checkpoint(),
            Step::Pack => driver.writer.pack(),
            Step::Restart => {
                driver.close();
                driver.reopen();
            }
            Step::PowerLoss(seed) => {
                driver.disk.lose_power(*seed);
                driver.reopen();
            }
        }
        driver.check();
    }
}

fn config() -> ProptestConfig {
    // `make nightly` looks at many more.
    let cases = if std::env::var_os("AXEPOOL_NIGHTLY").is_some() {
        20_000
    } else {
        48
    };
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_history_comes_to_what_the_model_says(
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        run(&steps);
    }
}
