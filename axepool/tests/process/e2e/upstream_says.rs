//! What a pool may say or do while it is there.

use simnet::bitaxe::{Firmware, SimBitaxe};
use simnet::keys::SimKey;
use simnet::pool::{AuthorizeAnswer, Books, ExtranonceAudience, Reject, SimPoolHandle, Stall};

use crate::client::{Client, Verdict};
use crate::common::{PATIENCE, PoolProcess};
use crate::world::{
    UPSTREAM_LINES, agrees, bitaxe, credited_to, earns, key, metric, metric_reaches, ocean, pool,
};

/// One that takes another extranonce1, one that does not, and one that asked for it.
struct House {
    ocean: SimPoolHandle,
    pool: PoolProcess,
    taker: SimBitaxe,
    leaver: SimBitaxe,
    asker: SimBitaxe,
    keys: [SimKey; 3],
}

async fn house() -> House {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |_| {}).await;
    let target = pool.stratum().await;
    let keys = [key(1), key(2), key(3)];
    let taker = bitaxe(target, &keys[0], |_| {});
    let other = |options: &mut simnet::bitaxe::SimBitaxeOptions| {
        options.user_agent = "cpuminer/2.5.1".to_owned();
    };
    let leaver = bitaxe(target, &keys[1], |options| {
        other(options);
        options.firmware = Firmware::Minerd;
    });
    let asker = bitaxe(target, &keys[2], |options| {
        other(options);
        options.extranonce_subscribe = true;
    });
    let house = House {
        ocean,
        pool,
        taker,
        leaver,
        asker,
        keys,
    };
    house.everybody_earns().await;
    house
}

impl House {
    async fn everybody_earns(&self) {
        for axe in [&self.taker, &self.leaver, &self.asker] {
            earns(axe, 5).await;
        }
    }

    /// Everybody has another extranonce1 since; who takes it kept the connection.
    async fn moved(&self, before: &[Vec<u8>; 3], times: u64) {
        for (axe, old) in [&self.taker, &self.leaver, &self.asker].iter().zip(before) {
            axe.wait_for(|stats| stats.extranonce1 != *old, PATIENCE)
                .await
                .expect("another extranonce1");
        }
        self.everybody_earns().await;
        assert_eq!(self.taker.read_stats(|stats| stats.connections), 1);
        assert_eq!(self.asker.read_stats(|stats| stats.connections), 1);
        assert_eq!(self.leaver.read_stats(|stats| stats.connections), 1 + times);
        let closed = "axepool_connections_closed_total";
        let left = metric(&self.pool, closed, "extranonce_changed").await;
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let times = times as f64;
        assert_eq!(left, times);
    }

    fn extranonces(&self) -> [Vec<u8>; 3] {
        [&self.taker, &self.leaver, &self.asker]
            .map(|axe| axe.read_stats(|stats| stats.extranonce1.clone()))
    }
}

#[tokio::test]
async fn another_extranonce_is_taken_by_those_who_can() {
    let house = house().await;
    let before = house.extranonces();
    house.ocean.set_extranonce(6, ExtranonceAudience::All);
    house.moved(&before, 1).await;
    assert_eq!(house.taker.read_stats(|stats| stats.extranonce2_size), 4);

    // A new session of the upstream is the same to the devices.
    let before = house.extranonces();
    house.ocean.drop_connections();
    house.moved(&before, 2).await;

    for (axe, key) in [&house.taker, &house.leaver, &house.asker]
        .iter()
        .zip(&house.keys)
    {
        agrees(&house.pool, axe, key).await;
        // What was found while it changed may be stale; nothing else went wrong.
        let stats = axe.stats();
        assert_eq!(
            stats.rejected(),
            stats.rejected_with(21),
            "{:?}",
            stats.rejected
        );
    }
    let rejected = house.ocean.read_books(Books::rejected);
    let stale = house
        .ocean
        .read_books(|books| books.rejected_for(Reject::Stale));
    assert_eq!(rejected, stale);
}

