//! The expected answers of the ledger, computed anew from all entries: no rows, no
//! deltas, no cleverness.

use std::collections::{BTreeMap, BTreeSet};

use accounting::{
    CloseCause, CreditedHashes, EpochId, EpochTerms, MinerId, OutboxId, OutboxKind, QuotePer,
    Resolution, ShareRecord,
};
use bitcoin::hashes::Hash as _;

use crate::entry::Entry;
use crate::reader::Reader;

/// Everything stored, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    entries: Vec<Entry>,
}

/// The sums that a history comes to.
#[derive(Debug, Default)]
struct Sums {
    closed: Vec<CloseCause>,
    /// Per epoch the shares that count.
    shares: Vec<Vec<ShareRecord>>,
    /// Per epoch what the upstream took and refused.
    upstream: Vec<[u128; 2]>,
    quotes: Vec<OutboxKind>,
    done: BTreeSet<OutboxId>,
}

impl Sums {
    /// The shares of an epoch, so far, that have quotes of their own.
    fn quoted(&self, epoch: usize, terms: EpochTerms) -> &[ShareRecord] {
        let most = match terms.quote_per {
            QuotePer::Epoch => 0,
            QuotePer::Share => terms.max_share_quotes as usize,
        };
        let shares = &self.shares[epoch];
        &shares[..most.min(shares.len())]
    }
}

impl Model {
    pub(super) fn stored(&mut self, entries: &[Entry]) {
        self.entries.extend_from_slice(entries);
    }

    /// How many entries were stored.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn sums(&self, first: EpochTerms) -> Sums {
        let mut sums = Sums {
            shares: vec![vec![]],
            upstream: vec![[0; 2]],
            ..Default::default()
        };
        let mut terms = first;
        let mut highest = BTreeMap::new();
        for entry in &self.entries {
            let epoch = sums.closed.len();
            match entry {
                Entry::Share(share) => {
                    let highest = highest.entry(share.id.session).or_insert(0);
                    if share.id.sequence <= *highest {
                        continue;
                    }
                    *highest = share.id.sequence;
                    sums.shares[epoch].push(share.clone());
                    let miner = share.who.miner;
                    let work: u128 = work_of(&sums.shares[epoch], miner);
                    let quoted = sums.quoted(epoch, terms);
                    let own = quoted.iter().any(|quoted| quoted.id == share.id);
                    let quote = OutboxKind::CreateQuote {
                        miner,
                        epoch: EpochId::new(epoch as u64 + 1),
                        share: own.then_some(share.id),
                        typed: share.typed,
                    };
                    let due = work >= terms.quote_min_work.hashes();
                    let ordered = sums
                        .quotes
                        .iter()
                        .any(|earlier| is_same_quote(earlier, &quote));
                    if own || (due && !ordered) {
                        sums.quotes.push(quote);
                    }
                }
                Entry::Upstream(result) => {
                    let which = usize::from(result.accepted);
                    sums.upstream[epoch][which] += result.upstream_work.hashes();
                }
                Entry::Close { cause, next, .. } => {
                    let block = matches!(cause, CloseCause::OceanBlock { .. });
                    if block && sums.closed.contains(cause) {
                        continue;
                    }
                    sums.closed.push(*cause);
                    sums.shares.push(vec![]);
                    sums.upstream.push([0; 2]);
                    terms = *next;
                }
                Entry::Booked { .. } => panic!("only the writer makes these"),
                Entry::OutboxDone(ids) => {
                    let made = ids.iter().filter(|id| id.get() <= sums.quotes.len() as u64);
                    sums.done.extend(made);
                }
            }
        }
        sums
    }

    /// What was credited lately is known by its hash, and nothing else is.
    #[track_caller]
    fn check_credited(&self, reader: &Reader, sums: &Sums) {
        let credited = reader.credited_lately().expect("reads");
        let shares = || sums.shares.iter().flatten();
        let last_ms = shares().last().map_or(0, |share| share.time_ms);
        for share in shares() {
            let is_late = last_ms.abs_diff(share.time_ms) <= CreditedHashes::KEPT_MS;
            assert!(!is_late || credited.contains(share.hash.as_byte_array()));
        }
        let hashes: BTreeSet<_> = shares().map(|share| share.hash).collect();
        assert!(credited.len() <= hashes.len());
    }

    /// Compares everything that the ledger can be asked.
    #[track_caller]
    pub(super) fn check(&self, reader: &Reader, first: EpochTerms) {
        let sums = self.sums(first);
        self.check_credited(reader, &sums);
        let epochs = reader.epochs(usize::MAX).expect("reads");
        assert_eq!(epochs.len(), sums.shares.len());
        assert_eq!(epochs[0], reader.open_epoch());
        for (at, epoch) in epochs.iter().rev().enumerate() {
            let shares = &sums.shares[at];
            assert_eq!(epoch.id.get(), at as u64 + 1);
            assert_eq!(epoch.is_open(), at == sums.closed.len());
            assert_eq!(reader.epoch(epoch.id).expect("reads"), Some(*epoch));
            let totals = epoch.totals;
            assert_eq!(totals.shares, shares.len() as u64);
            let refused_accepted = [
                totals.upstream_refused_work.hashes(),
                totals.upstream_accepted_work.hashes(),
            ];
            assert_eq!(refused_accepted, sums.upstream[at]);
            let tallies = reader.tallies(epoch.id).expect("reads");
            let miners: BTreeSet<MinerId> = shares.iter().map(|share| share.who.miner).collect();
            assert_eq!(tallies.keys().copied().collect::<BTreeSet<_>>(), miners);
            assert_eq!(totals.miners, miners.len() as u64);
            let sum: u128 = tallies.values().map(|tally| tally.work.hashes()).sum();
            assert_eq!(sum, totals.work.hashes());
            for (miner, tally) in tallies {
                assert_eq!(tally.work.hashes(), work_of(shares, miner));
                let own = || shares.iter().filter(|share| share.who.miner == miner);
                assert_eq!(tally.shares, own().count() as u64);
                let found = own().filter(|share| share.meets_upstream).count();
                assert_eq!(tally.upstream_found, found as u64);
                assert_eq!(Some(tally.last_ms), own().map(|share| share.time_ms).max());
                assert_eq!(reader.tally(epoch.id, &miner).expect("reads"), Some(tally));
                let quoted = sums.quoted(at, epoch.terms).iter();
                let quoted = quoted.filter(|share| share.who.miner == miner);
                let quoted: Vec<_> = quoted.map(|share| (share.id, share.work)).collect();
                let got = reader.quoted_shares(epoch.id, miner).expect("reads");
                let got: Vec<_> = got.iter().map(|own| (own.share, own.work)).collect();
                assert_eq!(got, quoted);
            }
        }
        check_outbox(&sums, reader);
        check_workers(&sums, reader);
        check_buckets(&sums, reader);
        let blocks = sums
            .shares
            .iter()
            .flatten()
            .filter(|share| share.meets_network)
            .count();
        assert_eq!(reader.blocks_found().expect("reads").len(), blocks);
    }
}

