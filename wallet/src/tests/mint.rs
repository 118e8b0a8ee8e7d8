//! A mint on a port of its own, with a pool's routes beside it and a network that can
//! fail at a chosen request.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use cdk::dhke::construct_proofs;
use cdk::mint::{Mint, MintBuilder, MintMeltLimits, MintQuote, QuoteId, UnitConfig};
use cdk_common::amount::{Amount, SplitTarget};
use cdk_common::common::FeeReserve;
use cdk_common::mint::Operation;
use cdk_common::mint_url::MintUrl;
use cdk_common::nuts::{
    CurrencyUnit, PaymentMethod, PreMintSecrets, PublicKey, SpendingConditions, Token,
};
use cdk_common::payment::{self, PaymentIdentifier, WaitPaymentResponse};
use cdk_common::util::unix_time;
use cdk_fake_wallet::FakeWallet;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::network::{Fault, Late, network};
use crate::{Home, OwnerKey, Purse};

pub(super) const METHOD: &str = "axepool";

#[derive(Default)]
pub(super) struct Pool {
    quotes: BTreeMap<String, Vec<QuoteId>>,
    tokens: BTreeMap<String, Vec<Token>>,
    /// Quotes whose lock the look-up does not tell.
    silent: BTreeSet<QuoteId>,
}

#[derive(Clone)]
pub(super) struct TestMint {
    pub(super) cdk: Arc<Mint>,
    pub(super) url: MintUrl,
    pool: Arc<Mutex<Pool>>,
    pub(super) fault: Arc<Mutex<(Fault, u64)>>,
    pub(super) late: Arc<Mutex<Option<Late>>>,
    _dir: Arc<TempDir>,
}

#[derive(Clone, Copy)]
pub(super) struct Options {
    pub(super) batch: Option<u64>,
    pub(super) max_inputs: usize,
    pub(super) max_outputs: usize,
    pub(super) lightning: bool,
    /// The keys follow from it.
    pub(super) seed: u8,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            batch: Some(100),
            max_inputs: 500,
            max_outputs: 500,
            lightning: false,
            seed: 7,
        }
    }
}

/// The method that only the pool itself makes quotes of.
struct Rail;

#[async_trait]
impl payment::MintPayment for Rail {
    type Err = payment::Error;

    async fn get_settings(&self) -> Result<payment::SettingsResponse, payment::Error> {
        Ok(payment::SettingsResponse {
            unit: "sat".to_owned(),
            bolt11: None,
            bolt12: None,
            onchain: None,
            custom: HashMap::from([(METHOD.to_owned(), "{}".to_owned())]),
        })
    }

    async fn create_incoming_payment_request(
        &self,
        _: payment::IncomingPaymentOptions,
    ) -> Result<payment::CreateIncomingPaymentResponse, payment::Error> {
        Err(payment::Error::UnsupportedPaymentOption)
    }

    async fn get_payment_quote(
        &self,
        _: &CurrencyUnit,
        _: payment::OutgoingPaymentOptions,
    ) -> Result<payment::PaymentQuoteResponse, payment::Error> {
        Err(payment::Error::UnsupportedPaymentOption)
    }

    async fn make_payment(
        &self,
        _: &CurrencyUnit,
        _: payment::OutgoingPaymentOptions,
    ) -> Result<payment::MakePaymentResponse, payment::Error> {
        Err(payment::Error::UnsupportedPaymentOption)
    }

    async fn wait_payment_event(
        &self,
    ) -> Result<Pin<Box<dyn futures::Stream<Item = payment::Event> + Send>>, payment::Error> {
        Ok(Box::pin(futures::stream::pending()))
    }

    fn is_payment_event_stream_active(&self) -> bool {
        false
    }

    fn cancel_payment_event_stream(&self) {}

    async fn check_incoming_payment_status(
        &self,
        _: &PaymentIdentifier,
    ) -> Result<Vec<WaitPaymentResponse>, payment::Error> {
        Ok(Vec::new())
    }

