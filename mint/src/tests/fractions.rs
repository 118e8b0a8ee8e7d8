//! Invoices with a fraction of a satoshi: every wallet can pay them, and the pool gets every
//! millisatoshi back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use accounting::Msat;
use async_trait::async_trait;
use cdk::wallet::ReceiveOptions;
use cdk_common::payment::{Bolt11OutgoingPaymentOptions, MintPayment as _, OutgoingPaymentOptions};
use cdk_common::quote_id::QuoteId;
use cdk_common::{Amount, CurrencyUnit, MeltQuoteState, PaymentMethod};

use super::support::{Owner, Pool};
use crate::melt_method::LightningMethod;
use crate::pause::Pause;
use crate::{Lightning, LightningError, PayId, PayQuote, PayRequest, PayState};

/// An example of BOLT 11: 967,878,534 msat.
const INVOICE: &str = "lnbc9678785340p1pwmna7lpp5gc3xfm08u9qy06djf8dfflhugl6p7lgza6dsjxq454gxhj9t7a0sd8dgfkx7cmtwd68yetpd5s9xar0wfjn5gpc8qhrsdfq24f5ggrxdaezqsnvda3kkum5wfjkzmfqf3jkgem9wgsyuctwdus9xgrcyqcjcgpzgfskx6eqf9hzqnteypzxz7fzypfhg6trddjhygrcyqezcgpzfysywmm5ypxxjemgw3hxjmn8yptk7untd9hxwg3q2d6xjcmtv4ezq7pqxgsxzmnyyqcjqmt0wfjjq6t5v4khxsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygsxqyjw5qcqp2rzjq0gxwkzc8w6323m55m4jyxcjwmy7stt9hwkwe2qxmy8zpsgg7jcuwz87fcqqeuqqqyqqqqlgqqqqn3qq9q9qrsgqrvgkpnmps664wgkp43l22qsgdw4ve24aca4nymnxddlnp8vh9v2sdxlu5ywdxefsfvm0fq3sesf08uf6q9a2ke0hc9j6z6wlxg5z5kqpu2v9wz";

const AMOUNT: Msat = Msat::new(967_878_534);

/// An example of BOLT 12 with another amount: 10,534 msat.
const OFFER: &str =
    "lno1pqpzjfs2p32x2um5ypmx2cm5dae8x93pqthvwfzadd7jejes8q9lhc4rvjxd022zv5l44g6qah82ru5rdpnpj";

/// A node whose way costs what it may cost.
struct Dear {
    amount: Msat,
    fee_limit: Msat,
    paid: Mutex<Option<Msat>>,
}

#[async_trait]
impl Lightning for Dear {
    async fn quote(&self, _: &PayRequest) -> Result<PayQuote, LightningError> {
        Ok(PayQuote {
            amount: self.amount,
            fee_limit: self.fee_limit,
        })
    }

    async fn pay(
        &self,
        _: &PayId,
        _: &PayRequest,
        fee_limit: Msat,
    ) -> Result<PayState, LightningError> {
        assert!(fee_limit >= self.fee_limit, "{fee_limit} msat for the way");
        let spent = Msat::new(self.amount.get() + fee_limit.get());
        *self.paid.lock().expect("no panics") = Some(spent);
        Ok(PayState::Paid {
            spent,
            preimage: Some("00".repeat(32)),
        })
    }

    async fn look_up(&self, _: &PayId) -> Result<PayState, LightningError> {
        Err(LightningError("not asked".into()))
    }
}

/// A wallet of cdk pays the request; `reserve` sats are asked for beyond its whole sats.
#[track_caller]
fn is_paid(request: &'static str, fee_limit: u64, reserve: u64) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    async move {
        let (method, amount) = match request {
            OFFER => ("bolt12", Msat::new(10_534)),
            _ => ("bolt11", AMOUNT),
        };
        let whole = amount.to_sat_floor().get();
        let node = Arc::new(Dear {
            amount,
            fee_limit: Msat::new(fee_limit),
            paid: Mutex::default(),
        });
        let pool = Pool::with(Some(Arc::clone(&node) as _)).await;
        let owner = Owner::new();
        pool.paid(&owner, &[(1, 1_000_000)]).await;
        let claim = pool.claim(&owner, false).await;
        let wallet = pool.wallet().await;
        let options = ReceiveOptions {
            p2pk_signing_keys: vec![owner.secret],
            ..ReceiveOptions::default()
        };
        let token = claim["token"].as_str().expect("a token");
        wallet.receive(token, options).await.expect("receives");

        let method = PaymentMethod::from(method);
        let quote = wallet.melt_quote(method, request, None, None).await;
        let quote = quote.unwrap_or_else(|error| panic!("{place}: {error}"));
        let told = (u64::from(quote.amount), u64::from(quote.fee_reserve));
        assert_eq!(told, (whole, reserve), "{place}");
        let melt = wallet.prepare_melt(&quote.id, HashMap::new()).await;
        melt.expect("prepares").confirm().await.expect("pays");

        let left = u64::from(wallet.total_balance().await.expect("sums"));
        let burnt = 1_000_000 - left;
        let spent = node.paid.lock().expect("no panics").expect("paid").get();
        assert!(
            burnt * 1000 >= spent,
            "{place}: {burnt} sat for {spent} msat"
        );
        assert_eq!(burnt, spent.div_ceil(1000), "{place}");
        assert_eq!(burnt, whole + reserve, "{place}");
        let owed = pool.mint.liabilities().await.expect("reads");
        assert_eq!(owed.outstanding_sat.get(), left, "{place}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wallet_of_cdk_pays_an_invoice_with_a_fraction_of_a_sat() {
    is_paid(INVOICE, 0, 1).await;
    is_paid(INVOICE, 466, 1).await;
    is_paid(INVOICE, 467, 2).await;
    is_paid(INVOICE, 10_000, 11).await;
    is_paid(OFFER, 466, 1).await;
    is_paid(OFFER, 467, 2).await;
}

/// A quote of an earlier version may have no reserve for the fraction: its ecash goes back,
/// and the node never hears of it.
#[tokio::test]
async fn a_reserve_below_the_fraction_is_not_paid_from() {
    let node = Arc::new(Dear {
        amount: AMOUNT,
        fee_limit: Msat::ZERO,
        paid: Mutex::default(),
    });
    let method = LightningMethod::new(Arc::clone(&node) as _, Arc::new(Pause::new(None)));
    for (reserve, expected) in [(0, MeltQuoteState::Failed), (1, MeltQuoteState::Paid)] {
        let options = Bolt11OutgoingPaymentOptions {
            bolt11: INVOICE.parse().expect("an invoice"),
            max_fee_amount: Some(Amount::new(reserve, CurrencyUnit::Sat)),
            timeout_secs: None,
            melt_options: None,
            quote_id: QuoteId::new(),
        };
        let options = OutgoingPaymentOptions::Bolt11(Box::new(options));
        let made = method.make_payment(&CurrencyUnit::Sat, options).await;
        assert_eq!(made.expect("answers").status, expected, "{reserve} sat");
        let paid = *node.paid.lock().expect("no panics");
        assert_eq!(paid.is_some(), reserve == 1, "{reserve} sat");
    }
}
