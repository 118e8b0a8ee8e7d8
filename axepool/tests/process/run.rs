//! `axepool run` as a process: start, ask, stop, kill, start again.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::common::{PoolProcess, PoolSetup, axepool, stderr, stdout};
use accounting::EpochId;
use simnet::pool::{SimPool, SimPoolHandle, SimPoolOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

async fn upstream() -> SimPoolHandle {
    SimPool::start(SimPoolOptions::default())
        .await
        .expect("a simulated pool")
}

/// One HTTP request: the status code and the body.
async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.expect("connect");
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("write");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");
    let code = answer
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .expect("a status code");
    (
        code,
        answer.split_once("\r\n\r\n").expect("a body").1.to_owned(),
    )
}

#[tokio::test]
async fn it_starts_answers_and_stops_in_time() {
    let upstream = upstream().await;
    let mut pool = PoolProcess::start(PoolSetup::regtest(upstream.address())).await;
    pool.wait_ready().await;

    let status = pool.status().await;
    assert_eq!(status.pid, pool.pid());
    assert_eq!(status.network, "regtest");
    assert!(status.upstream.up);
    assert_ne!(status.stratum[0].port(), 0);
    let data = pool.data_dir();
    let mode = |path: &std::path::Path| {
        std::fs::metadata(path)
            .expect("metadata")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("admin.sock")), 0o600);

    let text = pool.command(&["status"]);
    assert!(text.status.success(), "{}", stderr(&text));
    assert!(
        stdout(&text).contains(&status.stratum[0].to_string()),
        "{}",
        stdout(&text)
    );
    assert!(
        stdout(&text).contains("ready      yes"),
        "{}",
        stdout(&text)
    );

    let ended = pool.stop().await;
    assert!(ended.success(), "{ended}; {}", pool.log());
    assert!(!data.join("admin.sock").exists());
    // Without a running process the commands open the store.
    let epochs = pool.command(&["epochs", "--json"]);
    assert!(epochs.status.success(), "{}", stderr(&epochs));
    assert!(
        stdout(&epochs).contains("\"state\": \"open\""),
        "{}",
        stdout(&epochs)
    );
}

