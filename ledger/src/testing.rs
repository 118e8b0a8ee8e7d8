//! Shares and other entries for the tests.

use std::sync::Arc;

use accounting::{
    CloseCause, EpochId, EpochTerms, Identity, KeyPrefix, MinerId, OutboxId, QuotePer, SessionId,
    ShareId, ShareRecord, Split, UpstreamResult, Work, WorkerName,
};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use bitcoin::secp256k1::{PublicKey, Secp256k1, SecretKey};
use proptest::prelude::*;

use crate::entry::Entry;

/// The miner whose secret key is `number`, from 1.
pub(crate) fn miner(number: u8) -> MinerId {
    let mut secret = [0; 32];
    secret[31] = number;
    let secret = SecretKey::from_slice(&secret).expect("not zero");
    MinerId::from_public_key(&PublicKey::from_secret_key(&Secp256k1::new(), &secret))
}

/// A share of the session with the miner's number.
pub(crate) fn share(number: u8, sequence: u64, work: u128) -> ShareRecord {
    ShareRecord {
        typed: prefix(sequence),
        id: ShareId {
            session: SessionId::new(1, number.into()),
            sequence,
        },
        who: Arc::new(Identity {
            miner: miner(number),
            worker: WorkerName::clean("a"),
        }),
        work: Work::from_hashes(work),
        hash: BlockHash::from_byte_array([number; 32]),
        upstream_work: Work::from_hashes(work * 4),
        meets_upstream: sequence.is_multiple_of(4),
        meets_network: false,
        time_ms: 1_700_000_000_000 + sequence * 1000,
    }
}

fn terms() -> impl Strategy<Value = EpochTerms> {
    let most = prop_oneof![Just(0), any::<u32>()];
    (
        any::<u16>(),
        any::<bool>(),
        any::<bool>(),
        any::<u64>(),
        most,
    )
        .prop_map(|(fee, tides, share, work, max_share_quotes)| EpochTerms {
            max_share_quotes,
            fee_bps: fee,
            split: Split::ALL[usize::from(tides)],
            quote_per: QuotePer::ALL[usize::from(share)],
            quote_min_work: Work::from_hashes(work.into()),
        })
}

fn cause() -> impl Strategy<Value = CloseCause> {
    let hash = any::<[u8; 32]>().prop_map(BlockHash::from_byte_array);
    prop_oneof![
        Just(CloseCause::Command),
        (hash, any::<u32>()).prop_map(|(hash, height)| CloseCause::OceanBlock { hash, height }),
    ]
}

/// Each way to type a key, by a number.
pub(crate) fn prefix(number: u64) -> Option<KeyPrefix> {
    match number % 3 {
        0 => None,
        1 => Some(KeyPrefix::Even),
        _ => Some(KeyPrefix::Odd),
    }
}

/// Any entry.
pub(crate) fn entry() -> impl Strategy<Value = Entry> {
    let share = (
        1..9u8,
        any::<u64>(),
        any::<u64>(),
        any::<bool>(),
        "[a-z]{0,40}",
    )
        .prop_map(|(number, sequence, work, block, name)| {
            let who = Identity {
                miner: miner(number),
                worker: WorkerName::clean(&name),
            };
            let small = sequence % 1000;
            let id = ShareId {
                session: SessionId::from_u64(work),
                sequence,
            };
            let share = share(number, small, work.into());
            Entry::Share(ShareRecord {
                typed: prefix(sequence),
                id,
                who: Arc::new(who),
                meets_network: block,
                ..share
            })
        });
    let upstream = (1..9u8, any::<u64>(), any::<bool>()).prop_map(|(number, work, accepted)| {
        let upstream_work = Work::from_hashes(work.into());
        Entry::Upstream(UpstreamResult {
            miner: miner(number),
            upstream_work,
            accepted,
        })
    });
    let close = (cause(), any::<u64>(), terms()).prop_map(|(cause, at_ms, next)| Entry::Close {
        cause,
        at_ms,
        next,
    });
    let done = proptest::collection::vec(any::<u64>().prop_map(OutboxId::new), 0..5)
        .prop_map(Entry::OutboxDone);
    let dissolved = proptest::collection::vec(any::<u64>().prop_map(EpochId::new), 0..3);
    let booked = (any::<u64>(), dissolved)
        .prop_map(|(outbox, dissolved)| Entry::Booked { outbox, dissolved });
    prop_oneof![4 => share, 1 => upstream, 1 => close, 1 => done, 1 => booked]
}
