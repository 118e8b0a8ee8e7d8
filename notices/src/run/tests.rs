use std::sync::Mutex;
use std::sync::atomic::Ordering;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::super::desk::tests::{World, open_with};
use super::super::pace::BURST;
use super::super::target::Policy;
use super::*;
use crate::testing::{pair, signed};
use signed::Channel;

const PATIENCE: Duration = Duration::from_secs(20);

/// A server that gives every request the same answer, or none, and counts them.
struct Server {
    url: String,
    requests: Arc<Mutex<usize>>,
}

impl Server {
    async fn start(answer: Option<&'static str>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let requests = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let counted = Arc::clone(&counted);
                tokio::spawn(async move {
                    let mut request = [0; 8192];
                    let _ = stream.read(&mut request).await;
                    *counted.lock().expect("no panics") += 1;
                    match answer {
                        Some(answer) => drop(stream.write_all(answer.as_bytes()).await),
                        None => std::future::pending().await,
                    }
                });
            }
        });
        Server { url, requests }
    }

    fn requests(&self) -> usize {
        *self.requests.lock().expect("no panics")
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
const SLOW_DOWN: &str =
    "HTTP/1.1 429 No\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// A desk whose sender runs, with one ntfy server and webhooks to anywhere.
struct Running {
    _dir: TempDir,
    desk: Arc<Desk>,
    cancel: CancellationToken,
}

impl Running {
    fn new(ntfy: &Server) -> Running {
        let dir = tempfile::tempdir().expect("a directory");
        let world = Arc::new(World::default());
        world.last_ms.store(clock::now_ms(), Ordering::Relaxed);
        let policy = Policy {
            ntfy_servers: vec![ntfy.url.clone()],
            webhooks: true,
            allow_private: true,
        };
        let desk = open_with(&dir, &world, policy);
        let cancel = CancellationToken::new();
        let hour = Duration::from_secs(3600);
        tokio::spawn(run(Arc::clone(&desk), hour, cancel.clone()));
        Running {
            _dir: dir,
            desk,
            cancel,
        }
    }

    async fn subscribe(&self, byte: u8, channel: Channel, url: String) -> Result<(), DeskError> {
        let now_ms = clock::now_ms();
        let wish = signed(byte, Some(Target { channel, url }), now_ms);
        let granted = self.desk.grant(&pair(byte).1, &wish, now_ms).await;
        granted.map(drop)
    }

    /// How many deliveries had this result.
    fn count(&self, result: &str) -> u64 {
        let deliveries = &self.desk.metrics.deliveries;
        deliveries.with_label_values(&[result]).get()
    }

    async fn reaches(&self, result: &str, count: u64) {
        let reached = async {
            while self.count(result) < count {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let reached = tokio::time::timeout(PATIENCE, reached).await;
        assert!(reached.is_ok(), "{} {result}", self.count(result));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

#[tokio::test]
async fn sixty_wishes_of_a_stranger_are_one_message() {
    let ntfy = Server::start(Some(OK)).await;
    let running = Running::new(&ntfy);
    let topic = |number: u32| format!("{}/{number}", ntfy.url);
    let mut granted = 0;
    for number in 0..60 {
        // The sender has its turn between them.
        tokio::time::sleep(Duration::from_millis(5)).await;
        let result = running.subscribe(1, Channel::Ntfy, topic(number)).await;
        granted += u32::from(result.is_ok());
    }
    running.reaches("delivered", 1).await;
    assert!(running.desk.due(clock::now_ms(), |_, _| true).is_empty());
    assert_eq!((granted, ntfy.requests()), (1, 1));
}

#[tokio::test]
async fn slow_webhooks_hold_up_nobody_else() {
    let ntfy = Server::start(Some(OK)).await;
    let running = Running::new(&ntfy);
    let quick = Server::start(Some(OK)).await;
    let mut slow = Vec::new();
    for byte in 10..30 {
        let server = Server::start(None).await;
        let subscribed = running.subscribe(byte, Channel::Webhook, server.url.clone());
        subscribed.await.expect("granted");
        slow.push(server);
    }
    let hook = running.subscribe(1, Channel::Webhook, quick.url.clone());
    hook.await.expect("granted");
    let topic = format!("{}/topic", ntfy.url);
    let topic = running.subscribe(2, Channel::Ntfy, topic);
    topic.await.expect("granted");
    running.reaches("delivered", 2).await;
    // The slow ones are waited for all the while.
    assert_eq!((quick.requests(), ntfy.requests()), (1, 1));
    assert_eq!(running.count("failed"), 0);
}

#[tokio::test]
async fn a_server_that_limits_its_senders_loses_no_owner() {
    let ntfy = Server::start(Some(SLOW_DOWN)).await;
    let running = Running::new(&ntfy);
    for byte in 10..30 {
        let topic = format!("{}/{byte}", ntfy.url);
        let subscribed = running.subscribe(byte, Channel::Ntfy, topic);
        subscribed.await.expect("granted");
    }
    running.reaches("held", 2).await;
    let failures = (10..30).map(|byte| running.desk.setting(&pair(byte).1));
    let failures: Vec<u32> = failures.map(|one| one.expect("kept").failures).collect();
    assert_eq!(failures, [0; 20]);
    // Two keys were refused, so the server is left alone for the second that it asked for.
    assert!(ntfy.requests() <= 3, "{}", ntfy.requests());
}

#[tokio::test]
async fn a_flood_of_keys_stays_below_the_server_s_limit() {
    let ntfy = Server::start(Some(OK)).await;
    let running = Running::new(&ntfy);
    let begun = Instant::now();
    for byte in 10..70 {
        let topic = format!("{}/{byte}", ntfy.url);
        let subscribed = running.subscribe(byte, Channel::Ntfy, topic);
        subscribed.await.expect("granted");
    }
    running.reaches("delivered", BURST.into()).await;
    let more = begun.elapsed().as_secs() / 6 + 1;
    let most = usize::try_from(u64::from(BURST) + more).expect("few");
    assert!(ntfy.requests() <= most, "{} of {most}", ntfy.requests());
    let waiting = running.desk.due(clock::now_ms(), |_, _| true).len();
    assert!(waiting + most >= 60, "{waiting} wait, none is dropped");
}
