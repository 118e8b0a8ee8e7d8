//! How fast the mint is: quotes made and paid by the outbox worker, batches of 100
//! minted over HTTP, tokens issued; and what other requests wait while one payout pays
//! very many quotes.
//!
//!     cargo run --release -p mint --example mint_bench -- [QUOTES]

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use accounting::{EpochId, Incarnation, MinerId, OutboxId, Sat};
use async_trait::async_trait;
use cdk::amount::{FeeAndAmounts, SplitTarget};
use cdk::nuts::{BatchMintRequest, PreMintSecrets, SecretKey};
use cdk::wallet::{HttpClient, MintConnector};
use cdk_common::{Amount, PaymentMethod};
use mint::{Expected, METHOD, Mint, MintConfig, Order, Outbox, OutboxError, QuoteKey, Row};
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Rows in memory, taken away when they are done.
struct Rows {
    open: Mutex<BTreeMap<OutboxId, Order>>,
    left: watch::Sender<usize>,
}

impl Rows {
    async fn fill(&self, orders: impl Iterator<Item = Order>) {
        let mut open = self.open.lock().await;
        let next = open.last_key_value().map_or(0, |(id, _)| id.get());
        // Numbers go on rising over all fills: the worker does not look back.
        let base = next.max(BASE.fetch_add(0, std::sync::atomic::Ordering::Relaxed));
        let mut number = base;
        for order in orders {
            number += 1;
            open.insert(OutboxId::new(number), order);
        }
        BASE.store(number, std::sync::atomic::Ordering::Relaxed);
        self.left.send_replace(open.len());
    }

    async fn drained(&self) -> Result<(), Error> {
        self.left.subscribe().wait_for(|left| *left == 0).await?;
        Ok(())
    }
}

static BASE: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

#[async_trait]
impl Outbox for Rows {
    async fn pending(&self, after: OutboxId, limit: usize) -> Result<Vec<Row>, OutboxError> {
        let open = self.open.lock().await;
        let later = open.range(OutboxId::new(after.get() + 1)..);
        Ok(later
            .take(limit)
            .map(|(&id, order)| Row {
                id,
                order: order.clone(),
            })
            .collect())
    }

    async fn done(&self, ids: Vec<OutboxId>) -> Result<(), OutboxError> {
        let mut open = self.open.lock().await;
        for id in ids {
            open.remove(&id);
        }
        self.left.send_replace(open.len());
        Ok(())
    }

    async fn expected(&self, _: Option<QuoteKey>, _: usize) -> Result<Vec<Expected>, OutboxError> {
        Ok(Vec::new())
    }
}

