use accounting::settle::{
    AllocationRow, AuditWork, Block, Candidate, Found, PaidTo, Part, Payment, Settlement, Slice,
    SlicePay, Via,
};
use accounting::{EpochTerms, Incarnation};
use bitcoin::hashes::Hash as _;

use super::*;
use signed::{Claim, ReceiptKey};

const ONE: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
const TWO: &str = "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5";

fn block(height: u32) -> Block {
    Block {
        hash: BlockHash::from_byte_array([u8::try_from(height).expect("small"); 32]),
        height,
    }
}

/// 4,000 msat over work 3 and 1 of epoch `epoch`, on carries of `before`.
fn file(epoch: u64, before: u64, previous: Option<FileHash>) -> AuditFile {
    let epoch = EpochId::new(epoch);
    let height = u32::try_from(epoch.get()).expect("small");
    let work = Work::from_hashes(4);
    let miner = |key: &str, work: u128, allocated: u64| {
        let key: MinerId = key.parse().expect("a key");
        let sum = Msat::new(before + allocated);
        let row = AllocationRow {
            miner: key,
            allocated: Msat::new(allocated),
            carry_before: Msat::new(before),
            paid: sum.to_sat_floor(),
            carry_after: sum.below_sat(),
            quote_epoch: epoch,
        };
        let work = Work::from_hashes(work);
        let work = AuditWork {
            miner: key,
            work,
            upstream_accepted_work: work,
        };
        (row, work)
    };
    let miners = [miner(ONE, 3, 3_000), miner(TWO, 1, 1_000)];
    let amount = Msat::new(4_000);
    let earnings = Earnings {
        net: Sat::new(4),
        shares_in_window: Some(9),
    };
    let slices = vec![Slice {
        epoch,
        work,
        taken: work,
        pays: None,
    }];
    AuditFile {
        version: Settlement::FIRST_RULES,
        previous,
        payment: Payment {
            amount,
            received_ms: 1_795_247_612_000,
            via: Via::Lightning {
                payment_hash: bitcoin::hashes::sha256::Hash::hash(&[1]),
                preimage: None,
                paid_to: PaidTo::OceanOffer,
                note: None,
                tip_height: None,
            },
        },
        settlement: Settlement {
            rules: Settlement::FIRST_RULES,
            gathered: Msat::ZERO,
            found: Found::Deep,
            candidates: vec![Candidate {
                epoch,
                work,
                expected: Some(amount),
                received: Msat::ZERO,
            }],
            parts: vec![Part {
                epoch,
                amount,
                pays_over: epoch,
                terms: EpochTerms::default(),
                earnings: Some(earnings),
                slices,
                fee: Msat::ZERO,
            }],
            fee: Msat::ZERO,
        },
        epochs: vec![AuditEpoch {
            epoch,
            block: Some(block(height)),
            absorbed: vec![EpochId::new(epoch.get() + 50)],
            works: miners.iter().map(|(_, work)| *work).collect(),
        }],
        miners: miners.iter().map(|(row, _)| *row).collect(),
    }
}

fn bytes(file: &AuditFile) -> Vec<u8> {
    file.to_bytes().expect("JSON")
}

#[test]
fn a_file_is_split_again() {
    let file = file(1, 0, None);
    let sums = split_again(&bytes(&file), &file).expect("equal");
    let expected = Sums {
        amount: Msat::new(4_000),
        gathered: Msat::ZERO,
        fee: Msat::ZERO,
        allocated: Msat::new(4_000),
        paid: Sat::new(4),
        miners: 2,
    };
    assert_eq!(sums, expected);
}

#[test]
fn other_bytes_are_told_although_they_mean_the_same() {
    let file = file(1, 0, None);
    let mut other = bytes(&file);
    other.insert(1, b' ');
    let error = split_again(&other, &file).expect_err("not the form");
    assert!(error.contains("from byte 2 on"), "{error}");
    other = bytes(&file);
    other.push(b'\n');
    assert!(split_again(&other, &file).is_err());
}

