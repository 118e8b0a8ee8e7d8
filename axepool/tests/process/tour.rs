//! The unhappy tour: everything goes wrong that can, one after the other, with honest
//! miners and others; and at the end the sums agree and every honest miner has their due.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::common::{ADDRESS, PoolProcess, PoolSetup, stderr, stdout};
use crate::ocean::{PATIENCE, free_address, look, node_status, offer};
use crate::world::{STRATUM, UPSTREAM, UPSTREAM_LINES, bitaxe, earns, get, key};
use accounting::{CloseCause, EpochState};
use serde_json::Value;
use simnet::bitaxe::{Misbehaviour, SimBitaxe};
use simnet::ocean::{ApiFault, Ocean, OceanLightning, OceanOptions};

/// OCEAN, the pool's process, and the directory of the node's settings.
struct Tour {
    ocean: Ocean,
    pool: PoolProcess,
    _dir: tempfile::TempDir,
}

impl Tour {
    async fn start() -> Tour {
        let dir = tempfile::tempdir().expect("a directory");
        // A share is worth some 120 satoshis, so that no payout outgrows the channel.
        let mut options = OceanOptions::default().with_difficulty(UPSTREAM, 5_000_000.0);
        options.lightning = Some(OceanLightning::new(
            dir.path().join("ocean"),
            free_address(),
        ));
        let ocean = Ocean::start(options).await.expect("OCEAN");
        let node_at = free_address();
        let mut setup = PoolSetup::regtest(ocean.stratum());
        // The same over restarts, so that devices find it again.
        setup.listen = free_address();
        setup.upstream = UPSTREAM_LINES.to_owned();
        setup.stratum = format!(
            "{STRATUM}[expert.mint]\nquote_min_work = 0\n{}",
            sections(&ocean, node_at, dir.path())
        );
        let pool = PoolProcess::start(setup).await;
        pool.wait_ready().await;
        let node = look(&pool).await.node_id;
        let opened = ocean.open_channel_to(node, node_at, 10_000_000).await;
        opened.expect("a channel");
        let usable = async |pool: &PoolProcess| {
            let node = node_status(pool).await.node?;
            node.channels.iter().any(|one| one.is_usable).then_some(())
        };
        pool.poll("a usable channel", usable).await;
        let offer = offer(&pool).await;
        ocean.set_offer(ADDRESS, &offer).expect("the offer");
        Tour {
            ocean,
            pool,
            _dir: dir,
        }
    }

    /// OCEAN finds a block, and the pool learns of it.
    async fn epoch_ends(&self, blocks_on_top: u32) -> u32 {
        let found = self.ocean.find_block(PATIENCE).await.expect("a block");
        self.ocean.mine_blocks(blocks_on_top);
        self.is_closed_by(found.height).await;
        found.height
    }

    async fn is_closed_by(&self, height: u32) {
        let closed = async |pool: &PoolProcess| {
            pool.epochs().await.into_iter().find(|epoch| {
                matches!(epoch.state, EpochState::Closed {
                    cause: CloseCause::OceanBlock { height: at, .. }, ..
                } if at == height)
            })
        };
        self.pool
            .poll("the epoch closed by OCEAN's block", closed)
            .await;
    }

    /// Waits until all that OCEAN owes has arrived and is at the mint.
    async fn all_is_paid(&self) -> u64 {
        let owed = |books: &simnet::ocean::OceanBooks| {
            let account = books.account(ADDRESS);
            account.due_msat + account.in_flight_msat
        };
        let nothing_owed = self.ocean.wait_for(|books| owed(books) == 0, PATIENCE);
        nothing_owed.await.expect("OCEAN pays");
        let paid = self.ocean.account(ADDRESS).paid_msat();
        let shown = paid.to_string();
        self.pool
            .poll("all that OCEAN paid at the mint", async |pool| {
                let solvency = json(pool, "/api/solvency").await;
                let owed = &solvency["liabilities"];
                let all = owed["total_msat"].as_str() == Some(&shown);
                (all && owed["unapplied_sat"] == 0).then_some(())
            })
            .await;
        paid
    }
}