#[tokio::test]
async fn masks_messages_and_garbage_cost_nobody_a_connection() {
    let house = house().await;
    house.ocean.set_version_mask(0x00ff_e000);
    house
        .taker
        .wait_for(|stats| stats.version_mask == 0x00ff_e000, PATIENCE)
        .await
        .expect("the narrower mask is passed on");
    house.ocean.new_job(true);
    house.everybody_earns().await;
    let bad_version = |books: &Books| books.rejected_for(Reject::BadVersion);
    assert_eq!(house.ocean.read_books(bad_version), 0);

    house.ocean.show_message("the pool moves on Sunday");
    house
        .pool
        .poll("the message in the log", async |pool| {
            pool.log()
                .contains("the pool moves on Sunday")
                .then_some(())
        })
        .await;

    let ignored = "axepool_upstream_ignored_messages_total";
    let before = metric(&house.pool, ignored, "").await;
    house.ocean.garbage_line();
    house
        .ocean
        .send_line("{\"id\":null,\"method\":\"mining.notify\",\"params\":[1,2]}");
    metric_reaches(&house.pool, ignored, "", before + 2.0).await;
    house.ocean.new_job(false);
    house.everybody_earns().await;
    assert_eq!(house.ocean.read_books(|books| books.connections), 1);
    for axe in [&house.taker, &house.leaver, &house.asker] {
        assert_eq!(axe.read_stats(|stats| stats.connections), 1);
    }
}

#[tokio::test]
async fn it_reconnects_when_asked_and_not_elsewhere() {
    let house = house().await;
    let elsewhere = ocean(|_| {}).await;
    let before = house.extranonces();
    // Another port of the same host is allowed.
    house.ocean.reconnect(None);
    house
        .ocean
        .wait_for(|books| books.connections == 2, PATIENCE)
        .await
        .expect("it comes again");
    house.moved(&before, 1).await;
    metric_reaches(
        &house.pool,
        "axepool_upstream_disconnects_total",
        "asked",
        1.0,
    )
    .await;
    // Another host is not: it stays, or comes back to where the config sends it.
    let port = elsewhere.address().port();
    house.ocean.reconnect(Some(("localhost", port, 0)));
    house.ocean.new_job(true);
    house.everybody_earns().await;
    assert_eq!(elsewhere.read_books(|books| books.connections), 0);
}

#[tokio::test]
async fn a_pool_that_gives_no_jobs_is_left() {
    let (ocean, other) = (ocean(|_| {}).await, ocean(|_| {}).await);
    let pool = pool(&ocean, |setup| {
        setup.upstreams.push(other.address());
        setup.upstream =
            format!("{UPSTREAM_LINES}no_job_timeout_secs = 10\nconnect_timeout_secs = 1\n");
    })
    .await;
    let key = key(1);
    let axe = bitaxe(pool.stratum().await, &key, |_| {});
    earns(&axe, 3).await;
    ocean.set_faults(|faults| faults.stall = Stall::Jobs);
    metric_reaches(&pool, "axepool_upstream_disconnects_total", "stalled", 1.0).await;
    other
        .wait_for(|books| books.accepted() > 0, PATIENCE)
        .await
        .expect("the second takes over");
    ocean.set_faults(|faults| faults.stall = Stall::Off);
    let before = ocean.read_books(Books::accepted);
    ocean
        .wait_for(|books| books.accepted() > before, PATIENCE)
        .await
        .expect("the first is returned to");
    agrees(&pool, &axe, &key).await;
    let stats = axe.stats();
    assert_eq!((stats.connections, stats.rejected_with(22)), (1, 0));
}

#[tokio::test]
async fn what_the_upstream_refuses_is_credited_and_counted() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |_| {}).await;
    let key = key(1);
    ocean.reject_every(2);
    let axe = bitaxe(pool.stratum().await, &key, |options| {
        options.hashrate *= 3.0
    });
    let refused = |books: &Books| books.rejected_for(Reject::OnDemand);
    ocean
        .wait_for(|books| refused(books) >= 5, PATIENCE)
        .await
        .expect("rejects");
    agrees(&pool, &axe, &key).await;
    let stats = axe.stats();
    assert_eq!(stats.rejected(), 0, "the miner did nothing wrong");
    let books = ocean.books();
    pool.poll("the upstream's answers in the ledger", async |pool| {
        let totals = pool.miners(None).await.epoch.totals;
        let told = (totals.upstream_accepted, totals.upstream_refused);
        let work = totals.upstream_accepted_work.hashes();
        ((told, work) == ((books.accepted(), books.rejected()), books.work())).then_some(())
    })
    .await;
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let expected = (books.accepted() as f64, books.rejected() as f64);
    let accepted = metric(&pool, "axepool_upstream_accepted_total", "").await;
    let rejected = metric(&pool, "axepool_upstream_rejected_total", "other").await;
    assert_eq!((accepted, rejected), expected);
}

