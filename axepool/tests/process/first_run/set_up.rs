//! A pool that is set up, and runs.

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command};

use super::{
    ENTER, PRINTED, Waiting, bitcoind, command, encoded, of_home_server, problem, proof_of, text,
};
use crate::common::{ELSEWHERE, PoolProcess};
use crate::money::fetch::{ask_as, fetch, http};
use crate::world::{bitaxe, earns, key, ocean};

const PASSWORD: &str = "a-password-as-home-servers-make-it";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_is_set_up_in_a_browser_and_mines() {
    let (at, _) = bitcoind().await;
    let ocean = ocean(|_| {}).await;
    let upstream = format!("stratum+tcp://{}", ocean.address());
    let variables = of_home_server(at);
    let waiting = Waiting::start(&variables).await;
    let page = waiting.enter().await;
    let proof = proof_of(&page);
    let fields = [
        ("proof", proof.as_str()),
        ("action", "save"),
        ("name", "Kitchen \"pool\""),
        ("network", "regtest"),
        ("upstream", &upstream),
        ("chain", "home"),
        ("lightning", "node"),
        ("miners", "everybody"),
    ];
    let answer = waiting.send("/first-run", &fields).await;
    let page = text(&answer);
    assert_eq!(answer.code, 200, "{page}");
    assert_eq!(answer.header("cache-control"), "no-store");
    let config = waiting.config();
    let url = format!("url = \"http://umbrel:s3/cr@t@{at}\"\n");
    for line in [
        "split = \"tides\"\n",
        &url,
        "config = \"ldk-node-config/regtest.toml\"\n",
        "address = \"bcrt1",
    ] {
        assert!(config.contains(line), "{line}: {config}");
    }
    shows_the_words(&waiting, &page);

    // It is not done twice: another form is told what was written, and no words.
    let other = [fields[0], fields[1], ("address", ELSEWHERE), fields[3]];
    for fields in [&other[..], &fields[..]] {
        let again = waiting.send("/first-run", fields).await;
        assert_eq!(again.code, 409, "{again:?}");
        let page = text(&again);
        for part in [
            "set up with the answers below",
            "Kitchen &#34;pool&#34;",
            &upstream,
            "bcrt1",
            "data/node-mnemonic",
            "data/mint/mint.mnemonic",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(
            !page.contains(ELSEWHERE) && !page.contains("s3/cr"),
            "{page}"
        );
        has_no_words(&waiting, &page);
    }
    assert_eq!(waiting.config(), config);

    let start = [fields[0]];
    let begun = waiting.send("/first-run/start", &start).await;
    let page = text(&begun);
    assert_eq!(begun.code, 200, "{page}");
    assert!(page.contains("The pool starts"), "{page}");
    let (address, pid) = (waiting.address, waiting.child.id());
    let mut pool = waiting.becomes_a_pool().await;
    assert_eq!(pool.pid(), pid);
    let axe = bitaxe(pool.stratum().await, &key(1), |_| {});
    earns(&axe, 3).await;
    axe.stop().await;
    is_over(&pool, address, &encoded("", &fields)).await;
    leads_to_the_operators_page(&pool, &page).await;
    assert!(pool.stop().await.success(), "{}", pool.log());
    starts_as_a_pool(&pool, address, &variables).await;
}

/// No two words of either file stand side by side.
fn has_no_words(waiting: &Waiting, page: &str) {
    assert!(!page.contains("class=\"words\""), "{page}");
    for file in ["data/mint/mint.mnemonic", "data/node-mnemonic"] {
        let text = fs::read_to_string(waiting.dir.path().join(file)).expect(file);
        let words: Vec<&str> = text.split_whitespace().collect();
        for pair in words.windows(2) {
            assert!(!page.contains(&pair.join(" ")), "{page}");
        }
    }
}

/// The page shows the words of mint and node, as they are in their files.
fn shows_the_words(waiting: &Waiting, page: &str) {
    let shown = page.split("<li>").skip(1);
    let shown = shown.map(|item| item.split('<').next().expect("a word"));
    let shown: Vec<&str> = shown.collect();
    let files = ["data/mint/mint.mnemonic", "data/node-mnemonic"];
    let texts = files.map(|file| fs::read_to_string(waiting.dir.path().join(file)).expect(file));
    let kept: Vec<&str> = texts.iter().flat_map(|text| text.split(' ')).collect();
    let kept: Vec<&str> = kept.iter().map(|word| word.trim()).collect();
    assert_eq!((shown.len(), &shown), (48, &kept));
    let in_a_row = kept[..3].join(" ");
    assert!(!waiting.log().contains(&in_a_row), "words in the log");
}

/// No listener takes the form any more.
async fn is_over(pool: &PoolProcess, operator: SocketAddr, (more, body): &(String, String)) {
    let public = http(pool).await;
    let done = fetch(public, "/first-run", "").await;
    assert!(text(&done).contains("This pool is set up"), "{done:?}");
    for address in [public, operator] {
        let host = address.to_string();
        let post = ask_as(&host, address, ("POST", "/first-run"), more, body).await;
        assert!([401, 405].contains(&post.code), "{post:?}");
    }
}

/// The last page's link is what `axepool status` tells.
async fn leads_to_the_operators_page(pool: &PoolProcess, page: &str) {
    let links = page.split("<a href=\"").skip(1);
    let mut links = links.map(|link| link.split('"').next().expect("its end"));
    let link = links.find(|link| link.contains("/?token="));
    let link = link.unwrap_or_else(|| panic!("{page}"));
    let told = pool.poll("the operator's page", async |pool| {
        pool.status().await.operator
    });
    assert_eq!(told.await, link);
}

/// With a config there is no first run, whatever the option says.
async fn starts_as_a_pool(pool: &PoolProcess, address: SocketAddr, variables: &[(&str, String)]) {
    let config = pool.config_path();
    let dir = config.parent().expect("a directory");
    let child = command(dir, address, variables).spawn().expect("axepool");
    let mut child = Ended(child);
    pool.poll("its status", async |pool| {
        let answers = pool.command(&["status"]).status.success();
        answers.then_some(())
    })
    .await;
    assert!(child.0.try_wait().expect("wait").is_none());
    let log = pool.log();
    assert_eq!(log.matches(PRINTED).count(), 1, "{log}");
}

/// Killed when dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// As the packages for home servers start it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_source_that_the_environment_gives_is_tried_and_not_written() {
    let (at, mood) = bitcoind().await;
    let url = format!("http://umbrel:s3/cr@t@{at}");
    let waiting = Waiting::start(&[("AXEPOOL__CHAIN__URL", url)]).await;
    let page = waiting.enter().await;
    assert!(page.contains("this installation names"), "{page}");
    assert!(!page.contains("name=\"chain_url\""), "{page}");
    let proof = proof_of(&page);
    let fields = [
        ("proof", proof.as_str()),
        ("network", "regtest"),
        ("upstream", "stratum+tcp://127.0.0.1:1"),
        ("chain", "given"),
        ("lightning", "node"),
    ];
    mood.lock().expect("no panic").is_syncing = true;
    let tried = [&fields[..], &[("action", "try")]].concat();
    let page = text(&waiting.send("/first-run", &tried).await);
    assert!(page.contains("still loading the chain"), "{page}");
    // A network that is not the source's is seen before anything is written.
    let other = [fields[0], ("network", "signet"), fields[2], fields[3]];
    let page = text(&waiting.send("/first-run", &other).await);
    assert!(problem(&page, "chain").contains("on regtest"), "{page}");
    assert!(!waiting.has_config());

    let page = text(&waiting.send("/first-run", &fields).await);
    assert!(page.contains("Copy these words"), "{page}");
    assert!(!page.contains("s3/cr"), "{page}");
    let config = waiting.config();
    assert!(!config.contains("s3/cr"), "{config}");
    assert!(
        config.contains("#: url = \"http://127.0.0.1:8332\""),
        "{config}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_of_a_home_server_opens_it_by_every_name() {
    let password = [("AXEPOOL_FIRST_RUN_PASSWORD", PASSWORD.to_owned())];
    let mut waiting = Waiting::start(&password).await;
    assert!(!waiting.log().contains(PASSWORD), "{}", waiting.log());
    let address = waiting.address;
    let enter = async |typed: &str| {
        let (more, body) = encoded("", &[("password", typed)]);
        let path = ("POST", ENTER);
        ask_as("xyz.onion", address, path, &more, &body).await
    };
    let wrong = enter("a-password-of-somebody-else").await;
    assert_eq!(wrong.code, 401, "{wrong:?}");
    assert!(problem(&text(&wrong), "password").contains("not the password"));
    // As often as it is typed.
    for _ in 0..2 {
        let page = enter(PASSWORD).await;
        super::is_without_cookie(&page);
        let page = text(&page);
        assert!(page.contains("Payout address"), "{page}");
        assert!(!page.contains("unencrypted"), "an onion service encrypts");
    }
    // It is not read from an address, which others see.
    let query = format!("/first-run?token={PASSWORD}");
    let page = ask_as("umbrel.local", address, ("GET", &query), "", "").await;
    assert_eq!(page.code, 401, "{page:?}");
    assert!(text(&page).contains("unencrypted"), "{page:?}");
    // A container's health check takes it for what it is.
    let config = waiting.dir.path().join("axepool.toml");
    let health = |options: &[&str]| {
        let mut health = Command::new(env!("CARGO_BIN_EXE_axepool"));
        health
            .args(["health", "--config"])
            .arg(&config)
            .args(options);
        let ended = health
            .env("AXEPOOL_FIRST_RUN", address.to_string())
            .output();
        ended.expect("axepool").status.code()
    };
    assert_eq!((health(&[]), health(&["--ready"])), (Some(0), Some(1)));
    // Told to end before anything was answered, it ends well and leaves nothing behind.
    let pid = i32::try_from(waiting.child.id()).expect("a pid");
    let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("SIGTERM");
    assert!(waiting.child.wait().expect("its end").success());
    assert!(!waiting.has_config());
    assert_eq!(health(&[]), Some(1));
}