#[track_caller]
fn check_recent(sums: &Sums, reader: &Reader, now_ms: u64) {
    for (resolution, newest) in [(Resolution::TenMinutes, 3), (Resolution::Hour, 1)] {
        let recent = reader
            .recent_work(resolution, newest, now_ms)
            .expect("reads");
        let span = resolution.span_ms();
        assert_eq!(recent.since_ms, (now_ms / span + 1 - newest) * span);
        let mut expected = BTreeMap::new();
        let (from, to) = (recent.since_ms, (now_ms / span + 1) * span);
        for share in sums.shares.iter().flatten() {
            if (from..to).contains(&share.time_ms) {
                *expected.entry(share.who.miner).or_insert(0) += share.work.hashes();
            }
        }
        let got = recent
            .miners
            .iter()
            .map(|(miner, work)| (*miner, work.hashes()));
        assert_eq!(got.collect::<BTreeMap<_, _>>(), expected);
    }
}

fn work_of(shares: &[ShareRecord], miner: MinerId) -> u128 {
    let own = shares.iter().filter(|share| share.who.miner == miner);
    own.map(|share| share.work.hashes()).sum()
}

#[track_caller]
fn check_outbox(sums: &Sums, reader: &Reader) {
    let all = (1..).map(OutboxId::new).zip(sums.quotes.iter().copied());
    let expected: Vec<_> = all.filter(|(id, _)| !sums.done.contains(id)).collect();
    let mut rows = Vec::new();
    let mut after = OutboxId::START;
    loop {
        let page = reader.outbox(after, 3).expect("reads");
        let Some(last) = page.last() else { break };
        after = last.id;
        rows.extend(page.iter().map(|row| (row.id, row.kind)));
    }
    assert_eq!(rows, expected);
}

#[track_caller]
fn check_workers(sums: &Sums, reader: &Reader) {
    let mut expected = BTreeMap::new();
    for share in sums.shares.iter().flatten() {
        let (work, shares) = expected
            .entry((share.who.miner, share.who.worker.clone()))
            .or_insert((0, 0));
        *work += share.work.hashes();
        *shares += 1;
    }
    let miners: BTreeSet<MinerId> = expected.keys().map(|(miner, _)| *miner).collect();
    let mut got = BTreeMap::new();
    for miner in miners {
        for worker in reader.workers(&miner).expect("reads") {
            got.insert((miner, worker.name), (worker.work.hashes(), worker.shares));
        }
    }
    assert_eq!(got, expected);
}

#[track_caller]
fn check_buckets(sums: &Sums, reader: &Reader) {
    let Some(last) = sums.shares.iter().flatten().next_back() else {
        return;
    };
    check_recent(sums, reader, last.time_ms);
    for who in [None, Some(last.who.miner)] {
        for resolution in Resolution::ALL {
            let span = resolution.span_ms();
            let own = sums.shares.iter().flatten();
            let own = own.filter(|share| who.is_none_or(|miner| miner == share.who.miner));
            let mut expected = BTreeMap::new();
            for share in own {
                *expected.entry(share.time_ms / span * span).or_insert(0) += share.work.hashes();
            }
            let buckets = reader
                .buckets(who, resolution, last.time_ms)
                .expect("reads");
            let got: BTreeMap<u64, u128> = buckets
                .iter()
                .filter(|bucket| !bucket.work.is_zero())
                .map(|bucket| (bucket.start_ms, bucket.work.hashes()))
                .collect();
            let begin = buckets[0].start_ms;
            expected.retain(|start, _| *start >= begin);
            assert_eq!(got, expected);
        }
    }
}

/// Two orders of one quote; the first share's spelling of the key holds.
fn is_same_quote(one: &OutboxKind, other: &OutboxKind) -> bool {
    let quote = |kind: &OutboxKind| match *kind {
        OutboxKind::CreateQuote {
            miner,
            epoch,
            share,
            ..
        } => Some((miner, epoch, share)),
        _ => None,
    };
    quote(one) == quote(other)
}
