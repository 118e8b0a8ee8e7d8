//! A Stratum client that says exactly what it is told to, remembers what it hears, and
//! hashes for real when it is asked to.

use std::io;
use std::net::{IpAddr, SocketAddr};

use bitcoin::hashes::{Hash as _, sha256d};
use serde_json::{Value, json};
use simnet::stratum::{Hash, Notify, Target};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
    ReadHalf, WriteHalf,
};
use tokio::net::{TcpSocket, TcpStream};

use crate::common::PATIENCE;

/// A plain or a TLS stream.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A job as it was told, with what was in force then.
#[derive(Clone, Debug)]
pub struct Told {
    /// The job.
    pub notify: Notify,
    /// The difficulty told before it.
    pub difficulty: f64,
}

/// A header's hash that meets a difficulty, and how it is submitted.
#[derive(Clone, Debug)]
pub struct Share {
    pub job_id: String,
    pub extranonce2: String,
    pub ntime: u32,
    pub nonce: u32,
    /// `None` leaves the sixth param away.
    pub version_bits: Option<u32>,
    /// The expected hashes of the job's difficulty.
    pub work: u128,
}

/// What became of a submit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Accepted,
    Rejected(i64, String),
    /// The connection ended first.
    Lost,
}

/// The client.
pub struct Client {
    read: BufReader<ReadHalf<Box<dyn Duplex>>>,
    write: WriteHalf<Box<dyn Duplex>>,
    pub extranonce1: Vec<u8>,
    pub extranonce2_size: usize,
    pub difficulty: f64,
    /// Every job, the newest last.
    pub told: Vec<Told>,
    next_id: u64,
    nonce: u32,
}

impl Client {
    /// Connects to a listener that is there.
    pub async fn connect(address: SocketAddr) -> Client {
        Client::try_connect(address).await.expect("connect")
    }

    /// Connects.
    pub async fn try_connect(address: SocketAddr) -> io::Result<Client> {
        Ok(Client::over(TcpStream::connect(address).await?))
    }

