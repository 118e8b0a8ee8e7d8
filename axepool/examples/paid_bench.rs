//! From a payment that is booked to a quote that its owner sees PAID: what a NUT-17
//! subscriber waits, while one payout pays 10 to 100,000 miners. Ledger, outbox,
//! mint, HTTP listener and websocket are the real ones; the payment itself is told to the
//! ledger as the node would tell it.
//!
//!     cargo run --release -p axepool --example paid_bench

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use accounting::settle::{Event, PaidTo, Payment, Via};
use accounting::{
    CloseCause, EpochTerms, Identity, MinerId, Msat, SessionId, ShareId, ShareRecord, Work,
    WorkerName,
};
use bitcoin::BlockHash;
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::secp256k1::{Secp256k1, SecretKey};
use futures::{SinkExt as _, StreamExt as _};
use ledger::{Ledger, LedgerOptions, ShareAck};
use mint::{Mint, MintConfig};
use pool::run::outbox::LedgerOutbox;
use prometheus::Registry;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// How many miners, and how many payouts are measured with them.
const SIZES: [(usize, u32); 4] = [(10, 30), (1_000, 20), (10_000, 5), (100_000, 3)];

/// So many of the quotes are watched, spread over all.
const WATCHED: usize = 100;

/// What a payout brings each miner.
const SATS_EACH: u64 = 3;

/// Nobody waits longer.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() -> Result<(), Error> {
    for (miners, payouts) in SIZES {
        let dir = tempfile::tempdir()?;
        let (mut waits, booking) = measure(dir.path(), miners, payouts).await?;
        waits.sort_unstable();
        let at = |percent: usize| waits[(waits.len() - 1) * percent / 100].as_secs_f64() * 1e3;
        writeln!(
            std::io::stdout(),
            "booked to PAID at a subscriber, {miners} miners: p50 {:.1} ms, p99 {:.1} ms, worst {:.1} ms ({} notices of {payouts} payouts); {:.1} ms of it until it was booked",
            at(50),
            at(99),
            at(100),
            waits.len(),
            booking.as_secs_f64() * 1e3 / f64::from(payouts),
        )?;
    }
    Ok(())
}

/// What each watched quote waited for, and what all payouts together took to be booked.
async fn measure(
    dir: &Path,
    miners: usize,
    payouts: u32,
) -> Result<(Vec<Duration>, Duration), Error> {
    let terms = EpochTerms {
        quote_min_work: Work::ZERO,
        ..EpochTerms::default()
    };
    let options = LedgerOptions::new(dir.join("ledger.redb"), terms, 1);
    let ledger = Ledger::open(options, &Registry::new())?;
    let secp = Secp256k1::new();
    let key = |_| -> Result<MinerId, Error> {
        let secret = SecretKey::from_slice(&rand::random::<[u8; 32]>())?;
        Ok(MinerId::from_public_key(&secret.public_key(&secp)))
    };
    let keys: Vec<MinerId> = (0..miners).map(key).collect::<Result<_, _>>()?;
    work(&ledger, &keys).await?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let config = MintConfig::new(
        dir.join("mint"),
        ledger.incarnation(),
        format!("http://{address}"),
    );
    let mint = Mint::open(config, None, &Registry::new()).await?;
    let router = mint.router().await?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    let cancel = CancellationToken::new();
    let outbox = Arc::new(LedgerOutbox::new(ledger.clone()));
    let worker = mint.spawn_worker(outbox, cancel.clone());
    drained(&ledger).await?;

    let mut ids = Vec::new();
    let step = miners.div_ceil(WATCHED);
    for key in keys.iter().step_by(step) {
        let quotes = mint.quotes(key).await?;
        ids.extend(quotes.iter().map(|view| view.quote.quote.to_string()));
    }
    let mut subscriber = Subscriber::connect(address, &ids).await?;
    let block = BlockHash::from_byte_array([9; 32]);
    let cause = CloseCause::OceanBlock {
        hash: block,
        height: 100,
    };
    ledger.close_epoch(cause, 3).await?;
    let (mut waits, mut booking) = (Vec::new(), Duration::ZERO);
    for number in 0..payouts {
        let payment = payment(number, miners, block);
        let since = Instant::now();
        ledger.settle(Event::Paid(payment)).await?;
        booking += since.elapsed();
        let paid = SATS_EACH * u64::from(number + 1);
        waits.extend(subscriber.all_paid(paid, ids.len(), since).await?);
        drained(&ledger).await?;
    }
    cancel.cancel();
    worker.await?;
    mint.close().await?;
    ledger.close().await;
    Ok((waits, booking))
}

