//! The smallest pool: it serves one proxy, says what it is told to, and counts shares.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

/// What a test asks of it.
pub(super) enum Order {
    /// Send this line.
    Say(String),
    /// Drop the connection and take no other.
    Vanish,
}

pub(super) struct Pool {
    pub(super) address: SocketAddr,
    pub(super) orders: mpsc::UnboundedSender<Order>,
    /// The submissions so far.
    pub(super) submits: watch::Receiver<Arc<Vec<Value>>>,
}

impl Pool {
    /// With one job of this difficulty.
    pub(super) async fn start(difficulty: f64) -> Pool {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (orders, mut inbox) = mpsc::unbounded_channel();
        let (submits_in, submits) = watch::channel(Arc::default());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if serve(stream, difficulty, &mut inbox, &submits_in).await {
                    return;
                }
            }
        });
        Pool {
            address,
            orders,
            submits,
        }
    }

    pub(super) fn say(&self, line: &Value) {
        self.orders.send(Order::Say(line.to_string())).unwrap();
    }

    pub(super) fn vanish(&self) {
        self.orders.send(Order::Vanish).unwrap();
    }
}

pub(super) fn notify(id: &str, coinb1: &str, clean: bool) -> Value {
    let params = json!([
        id,
        "00".repeat(32),
        coinb1,
        "0304",
        ["05".repeat(32)],
        "20000000",
        "19034219",
        "66000000",
        clean
    ]);
    json!({"id": null, "method": "mining.notify", "params": params})
}

/// True when it shall serve no other.
async fn serve(
    mut stream: TcpStream,
    difficulty: f64,
    inbox: &mut mpsc::UnboundedReceiver<Order>,
    submits: &watch::Sender<Arc<Vec<Value>>>,
) -> bool {
    let (reader, mut writer) = stream.split();
    let mut lines = BufReader::new(reader).lines();
    loop {
        let text = tokio::select! {
            order = inbox.recv() => match order {
                Some(Order::Say(line)) => format!("{line}\n"),
                Some(Order::Vanish) | None => return true,
            },
            line = lines.next_line() => {
                let Ok(Some(line)) = line else { return false };
                answer(&serde_json::from_str(&line).unwrap(), difficulty, submits)
            }
        };
        if writer.write_all(text.as_bytes()).await.is_err() {
            return false;
        }
    }
}

fn answer(request: &Value, difficulty: f64, submits: &watch::Sender<Arc<Vec<Value>>>) -> String {
    let reply = |result: Value| {
        json!({"id": request["id"], "result": result, "error": null}).to_string() + "\n"
    };
    match request["method"].as_str().unwrap() {
        "mining.configure" => {
            reply(json!({"version-rolling": true, "version-rolling.mask": "1fffe000"}))
        }
        "mining.subscribe" => reply(json!([[["mining.notify", "s"]], "aabbccdd", 8])),
        "mining.authorize" => {
            let set =
                json!({"id": null, "method": "mining.set_difficulty", "params": [difficulty]});
            format!(
                "{}{set}\n{}\n",
                reply(json!(true)),
                notify("first", "0102", true)
            )
        }
        "mining.submit" => {
            submits.send_modify(|so_far| {
                Arc::make_mut(so_far).push(request.clone());
            });
            reply(json!(true))
        }
        _ => reply(json!(true)),
    }
}
