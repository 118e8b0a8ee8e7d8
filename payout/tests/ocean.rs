//! The watch over OCEAN's blocks against a chain source and an API that are late, silent
//! or wrong, over HTTP as they really are.

// A test's helpers may stop it, as its own body may.
#![allow(clippy::unwrap_used)]

#[path = "ocean/witnesses.rs"]
mod witnesses;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use accounting::settle::{Block as OceanBlock, Event, Via};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use bitcoin::constants::genesis_block;
use bitcoin::hashes::Hash as _;
use bitcoin::{Address, Amount, Block, BlockHash, Network, ScriptBuf, TxOut, WPubkeyHash};
use payout::chain::ChainClient;
use payout::ocean::{OceanApi, OceanWatch, SourceHealth};
use payout::witness::UpstreamTip;
use payout::{BookError, Booked, Booking, ChainSource};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(30);
const TAG: &[u8] = b"OCEAN.XYZ";

/// Both sources, and what the books were told, in words.
#[derive(Default)]
struct World {
    chain: Mutex<Vec<Block>>,
    /// The chain source is down.
    chain_is_down: Mutex<bool>,
    /// A chain that the source shows at each second look instead, and whether it does now.
    other_face: Mutex<Option<Vec<Block>>>,
    shows_other: Mutex<bool>,
    /// What the API answers; none: it is down.
    api: Mutex<Option<(Value, Value)>>,
    told: Mutex<Vec<String>>,
    books_are_down: Mutex<bool>,
    /// What the upstream mines on.
    upstream: Mutex<Option<UpstreamTip>>,
    /// What the chain source calls itself.
    software: Mutex<&'static str>,
}

type Shared = Arc<World>;

#[async_trait::async_trait]
impl Booking for World {
    async fn book(&self, event: Event) -> Result<Booked, BookError> {
        self.tell(match event {
            Event::EarningsKnown { earnings, .. } => format!("earned {}", earnings.net),
            Event::BlockOrphaned { block } => format!("orphaned {}", self.name(&block)),
            Event::Paid(payment) => match payment.via {
                Via::OnChain {
                    from_ocean,
                    confirmations,
                    ..
                } => format!("paid {} {from_ocean} {confirmations}", payment.amount),
                Via::Lightning { .. } => "lightning".into(),
            },
            other => format!("{other:?}"),
        })
    }

    async fn close_epoch(&self, block: OceanBlock) -> Result<Booked, BookError> {
        self.tell(format!("found {}", block.height))
    }
}

impl World {
    fn tell(&self, what: String) -> Result<Booked, BookError> {
        if *self.books_are_down.lock().unwrap() {
            return Err(BookError::Unavailable("the disk is full".into()));
        }
        self.told.lock().unwrap().push(what);
        Ok(Booked::New)
    }

