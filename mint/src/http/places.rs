//! The concurrency limit of the mint's requests. A request takes a place when its whole body
//! is there, so that nobody holds a place by sending slowly. When all places are taken, a
//! request waits for a while: few wallets try again by themselves.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::detached::to_the_end;
use super::error::try_again;
use crate::handle::Mint;

/// How long a request waits for a place. Less than any wallet waits for an answer.
const WAIT: Duration = Duration::from_secs(5);

/// The places.
#[derive(Clone)]
pub(super) struct Places {
    free: Arc<Lane>,
    /// Of payments, each of which may wait a minute for the other side.
    melts: Arc<Lane>,
    mint: Mint,
}

/// Places of one kind, and as many requests that wait for one: more bodies are not held in
/// memory. A household cannot fill them: its requests under way are bounded, and one whose
/// client hangs up waits no longer.
struct Lane {
    free: Arc<Semaphore>,
    waiting: Semaphore,
}

impl Lane {
    fn new(most: usize) -> Arc<Lane> {
        Arc::new(Lane {
            free: Arc::new(Semaphore::new(most)),
            waiting: Semaphore::new(most),
        })
    }

    /// A place, in the order of asking; `None` when too many wait, or for too long.
    async fn enter(&self) -> Option<OwnedSemaphorePermit> {
        let free = || Arc::clone(&self.free);
        if let Ok(place) = free().try_acquire_owned() {
            return Some(place);
        }
        let _waits = self.waiting.try_acquire().ok()?;
        timeout(WAIT, free().acquire_owned()).await.ok()?.ok()
    }
}

/// The resource that a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// Nothing: the mint knows the answer without looking.
    Nothing,
    /// A payment.
    Melt,
    /// The mint's store.
    Store,
}

impl Places {
    /// A quarter of the places is for payments, so that payments that wait never keep
    /// anything else from being worked on.
    pub(super) fn new(mint: &Mint) -> Self {
        let most = mint.config().max_requests;
        let melts = (most / 4).max(1);
        Places {
            free: Lane::new(most.saturating_sub(melts).max(1)),
            melts: Lane::new(melts),
            mint: mint.clone(),
        }
    }
}

fn work(method: &Method, path: &str) -> Work {
    let rest = path.strip_prefix("/v1/").unwrap_or("");
    let is_static = rest == "info" || rest == "keysets" || rest.starts_with("keys");
    match *method {
        // Browsers ask with OPTIONS whether they may ask.
        Method::GET | Method::HEAD if is_static => Work::Nothing,
        Method::OPTIONS => Work::Nothing,
        Method::POST if rest.starts_with("melt/") && !rest.starts_with("melt/quote/") => Work::Melt,
        _ => Work::Store,
    }
}

