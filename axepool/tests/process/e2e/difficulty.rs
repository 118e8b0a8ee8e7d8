//! A miner's difficulty is never above the upstream's, for whatever reason it was set.

use serde_json::json;
use simnet::bitaxe::SimBitaxe;
use simnet::pool::{Books, Reject};

use crate::client::{Client, Told, Verdict, handshake, line};
use crate::common::PATIENCE;
use crate::world::{STRATUM, agrees, bitaxe, earns, key, ocean, pool};

/// The number that jobs of one upstream job share: the id up to a re-notify's mark.
fn upstream_job(told: &Told) -> u64 {
    let id = told.notify.job_id.split('r').next().expect("an id");
    u64::from_str_radix(id, 16).expect("hex")
}

/// Waits for the first job beyond `after` and gives its number.
async fn next_upstream_job(client: &mut Client, after: u64) -> u64 {
    while upstream_job(&client.job()) <= after {
        client.next().await.expect("still connected");
    }
    upstream_job(&client.job())
}

/// What was told with each upstream job, against the most that it allowed.
#[track_caller]
fn bounded(told: &[Told], limits: &[(u64, f64)]) {
    for told in told {
        let job = upstream_job(told);
        let limit = limits.iter().find(|(number, _)| *number == job);
        let (_, limit) = limit.unwrap_or_else(|| panic!("an unheard of job {job}"));
        assert!(
            told.difficulty <= *limit,
            "job {} was told with {}, the upstream asks {limit}",
            told.notify.job_id,
            told.difficulty
        );
    }
}

#[tokio::test]
async fn suggestions_and_changes_of_the_upstream_keep_below_it() {
    let ocean = ocean(|options| options.difficulty = 1e-4).await;
    // A floor that is itself above the upstream's, and a start far above.
    let pool = pool(&ocean, |setup| {
        setup.stratum = "min_difficulty = 0.001\nstart_difficulty = 1000\n".to_owned();
    })
    .await;
    let mut client = Client::connect(pool.stratum().await).await;
    // All that a device can ask for, before and after it is authorized.
    let asks = [
        line(8, "mining.suggest_difficulty", &json!([65_535])),
        line(
            9,
            "mining.suggest_target",
            &json!(["00".repeat(8) + &"f".repeat(48)]),
        ),
        line(
            10,
            "mining.configure",
            &json!([["minimum-difficulty"], { "minimum-difficulty.value": 500 }]),
        ),
    ]
    .concat();
    client.send(asks.clone() + &handshake(&key(1).npub)).await;
    let subscribed = client.reply(2).await.expect("an answer");
    client.subscribed(&subscribed);
    client.jobs(1).await.expect("a job");
    client.send(&asks).await;
    client.reply(10).await.expect("an answer");
    let mut job = upstream_job(&client.job());
    let mut limits = vec![(job, 1e-4)];

    // Lowered with a job, lowered without one (in force from the next on), raised.
    let steps: [(f64, Option<bool>); 6] = [
        (1e-5, Some(true)),
        (1e-6, None),
        (1e-5, Some(false)),
        (1e-3, None),
        (1e-6, Some(false)),
        (2e-6, Some(true)),
    ];
    for (difficulty, with_job) in steps {
        ocean.set_difficulty(difficulty, with_job);
        client.send(&asks).await;
        client.reply(10).await.expect("an answer");
        if with_job.is_none() {
            ocean.new_job(false);
        }
        job = next_upstream_job(&mut client, job).await;
        limits.push((job, difficulty));
        client.send(&asks).await;
        client.reply(10).await.expect("an answer");
    }
    assert!(client.told.len() > steps.len());
    bounded(&client.told, &limits);

    // Told is what counts: a share of each living job is measured by its own target.
    let last = client.job();
    let share = client.find_at(&last, last.notify.ntime, last.difficulty);
    assert_eq!(client.submit(&share).await, Verdict::Accepted);
    let miners = pool.miners(None).await;
    assert_eq!(miners.epoch.totals.work.hashes(), share.work);
    // As hard as the upstream's, so it is one of the upstream's.
    ocean
        .wait_for(|books| books.accepted() == 1, PATIENCE)
        .await
        .expect("it is passed on");
    assert_eq!(ocean.read_books(Books::work), share.work);
}

/// Devices far too fast for the upstream's difficulty: vardiff pushes against it.
#[tokio::test]
async fn vardiff_stops_at_the_upstreams() {
    let ocean = ocean(|options| options.difficulty = 4e-6).await;
    let pool = pool(&ocean, |setup| {
        setup.stratum = STRATUM.replace("= 1000\n", "= 6\n");
    })
    .await;
    let key = key(1);
    let axe = bitaxe(pool.stratum().await, &key, |options| {
        options.suggest_difficulty = Some(1e-6);
    });
    let raised = async |axe: &SimBitaxe, to: f64| {
        axe.wait_for(|stats| stats.difficulty >= to, PATIENCE)
            .await
            .expect("vardiff raises it");
        let stats = axe.stats();
        assert_eq!(stats.max_difficulty, to, "the upstream's and no more");
    };
    raised(&axe, 4e-6).await;
    ocean.set_difficulty(8e-6, Some(false));
    raised(&axe, 8e-6).await;
    // Lowered without a job: from the next one on.
    ocean.set_difficulty(2e-6, None);
    ocean.new_job(false);
    axe.wait_for(|stats| stats.difficulty == 2e-6, PATIENCE)
        .await
        .expect("it follows");
    earns(&axe, 3).await;
    agrees(&pool, &axe, &key).await;
    // A job told with more than the upstream's would have cost us shares, one told with
    // less than is passed on would be refused there.
    let high_hash = |books: &Books| books.rejected_for(Reject::HighHash);
    assert_eq!(ocean.read_books(high_hash), 0);
    let totals = pool.miners(None).await.epoch.totals;
    assert_eq!(
        totals.upstream_found,
        totals.upstream_accepted + totals.upstream_refused
    );
}
