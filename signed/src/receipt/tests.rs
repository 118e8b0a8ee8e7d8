use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use accounting::{QuotePer, Split};

use super::*;

fn key() -> ReceiptKey {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("receipt.key");
    fs::write(&path, format!("{}\n", "01".repeat(32))).expect("writes");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("its mode");
    ReceiptKey::open(&path).expect("a key")
}

fn claim() -> Claim {
    let miner = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    Claim {
        version: Claim::VERSION,
        pool: key().public(),
        ledger: Incarnation::from_bytes(*b"0123456789abcdef"),
        epoch: EpochId::new(7),
        miner: miner.parse().expect("a key"),
        work: Work::from_hashes(1 << 70),
        shares: 12_345,
        upstream_accepted_work: Work::from_hashes(1 << 69),
        time_ms: 1_795_247_612_000,
        terms: Some(EpochTerms {
            fee_bps: 250,
            split: Split::Tides,
            quote_per: QuotePer::Share,
            quote_min_work: Work::from_hashes(1 << 40),
            max_share_quotes: 77,
        }),
    }
}

fn terms(claim: &mut Claim) -> &mut EpochTerms {
    claim.terms.as_mut().expect("version 2")
}

#[test]
fn a_receipt_is_of_its_claim_alone() {
    let receipt = key().sign(claim());
    assert!(receipt.is_signed());
    let other = Work::from_hashes(1);
    let changes: [fn(&mut Claim); 15] = [
        |claim| claim.version = 1,
        |claim| claim.version = 3,
        |claim| claim.terms = None,
        |claim| terms(claim).fee_bps = 0,
        |claim| terms(claim).split = Split::Epoch,
        |claim| terms(claim).quote_per = QuotePer::Epoch,
        |claim| terms(claim).quote_min_work = Work::ZERO,
        |claim| terms(claim).max_share_quotes = 78,
        |claim| claim.ledger = Incarnation::from_bytes([0; 16]),
        |claim| claim.epoch = EpochId::new(8),
        |claim| claim.work = Work::from_hashes((1 << 70) - 1),
        |claim| claim.shares = 1,
        |claim| claim.time_ms = 0,
        |claim| {
            let two = "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5";
            claim.miner = two.parse().expect("a key");
        },
        |claim| {
            claim.pool = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
                .parse()
                .expect("a key")
        },
    ];
    for change in changes {
        let mut changed = receipt;
        change(&mut changed.claim);
        assert!(!changed.is_signed(), "{changed:?}");
    }
    let mut changed = receipt;
    changed.claim.upstream_accepted_work = other;
    assert!(!changed.is_signed());
}

// The form is published: a change here is a new version.
#[test]
fn the_form_is_stable() {
    let before = Claim {
        version: Claim::WITHOUT_TERMS,
        terms: None,
        ..claim()
    };
    for (claim, file) in [
        // Receipts that were signed before there were terms in them hold for ever.
        (
            before,
            include_str!("../../../docs/decisions/0006-receipt.json"),
        ),
        (
            claim(),
            include_str!("../../../docs/decisions/0006-receipt-2.json"),
        ),
    ] {
        let receipt = key().sign(claim);
        let text = serde_json::to_string(&receipt).expect("JSON");
        assert_eq!(text, file.trim_end());
        let read: Receipt = serde_json::from_str(&text).expect("a receipt");
        assert_eq!(read, receipt);
        assert!(read.is_signed());
    }
}

#[test]
fn terms_are_in_the_second_version_alone() {
    let bare = Claim {
        terms: None,
        ..claim()
    };
    assert!(!key().sign(bare).is_signed());
    let first = Claim {
        version: Claim::WITHOUT_TERMS,
        ..claim()
    };
    assert!(!key().sign(first).is_signed());
}

#[test]
fn what_is_no_receipt_is_refused() {
    let good = serde_json::to_value(key().sign(claim())).expect("JSON");
    let case = |change: fn(&mut serde_json::Map<String, serde_json::Value>)| {
        let mut value = good.clone();
        change(value.as_object_mut().expect("an object"));
        assert!(
            serde_json::from_value::<Receipt>(value.clone()).is_err(),
            "{value}"
        );
    };
    case(|receipt| drop(receipt.remove("signature")));
    case(|receipt| drop(receipt.remove("work")));
    case(|receipt| drop(receipt.insert("work".into(), "-1".into())));
    case(|receipt| drop(receipt.insert("signature".into(), "00".into())));
    case(|receipt| drop(receipt.insert("pool".into(), "ff".repeat(32).into())));
}

#[test]
fn the_key_is_made_once_and_for_its_owner() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("receipt.key");
    let made = ReceiptKey::open(&path).expect("is made").public();
    assert_eq!(ReceiptKey::open(&path).expect("is there").public(), made);
    assert_eq!(fs::metadata(&path).expect("is there").mode() & 0o777, 0o600);
    let files = fs::read_dir(directory.path()).expect("lists").count();
    assert_eq!(files, 1, "no draft stays");

    fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("its mode");
    let error = ReceiptKey::open(&path).expect_err("others may read it");
    assert!(error.to_string().contains("mode 640"), "{error}");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("its mode");
    fs::write(&path, "rubbish-secret").expect("writes");
    let error = format!("{:#}", ReceiptKey::open(&path).expect_err("no key"));
    assert!(!error.contains("rubbish"), "{error}");
}