/// Works on so many requests at once and no more. As many wait for their turn, the rest is
/// told to come back. A request that may change the store and has its place runs to its end.
pub(super) async fn one_place(
    State(places): State<Places>,
    request: Request,
    next: Next,
) -> Response {
    let lane = match work(request.method(), request.uri().path()) {
        Work::Nothing => return next.run(request).await,
        Work::Melt => &places.melts,
        Work::Store => &places.free,
    };
    let Some(place) = lane.enter().await else {
        places.mint.metrics().requests_refused.inc();
        return try_again("the mint is busy: try again");
    };
    let is_look = matches!(*request.method(), Method::GET | Method::HEAD);
    let work = async move {
        let _place = place;
        next.run(request).await
    };
    match is_look {
        true => work.await,
        false => to_the_end(work).await,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpStream;

    use crate::tests::interop::run;
    use crate::tests::restored::Door;
    use crate::tests::support::{Owner, Pool};
    use crate::tests::wallets::{minted, swapped};

    use super::*;

    #[track_caller]
    fn case(method: &Method, path: &str, expected: Work) {
        assert_eq!(work(method, path), expected, "{method} {path}");
    }

    #[test]
    fn what_is_known_takes_no_place_and_payments_have_their_own() {
        let (get, post) = (Method::GET, Method::POST);
        for path in ["/v1/info", "/v1/keys", "/v1/keysets", "/v1/keys/00ff"] {
            case(&get, path, Work::Nothing);
            case(&Method::HEAD, path, Work::Nothing);
            case(&post, path, Work::Store);
        }
        case(&Method::OPTIONS, "/v1/swap", Work::Nothing);
        case(&post, "/v1/melt/bolt11", Work::Melt);
        case(&post, "/v1/melt/quote/bolt11", Work::Store);
        case(&get, "/v1/melt/quote/bolt11/x", Work::Store);
        case(&post, "/v1/swap", Work::Store);
        case(&get, "/v1/mint/quote/axepool/x", Work::Store);
        case(&post, "/api/miners/02ab/token", Work::Store);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_for_its_turn_and_not_for_ever() {
        let lane = Lane::new(1);
        let place = lane.enter().await.expect("free");
        // Given back in time, it goes to who waits.
        let waits = tokio::spawn({
            let lane = Arc::clone(&lane);
            async move { lane.enter().await.is_some() }
        });
        while lane.waiting.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(lane.enter().await.is_none(), "too many wait");
        drop(place);
        assert!(waits.await.expect("no panics"));
        let _place = lane.enter().await.expect("free");
        let since = tokio::time::Instant::now();
        assert!(lane.enter().await.is_none());
        assert_eq!(since.elapsed(), WAIT);
        assert_eq!(lane.waiting.available_permits(), 1);
    }

    /// A mint whose places can be taken.
    struct Busy {
        pool: Pool,
        door: Door,
        places: Places,
    }

    impl Busy {
        async fn start() -> Busy {
            let door = Door::closed().await;
            let url = door.url.clone();
            let mut pool = Pool::set(|config| config.public_url = url).await;
            let places = Places::new(&pool.mint);
            let router = pool.mint.router_over(places.clone()).await.expect("routes");
            door.leads_to_routes(router).await;
            pool.url = door.url.clone();
            Busy { pool, door, places }
        }

        /// All places but those of payments.
        async fn taken(&self) -> tokio::sync::SemaphorePermit<'_> {
            let free = &self.places.free.free;
            let all = u32::try_from(free.available_permits()).expect("few");
            free.acquire_many(all).await.expect("open")
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_client_that_hangs_up_waits_no_longer() {
        let busy = Busy::start().await;
        let _taken = busy.taken().await;
        let waiting = &busy.places.free.waiting;
        let most = waiting.available_permits();
        let since = std::time::Instant::now();
        let at = busy.pool.url.strip_prefix("http://").expect("a host");
        let mut client = TcpStream::connect(at).await.expect("connects");
        let request = b"POST /v1/checkstate HTTP/1.1\r\nHost: test\r\n\
            Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        client.write_all(request).await.expect("sends");
        while waiting.available_permits() == most {
            tokio::task::yield_now().await;
        }
        drop(client);
        while waiting.available_permits() < most {
            tokio::task::yield_now().await;
        }
        assert!(since.elapsed() < WAIT, "{:?}", since.elapsed());
    }

    /// A mint all of whose places are taken, for cdk's wallet: the wallet waits; what waited too
    /// long is kept and may be sent again.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_wallet_waits_for_a_busy_mint_and_loses_nothing() {
        let busy = Busy::start().await;
        let Busy { pool, door, places } = &busy;
        let owner = Owner::new();
        pool.paid(&owner, &[(1, 20)]).await;
        let wallet = door.wallet().await;
        minted(&wallet, &owner, &pool.id(&owner, 1)).await;

        let taken = busy.taken().await;
        let free = places.free.waiting.available_permits();
        let waiting = {
            let wallet = wallet.clone();
            tokio::spawn(async move { swapped(&wallet, 8).await })
        };
        while places.free.waiting.available_permits() == free {
            tokio::task::yield_now().await;
        }
        drop(taken);
        waiting.await.expect("no panics").expect("its turn came");

        let taken = busy.taken().await;
        let error = swapped(&wallet, 4).await.expect_err("all are taken");
        assert!(
            matches!(&error, cdk::Error::HttpError(Some(503), words) if words.contains("busy")),
            "{error:?}"
        );
        assert!(!error.is_definitive_failure());
        let (status, head, body) = pool.send_raw("POST", "/v1/checkstate", "{}").await;
        assert_eq!((status, body.contains("\"code\"")), (503, false), "{body}");
        assert!(head.contains("retry-after: 1"), "{head}");
        drop(taken);
        let recovered = wallet.recover_incomplete_sagas().await;
        recovered.expect("asks what became of it");
        assert_eq!(u64::from(wallet.total_balance().await.expect("sums")), 20);
        swapped(&wallet, 4).await.expect("again");
    }

    /// cashu-ts sends a request that gets 503 again by itself, if the mint repeats its answers
    /// (NUT-19).
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs npm ci --prefix mint/tests/interop; scripts/test.sh runs it"]
    async fn cashu_ts_tries_a_busy_mint_again() {
        let busy = Busy::start().await;
        let owner = Owner::new();
        let mut tokens = serde_json::Map::new();
        for (version, sat) in [(3, 40), (4, 50)] {
            busy.pool.paid(&owner, &[(version, sat)]).await;
            let claim = busy.pool.claim(&owner, true).await;
            tokens.insert(version.to_string(), claim["token"].clone());
        }
        let secret = owner.secret.to_secret_hex();
        let asked = json!({ "url": busy.pool.url, "secret": secret, "tokens": tokens });
        let taken = busy.taken().await;
        let receiving = tokio::spawn(async move { run("busy.mjs", &asked).await });
        let refused = &busy.pool.mint.metrics().requests_refused;
        while refused.get() < 2 && !receiving.is_finished() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        drop(taken);
        let got = receiving.await.expect("no panics");
        assert_eq!((&got["3"], &got["4"]), (&json!(40), &json!(50)), "{got}");
        assert!(refused.get() >= 2);
    }
}
