//! A pool with a mint on a port of its own, a ledger in memory, wallets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use accounting::{EpochId, Incarnation, MinerId, OutboxId, Sat};
use async_trait::async_trait;
use basics::clock::now_ms;
use cdk::wallet::{HttpClient, Wallet, WalletBuilder};
use cdk_common::nuts::SecretKey;
use prometheus::Registry;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::metrics::{CountWrites, Metrics};
use crate::store::WriteGuard;
use crate::worker::Worker;
use crate::{
    Expected, Lightning, Mint, MintConfig, Order, Outbox, OutboxError, PayoutId, Purpose, QuoteKey,
    Row, message,
};

/// A key pair of a miner.
#[derive(Clone)]
pub(crate) struct Owner {
    pub(crate) secret: SecretKey,
    pub(crate) miner: MinerId,
}

impl Owner {
    pub(crate) fn new() -> Owner {
        let secret = SecretKey::generate();
        let miner = MinerId::from_public_key(&secret.public_key());
        // Wallets hold the secret of the key with even y.
        if secret.public_key().to_hex() == miner.to_string() {
            Owner { secret, miner }
        } else {
            Owner::new()
        }
    }

    pub(crate) fn quote(&self, epoch: u64) -> QuoteKey {
        QuoteKey::of_epoch(self.miner, EpochId::new(epoch))
    }

    pub(crate) fn signed(&self, mint: &Mint, purpose: Purpose, time_ms: u64) -> Value {
        let text = message(purpose, &mint.public_key(), &self.miner, time_ms);
        let signature = self
            .secret
            .sign(text.as_bytes())
            .expect("signs")
            .to_string();
        json!({ "time_ms": time_ms, "signature": signature })
    }
}

/// The ledger's outbox, in memory.
#[derive(Default)]
pub(crate) struct FakeLedger {
    rows: Mutex<Vec<Row>>,
    done: Mutex<BTreeSet<OutboxId>>,
}

impl FakeLedger {
    pub(crate) fn order(&self, order: Order) {
        let mut rows = self.rows.lock().expect("no panics");
        let id = OutboxId::new(rows.len() as u64 + 1);
        rows.push(Row { id, order });
    }

    pub(crate) fn create(&self, quote: QuoteKey) {
        self.order(Order::CreateQuote { quote, typed: None });
    }

    pub(crate) fn pay(&self, quote: QuoteKey, payout: &str, sat: u64) {
        let payout: PayoutId = payout.parse().expect("an id");
        self.order(Order::PayQuote {
            quote,
            payout,
            amount: Sat::new(sat),
        });
    }

    pub(crate) fn settle(&self, epoch: u64) {
        self.order(Order::SettleEpoch {
            epoch: EpochId::new(epoch),
        });
    }

    /// The last row.
    pub(crate) fn end(&self) -> OutboxId {
        OutboxId::new(self.rows.lock().expect("no panics").len() as u64)
    }

    /// Marks every row as done, whether or not it was.
    pub(crate) fn all_done(&self) {
        let rows = self.rows.lock().expect("no panics");
        let ids = rows.iter().map(|row| row.id);
        self.done.lock().expect("no panics").extend(ids);
    }

    pub(crate) fn waiting(&self) -> usize {
        self.rows.lock().expect("no panics").len() - self.done.lock().expect("no panics").len()
    }

    /// All that was ever paid, each payout of a quote once.
    pub(crate) fn paid_sat(&self) -> u64 {
        let books = self.books();
        books
            .values()
            .flat_map(BTreeMap::values)
            .map(|amount| amount.get())
            .sum()
    }

    /// The same rows, none of them done.
    pub(crate) fn forgetful(&self) -> FakeLedger {
        let rows = self.rows.lock().expect("no panics").clone();
        FakeLedger {
            rows: Mutex::new(rows),
            done: Mutex::default(),
        }
    }

