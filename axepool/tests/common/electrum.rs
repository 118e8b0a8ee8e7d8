//! A chain behind Electrum's protocol, as far as a node without coins and channels asks for
//! it; the server can be out of order.

#![allow(dead_code, unreachable_pub)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bitcoin::consensus::encode::serialize_hex;
use bitcoin::constants::genesis_block;
use bitcoin::{Block, Network};
use serde_json::{Value, json};
use simnet::chain::SharedChain;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The server's fault.
#[derive(Clone, Debug, Default)]
pub enum Fault {
    #[default]
    Nothing,
    /// It takes connections and questions, and says nothing.
    Silent,
    /// Its first block is mainnet's.
    OnMainnet,
}

struct State {
    chain: SharedChain,
    fault: Fault,
}

/// The server.
#[derive(Clone)]
pub struct Electrum {
    state: Arc<Mutex<State>>,
    pub at: SocketAddr,
}

impl Electrum {
    /// Serves `chain` until the test ends.
    pub async fn serve(chain: SharedChain) -> Electrum {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("an address");
        let fault = Fault::default();
        let state = Arc::new(Mutex::new(State { chain, fault }));
        let server = Electrum { state, at };
        let accepting = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(accepting.clone().talk(stream));
            }
        });
        server
    }

    /// Something else is wrong with it from now on.
    pub fn has(&self, fault: Fault) {
        self.lock().fault = fault;
    }

    /// It follows another chain from now on.
    pub fn follows(&self, chain: SharedChain) {
        self.lock().chain = chain;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn talk(self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while stream.read_line(&mut line).await.unwrap_or(0) > 0 {
            let Ok(asked) = serde_json::from_str::<Value>(&line) else {
                return;
            };
            line.clear();
            let Some(answer) = self.answer(&asked) else {
                continue;
            };
            // Whoever asked may have gone.
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    fn answer(&self, asked: &Value) -> Option<String> {
        let state = self.lock();
        let (method, params) = (asked["method"].as_str()?, &asked["params"]);
        let result = match &state.fault {
            Fault::Silent => return None,
            Fault::OnMainnet if method == "blockchain.block.header" && params[0] == 0 => Ok(json!(
                serialize_hex(&genesis_block(Network::Bitcoin).header)
            )),
            Fault::OnMainnet | Fault::Nothing => result(&state.chain, method, params),
        };
        let answer = match result {
            Ok(result) => json!({"jsonrpc": "2.0", "id": asked["id"], "result": result}),
            Err(message) => json!({
                "jsonrpc": "2.0",
                "id": asked["id"],
                "error": {"code": 1, "message": message},
            }),
        };
        Some(format!("{answer}\n"))
    }
}

fn result(chain: &SharedChain, method: &str, params: &Value) -> Result<Value, String> {
    let chain = chain.lock();
    let header = |height: u64| {
        let height = u32::try_from(height).ok()?;
        chain
            .block(height)
            .map(|block: &Block| serialize_hex(&block.header))
    };
    match method {
        "server.version" => Ok(json!(["fake 1", "1.4"])),
        "server.ping" => Ok(Value::Null),
        "blockchain.headers.subscribe" => {
            let height = chain.height();
            Ok(json!({"height": height, "hex": header(height.into())}))
        }
        "blockchain.block.header" => {
            let found = params[0].as_u64().and_then(header);
            found
                .map(Value::from)
                .ok_or_else(|| "no such block".to_owned())
        }
        "blockchain.block.headers" => {
            let first = params[0].as_u64().unwrap_or(0);
            let count = params[1].as_u64().unwrap_or(0).min(2016);
            let found: Vec<String> = (first..first + count).map_while(header).collect();
            Ok(json!({"count": found.len(), "hex": found.concat(), "max": 2016}))
        }
        "blockchain.estimatefee" => Ok(json!(0.00001)),
        "blockchain.relayfee" => Ok(json!(0.00001)),
        "blockchain.scripthash.get_history" | "blockchain.scripthash.listunspent" => Ok(json!([])),
        "blockchain.scripthash.subscribe" => Ok(Value::Null),
        other => Err(format!("unknown method {other}")),
    }
}
