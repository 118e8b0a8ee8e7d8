//! A block hash is credited once, under whatever name it comes.

use serde_json::json;

use crate::client::{Client, Verdict, line};
use crate::common::PATIENCE;
use crate::world::{credited, key, ocean, pool};

/// So easy that a share is found at once, too hard for a wrong header to meet by chance.
const DIFFICULTY: f64 = 1e-5;

const SETTINGS: &str = "min_difficulty = 0.0000001\nstart_difficulty = 0.00001\n\
    target_shares_per_minute = 1000\n";

fn duplicate() -> Verdict {
    Verdict::Rejected(22, "Duplicate share".to_owned())
}

fn of_another_time() -> Verdict {
    Verdict::Rejected(20, "Ntime out of range".to_owned())
}

/// A difficulty pushed in between makes two names for one upstream job.
#[tokio::test]
async fn two_job_ids_with_one_header_are_one_share() {
    let ocean = ocean(|options| options.difficulty = 1e-3).await;
    let pool = pool(&ocean, |setup| setup.stratum = SETTINGS.to_owned()).await;
    let mut client = Client::connect(pool.stratum().await).await;
    client.login(&key(1).npub).await.expect("a session");
    let first = client.job();
    assert_eq!(first.difficulty, DIFFICULTY);
    client
        .send(line(8, "mining.suggest_difficulty", &json!([5e-6])))
        .await;
    client.jobs(1).await.expect("the same job again");
    let second = client.job();
    assert_eq!(second.difficulty, 5e-6);
    assert_ne!(first.notify.job_id, second.notify.job_id);
    assert_eq!(first.notify.coinb1, second.notify.coinb1);
    assert!(second.notify.ntime > first.notify.ntime, "a fresh space");

    // A header belongs to one of the names, by its time: nobody may choose the better
    // paid one after the hash is known.
    let mut share = client.find_at(&second, second.notify.ntime, DIFFICULTY);
    let credited_work = share.work;
    share.job_id.clone_from(&first.notify.job_id);
    assert_eq!(client.submit(&share).await, of_another_time());
    share.job_id.clone_from(&second.notify.job_id);
    assert_eq!(client.submit(&share).await, Verdict::Accepted);
    assert_eq!(client.submit(&share).await, duplicate());
    share.job_id.clone_from(&first.notify.job_id);
    assert_eq!(client.submit(&share).await, of_another_time());
    // In other letters, with the sixth param left away, it is still that header.
    share.job_id.clone_from(&second.notify.job_id);
    share.version_bits = None;
    assert_eq!(client.submit(&share).await, duplicate());

    // The other way round: the first name's time. Its own target is what is credited.
    let mut share = client.find_at(&first, first.notify.ntime, DIFFICULTY);
    assert!(share.work > credited_work, "the first job's was harder");
    share.job_id.clone_from(&second.notify.job_id);
    assert_eq!(client.submit(&share).await, of_another_time());
    share.job_id.clone_from(&first.notify.job_id);
    assert_eq!(client.submit(&share).await, Verdict::Accepted);
    assert_eq!(client.submit(&share).await, duplicate());
    let total = credited_work + share.work;
    let sums = credited(&pool).await;
    assert_eq!(sums[&key(1).npub], (2, total));
}

/// A second connection has another extranonce1: the first one's shares are nothing there,
/// not even after the first one is gone.
#[tokio::test]
async fn a_share_is_of_no_use_on_another_connection() {
    let ocean = ocean(|options| options.difficulty = 1e-3).await;
    let pool = pool(&ocean, |setup| setup.stratum = SETTINGS.to_owned()).await;
    let target = pool.stratum().await;
    let mut thief = Client::connect(target).await;
    thief.login(&key(2).npub).await.expect("a session");
    let mut client = Client::connect(target).await;
    client.login(&key(1).npub).await.expect("a session");
    let share = client.find();
    assert_eq!(client.submit(&share).await, Verdict::Accepted);
    // The notify is the same, byte for byte; the header is not.
    let low = |verdict| assert!(matches!(verdict, Verdict::Rejected(23, _)), "{verdict:?}");
    low(thief.submit(&share).await);
    let first = client.extranonce1.clone();
    drop(client);
    pool.poll("it to be gone", async |pool| {
        (pool.status().await.connections == 1).then_some(())
    })
    .await;
    let mut again = Client::connect(target).await;
    again.login(&key(1).npub).await.expect("a session");
    assert_ne!(again.extranonce1, first, "its job still lives");
    low(again.submit(&share).await);
    // The upstream comes back with jobs like the ones before: nothing of theirs counts.
    ocean.drop_connections();
    ocean
        .wait_for(|books| books.connections == 2, PATIENCE)
        .await
        .expect("the upstream again");
    again.until_closed().await;
    let mut last = Client::connect(target).await;
    while last.login(&key(1).npub).await.is_none() {
        last = Client::connect(target).await;
    }
    let verdict = last.submit(&share).await;
    assert!(matches!(verdict, Verdict::Rejected(_, _)), "{verdict:?}");
    let sums = credited(&pool).await;
    assert_eq!(sums[&key(1).npub], (1, share.work));
    assert_eq!(sums.len(), 1);
}