/// Devices hash for nothing at such an upstream, and are told `true`.
#[tokio::test]
async fn an_upstream_that_refuses_everything_is_left_with_its_reason() {
    let (ocean, other) = (ocean(|_| {}).await, ocean(|_| {}).await);
    ocean.set_faults(|faults| faults.reject_all = Some(Reject::UnknownWork));
    let pool = pool(&ocean, |setup| {
        setup.upstreams.push(other.address());
    })
    .await;
    let key = key(1);
    let axe = bitaxe(pool.stratum().await, &key, |options| {
        options.hashrate *= 4.0;
    });
    let ended = "axepool_upstream_disconnects_total";
    metric_reaches(&pool, ended, "refuses_shares", 1.0).await;
    metric_reaches(&pool, ended, "refuses_shares", 2.0).await;
    other
        .wait_for(|books| books.accepted() > 0, PATIENCE)
        .await
        .expect("the second takes over");
    let status = pool.status().await.upstream;
    let first = format!("stratum+tcp://{}", ocean.address());
    assert_eq!(status.left.len(), 1);
    let left = &status.left[0];
    assert_eq!(left.url, first);
    assert!(left.why.contains("refuses all shares"), "{}", left.why);
    assert!(left.why.contains("job_not_found"), "{}", left.why);
    // A WARN for each end and for the change, and few lines for the shares.
    let log = pool.log();
    let lines = |words: &str| log.lines().filter(|line| line.contains(words)).count();
    assert_eq!(lines("trying another upstream"), 1, "{log}");
    assert!(
        (1..=2).contains(&lines("shares refused by the upstream")),
        "{log}"
    );
    // The config's own, of keys that this test sets, do not count.
    let warnings = lines("WARN") - lines("this is a key for experts now");
    assert!(warnings <= 8, "{warnings} warnings: {log}");
    agrees(&pool, &axe, &key).await;
}

/// The upstream has no use for it, and nothing may be credited for it.
#[tokio::test]
async fn a_share_on_the_old_block_is_stale_though_no_flag_told_of_the_new_one() {
    let ocean = ocean(|options| options.difficulty = 1e-3).await;
    ocean.set_faults(|faults| {
        faults.no_clean_flag = true;
        faults.more_job_params = true;
    });
    let pool = pool(&ocean, |_| {}).await;
    let mut client = Client::connect(pool.stratum().await).await;
    client.login(&key(1).npub).await.expect("a session");
    let told = client.job();
    let difficulty = told.difficulty;
    let old = client.find_at(&told, told.notify.ntime, difficulty);
    ocean.network_block();
    client.jobs(1).await.expect("the new block");
    assert!(client.job().notify.clean_jobs, "devices drop the old one");
    let verdict = client.submit(&old).await;
    assert!(matches!(verdict, Verdict::Rejected(21, _)), "{verdict:?}");
    assert_eq!(credited_to(&pool, &key(1)).await, (0, 0));
    let new = client.find();
    assert_eq!(client.submit(&new).await, Verdict::Accepted);
}

#[tokio::test]
async fn a_pool_of_other_manners_is_mined_at() {
    let ocean = ocean(|_| {}).await;
    ocean.set_faults(|faults| {
        faults.authorize_answer = AuthorizeAnswer::Null;
        faults.hang_up_on_extranonce = true;
        faults.more_job_params = true;
    });
    let pool = pool(&ocean, |_| {}).await;
    let key = key(1);
    let axe = bitaxe(pool.stratum().await, &key, |_| {});
    earns(&axe, 5).await;
    assert_eq!(ocean.read_books(|books| books.open_connections), 1);
    agrees(&pool, &axe, &key).await;
}