    fn books(&self) -> BTreeMap<QuoteKey, BTreeMap<PayoutId, Sat>> {
        let mut books: BTreeMap<QuoteKey, BTreeMap<PayoutId, Sat>> = BTreeMap::new();
        for row in self.rows.lock().expect("no panics").iter() {
            match &row.order {
                Order::CreateQuote { quote, .. } => {
                    books.entry(*quote).or_default();
                }
                Order::PayQuote {
                    quote,
                    payout,
                    amount,
                } => {
                    books
                        .entry(*quote)
                        .or_default()
                        .insert(payout.clone(), *amount);
                }
                Order::SettleEpoch { .. } | Order::MergeEpoch { .. } => {}
            }
        }
        books
    }
}

#[async_trait]
impl Outbox for FakeLedger {
    async fn pending(&self, after: OutboxId, limit: usize) -> Result<Vec<Row>, OutboxError> {
        let (rows, done) = (
            self.rows.lock().expect("no panics"),
            self.done.lock().expect("no panics"),
        );
        let open = rows
            .iter()
            .filter(|row| row.id > after && !done.contains(&row.id));
        Ok(open.take(limit).cloned().collect())
    }

    async fn done(&self, ids: Vec<OutboxId>) -> Result<(), OutboxError> {
        self.done.lock().expect("no panics").extend(ids);
        Ok(())
    }

    async fn expected(
        &self,
        after: Option<QuoteKey>,
        limit: usize,
    ) -> Result<Vec<Expected>, OutboxError> {
        let books = self.books();
        let rest = books
            .into_iter()
            .filter(|(quote, _)| after.is_none_or(|after| *quote > after));
        let expected = rest.take(limit).map(|(quote, payments)| Expected {
            quote,
            payments: payments.into_iter().collect(),
        });
        Ok(expected.collect())
    }
}

pub(crate) fn config(dir: &Path, url: String) -> MintConfig {
    MintConfig::new(dir.to_owned(), Incarnation::from_bytes([5; 16]), url)
}

/// A mint behind a listener, fed by a ledger.
pub(crate) struct Pool {
    pub(crate) mint: Mint,
    pub(crate) ledger: Arc<FakeLedger>,
    pub(crate) url: String,
    pub(crate) registry: Registry,
    pub(crate) dir: TempDir,
}

impl Pool {
    pub(crate) async fn start() -> Pool {
        Pool::with(None).await
    }

    pub(crate) async fn with(lightning: Option<Arc<dyn Lightning>>) -> Pool {
        let registry = Registry::new();
        let metrics = Arc::new(Metrics::register(&registry).expect("registers"));
        let guard = Arc::new(CountWrites(Arc::clone(&metrics)));
        Pool::open(lightning, guard, metrics, registry, |_| {}).await
    }

    /// With a store that can fail.
    pub(crate) async fn guarded(
        lightning: Option<Arc<dyn Lightning>>,
        guard: Arc<dyn WriteGuard>,
    ) -> Pool {
        let registry = Registry::new();
        let metrics = Arc::new(Metrics::register(&registry).expect("registers"));
        Pool::open(lightning, guard, metrics, registry, |_| {}).await
    }

    /// With other settings.
    pub(crate) async fn set(change: impl FnOnce(&mut MintConfig)) -> Pool {
        let registry = Registry::new();
        let metrics = Arc::new(Metrics::register(&registry).expect("registers"));
        let guard = Arc::new(CountWrites(Arc::clone(&metrics)));
        Pool::open(None, guard, metrics, registry, change).await
    }

    async fn open(
        lightning: Option<Arc<dyn Lightning>>,
        guard: Arc<dyn WriteGuard>,
        metrics: Arc<Metrics>,
        registry: Registry,
        change: impl FnOnce(&mut MintConfig),
    ) -> Pool {
        let dir = tempfile::tempdir().expect("a directory");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let mut config = config(dir.path(), url.clone());
        change(&mut config);
        let mint = Mint::open_guarded(config, lightning, metrics, guard).await;
        let mint = mint.expect("opens");
        let router = mint.router().await.expect("routes");
        tokio::spawn(async move { axum::serve(listener, router).await });
        Pool {
            mint,
            ledger: Arc::default(),
            url,
            registry,
            dir,
        }
    }