    fn name(&self, hash: &BlockHash) -> &'static str {
        let chain = self.chain.lock().unwrap();
        let is_there = chain.iter().any(|block| block.block_hash() == *hash);
        if is_there { "in the chain" } else { "gone" }
    }

    /// Adds a block; `salt` makes another one of the same height.
    fn mine(&self, tagged: bool, pays: Option<&Address>, salt: u32) -> BlockHash {
        let mut chain = self.chain.lock().unwrap();
        let mut block = genesis_block(Network::Regtest);
        block.header.prev_blockhash = chain
            .last()
            .map_or(BlockHash::all_zeros(), Block::block_hash);
        let mut script = format!("\u{3}{} {salt}", chain.len()).into_bytes();
        if tagged {
            script.extend_from_slice(TAG);
        }
        let mut spend = block.txdata[0].clone();
        block.txdata[0].input[0].script_sig = ScriptBuf::from_bytes(script);
        if let Some(address) = pays {
            spend.output = vec![TxOut {
                value: Amount::from_sat(1_048_576),
                script_pubkey: address.script_pubkey(),
            }];
            block.txdata.push(spend);
        }
        block.header.merkle_root = block.compute_merkle_root().unwrap();
        while block.header.validate_pow(block.header.target()).is_err() {
            block.header.nonce += 1;
        }
        let hash = block.block_hash();
        chain.push(block);
        hash
    }

    fn hash_at(&self, height: usize) -> BlockHash {
        self.chain.lock().unwrap()[height].block_hash()
    }

    fn grow(&self, count: u32) {
        for _ in 0..count {
            self.mine(false, None, 0);
        }
    }

    fn api_says(&self, blocks: Value, earnpay: Value) {
        *self.api.lock().unwrap() = Some((blocks, earnpay));
    }

    #[track_caller]
    fn has_told(&self, expected: &[&str]) -> bool {
        let told = self.told.lock().unwrap();
        let is_beginning = told.iter().zip(expected).all(|(told, due)| told == due);
        assert!(is_beginning && told.len() <= expected.len(), "{told:?}");
        told.len() == expected.len()
    }

    /// Waits until the books were told exactly this.
    async fn tells(&self, expected: &[&str]) {
        let since = Instant::now();
        while !self.has_told(expected) {
            assert!(
                since.elapsed() < PATIENCE,
                "{:?}",
                self.told.lock().unwrap()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn rpc(State(world): State<Shared>, Json(asked): Json<Value>) -> (StatusCode, Json<Value>) {
    if *world.chain_is_down.lock().unwrap() {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({})));
    }
    let mut shows_other = world.shows_other.lock().unwrap();
    *shows_other ^= asked["method"] == "getblockchaininfo";
    let other = world.other_face.lock().unwrap().clone();
    let other = other.filter(|_| *shows_other);
    let chain = other.unwrap_or_else(|| world.chain.lock().unwrap().clone());
    let param = &asked["params"][0];
    let result = match asked["method"].as_str().unwrap() {
        "getblockchaininfo" => json!({
            "chain": "regtest",
            "blocks": chain.len() - 1,
            "bestblockhash": chain.last().unwrap().block_hash(),
            "initialblockdownload": false,
        }),
        "getnetworkinfo" => json!({"subversion": *world.software.lock().unwrap()}),
        "getblockhash" => {
            let height = usize::try_from(param.as_u64().unwrap()).unwrap();
            let Some(block) = chain.get(height) else {
                let error = json!({"result": null, "error": {"code": -8, "message": "Block height out of range"}});
                return (StatusCode::INTERNAL_SERVER_ERROR, Json(error));
            };
            json!(block.block_hash())
        }
        "getblock" => {
            let block = chain
                .iter()
                .find(|block| json!(block.block_hash()) == *param);
            // One that a reorganisation took away while it was asked for.
            let Some(block) = block else {
                let error =
                    json!({"result": null, "error": {"code": -5, "message": "Block not found"}});
                return (StatusCode::INTERNAL_SERVER_ERROR, Json(error));
            };
            json!(bitcoin::consensus::encode::serialize_hex(block))
        }
        other => panic!("{other}"),
    };
    (
        StatusCode::OK,
        Json(json!({"result": result, "error": null})),
    )
}

async fn blocks(State(world): State<Shared>) -> Result<Json<Value>, StatusCode> {
    let api = world.api.lock().unwrap();
    let (blocks, _) = api.as_ref().ok_or(StatusCode::BAD_GATEWAY)?;
    Ok(Json(json!({"result": {"blocks": blocks}})))
}

async fn earnpay(
    State(world): State<Shared>,
    Path((_user, _since)): Path<(String, String)>,
) -> Result<Json<Value>, StatusCode> {
    let api = world.api.lock().unwrap();
    let (_, earnpay) = api.as_ref().ok_or(StatusCode::BAD_GATEWAY)?;
    Ok(Json(json!({"result": earnpay})))
}

fn address() -> Address {
    let script = ScriptBuf::new_p2wpkh(&WPubkeyHash::from_byte_array([5; 20]));
    Address::from_script(&script, Network::Regtest).unwrap()
}

struct Run {
    task: JoinHandle<std::io::Result<()>>,
    stop: CancellationToken,
    health: tokio::sync::watch::Receiver<SourceHealth>,
}

impl Run {
    async fn start(world: &Shared, dir: &std::path::Path) -> Run {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/", post(rpc))
            .route("/v1/blocks/{page}/{size}/{legacy}", get(blocks))
            .route("/v1/earnpay/{user}/{since}", get(earnpay))
            .with_state(Arc::clone(world));
        let stop = CancellationToken::new();
        let serving =
            axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
        tokio::spawn(async move { serving.await.unwrap() });
        let source: ChainSource = format!("http://pool:pool@{at}").parse().unwrap();
        let watch = OceanWatch {
            api: Some(OceanApi::new(&format!("http://{at}/v1")).unwrap()),
            chain: Some(ChainClient::new(&source).unwrap()),
            compared: Some(ChainClient::new(&source).unwrap()),
            upstream: Some({
                let world = Arc::clone(world);
                Arc::new(move || *world.upstream.lock().unwrap())
            }),
            are_own_chains: false,
            address: address(),
            tag: TAG.to_vec(),
            ask_every: Duration::from_millis(20),
            file: dir.join("ocean-watch.json"),
            booking: Arc::clone(world) as Arc<dyn Booking>,
        };
        let (tell, health) = tokio::sync::watch::channel(SourceHealth::default());
        Run {
            task: tokio::spawn(watch.run(tell, stop.clone())),
            stop,
            health,
        }
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }

    async fn sees(&mut self, height: u32) {
        let seen = self
            .health
            .wait_for(|health| health.tip_height == Some(height));
        tokio::time::timeout(PATIENCE, seen).await.unwrap().unwrap();
    }
}

fn world() -> Shared {
    let world = Shared::default();
    world.grow(101);
    world
}

#[tokio::test]
async fn a_listed_block_its_earnings_and_a_payout_reach_the_books_once() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    let old = world.hash_at(50);
    world.api_says(json!([{"height": 50, "block_hash": old}]), json!({}));
    let mut run = Run::start(&world, dir.path()).await;
    run.sees_first_round().await;
    world.grow(1);
    run.sees(101).await;
    let ours = world.mine(true, None, 0);
    let payer = world.mine(false, Some(&address()), 0);
    let txid = {
        let chain = world.chain.lock().unwrap();
        chain.last().unwrap().txdata[1].compute_txid()
    };
    assert_ne!(ours, payer);
    let earned = json!({
        "earnings": [{"block_hash": ours, "satoshis_net_earned": "995"}],
        "payouts": [{"on_chain_txid": txid}],
    });
    world.api_says(json!([{"height": "102", "block_hash": ours}]), earned);
    world.tells(&["found 102", "earned 995"]).await;
    world.grow(5);
    let all = ["found 102", "earned 995", "paid 1048576000 true 6"];
    world.tells(&all).await;
    run.end().await;

    // After a restart nothing is told again but the earnings, which the books compare.
    let run = Run::start(&world, dir.path()).await;
    world.mine(false, None, 0);
    world.tells(&[&all[..], &["earned 995"]].concat()).await;
    run.end().await;
}