    async fn check_outgoing_payment(
        &self,
        _: &PaymentIdentifier,
    ) -> Result<payment::MakePaymentResponse, payment::Error> {
        Err(payment::Error::UnsupportedPaymentOption)
    }
}

fn method() -> PaymentMethod {
    PaymentMethod::from(METHOD)
}

async fn build(dir: &std::path::Path, options: Options) -> Arc<Mint> {
    let path = dir.join("mint.sqlite");
    let store = cdk_sqlite::MintSqliteDatabase::new(path.to_str().unwrap())
        .await
        .unwrap();
    let store = Arc::new(store);
    let mut builder = MintBuilder::new(Arc::clone(&store) as _)
        .with_limits(options.max_inputs, options.max_outputs);
    if let Some(batch) = options.batch {
        builder = builder.with_batch_minting(Some(batch), Some(vec![METHOD.to_owned()]));
    }
    let amounts = (0..32).map(|bit| 1 << bit).collect();
    let unit = UnitConfig {
        amounts,
        input_fee_ppk: 0,
    };
    builder.configure_unit(CurrencyUnit::Sat, unit).unwrap();
    let limits = MintMeltLimits::new(1, 100_000_000);
    let rail = Arc::new(Rail);
    builder
        .add_payment_processor(CurrencyUnit::Sat, method(), limits, rail)
        .await
        .unwrap();
    if options.lightning {
        let reserve = FeeReserve {
            min_fee_reserve: 2.into(),
            percent_fee_reserve: 0.01,
        };
        let node = FakeWallet::new(
            reserve,
            HashMap::new(),
            HashSet::new(),
            0,
            CurrencyUnit::Sat,
        );
        let node = Arc::new(node);
        for method in [PaymentMethod::BOLT11, PaymentMethod::BOLT12] {
            let node = Arc::clone(&node);
            builder
                .add_payment_processor(CurrencyUnit::Sat, method, limits, node)
                .await
                .unwrap();
        }
    }
    let mut info = builder.current_mint_info();
    info.nuts
        .nut05
        .methods
        .retain(|melt| melt.method != method());
    let mint = builder
        .with_mint_info(info)
        .build_with_seed(store, &[options.seed; 64])
        .await
        .unwrap();
    mint.start().await.unwrap();
    Arc::new(mint)
}

impl TestMint {
    pub(super) async fn start(options: Options) -> TestMint {
        let dir = tempfile::tempdir().unwrap();
        let cdk = build(dir.path(), options).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mint = TestMint {
            cdk: Arc::clone(&cdk),
            url: url.parse().unwrap(),
            pool: Arc::default(),
            fault: Arc::new(Mutex::new((Fault::None, 0))),
            late: Arc::default(),
            _dir: Arc::new(dir),
        };
        let methods = [METHOD, "bolt11", "bolt12"].map(str::to_owned).to_vec();
        let nuts = cdk_axum::create_mint_router(cdk, methods).await.unwrap();
        let pool = Router::new()
            .route("/v1/mint/quote/{method}/pubkey", post(look_up))
            .route("/api/miners/{key}/tokens", get(tokens))
            .with_state(mint.clone());
        let router = nuts
            .merge(pool)
            .layer(from_fn_with_state(mint.clone(), network));
        tokio::spawn(async move { axum::serve(listener, router).await });
        mint
    }

    /// Sets the network's fault, counts from zero again, and gives the count so far.
    pub(super) fn fault(&self, fault: Fault) -> u64 {
        std::mem::replace(&mut *self.fault.lock().unwrap(), (fault, 0)).1
    }

    /// The request that was on its way arrives, and is carried out.
    pub(super) async fn deliver(&self) {
        let late = self.late.lock().unwrap().take();
        let (request, next) = late.expect("a request is on its way");
        assert!(next.run(request).await.status().is_success());
    }