/// A share of each, all alike.
async fn work(ledger: &Ledger, keys: &[MinerId]) -> Result<(), Error> {
    let ack = Arc::<ShareAck>::default();
    let mut sent = 0;
    for (sequence, key) in (1_u64..).zip(keys) {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&sequence.to_le_bytes());
        let record = ShareRecord {
            typed: Some(accounting::KeyPrefix::Even),
            id: ShareId {
                session: SessionId::new(ledger.boot(), 1),
                sequence,
            },
            who: Arc::new(Identity {
                miner: *key,
                worker: WorkerName::clean("bench"),
            }),
            work: Work::from_hashes(1 << 32),
            hash: BlockHash::from_byte_array(hash),
            upstream_work: Work::from_hashes(1 << 44),
            meets_upstream: false,
            meets_network: false,
            time_ms: 2,
        };
        ledger
            .shares()
            .reserve()
            .await?
            .send(record, Arc::clone(&ack));
        sent = sequence;
    }
    let mut decided = 0;
    while decided < sent {
        decided = poll_fn(|cx| ack.poll_decided(cx, decided)).await;
    }
    Ok(())
}

fn payment(number: u32, miners: usize, block: BlockHash) -> Payment {
    let sats = SATS_EACH * miners as u64;
    Payment {
        amount: Msat::new(sats * 1000),
        received_ms: 4,
        via: Via::Lightning {
            payment_hash: sha256::Hash::hash(&number.to_le_bytes()),
            preimage: None,
            paid_to: PaidTo::OceanOffer,
            note: Some(format!(
                "OCEAN lightning payout running at block `{block}` at height `130`"
            )),
            tip_height: None,
        },
    }
}

async fn drained(ledger: &Ledger) -> Result<(), Error> {
    let since = Instant::now();
    while !ledger.outbox(accounting::OutboxId::START, 1)?.is_empty() {
        if since.elapsed() > PATIENCE {
            return Err("the outbox is not drained".into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

struct Subscriber {
    socket: Socket,
}

impl Subscriber {
    async fn connect(address: std::net::SocketAddr, ids: &[String]) -> Result<Self, Error> {
        let (mut socket, _) =
            tokio_tungstenite::connect_async(format!("ws://{address}/v1/ws")).await?;
        let ask = json!({
            "jsonrpc": "2.0",
            "id": 1,
            "method": "subscribe",
            "params": { "kind": "axepool_mint_quote", "subId": "bench", "filters": ids },
        });
        socket.send(Message::text(ask.to_string())).await?;
        let mut subscriber = Subscriber { socket };
        loop {
            let said = subscriber.next().await?;
            if let Some(error) = said.get("error") {
                return Err(format!("the mint takes no subscription: {error}").into());
            }
            if said.get("id").is_some() {
                return Ok(subscriber);
            }
        }
    }

    async fn next(&mut self) -> Result<Value, Error> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next()).await?;
            let message = message.ok_or("the mint closed the websocket")??;
            if let Message::Text(text) = message {
                return Ok(serde_json::from_str(&text)?);
            }
        }
    }

    /// Waits until each quote is told to have `paid` satoshis.
    async fn all_paid(
        &mut self,
        paid: u64,
        quotes: usize,
        since: Instant,
    ) -> Result<Vec<Duration>, Error> {
        let mut waits = BTreeMap::new();
        while waits.len() < quotes {
            let said = self.next().await?;
            let quote = &said["params"]["payload"];
            if quote["amount_paid"].as_u64() == Some(paid)
                && let Some(id) = quote["quote"].as_str()
            {
                waits
                    .entry(id.to_owned())
                    .or_insert_with(|| since.elapsed());
            }
        }
        Ok(waits.into_values().collect())
    }
}