fn sections(ocean: &Ocean, node_at: SocketAddr, dir: &std::path::Path) -> String {
    let file = dir.join("node.toml");
    let (id, at) = (
        ocean.node_id().expect("a node"),
        ocean.node_address().expect("a node"),
    );
    let settings = format!(
        "network = \"regtest\"\n[log]\nlevel = \"error\"\n\
         [reach]\nlisten = [\"{node_at}\"]\nalias = \"pool\"\n\
         [peers]\npersistent = [\"{id}@{at}\"]\n[anchors]\ntrusted = [\"{id}\"]\n"
    );
    std::fs::write(&file, settings).expect("the node's settings");
    format!(
        "[chain]\nurl = \"http://pool:pool@{}\"\n[lightning]\nconfig = \"{}\"\n\
         [ocean]\napi_url = \"{}\"\n[expert.ocean]\nask_every_secs = 1\n",
        ocean.chain_rpc(),
        file.display(),
        ocean.api_url()
    )
}

async fn json(pool: &PoolProcess, path: &str) -> Value {
    let (code, body) = get(pool.status().await.http[0], path).await;
    assert_eq!(code, 200, "{path}: {body}");
    serde_json::from_str(&body).expect("JSON")
}

/// Each of `devices` gets some more accepted shares.
async fn all_earn(devices: &[&SimBitaxe], shares: u64) {
    for device in devices {
        earns(device, shares).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_goes_wrong_every_honest_miner_has_their_due() {
    let mut tour = Tour::start().await;
    let stratum = tour.pool.stratum().await;
    let honest = [key(1), key(2), key(3)];
    let first = bitaxe(stratum, &honest[0], |_| {});
    let second = bitaxe(stratum, &honest[1], |_| {});
    let renamed = bitaxe(stratum, &honest[2], |_| {});
    let liar = bitaxe(stratum, &key(4), |options| {
        options.misbehaviours = vec![Misbehaviour::WrongDifficulty { factor: 0.1 }];
    });
    let thief = bitaxe(stratum, &key(5), |options| {
        let username = key(6).username("axe");
        options.misbehaviours = vec![Misbehaviour::SubmitAs { username }];
    });
    let repeater = bitaxe(stratum, &key(7), |options| {
        options.misbehaviours = vec![Misbehaviour::Duplicate { every: 1 }];
    });
    let withholder = bitaxe(stratum, &key(8), |options| {
        options.misbehaviours = vec![Misbehaviour::Withhold {
            difficulty: UPSTREAM,
        }];
    });
    let flooder = bitaxe(stratum, &key(9), |options| {
        options.misbehaviours = vec![Misbehaviour::Flood { per_second: 500 }];
    });

    // Killed in mid-epoch.
    all_earn(&[&first, &second, &renamed, &withholder], 5).await;
    tour.pool.kill();
    tour.pool.spawn().await;
    tour.pool.wait_ready().await;
    all_earn(&[&first, &second, &renamed], 3).await;

    // A miner calls the device by another name.
    let stats = renamed.drain(PATIENCE).await.expect("its answers");
    renamed.stop().await;
    let mut own = vec![(stats.accepted_work, stats.lost)];
    let renamed = bitaxe(stratum, &honest[2], |options| {
        options.primary.username = honest[2].username("new-name");
    });

    // OCEAN is gone for a while.
    tour.ocean.pool().stop_accepting().await;
    tour.ocean.pool().drop_connections();
    crate::world::upstream_is(&tour.pool, false).await;
    tour.ocean.pool().resume_accepting().await;
    crate::world::upstream_is(&tour.pool, true).await;
    all_earn(&[&first, &second, &renamed], 3).await;
    let one = tour.epoch_ends(0).await;

    // OCEAN's lightning is down at payout time; and when it pays at last, the pool is
    // killed in the middle of it.
    tour.ocean
        .set_policy(|policy| policy.lightning_paused = true);
    tour.ocean.mine_blocks(3);
    let due = |books: &simnet::ocean::OceanBooks| books.account(ADDRESS).due_msat > 0;
    let due = tour.ocean.wait_for(due, PATIENCE).await;
    due.expect("it is due, and not paid");
    tour.ocean
        .set_policy(|policy| policy.lightning_paused = false);
    tour.ocean.pay_now();
    let begun = |books: &simnet::ocean::OceanBooks| books.account(ADDRESS).due_msat == 0;
    let begun = tour.ocean.wait_for(begun, PATIENCE).await;
    begun.expect("OCEAN begins to pay");
    tour.pool.kill();
    tour.pool.spawn().await;
    tour.pool.wait_ready().await;
    let asked = Instant::now();
    while tour.ocean.account(ADDRESS).paid_msat() == 0 {
        // A payer that had no answer yet gives up after some two minutes, and tries anew.
        assert!(asked.elapsed() < 3 * PATIENCE, "OCEAN pays at last");
        if tour.ocean.account(ADDRESS).failures > 0 {
            tour.ocean.pay_now();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    // The mint's store cannot be written while the next money comes; the API is away.
    tour.ocean.set_api_fault(ApiFault::Down);
    all_earn(&[&first, &second, &renamed], 3).await;
    let store = tour.pool.data_dir().join("mint/mint.sqlite");
    let lock = rusqlite::Connection::open(store).expect("opens");
    lock.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    // Without the API the tag in the coinbase counts once it is deep.
    let two = tour.epoch_ends(14).await;
    assert!(two > one);
    let booked = async |pool: &PoolProcess| {
        let solvency = json(pool, "/api/solvency").await;
        (solvency["liabilities"]["unapplied_sat"].as_u64()? > 0).then_some(())
    };
    tour.pool
        .poll("money that the mint does not have", booked)
        .await;
    all_earn(&[&first, &second, &renamed], 2).await;
    lock.execute_batch("ROLLBACK").expect("let go");
    tour.ocean.set_api_fault(ApiFault::None);

    // The end: everybody's sums.
    for device in [liar, thief, repeater, withholder, flooder] {
        device.stop().await;
    }
    let devices = [&first, &second, &renamed];
    for device in devices {
        device.drain(PATIENCE).await.expect("its answers");
    }
    let paid = tour.all_is_paid().await;
    assert!(paid > 0);
    let stats = renamed.read_stats(|stats| (stats.accepted_work, stats.lost));
    own.push(stats);
    let told = [
        vec![first.read_stats(|stats| (stats.accepted_work, stats.lost))],
        vec![second.read_stats(|stats| (stats.accepted_work, stats.lost))],
        own,
    ];
    let credited = crate::world::credited(&tour.pool).await;
    for (key, told) in honest.iter().zip(told) {
        let (_, work) = credited.get(&key.npub).copied().unwrap_or_default();
        let least: u128 = told.iter().map(|(work, _)| work).sum();
        let lost: u64 = told.iter().map(|(_, lost)| lost).sum();
        // What was lost with a connection may have been stored; all else is the same.
        assert!(
            work >= least && (lost > 0 || work == least),
            "{work} {least} {lost}"
        );
    }
    assert!(
        !credited.contains_key(&key(6).npub),
        "nobody mines for another"
    );

    // Every payout splits again from its file, and the files' sums are the accounts.
    let list = json(&tour.pool, "/api/audit").await;
    let files = list["files"].as_u64().expect("a number");
    assert!(files >= 2, "{list}");
    let dir = tempfile::tempdir().expect("a directory");
    let mut previous: Option<String> = None;
    for number in 1..=files {
        let path = dir
            .path()
            .join(format!("{number}.json"))
            .display()
            .to_string();
        let http = tour.pool.status().await.http[0];
        let (code, body) = get(http, &format!("/api/audit/{number}.json")).await;
        assert_eq!(code, 200, "{body}");
        std::fs::write(&path, body).expect("written");
        let mut args = vec!["audit", &path];
        if let Some(before) = &previous {
            args.extend(["--previous", before]);
        }
        let audited = crate::common::axepool(&args, dir.path());
        assert!(
            audited.status.success(),
            "{}{}",
            stdout(&audited),
            stderr(&audited)
        );
        previous = Some(path);
    }
    let ended = tour.pool.stop().await;
    assert!(ended.success(), "{ended}; {}", tour.pool.log());
    tour.ocean.stop().await.expect("OCEAN stops");
}
