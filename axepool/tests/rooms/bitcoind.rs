//! A bitcoind as it really is: it starts anew with another cookie, is not ready yet, does not
//! know us, or has deleted what is asked for. The simulated one has these moods.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bitcoin::Network;
use payout::chain::{ChainClient, ChainError};
use payout::{ChainSource, NodeState, Settings};
use simnet::chain::{Chain, Mood, SharedChain, SharedMood, serve_in};
use tokio_util::sync::CancellationToken;

use crate::nodes::{Pool, Recorder, give_up, now_secs};

/// A bitcoind and its chain.
struct Core {
    chain: SharedChain,
    mood: SharedMood,
    at: std::net::SocketAddr,
    dir: tempfile::TempDir,
    stop: CancellationToken,
}

impl Core {
    async fn start() -> Core {
        let chain = SharedChain::new(Chain::with_faucet(now_secs()));
        let mood = Arc::new(Mutex::new(Mood::default()));
        let stop = CancellationToken::new();
        let at = serve_in(chain.clone(), Arc::clone(&mood), stop.clone());
        Core {
            at: at.await.unwrap(),
            chain,
            mood,
            dir: tempfile::tempdir().unwrap(),
            stop,
        }
    }

    fn is(&self, change: impl FnOnce(&mut Mood)) {
        change(&mut self.mood.lock().unwrap());
    }

    fn cookie(&self) -> std::path::PathBuf {
        self.dir.path().join(".cookie")
    }

    /// Starts anew, as far as its cookie shows.
    fn starts_with(&self, cookie: &str) {
        self.is(|mood| mood.login = Some(cookie.to_owned()));
        std::fs::write(self.cookie(), cookie).unwrap();
    }

    fn by_cookie(&self) -> ChainSource {
        let url = format!("http://{}", self.at);
        ChainSource::with_cookie(Some(&url), self.cookie(), Network::Regtest).unwrap()
    }

    fn by_password(&self, login: &str) -> ChainSource {
        format!("http://{login}@{}", self.at).parse().unwrap()
    }
}

fn client(source: &ChainSource) -> ChainClient {
    ChainClient::new(source).unwrap()
}

#[tokio::test]
async fn a_cookie_is_read_again_after_each_start_of_bitcoind() {
    let core = Core::start().await;
    let client = client(&core.by_cookie());
    let missing = client.info().await.unwrap_err().to_string();
    assert!(
        missing.contains("no cookie in") && missing.contains("chain.cookie"),
        "{missing}"
    );
    for cookie in ["__cookie__:one", "__cookie__:t:w/o@#?"] {
        core.starts_with(cookie);
        client.info().await.unwrap();
    }
    core.is(|mood| mood.login = Some("__cookie__:three".to_owned()));
    let stale = client.info().await.unwrap_err();
    assert!(matches!(stale, ChainError::WrongCookie(_)), "{stale}");
    let said = stale.to_string();
    assert!(
        said.contains(".cookie") && said.contains("401") && !said.contains("t:w/o"),
        "{said}"
    );
}

#[tokio::test]
async fn what_bitcoind_refuses_is_told_with_what_to_do() {
    let core = Core::start().await;
    // Each of them stood in a URL that was taken for an Esplora server's, and shown.
    let login = "me:s3/cr@e#t?";
    core.is(|mood| mood.login = Some(login.to_owned()));
    let known = client(&core.by_password(login));
    known.info().await.unwrap();
    let stranger = client(&core.by_password("me:s3/cr@e#t?x"));
    let said = |error: ChainError, words: &[&str]| {
        let said = error.to_string();
        for word in words {
            assert!(said.contains(word), "{said:?} does not say {word:?}");
        }
        assert!(!said.contains("s3"), "{said}");
    };
    let refused = stranger.info().await.unwrap_err();
    said(refused, &["401", "user and password", "rpcauth"]);
    core.is(|mood| mood.warm_up = Some("Loading wallet…".to_owned()));
    let early = known.info().await.unwrap_err();
    said(early, &["is starting", "Loading wallet…"]);
    core.is(|mood| mood.warm_up = None);
    core.is(|mood| mood.forbids = Some("getblockchaininfo"));
    let forbidden = known.info().await.unwrap_err();
    said(forbidden, &["403", "getblockchaininfo", "rpcwhitelist"]);
    core.is(|mood| mood.forbids = None);
    core.is(|mood| mood.pruned_below = 2);
    let first = known.hash_at(1).await.unwrap().expect("a block");
    let pruned = known.block(&first).await.unwrap_err();
    said(pruned, &["pruned", "operator.md"]);
    core.stop.cancel();
    let gone = Instant::now();
    loop {
        match known.info().await {
            Err(error @ ChainError::Silent(_)) => break said(error, &["no answer"]),
            _ => give_up(gone, "it is gone"),
        }
    }
}

/// ldk-node keeps user and password for as long as it runs: the pool starts it anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_follows_the_chain_after_bitcoind_started_anew() {
    let core = Core::start().await;
    core.starts_with("__cookie__:one");
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings::parse("network = \"regtest\"").unwrap();
    let settings = settings.under(dir.path());
    let books = Arc::new(Recorder::default());
    let pool = Pool::start(&settings, &core.by_cookie(), &books, dir.path());
    pool.is_up().await;
    // While bitcoind is away its cookie is, too: the node stays up.
    std::fs::remove_file(core.cookie()).unwrap();
    assert!(pool.lightning.state().borrow().is_running());
    let mut state = pool.lightning.state();
    state.mark_unchanged();
    core.starts_with("__cookie__:two");
    let anew = state.wait_for(|state| *state == NodeState::Starting);
    drop(
        tokio::time::timeout(crate::nodes::PATIENCE, anew)
            .await
            .unwrap()
            .unwrap(),
    );
    pool.is_up().await;
    follows(&pool, &core, dir.path()).await;
    pool.end().await;
    core.stop.cancel();
}

async fn follows(pool: &Pool, core: &Core, dir: &Path) {
    let height = {
        let mut chain = core.chain.lock();
        chain.mine_to_faucet(1, now_secs());
        chain.height()
    };
    let since = Instant::now();
    while pool.lightning.view().await.unwrap().tip_height != height {
        give_up(since, &format!("block {height} in {}", dir.display()));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