    /// Connects from an address of one's own: all of 127.0.0.0/8 is here.
    pub async fn connect_from(local: IpAddr, address: SocketAddr) -> Client {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::new(local, 0)).expect("bind");
        Client::over(socket.connect(address).await.expect("connect"))
    }

    /// Speaks over a stream that is connected.
    pub fn over(stream: impl Duplex + 'static) -> Client {
        let (read, write) = tokio::io::split(Box::new(stream) as Box<dyn Duplex>);
        Client {
            read: BufReader::new(read),
            write,
            extranonce1: Vec::new(),
            extranonce2_size: 0,
            difficulty: f64::NAN,
            told: Vec::new(),
            next_id: 100,
            nonce: 0,
        }
    }

    /// Writes bytes in one piece; false when the connection is gone.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let written = self.write.write_all(bytes.as_ref()).await;
        written.is_ok() && self.write.flush().await.is_ok()
    }

    /// The next message; `None` at the end of the connection.
    pub async fn next(&mut self) -> Option<Value> {
        let mut line = Vec::new();
        let reading = self.read.read_until(b'\n', &mut line);
        let read = tokio::time::timeout(PATIENCE, reading).await;
        let read = read.unwrap_or_else(|_| panic!("nothing came for {PATIENCE:?}"));
        // A process that is killed may end in the middle of a line.
        if read.is_err() || line.pop() != Some(b'\n') {
            return None;
        }
        let text = String::from_utf8_lossy(&line);
        let message: Value = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{error}: the pool wrote {text:?}"));
        self.learn(&message);
        Some(message)
    }

    /// The reply to `id`; what comes before is remembered and skipped.
    pub async fn reply(&mut self, id: impl Into<Value>) -> Option<Value> {
        let id = id.into();
        loop {
            let message = self.next().await?;
            if message["id"] == id && message.get("method").is_none() {
                return Some(message);
            }
        }
    }

    /// All bytes until the end of the connection.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let reading = self.read.read_to_end(&mut rest);
        let read = tokio::time::timeout(PATIENCE, reading).await;
        // A reset is an end, too.
        let _ = read.unwrap_or_else(|_| panic!("not closed within {PATIENCE:?}"));
        rest
    }

    /// Waits for the end of the connection, whatever is said before.
    pub async fn until_closed(&mut self) {
        while self.next().await.is_some() {}
    }

    /// Waits for `count` more jobs.
    pub async fn jobs(&mut self, count: usize) -> Option<()> {
        let wanted = self.told.len() + count;
        while self.told.len() < wanted {
            self.next().await?;
        }
        Some(())
    }

    /// ESP-Miner's handshake in one breath, until the first job.
    pub async fn login(&mut self, username: &str) -> Option<()> {
        self.send(handshake(username)).await;
        let subscribed = self.reply(2).await?;
        self.subscribed(&subscribed);
        let authorized = self.reply(3).await?;
        assert_eq!(authorized["result"], json!(true), "{authorized}");
        while self.told.is_empty() {
            self.next().await?;
        }
        Some(())
    }

    /// Takes note of the reply to subscribe.
    pub fn subscribed(&mut self, reply: &Value) {
        let result = &reply["result"];
        self.extranonce1 = hex(result[1].as_str().expect("an extranonce1"));
        self.extranonce2_size = result[2]
            .as_u64()
            .and_then(|size| usize::try_from(size).ok())
            .expect("a size");
    }

    fn learn(&mut self, message: &Value) {
        let params = &message["params"];
        match message["method"].as_str() {
            Some("mining.set_difficulty") => {
                self.difficulty = params[0].as_f64().expect("a difficulty");
            }
            Some("mining.set_extranonce") => {
                self.extranonce1 = hex(params[0].as_str().expect("an extranonce1"));
                let size = params[1].as_u64().expect("a size");
                self.extranonce2_size = usize::try_from(size).expect("small");
            }
            Some("mining.notify") => {
                let params = params.as_array().expect("params");
                let notify = Notify::from_params(params).expect("a job");
                let difficulty = self.difficulty;
                self.told.push(Told { notify, difficulty });
            }
            _ => {}
        }
    }

    /// The job told last.
    pub fn job(&self) -> Told {
        self.told.last().expect("a job was told").clone()
    }

    /// Hashes until a share of the last job is found; never the same twice.
    pub fn find(&mut self) -> Share {
        let told = self.job();
        let ntime = told.notify.ntime;
        self.find_at(&told, ntime, told.difficulty)
    }

    /// Hashes until a header of `told` with this time meets `difficulty`.
    pub fn find_at(&mut self, told: &Told, ntime: u32, difficulty: f64) -> Share {
        let job = &told.notify;
        let target = Target::of_difficulty(difficulty).expect("a difficulty");
        let extranonce2 = vec![0; self.extranonce2_size];
        let root = job.merkle_root(&self.extranonce1, &extranonce2);
        loop {
            self.nonce = self.nonce.wrapping_add(1);
            let header = job.header(&root, job.version, ntime, self.nonce);
            let hash: Hash = sha256d::Hash::hash(&header).to_byte_array();
            if target.is_met_by(&hash) {
                return Share {
                    job_id: job.job_id.clone(),
                    extranonce2: "00".repeat(self.extranonce2_size),
                    ntime,
                    nonce: self.nonce,
                    version_bits: Some(0),
                    work: Target::of_difficulty(told.difficulty)
                        .expect("a difficulty")
                        .work(),
                };
            }
        }
    }

    /// Submits and waits for the answer.
    pub async fn submit(&mut self, share: &Share) -> Verdict {
        self.next_id += 1;
        let id = self.next_id;
        self.send(submit_line(id, share)).await;
        match self.reply(id).await {
            None => Verdict::Lost,
            Some(reply) if reply["result"] == json!(true) => Verdict::Accepted,
            Some(reply) => {
                let error = &reply["error"];
                let text = error[1].as_str().expect("a text").to_owned();
                Verdict::Rejected(error[0].as_i64().expect("a code"), text)
            }
        }
    }
}

/// What ESP-Miner says first, in one piece.
pub fn handshake(username: &str) -> String {
    let configure = json!({ "id": 1, "method": "mining.configure",
        "params": [["version-rolling"], { "version-rolling.mask": "ffffffff" }] });
    format!(
        "{configure}\n{}{}",
        subscribe(2, "raw/1"),
        authorize(3, username)
    )
}

/// A `mining.subscribe`.
pub fn subscribe(id: impl Into<Value>, user_agent: &str) -> String {
    line(id, "mining.subscribe", &json!([user_agent]))
}

/// A `mining.authorize`.
pub fn authorize(id: impl Into<Value>, username: &str) -> String {
    line(id, "mining.authorize", &json!([username, "x"]))
}

/// A `mining.submit`.
pub fn submit_line(id: impl Into<Value>, share: &Share) -> String {
    let (ntime, nonce) = (
        format!("{:08x}", share.ntime),
        format!("{:08x}", share.nonce),
    );
    let mut params = vec![
        json!("anybody"),
        json!(share.job_id),
        json!(share.extranonce2),
        json!(ntime),
        json!(nonce),
    ];
    params.extend(share.version_bits.map(|bits| json!(format!("{bits:08x}"))));
    line(id, "mining.submit", &Value::Array(params))
}

/// A request.
pub fn line(id: impl Into<Value>, method: &str, params: &Value) -> String {
    let id = id.into();
    format!("{{\"id\":{id},\"method\":\"{method}\",\"params\":{params}}}\n")
}

fn hex(text: &str) -> Vec<u8> {
    use bitcoin::hex::FromHex as _;
    Vec::from_hex(text).expect("hex")
}