#[tokio::test]
async fn books_that_are_down_are_told_later_and_in_order() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    *world.books_are_down.lock().unwrap() = true;
    world.api_says(json!([]), json!({}));
    let mut run = Run::start(&world, dir.path()).await;
    run.sees_first_round().await;
    let first = world.mine(true, None, 0);
    let second = world.mine(true, None, 0);
    let list = json!([
        {"height": 102, "block_hash": second},
        {"height": 101, "block_hash": first},
    ]);
    world.api_says(list, json!({}));
    let refused = run.health.wait_for(|health| health.books_error.is_some());
    drop(
        tokio::time::timeout(PATIENCE, refused)
            .await
            .unwrap()
            .unwrap(),
    );
    *world.books_are_down.lock().unwrap() = false;
    world.tells(&["found 101", "found 102"]).await;
    run.end().await;
}

#[tokio::test]
async fn a_silent_api_does_not_hold_back_a_tag_and_an_orphan_dissolves() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    let mut run = Run::start(&world, dir.path()).await;
    run.sees_first_round().await;
    world.mine(true, None, 0);
    world.grow(5);
    run.sees(106).await;
    assert!(world.has_told(&[]), "not yet deep enough");
    world.grow(1);
    world.tells(&["found 101"]).await;
    assert!(run.health.borrow().api_error.is_some());
    world.chain.lock().unwrap().truncate(101);
    for _ in 0..8 {
        world.mine(false, None, 1);
    }
    world.tells(&["found 101", "orphaned gone"]).await;
    run.end().await;
}

impl Run {
    /// The watch has begun where the chain was; what is mined from now on counts.
    async fn sees_first_round(&mut self) {
        let begun = self
            .health
            .wait_for(|health| health.chain_heard_secs.is_some());
        tokio::time::timeout(PATIENCE, begun)
            .await
            .unwrap()
            .unwrap();
    }
}