    /// Makes a quote for `key`, and pays it.
    pub(super) async fn quote(&self, key: &OwnerKey, sat: u64) -> QuoteId {
        self.locked_quote(key, &key.public_hex(), sat).await
    }

    /// A quote that the look-up tells `key` of, locked to another key.
    pub(super) async fn locked_quote(&self, key: &OwnerKey, lock: &str, sat: u64) -> QuoteId {
        let (id, now) = (QuoteId::new(), unix_time());
        let zero = || Amount::new(0, CurrencyUnit::Sat);
        let lock = PublicKey::from_hex(lock).unwrap();
        let mut quote = MintQuote::new(
            Some(id.clone()),
            format!("axepool:{id}"),
            CurrencyUnit::Sat,
            None,
            0,
            PaymentIdentifier::CustomId(format!("axepool:{id}")),
            Some(lock),
            zero(),
            zero(),
            method(),
            now,
            now,
            vec![],
            vec![],
            Some(json!({"epoch": 1})),
        );
        quote.set_last_checked(253_402_300_799);
        let mut tx = self.cdk.localstore().begin_transaction().await.unwrap();
        tx.add_mint_quote(quote).await.unwrap();
        tx.commit().await.unwrap();
        self.pool
            .lock()
            .unwrap()
            .quotes
            .entry(key.public_hex())
            .or_default()
            .push(id.clone());
        if sat > 0 {
            self.pay(&id, sat).await;
        }
        id
    }

    /// From now on the look-up does not tell what the quote is locked to.
    pub(super) fn hide_lock(&self, id: &QuoteId) {
        self.pool.lock().unwrap().silent.insert(id.clone());
    }