/// A pool that is left and met again with the same extranonce1 and the same template: two
/// alike make it so here, as the second one's first session is told what the first one's was.
#[tokio::test]
async fn a_header_met_again_after_the_upstream_came_back_is_no_second_share() {
    let alike = |options: &mut simnet::pool::SimPoolOptions| {
        options.difficulty = 1e-3;
        options.tag = "< OCEAN >".to_owned();
    };
    let (first, second) = (ocean(alike).await, ocean(alike).await);
    let pool = pool(&first, |setup| {
        setup.stratum = SETTINGS.to_owned();
        setup.upstreams.push(second.address());
    })
    .await;
    let mut client = Client::connect(pool.stratum().await).await;
    client.login(&key(1).npub).await.expect("a session");
    client
        .send(line(8, "mining.extranonce.subscribe", &json!([])))
        .await;
    client.reply(8).await.expect("an answer");
    let (job, extranonce1) = (client.job(), client.extranonce1.clone());
    // Late enough for either pool's job, whichever second it was made in.
    let mut share = client.find_at(&job, job.notify.ntime + 60, DIFFICULTY);
    assert_eq!(client.submit(&share).await, Verdict::Accepted);

    first.stop_accepting().await;
    first.drop_connections();
    client.jobs(1).await.expect("a job of the second");
    let again = client.job();
    assert_ne!(again.notify.job_id, job.notify.job_id);
    let headers = |told: &crate::client::Told| (told.notify.coinb1.clone(), told.notify.prev_hash);
    assert_eq!(
        (&client.extranonce1, headers(&again)),
        (&extranonce1, headers(&job))
    );
    share.job_id.clone_from(&again.notify.job_id);
    assert_eq!(client.submit(&share).await, duplicate());
    let other = client.find_at(&again, share.ntime, DIFFICULTY);
    assert_eq!(client.submit(&other).await, Verdict::Accepted);
    let sums = credited(&pool).await;
    assert_eq!(sums[&key(1).npub], (2, share.work + other.work));
}

/// The same over a kill of the process: what was credited is known to the next one, from
/// the journal or, a checkpoint later, from what that keeps. Nor does it go upstream again.
#[tokio::test]
async fn a_header_met_again_after_a_kill_is_no_second_share() {
    let alike = |options: &mut simnet::pool::SimPoolOptions| {
        options.difficulty = DIFFICULTY;
        options.tag = "< OCEAN >".to_owned();
    };
    let first = ocean(alike).await;
    let mut pool = pool(&first, |setup| setup.stratum = SETTINGS.to_owned()).await;
    let mut client = Client::connect(pool.stratum().await).await;
    client.login(&key(1).npub).await.expect("a session");
    let (job, extranonce1) = (client.job(), client.extranonce1.clone());
    let mut share = client.find_at(&job, job.notify.ntime + 60, DIFFICULTY);
    assert_eq!(client.submit(&share).await, Verdict::Accepted);
    let is_taken = |books: &simnet::pool::Books| books.accepted() == 1;
    first.wait_for(is_taken, PATIENCE).await.expect("forwarded");
    let mut sums = (1, share.work);
    // From the journal first, then from what the checkpoint of a start has kept of it.
    for restart in 1..=2 {
        pool.kill();
        let again = ocean(alike).await;
        pool.setup().upstreams = vec![again.address()];
        pool.spawn().await;
        pool.wait_ready().await;
        let mut client = Client::connect(pool.stratum().await).await;
        client.login(&key(1).npub).await.expect("a session");
        let met = client.job();
        assert_eq!(
            (
                &client.extranonce1,
                &met.notify.coinb1,
                &met.notify.prev_hash
            ),
            (&extranonce1, &job.notify.coinb1, &job.notify.prev_hash)
        );
        share.job_id.clone_from(&met.notify.job_id);
        let verdict = client.submit(&share).await;
        assert!(
            matches!(verdict, Verdict::Rejected(22, _)),
            "restart {restart}: {verdict:?}"
        );
        assert_eq!(credited(&pool).await[&key(1).npub], sums);
        // What is new is credited and goes on its way, and it alone.
        let other = client.find_at(&met, met.notify.ntime + 60 + restart, DIFFICULTY);
        assert_eq!(client.submit(&other).await, Verdict::Accepted);
        again.wait_for(is_taken, PATIENCE).await.expect("forwarded");
        assert_eq!(again.read_books(simnet::pool::Books::rejected), 0);
        sums = (sums.0 + 1, sums.1 + other.work);
    }
}
