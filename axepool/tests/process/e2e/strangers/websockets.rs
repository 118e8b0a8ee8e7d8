//! WebSockets: long messages, many of them, and what they are for.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{beside, connect, mint_is_open, refused, rest};
use crate::common::PoolProcess;
use crate::world::{key, ocean, pool};

/// Asks for a WebSocket; the answer's head.
async fn upgrade(from: u8, to: SocketAddr) -> (TcpStream, String) {
    let mut stream = connect(from, to).await.expect("connect");
    let request = "GET /v1/ws HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a head"));
    }
    (stream, String::from_utf8_lossy(&head).into_owned())
}

async fn websocket(from: u8, to: SocketAddr) -> TcpStream {
    let (stream, head) = upgrade(from, to).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    stream
}

/// The head of a client's frame, with a mask of zeros.
fn frame(first: u8, length: u64) -> Vec<u8> {
    let mut frame = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length), _) if length < 126 => frame.push(0x80 | length),
        (_, Ok(length)) => {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend(length.to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame
}

const TEXT: u8 = 0x81;
const TEXT_BEGUN: u8 = 0x01;
const CONTINUED: u8 = 0x00;
const PONG: u8 = 0x8a;

async fn say(stream: &mut TcpStream, text: &str) -> bool {
    let length = u64::try_from(text.len()).expect("small");
    let bytes = [&frame(TEXT, length), text.as_bytes()].concat();
    stream.write_all(&bytes).await.is_ok()
}

/// The next frame of the pool, which are short here.
async fn heard(stream: &mut TcpStream) -> Value {
    let head = [
        stream.read_u8().await.expect("a frame"),
        stream.read_u8().await.expect("a length"),
    ];
    assert_eq!(head[0], TEXT, "{head:?}");
    let length = match head[1] {
        126 => usize::from(stream.read_u16().await.expect("a length")),
        short => usize::from(short),
    };
    let mut text = vec![0; length];
    stream.read_exact(&mut text).await.expect("a text");
    serde_json::from_slice(&text).expect("JSON")
}

fn resident_kb(pool: &PoolProcess) -> u64 {
    let status = format!("/proc/{}/status", pool.pid());
    let status = std::fs::read_to_string(status).expect("the process's status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|kb| kb.parse().ok()).expect("a number")
}

#[tokio::test]
async fn messages_that_never_end_hold_no_memory() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |_| {}).await;
    mint_is_open(&pool).await;
    let to = pool.status().await.http[0];
    let before = resident_kb(&pool);
    let attack = async {
        let mut sockets = Vec::new();
        for number in 0..32_u8 {
            let mut socket = websocket(10 + number / 8, to).await;
            // A message of 60 MiB, one of many frames, and one of many short ones.
            let piece = match number % 3 {
                0 => frame(TEXT_BEGUN, 60 << 20),
                1 => [frame(TEXT_BEGUN, 90_000), vec![b' '; 90_000]].concat(),
                _ => [frame(TEXT_BEGUN, 100), vec![b' '; 100]].concat(),
            };
            let more = [frame(CONTINUED, 100), vec![b' '; 100]].concat();
            let mut is_open = socket.write_all(&piece).await.is_ok();
            for _ in 0..2000 {
                is_open = is_open && socket.write_all(&more).await.is_ok();
            }
            sockets.push(socket);
        }
        for socket in &mut sockets {
            rest(socket).await;
        }
    };
    beside(to, &["/v1/info", "/"], attack).await;
    let grown = resident_kb(&pool).saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} kB");
}

#[tokio::test]
async fn an_address_has_a_few_and_gets_them_back() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |_| {}).await;
    mint_is_open(&pool).await;
    let to = pool.status().await.http[0];
    let mut sockets = Vec::new();
    for _ in 0..8 {
        sockets.push(websocket(10, to).await);
    }
    let (_, head) = upgrade(10, to).await;
    assert!(head.starts_with("HTTP/1.1 429"), "{head}");
    assert_eq!(refused(&pool, "http", "websockets").await, 1.0);
    let _other = websocket(11, to).await;
    drop(sockets.pop());
    pool.poll("a place that was left", async |_| {
        let (_, head) = upgrade(10, to).await;
        head.starts_with("HTTP/1.1 101").then_some(())
    })
    .await;
}

#[tokio::test]
async fn subscriptions_are_answered_and_floods_end_the_socket_without_a_line() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |_| {}).await;
    mint_is_open(&pool).await;
    let to = pool.status().await.http[0];
    let mut socket = websocket(10, to).await;
    let y = key(3).hex;
    let subscribe = json!({ "jsonrpc": "2.0", "id": 1, "method": "subscribe",
        "params": { "kind": "proof_state", "filters": [y], "subId": "s" } });
    assert!(say(&mut socket, &subscribe.to_string()).await);
    let answer = heard(&mut socket).await;
    assert_eq!(
        answer["result"],
        json!({ "status": "OK", "subId": "s" }),
        "{answer}"
    );
    let news = heard(&mut socket).await;
    let unspent = json!({ "Y": y, "state": "UNSPENT", "witness": null });
    assert_eq!(news["params"]["payload"], unspent, "{news}");
    assert!(say(&mut socket, &subscribe.to_string()).await);
    assert_eq!(heard(&mut socket).await["error"]["code"], -32602, "twice");
    let unsubscribe = json!({ "jsonrpc": "2.0", "id": 2, "method": "unsubscribe",
        "params": { "subId": "s" } });
    assert!(say(&mut socket, &unsubscribe.to_string()).await);
    assert_eq!(heard(&mut socket).await["result"]["status"], "OK");

    let before = pool.log().len();
    let mut flood = websocket(11, to).await;
    let pongs = frame(PONG, 0).repeat(1000);
    while flood.write_all(&pongs).await.is_ok() {}
    let mut garbage = websocket(11, to).await;
    while say(&mut garbage, "{").await {}
    let log = pool.log();
    assert!(log.len() - before < 2000, "{}", &log[before..]);
}