#[track_caller]
fn differs(finding: &Finding, words: &str) {
    match finding {
        Finding::Differs(said) => assert!(said.contains(words), "{said}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_chain_is_checked() {
    let first = file(1, 0, None);
    let of_first = bytes(&first);
    let second = file(2, 0, Some(FileHash::of(&of_first)));
    let before = (of_first.as_slice(), &first);
    assert!(matches!(
        against_previous(&second, before),
        Finding::Agrees(_)
    ));
    differs(&against_previous(&first, before), "the first file");
    let stranger = file(2, 0, Some(FileHash::of(b"another")));
    differs(
        &against_previous(&stranger, before),
        "it follows on the file",
    );
    // The hash is right, and the sums do not go on.
    let carried = file(2, 7, Some(FileHash::of(&of_first)));
    differs(&against_previous(&carried, before), "the carry of");
    let again = file(1, 0, Some(FileHash::of(&of_first)));
    differs(
        &against_previous(&again, before),
        "had received 4000 msat before, not 0",
    );
    let mut forged = first.clone();
    forged.miners[0].allocated = Msat::new(1);
    let of_forged = bytes(&forged);
    let on_forged = file(2, 0, Some(FileHash::of(&of_forged)));
    let finding = against_previous(&on_forged, (&of_forged, &forged));
    differs(&finding, "the file before it");
}

fn receipt(epoch: u64, miner: &str, work: u128) -> Receipt {
    let directory = tempfile::tempdir().expect("a directory");
    let key = ReceiptKey::open(&directory.path().join("key")).expect("a key");
    key.sign(Claim {
        version: Claim::VERSION,
        pool: key.public(),
        ledger: Incarnation::from_bytes([1; 16]),
        epoch: EpochId::new(epoch),
        miner: miner.parse().expect("a key"),
        work: Work::from_hashes(work),
        shares: 1,
        upstream_accepted_work: Work::from_hashes(work),
        time_ms: 1,
        terms: Some(EpochTerms::default()),
    })
}

#[test]
fn the_work_of_a_receipt_is_in_the_file() {
    let file = file(1, 0, None);
    for (epoch, miner, work) in [(1, ONE, 3), (1, ONE, 2), (1, TWO, 1), (51, ONE, 3)] {
        let finding = against_receipt(&file, &receipt(epoch, miner, work));
        assert!(matches!(finding, Finding::Agrees(_)), "{finding:?}");
    }
    differs(
        &against_receipt(&file, &receipt(1, ONE, 4)),
        "is 3 in the file, less than the 4",
    );
    let three = "02f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9";
    differs(
        &against_receipt(&file, &receipt(1, three, 1)),
        "is 0 in the file",
    );
    let finding = against_receipt(&file, &receipt(2, ONE, 1));
    assert!(matches!(finding, Finding::Silent(_)), "{finding:?}");
    let mut forged = receipt(1, ONE, 3);
    forged.claim.work = Work::from_hashes(1);
    differs(&against_receipt(&file, &forged), "not signed by");
    // Paid by another fee than the one that was signed.
    let mut dearer = file.clone();
    dearer.settlement.parts[0].terms.fee_bps = 1;
    differs(
        &against_receipt(&dearer, &receipt(1, ONE, 3)),
        "the pool signed for",
    );
    let mut in_a_window = file.clone();
    let mut part = in_a_window.settlement.parts[0].clone();
    part.pays_over = EpochId::new(2);
    part.slices[0].pays = Some(SlicePay {
        amount: part.amount,
        fee_bps: 7,
        fee: Msat::new(2),
    });
    in_a_window.settlement.parts = vec![part];
    differs(
        &against_receipt(&in_a_window, &receipt(1, ONE, 3)),
        "is 7 basis points, and the pool signed for 0",
    );
    let mut accepted = file.clone();
    accepted.epochs[0].works[0].upstream_accepted_work = Work::from_hashes(2);
    let finding = against_receipt(&accepted, &receipt(1, ONE, 3));
    differs(&finding, "the upstream-accepted work");
}

#[test]
fn oceans_word_of_today_is_compared() {
    let file = file(1, 0, None);
    let earnings = |net, shares_in_window| Earnings {
        net: Sat::new(net),
        shares_in_window,
    };
    let ask = |told: &[(BlockHash, Earnings)], file: &AuditFile| {
        let mut findings = against_ocean(file, told);
        assert_eq!(findings.len(), 1, "{findings:?}");
        findings.remove(0)
    };
    let hash = block(1).hash;
    let same = ask(&[(hash, earnings(4, Some(9)))], &file);
    assert!(matches!(same, Finding::Agrees(_)), "{same:?}");
    differs(
        &ask(&[(hash, earnings(5, Some(9)))], &file),
        "5 sat, 9 shares in the window says OCEAN",
    );
    differs(
        &ask(&[(hash, earnings(4, None))], &file),
        "4 sat says OCEAN today",
    );
    let mut windowless = file.clone();
    if let Some(used) = &mut windowless.settlement.parts[0].earnings {
        used.shares_in_window = None;
    }
    let not_used = ask(&[(hash, earnings(4, Some(9)))], &windowless);
    assert!(matches!(not_used, Finding::Agrees(_)), "{not_used:?}");
    let unlisted = ask(&[(block(2).hash, earnings(4, Some(9)))], &file);
    assert!(matches!(unlisted, Finding::Silent(_)), "{unlisted:?}");
    let mut without = file.clone();
    without.settlement.parts[0].earnings = None;
    let unused = ask(&[(hash, earnings(4, Some(9)))], &without);
    assert!(matches!(unused, Finding::Silent(_)), "{unused:?}");
    let mut by_command = file;
    by_command.epochs[0].block = None;
    let unnamed = ask(&[(hash, earnings(4, Some(9)))], &by_command);
    assert!(matches!(unnamed, Finding::Silent(_)), "{unnamed:?}");
}