#[tokio::test]
async fn ready_means_that_miners_are_served() {
    let upstream = upstream().await;
    let pool = PoolProcess::start(PoolSetup::regtest(upstream.address())).await;
    pool.wait_ready().await;
    let metrics = pool.metrics().await;
    assert_eq!(get(metrics, "/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(get(metrics, "/readyz").await, (200, "ready\n".to_owned()));
    let (code, text) = get(metrics, "/metrics").await;
    assert_eq!(code, 200);
    for name in ["process_resident_memory_bytes", "axepool_"] {
        assert!(text.contains(name), "{name} is missing:\n{text}");
    }
    assert_eq!(get(metrics, "/").await.0, 404);

    upstream.stop().await.expect("the upstream goes");
    pool.poll("not ready", async |pool| {
        (!pool.status().await.not_ready.is_empty()).then_some(())
    })
    .await;
    let (code, why) = get(metrics, "/readyz").await;
    assert_eq!(code, 503);
    assert!(why.contains("no work from the upstream"), "{why}");
    // A restart would not mend that.
    assert_eq!(get(metrics, "/healthz").await.0, 200);
    assert_eq!(pool.command(&["status"]).status.code(), Some(1));
}

#[tokio::test]
async fn a_killed_pool_starts_again_in_the_same_directory() {
    let upstream = upstream().await;
    let mut pool = PoolProcess::start(PoolSetup::regtest(upstream.address())).await;
    pool.wait_ready().await;
    let closed = pool.close_epoch().await;
    assert_eq!(closed.id, EpochId::FIRST);

    pool.kill();
    assert!(
        pool.data_dir().join("admin.sock").exists(),
        "SIGKILL leaves the socket's file"
    );
    let offline = pool.command(&["epochs", "--json"]);
    assert!(offline.status.success(), "{}", stderr(&offline));
    pool.spawn().await;
    pool.wait_ready().await;
    let epochs = pool.epochs().await;
    assert_eq!(epochs.len(), 2, "{epochs:?}");
    assert!(!epochs[0].is_open() && epochs[1].is_open(), "{epochs:?}");
}

#[tokio::test]
async fn epochs_are_closed_by_command_while_it_runs_and_while_it_does_not() {
    let upstream = upstream().await;
    let mut pool = PoolProcess::start(PoolSetup::regtest(upstream.address())).await;
    let running = pool.command(&["epochs", "close", "--json"]);
    assert!(running.status.success(), "{}", stderr(&running));
    pool.stop().await;
    let stopped = pool.command(&["epochs", "close"]);
    assert!(stopped.status.success(), "{}", stderr(&stopped));
    assert!(
        stdout(&stopped).starts_with("closed epoch 2: 0 shares"),
        "{}",
        stdout(&stopped)
    );
    let table = stdout(&pool.command(&["epochs"]));
    assert_eq!(table.matches("command").count(), 2, "{table}");
    let miners = pool.command(&["miners", "--epoch", "1"]);
    assert!(
        stdout(&miners).starts_with("epoch 1 (closed)"),
        "{}",
        stdout(&miners)
    );
    let unknown = pool.command(&["miners", "--epoch", "77"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(stderr(&unknown).contains("77"), "{}", stderr(&unknown));
}

#[tokio::test]
async fn a_second_pool_in_the_same_directory_is_refused() {
    let upstream = upstream().await;
    let pool = PoolProcess::start(PoolSetup::regtest(upstream.address())).await;
    let second = axepool(
        &["run", "--config", &pool.config_path().display().to_string()],
        &pool.data_dir(),
    );
    assert_eq!(second.status.code(), Some(1));
    assert!(
        stderr(&second).contains("another process has the ledger open"),
        "{}",
        stderr(&second)
    );
    // The first one is unharmed.
    pool.wait_ready().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let upstream = upstream().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = taken.local_addr().expect("address");
    let dir = tempfile::tempdir().expect("a directory");
    let mut setup = PoolSetup::regtest(upstream.address());
    let config = setup.render().replace(
        "[stratum]\nlisten = \"127.0.0.1:0\"",
        &format!("[stratum]\nlisten = \"{address}\""),
    );
    std::fs::write(dir.path().join("axepool.toml"), config).expect("the config");
    setup.log.clear();
    let output = axepool(&["run"], dir.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains(&address.to_string()),
        "{}",
        stderr(&output)
    );
}

#[tokio::test]
async fn the_admin_socket_refuses_what_is_no_request() {
    let upstream = upstream().await;
    let pool = PoolProcess::start(PoolSetup::regtest(upstream.address())).await;
    for line in [
        "{}\n",
        "garbage\n",
        "{\"command\":\"drop_all\"}\n",
        &format!("{}\n", "x".repeat(5000)),
    ] {
        let mut stream = UnixStream::connect(pool.data_dir().join("admin.sock"))
            .await
            .expect("connect");
        // It may answer and hang up before it has read all of a line that is too long.
        let _ = stream.write_all(line.as_bytes()).await;
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        assert!(
            answer.contains("not a request") || line.len() > 4096,
            "{answer}"
        );
    }
    // Somebody who asks nothing holds up nobody.
    let _silent = UnixStream::connect(pool.data_dir().join("admin.sock"))
        .await
        .expect("connect");
    let status = tokio::time::timeout(Duration::from_secs(4), pool.status()).await;
    assert!(status.is_ok());
}

#[tokio::test]
async fn health_is_told_to_the_operator_and_a_word_of_it_to_everybody() {
    let upstream = upstream().await;
    let mut pool = PoolProcess::start(PoolSetup::regtest(upstream.address())).await;
    pool.wait_ready().await;
    let http = pool.status().await.http[0];
    assert_eq!(get(http, "/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(get(http, "/readyz").await, (200, "ready\n".to_owned()));
    let well = pool.command(&["health", "--ready"]);
    assert!(well.status.success(), "{}", stderr(&well));
    assert_eq!(stdout(&well), "ready\n");

    upstream.stop().await.expect("the upstream goes");
    pool.poll("not ready", async |pool| {
        (!pool.status().await.not_ready.is_empty()).then_some(())
    })
    .await;
    // Strangers are not told which upstream it is, nor what it said.
    assert_eq!(get(http, "/readyz").await, (503, "not ready\n".to_owned()));
    assert_eq!(get(http, "/healthz").await.0, 200);
    let alive = pool.command(&["health"]);
    assert!(alive.status.success(), "{}", stderr(&alive));
    assert!(stdout(&alive).contains("no work from the upstream"));
    assert_eq!(pool.command(&["health", "--ready"]).status.code(), Some(1));

    pool.stop().await;
    assert_eq!(pool.command(&["health"]).status.code(), Some(1));
}

#[tokio::test]
async fn levels_change_while_it_runs_and_files_have_the_log_as_json() {
    let upstream = upstream().await;
    let mut setup = PoolSetup::regtest(upstream.address());
    setup.stratum += "[log]\ndir = \"logs\"\n";
    let pool = PoolProcess::start(setup).await;
    pool.wait_ready().await;
    let levels = |args: &[&str]| {
        let output = pool.command(args);
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output).trim().to_owned()
    };
    assert_eq!(levels(&["log"]), "info");
    assert!(!pool.log().contains("asked at the admin socket"));
    levels(&["log", "info,axepool=debug"]);
    pool.poll("a line of a finer level", async |pool| {
        // A line is written when somebody asks.
        pool.status().await;
        pool.log()
            .contains("asked at the admin socket")
            .then_some(())
    })
    .await;
    levels(&["log", "off"]);
    let wrong = pool.command(&["log", "loud"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(
        stderr(&wrong).contains("\"loud\" is no level"),
        "{}",
        stderr(&wrong)
    );

    let path = pool.config_path().with_file_name("logs/axepool.jsonl");
    let mode = std::fs::metadata(&path)
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let file = std::fs::read_to_string(path).expect("a file");
    let lines: Vec<serde_json::Value> = file
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let says = |text: &str| lines.iter().any(|line| line["message"] == text);
    assert!(
        says("the pool runs") && says("asked at the admin socket"),
        "{file}"
    );
}

/// One HTTP request from outside: status code, head and body.
async fn ask(address: SocketAddr, request: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).await.expect("connect");
    stream.write_all(request.as_bytes()).await.expect("write");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    (
        code.expect("a status code"),
        head.to_ascii_lowercase(),
        body.to_owned(),
    )
}

#[tokio::test]
async fn pages_keep_to_themselves_and_say_no_secret_again() {
    const SECRET: &str = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5";
    let upstream = upstream().await;
    let mut pool = PoolProcess::start(PoolSetup::regtest(upstream.address())).await;
    pool.wait_ready().await;
    let http = pool.status().await.http[0];
    let get = async |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: pool\r\nConnection: close\r\n\r\n");
        ask(http, &request).await
    };
    let miner = simnet::keys::SimKey::derive(6, 1);
    let own = format!("/miners/{}", miner.hex);
    for (path, code) in [
        ("/", 200),
        ("/miners", 200),
        (own.as_str(), 200),
        ("/no-such-page", 404),
        ("/miners/garage", 400),
        (&format!("/miners/{SECRET}"), 400),
        (&format!("/miners?key={SECRET}"), 400),
    ] {
        let (given, head, body) = get(path).await;
        assert_eq!(given, code, "{path}: {head}");
        for header in [
            "content-security-policy: default-src 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "content-type: text/html",
        ] {
            assert!(head.contains(header), "{path}: {header}: {head}");
        }
        assert!(body.contains("</html>"), "{path}: {body}");
        assert!(!body.contains(SECRET), "{path}");
        assert!(
            !body.contains(" style=") && !body.contains("<script>"),
            "{path}"
        );
    }
    for path in [
        format!("/miners/{}", miner.npub),
        format!("/miners?key={}", miner.npub),
    ] {
        let (code, head, _) = get(&path).await;
        assert!([303, 308].contains(&code), "{code}");
        assert!(head.contains(&format!("location: {own}")), "{head}");
    }
    let body = format!("key={SECRET}");
    let typed = format!(
        "POST /miners HTTP/1.1\r\nHost: pool\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (code, _, answer) = ask(http, &typed).await;
    assert_eq!(code, 400);
    assert!(
        answer.contains("role=\"alert\"") && !answer.contains(SECRET),
        "{answer}"
    );

    // Programs read JSON, errors too.
    let json = async |path: &str| {
        let (code, _, body) = get(path).await;
        let value: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        (code, value)
    };
    assert_eq!(json("/api/no-such-thing").await.0, 404);
    // The mint may not be open yet.
    assert!([404, 503].contains(&json("/v1/no-such-thing").await.0));
    assert_eq!(json(&format!("/api/miners/{SECRET}")).await.0, 400);
    let (code, pool_now) = json("/api/pool").await;
    assert_eq!((code, &pool_now["devices"]), (200, &serde_json::json!(0)));
    let (code, miner_now) = json(&format!("/api/miners/{}", miner.npub)).await;
    assert_eq!(
        (code, miner_now["miner"].as_str()),
        (200, Some(miner.hex.as_str()))
    );

    assert!(pool.stop().await.success(), "{}", pool.log());
    assert!(!pool.log().contains(SECRET), "{}", pool.log());
    let history = pool.data_dir().join("history.json");
    assert!(history.exists(), "it is saved at the stop");
}