/// `before` is what the same cost when cdk was tried for it, alone with SQLite on two busy
/// cores.
fn say(what: &str, number: usize, since: Instant, before: &str) -> Result<(), Error> {
    let (took, number_f) = (
        since.elapsed().as_secs_f64(),
        f64::from(u32::try_from(number)?),
    );
    writeln!(
        std::io::stdout(),
        "{what}: {number} in {took:.2} s = {:.0}/s (tried: {before})",
        number_f / took
    )?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let number: usize = std::env::args()
        .nth(1)
        .map_or(Ok(100_000), |text| text.parse())?;
    let dir = tempfile::tempdir()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let config = MintConfig::new(
        dir.path().to_owned(),
        Incarnation::from_bytes([1; 16]),
        url.clone(),
    );
    let mint = Mint::open(config, None, &Registry::new()).await?;
    let router = mint.router().await?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    let rows = Arc::new(Rows {
        open: Mutex::default(),
        left: watch::Sender::new(0),
    });
    let cancel = CancellationToken::new();
    let worker = mint.spawn_worker(Arc::clone(&rows) as _, cancel.clone());

    let secrets: Vec<SecretKey> = (0..number).map(|_| SecretKey::generate()).collect();
    let quotes: Vec<QuoteKey> = secrets
        .iter()
        .map(|secret| {
            QuoteKey::of_epoch(
                MinerId::from_public_key(&secret.public_key()),
                EpochId::FIRST,
            )
        })
        .collect();
    let since = Instant::now();
    rows.fill(
        quotes
            .iter()
            .map(|&quote| Order::CreateQuote { quote, typed: None }),
    )
    .await;
    rows.drained().await?;
    say("quotes created", number, since, "47,000 to 110,000/s")?;

    let waits = tokio::spawn(keep_asking(url.clone(), cancel.clone()));
    let payout: mint::PayoutId = "payout".parse()?;
    // As a settlement writes them: in the order of the keys.
    let mut in_order = quotes.clone();
    in_order.sort_unstable();
    let pay = in_order.iter().map(|&quote| Order::PayQuote {
        quote,
        payout: payout.clone(),
        amount: Sat::new(3),
    });
    let since = Instant::now();
    rows.fill(pay).await;
    rows.drained().await?;
    say(
        "quotes paid by one payout",
        number,
        since,
        "17,000 to 36,000/s",
    )?;
    cancel.cancel();
    worker.await?;
    let mut waits = waits.await??;
    waits.sort_unstable();
    let p99 = waits
        .get(waits.len() * 99 / 100)
        .copied()
        .unwrap_or_default();
    let worst = waits.last().copied().unwrap_or_default();
    writeln!(
        std::io::stdout(),
        "meanwhile {} requests: p99 {p99:?}, longest {worst:?}",
        waits.len()
    )?;

    let claims = number.min(1000);
    let since = Instant::now();
    for quote in &quotes[..claims] {
        mint.claim(&quote.miner, None, None, 1).await?;
    }
    say(
        "tokens issued, one after the other",
        claims,
        since,
        "not tried",
    )?;
    batches(&mint, &url, &secrets[claims..], &quotes[claims..]).await
}

/// Looks at the mint over HTTP all the time: what it says of itself, and its keysets.
async fn keep_asking(url: String, until: CancellationToken) -> Result<Vec<Duration>, Error> {
    let client = HttpClient::new(url.parse()?, None);
    let mut waits = Vec::new();
    while !until.is_cancelled() {
        let since = Instant::now();
        client.get_mint_info().await?;
        waits.push(since.elapsed());
        let since = Instant::now();
        client.get_mint_keysets().await?;
        waits.push(since.elapsed());
    }
    Ok(waits)
}

async fn batches(
    mint: &Mint,
    url: &str,
    secrets: &[SecretKey],
    quotes: &[QuoteKey],
) -> Result<(), Error> {
    const SIZE: usize = 100;
    let client = HttpClient::new(url.parse()?, None);
    let keyset = client
        .get_mint_keysets()
        .await?
        .keysets
        .into_iter()
        .find(|set| set.active);
    let keyset = keyset.ok_or("no active keyset")?.id;
    let amounts: FeeAndAmounts = (0, (0..32).map(|bit| 1 << bit).collect::<Vec<u64>>()).into();
    let mut requests = Vec::new();
    for (secrets, quotes) in secrets
        .chunks_exact(SIZE)
        .zip(quotes.chunks_exact(SIZE))
        .take(20)
    {
        let mut ids = Vec::new();
        for quote in quotes {
            let views = mint.quotes(&quote.miner).await?;
            ids.extend(views.first().map(|view| view.quote.quote.to_string()));
        }
        let outputs =
            PreMintSecrets::random(keyset, Amount::from(300), &SplitTarget::None, &amounts)?;
        let mut request = BatchMintRequest {
            quote_amounts: Some(vec![Amount::from(3); ids.len()]),
            outputs: outputs.blinded_messages(),
            signatures: None,
            quotes: ids,
        };
        let signed = request.quotes.iter().zip(secrets);
        let signatures: Result<_, _> = signed
            .map(|(quote, secret)| request.sign_quote(quote, secret).map(Some))
            .collect();
        request.signatures = Some(signatures?);
        requests.push(request);
    }
    let number = requests.len() * SIZE;
    let since = Instant::now();
    for request in requests {
        client
            .post_batch_mint(&PaymentMethod::Custom(METHOD.to_owned()), request)
            .await?;
    }
    say(
        "quotes minted over HTTP, 100 a request",
        number,
        since,
        "4,000 to 6,000/s",
    )
}