    pub(super) async fn pay(&self, id: &QuoteId, sat: u64) {
        let mut tx = self.cdk.localstore().begin_transaction().await.unwrap();
        let mut quote = tx.get_mint_quote(id).await.unwrap().unwrap();
        let paid = WaitPaymentResponse {
            payment_identifier: quote.request_lookup_id.clone(),
            payment_amount: Amount::new(sat, CurrencyUnit::Sat),
            payment_id: rand::random::<u64>().to_string(),
        };
        self.cdk
            .pay_mint_quote(&mut tx, &mut quote, paid)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    /// Turns a paid quote into a token locked to the same key, as a pool does.
    pub(super) async fn claim(&self, key: &OwnerKey, id: &QuoteId, url: &str) -> Token {
        let token = self.token(id, url, &SplitTarget::None, true).await;
        let mut pool = self.pool.lock().unwrap();
        let tokens = pool.tokens.entry(key.public_hex()).or_default();
        tokens.push(token.clone());
        token
    }

    /// Turns a paid quote into a token of proofs of one satoshi.
    pub(super) async fn small_change(&self, id: &QuoteId, locked: bool) -> Token {
        let split = SplitTarget::Value(Amount::from(1));
        self.token(id, &self.url.to_string(), &split, locked).await
    }

    async fn token(&self, id: &QuoteId, url: &str, split: &SplitTarget, locked: bool) -> Token {
        let active = *self
            .cdk
            .get_active_keysets()
            .get(&CurrencyUnit::Sat)
            .unwrap();
        let keyset = self.cdk.keyset(&active).unwrap();
        let amounts: Vec<u64> = keyset.keys.iter().map(|key| key.0.to_u64()).collect();
        let mut tx = self.cdk.localstore().begin_transaction().await.unwrap();
        let mut quote = tx.get_mint_quote(id).await.unwrap().unwrap();
        let amount = quote.amount_mintable();
        let (sat, fee) = (Amount::from(amount.value()), (0, amounts).into());
        let lock = SpendingConditions::new_p2pk(quote.pubkey.unwrap(), None);
        let pre = match locked {
            true => PreMintSecrets::with_conditions(active, sat, split, &lock, &fee),
            false => PreMintSecrets::random(active, sat, split, &fee),
        }
        .unwrap();
        let outputs = pre.blinded_messages();
        let signatures = self.cdk.blind_sign(outputs.clone()).await.unwrap();
        let operation = Operation::new_mint(Amount::from(amount.value()), method());
        let blinded: Vec<PublicKey> = outputs.iter().map(|output| output.blinded_secret).collect();
        tx.add_blinded_messages(Some(id), &outputs, &operation)
            .await
            .unwrap();
        tx.add_blind_signatures(&blinded, &signatures, Some(id.clone()))
            .await
            .unwrap();
        quote.add_issuance(amount).unwrap();
        tx.update_mint_quote(&mut quote).await.unwrap();
        tx.add_completed_operation(&operation, &HashMap::new())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let proofs = construct_proofs(signatures, pre.rs(), pre.secrets(), &keyset.keys).unwrap();
        Token::new(url.parse().unwrap(), proofs, None, CurrencyUnit::Sat)
    }

    /// Satoshis issued on all quotes, and paid to them.
    pub(super) async fn issued_and_paid(&self) -> (u64, u64) {
        let quotes = self.cdk.mint_quotes().await.unwrap();
        quotes.iter().fold((0, 0), |(issued, paid), quote| {
            (
                issued + quote.amount_issued().value(),
                paid + quote.amount_paid().value(),
            )
        })
    }

    /// The wallet in `dir` at this mint.
    pub(super) async fn open(&self, dir: &std::path::Path) -> (Home, Purse) {
        let home = Home::open(&dir.join("wallet")).await.unwrap();
        let purse = home.purse(&self.url).unwrap();
        (home, purse)
    }
}

/// The draft's look-up: a signature by the key over the tag, the mint's key and itself.
async fn look_up(
    State(mint): State<TestMint>,
    Path(name): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    let refuse = |why: &str| {
        (
            StatusCode::BAD_REQUEST,
            Json(json!({"code": 20008, "detail": why})),
        )
            .into_response()
    };
    let texts = |name: &str| -> Vec<String> {
        serde_json::from_value(body[name].clone()).unwrap_or_default()
    };
    let (keys, signatures) = (texts("pubkeys"), texts("pubkey_signatures"));
    if keys.is_empty() || keys.len() != signatures.len() || name != METHOD {
        return refuse("no keys, or not a signature for each");
    }
    let mint_key = mint.cdk.mint_info().await.unwrap().pubkey.unwrap();
    let mut ids = Vec::new();
    for (key, signature) in keys.iter().zip(&signatures) {
        let text = format!("Cashu_MintQuoteLookup_v1{}{key}", mint_key.to_hex());
        let public = PublicKey::from_hex(key).unwrap();
        match signature.parse() {
            Ok(signature) if public.verify(text.as_bytes(), &signature).is_ok() => {}
            _ => return refuse("the signature does not match"),
        }
        ids.extend(
            mint.pool
                .lock()
                .unwrap()
                .quotes
                .get(key)
                .cloned()
                .unwrap_or_default(),
        );
    }
    let mut quotes = Vec::new();
    for id in ids {
        let quote = mint
            .cdk
            .localstore()
            .get_mint_quote(&id)
            .await
            .unwrap()
            .unwrap();
        let mut answer: cdk_common::nuts::MintQuoteCustomResponse<QuoteId> =
            quote.try_into().unwrap();
        if mint.pool.lock().unwrap().silent.contains(&id) {
            answer.pubkey = None;
        }
        quotes.push(answer);
    }
    Json(json!({ "quotes": quotes })).into_response()
}

async fn tokens(State(mint): State<TestMint>, Path(key): Path<String>) -> Response {
    let tokens = mint
        .pool
        .lock()
        .unwrap()
        .tokens
        .get(&key)
        .cloned()
        .unwrap_or_default();
    let listed: Vec<Value> = tokens
        .iter()
        .map(|token| json!({"number": 1, "state": "unspent", "token": token.to_string()}))
        .collect();
    Json(json!({"sweep_only": false, "tokens": listed})).into_response()
}
