use std::time::Duration;

use cdk_common::nuts::{MeltQuoteState, PaymentMethod};
use cdk_fake_wallet::{FakeInvoiceDescription, create_fake_invoice};

use super::mint::{Options, TestMint};
use super::network::Fault;
use crate::{Destination, OwnerKey, Purse, WalletError};

pub(super) fn invoice(sat: u64) -> Destination {
    create_fake_invoice(sat * 1000, String::new())
        .to_string()
        .parse()
        .unwrap()
}

/// An invoice that the mint's node treats as it says.
pub(super) fn odd_invoice(sat: u64, pay: MeltQuoteState, check: MeltQuoteState) -> Destination {
    let odd = FakeInvoiceDescription {
        pay_invoice_state: pay,
        check_payment_state: check,
        pay_err: false,
        check_err: false,
    };
    let text = serde_json::to_string(&odd).unwrap();
    create_fake_invoice(sat * 1000, text)
        .to_string()
        .parse()
        .unwrap()
}

/// An offer of somebody else's mint, which is as good as anybody's.
pub(super) async fn offer_of(dir: &std::path::Path) -> Destination {
    let other = TestMint::start(with_lightning()).await;
    let (_theirs, payee) = other.open(dir).await;
    let asked = payee
        .wallet
        .mint_quote(PaymentMethod::BOLT12, None, None, None)
        .await;
    asked.unwrap().request.parse().unwrap()
}

async fn rich(mint: &TestMint, dir: &std::path::Path, sat: u64) -> (crate::Home, Purse) {
    let (home, purse) = mint.open(dir).await;
    let key = OwnerKey::generate();
    mint.quote(&key, sat).await;
    purse.sweep(&key, &mut |_| {}).await.unwrap();
    (home, purse)
}

fn with_lightning() -> Options {
    Options {
        lightning: true,
        ..Options::default()
    }
}

#[tokio::test]
async fn an_invoice_is_paid_and_what_is_left_stays() {
    let mint = TestMint::start(with_lightning()).await;
    let dir = tempfile::tempdir().unwrap();
    let (_home, purse) = rich(&mint, dir.path(), 1000).await;
    let paid = purse.pay(&invoice(300), None).await.unwrap();
    assert_eq!(paid.amount_sat, 300);
    assert_eq!(
        purse.balance_sat().await.unwrap(),
        1000 - 300 - paid.fee_sat
    );
    let error = purse.pay(&invoice(1000), None).await.unwrap_err();
    assert!(
        matches!(error, WalletError::Insufficient { fee: true, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn all_there_is_goes_when_it_is_enough() {
    let mint = TestMint::start(with_lightning()).await;
    let dir = tempfile::tempdir().unwrap();
    let (_home, purse) = rich(&mint, dir.path(), 5000).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let offer = offer_of(elsewhere.path()).await;
    assert_eq!(purse.pay_all(&offer, 5001).await.unwrap(), None);
    assert_eq!(purse.balance_sat().await.unwrap(), 5000);
    let paid = purse.pay_all(&offer, 5000).await.unwrap().unwrap();
    let left = purse.balance_sat().await.unwrap();
    assert_eq!(paid.amount_sat + paid.fee_sat + left, 5000);
    // One percent is what the node asks to have in reserve.
    assert!(paid.amount_sat >= 4900, "{paid:?}");
}

#[tokio::test]
async fn a_payment_that_fails_leaves_the_money() {
    let mint = TestMint::start(with_lightning()).await;
    let dir = tempfile::tempdir().unwrap();
    let (_home, purse) = rich(&mint, dir.path(), 1000).await;
    let failing = odd_invoice(300, MeltQuoteState::Failed, MeltQuoteState::Failed);
    let error = purse.pay(&failing, None).await.unwrap_err();
    assert!(matches!(error, WalletError::PaymentFailed(_)), "{error}");
    purse.recover().await.unwrap();
    assert_eq!(purse.balance_sat().await.unwrap(), 1000);
}

#[tokio::test]
async fn a_payment_whose_answer_is_lost_is_made_once() {
    let mint = TestMint::start(with_lightning()).await;
    for number in 0..12 {
        for fault in [Fault::Before(number), Fault::After(number)] {
            let dir = tempfile::tempdir().unwrap();
            let (home, mut purse) = rich(&mint, dir.path(), 1000).await;
            purse.wait_at_most(Duration::from_millis(500));
            let to = invoice(300);
            mint.fault(fault);
            let cut = purse.pay(&to, None).await;
            mint.fault(Fault::None);
            drop((home, purse));
            let (_home, purse) = mint.open(dir.path()).await;
            purse.recover().await.unwrap();
            let left = purse.balance_sat().await.unwrap();
            let paid = left < 1000;
            assert!(
                (690..=700).contains(&left) || left == 1000,
                "{fault:?}: {left}"
            );
            assert!(!paid || cut.is_err() || left < 1000, "{fault:?}");
            if !paid {
                assert!(cut.is_err(), "{fault:?}: said to be paid");
                purse.pay(&to, None).await.unwrap();
            }
            let left = purse.balance_sat().await.unwrap();
            assert!((690..=700).contains(&left), "{fault:?}: {left}");
        }
    }
}

#[tokio::test]
async fn a_mint_without_lightning_says_so() {
    let mint = TestMint::start(Options::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let (_home, purse) = rich(&mint, dir.path(), 1000).await;
    let error = purse.pay(&invoice(300), None).await.unwrap_err();
    assert!(error.to_string().contains("wallet send"), "{error}");
    assert_eq!(purse.balance_sat().await.unwrap(), 1000);
}

/// Too little for the fee, paused, refused: the money stays, and a watch goes on.
#[tokio::test]
async fn what_keeps_a_payout_ends_no_watch() {
    let mint = TestMint::start(with_lightning()).await;
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let offer = offer_of(elsewhere.path()).await;
    let (_home, purse) = rich(&mint, dir.path(), 2).await;
    let kept = async |sat: u64| {
        let error = purse.pay_all(&offer, 1).await.unwrap_err();
        assert!(!error.is_final(), "{error}");
        assert_eq!(purse.balance_sat().await.unwrap(), sat, "{error}");
        error
    };
    let little = kept(2).await;
    assert!(
        matches!(little, WalletError::Insufficient { have: 2, .. }),
        "{little}"
    );
    let key = OwnerKey::generate();
    mint.quote(&key, 998).await;
    purse.sweep(&key, &mut |_| {}).await.unwrap();
    let info = mint.cdk.mint_info().await.unwrap();
    let mut paused = info.clone();
    paused.nuts.nut05.disabled = true;
    paused.motd = Some("back at noon".to_owned());
    mint.cdk.set_mint_info(paused).await.unwrap();
    let error = kept(1000).await;
    assert!(matches!(error, WalletError::NoMelts { .. }), "{error}");
    assert!(error.to_string().contains("back at noon"), "{error}");
    // Paused after it was asked: the mint refuses the question.
    mint.cdk.set_mint_info(info).await.unwrap();
    mint.fault(Fault::Paused);
    let error = kept(1000).await;
    assert!(matches!(error, WalletError::Refused { .. }), "{error}");
    mint.fault(Fault::None);
    let paid = purse.pay_all(&offer, 1).await.unwrap().unwrap();
    let left = purse.balance_sat().await.unwrap();
    assert_eq!(paid.amount_sat + paid.fee_sat + left, 1000);
}