    /// A mint over the same files, as after a restart.
    pub(crate) async fn again(&self, lightning: Arc<dyn Lightning>) -> Mint {
        let config = config(self.dir.path(), self.url.clone());
        let mint = Mint::open(config, Some(lightning), &Registry::new()).await;
        mint.expect("opens again")
    }

    /// Lets the worker do all that there is, now.
    pub(crate) async fn work(&self) {
        work(&self.mint, Arc::clone(&self.ledger) as _).await;
    }

    /// Quotes of these epochs for `owner`, paid.
    pub(crate) async fn paid(&self, owner: &Owner, quotes: &[(u64, u64)]) {
        for &(epoch, sat) in quotes {
            let payout = format!(
                "payout-{}",
                self.ledger.rows.lock().expect("no panics").len()
            );
            self.ledger.create(owner.quote(epoch));
            if sat > 0 {
                self.ledger.pay(owner.quote(epoch), &payout, sat);
            }
        }
        self.work().await;
    }

    pub(crate) fn id(&self, owner: &Owner, epoch: u64) -> String {
        self.mint.ids().id(&owner.quote(epoch)).to_string()
    }

    pub(crate) async fn wallet(&self) -> Wallet {
        let store = cdk_sqlite::wallet::memory::empty().await.expect("a store");
        WalletBuilder::new()
            .mint_url(self.url.parse().expect("a url"))
            .unit(cdk_common::CurrencyUnit::Sat)
            .localstore(Arc::new(store))
            .seed(
                rand::random::<[[u8; 32]; 2]>()
                    .concat()
                    .try_into()
                    .expect("64 bytes"),
            )
            .without_rate_limiting()
            .build()
            .expect("a wallet")
    }

    pub(crate) fn client(&self) -> HttpClient {
        HttpClient::new(self.url.parse().expect("a url"), None)
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send("POST", path, &body.to_string()).await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.send("GET", path, "").await
    }

    pub(crate) async fn send(&self, verb: &str, path: &str, body: &str) -> (u16, Value) {
        let (status, _, body) = self.send_raw(verb, path, body).await;
        (
            status,
            serde_json::from_str(&body).unwrap_or(Value::String(body)),
        )
    }

    /// Plain HTTP/1.1, so that nothing between us and the listener helps.
    pub(crate) async fn send_raw(
        &self,
        verb: &str,
        path: &str,
        body: &str,
    ) -> (u16, String, String) {
        let host = self.url.strip_prefix("http://").expect("http");
        let mut stream = TcpStream::connect(host).await.expect("connects");
        let request = format!(
            "{verb} {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: https://wallet.example\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.expect("sends");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .expect("a status");
        (status, head.to_lowercase(), body.to_owned())
    }

    /// Claims a token and gives the answer.
    pub(crate) async fn claim(&self, owner: &Owner, signed: bool) -> Value {
        let body = if signed {
            owner.signed(&self.mint, Purpose::Claim, now_ms())
        } else {
            json!({})
        };
        let (status, answer) = self
            .post(&format!("/api/miners/{}/token", owner.miner), body)
            .await;
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

/// Steps a new worker until there is nothing to do.
pub(crate) async fn work(mint: &Mint, outbox: Arc<dyn Outbox>) {
    let mut worker = Worker::new(mint.clone(), outbox);
    while worker.step().await.expect("steps") {}
}

/// What the quotes in the store say, summed row by row: paid and issued.
pub(crate) async fn row_sums(mint: &Mint) -> (u64, u64) {
    let quotes = mint.store().get_mint_quotes().await.expect("reads");
    quotes.iter().fold((0, 0), |(paid, issued), quote| {
        (
            paid + quote.amount_paid().value(),
            issued + quote.amount_issued().value(),
        )
    })
}
