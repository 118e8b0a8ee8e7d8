//! What devices say first, and in which pieces it arrives.

use std::time::Duration;

use serde_json::{Value, json};
use simnet::bitaxe::Firmware;

use crate::client::{Client, Verdict, authorize, line, submit_line, subscribe};
use crate::common::PATIENCE;
use crate::world::{STRATUM, agrees, bitaxe, credited_to, earns, key, ocean, pool};

#[tokio::test]
async fn every_firmware_mines_and_its_work_is_in_the_ledger() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |_| {}).await;
    let target = pool.stratum().await;
    let firmwares = [
        Firmware::EspMiner,
        Firmware::NerdQAxe,
        Firmware::NerdMiner,
        Firmware::Minerd,
    ];
    let axes = firmwares.map(|firmware| {
        let key = key(firmware as u64);
        let axe = bitaxe(target, &key, |options| options.firmware = firmware);
        (firmware, key, axe)
    });
    for (firmware, key, axe) in &axes {
        // An upstream-grade one is among so many.
        axe.wait_for(|stats| stats.accepted >= 40, PATIENCE)
            .await
            .unwrap_or_else(|error| panic!("{firmware:?}: {error}"));
        agrees(&pool, axe, key).await;
        let stats = axe.stats();
        assert_eq!((stats.connections, stats.failures), (1, 0), "{firmware:?}");
        assert_eq!(stats.unknown_lines, 0, "{firmware:?}");
        assert_eq!(stats.rejected, [].into(), "{firmware:?}");
        let rolls = matches!(firmware, Firmware::EspMiner | Firmware::NerdQAxe);
        let mask = if rolls { 0x1fff_e000 } else { 0 };
        assert_eq!(stats.version_mask, mask, "{firmware:?}");
    }
    // To the upstream all of them are one miner, and one that does nothing wrong.
    ocean
        .wait_for(|books| books.accepted() > 0, PATIENCE)
        .await
        .expect("shares reach the upstream");
    let books = ocean.books();
    assert_eq!((books.rejected(), books.users.len()), (0, 1), "{books:?}");
    assert_eq!(pool.status().await.workers, 4);
}

#[tokio::test]
async fn an_upstream_that_grants_no_bits_leaves_no_device_out() {
    let ocean = ocean(|options| options.version_mask = 0).await;
    let pool = pool(&ocean, |_| {}).await;
    let target = pool.stratum().await;
    let key = key(1);
    let axe = bitaxe(target, &key, |_| {});
    earns(&axe, 20).await;
    let stats = axe.stats();
    assert_eq!((stats.version_mask, stats.connections), (0, 1));
    assert_eq!(stats.rejected, [].into());
    agrees(&pool, &axe, &key).await;
}

/// ESP-Miner v2.15 begins each session by doing half a second of work twice.
#[tokio::test]
async fn honest_duplicates_of_the_first_half_second_cost_nothing() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |setup| {
        setup.stratum = format!("{STRATUM}max_rejects_in_a_row = 2\n");
    })
    .await;
    let target = pool.stratum().await;
    let key = key(1);
    let axe = bitaxe(target, &key, |options| {
        options.hashrate *= 4.0;
        options.timing.doubled = Duration::from_millis(500);
    });
    earns(&axe, 30).await;
    let stats = axe.stats();
    assert_eq!(
        stats.rejected(),
        stats.rejected_with(22),
        "{:?}",
        stats.rejected
    );
    assert!(stats.rejected() > 0, "none was found twice");
    assert_eq!((stats.connections, stats.unexplained), (1, 0));
    agrees(&pool, &axe, &key).await;
}

/// All of a session in one segment: each reply has its request's id, as it was given.
#[tokio::test]
async fn several_messages_come_in_one_segment() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |_| {}).await;
    let key = key(1);
    let mut client = Client::connect(pool.stratum().await).await;
    let breath = [
        subscribe(7_777_777_777_u64, "raw/1"),
        authorize("zwei", &key.username("a")),
        line(0, "mining.extranonce.subscribe", &json!([])),
        line(5, "mining.suggest_difficulty", &json!([0.000_002])),
        line(-1, "mining.unheard_of", &json!([])),
        line(6, "mining.ping", &json!([])),
    ];
    client.send(breath.concat()).await;
    let mut ids = Vec::new();
    while ids.len() < breath.len() {
        let message = client.next().await.expect("an answer");
        if message.get("method").is_none() {
            if message["id"] == json!(7_777_777_777_u64) {
                client.subscribed(&message);
            }
            ids.push(message["id"].clone());
        }
    }
    let given = [
        json!(7_777_777_777_u64),
        json!("zwei"),
        json!(0),
        json!(5),
        json!(-1),
        json!(6),
    ];
    assert_eq!(ids, given);
    while client.told.is_empty() {
        client.next().await.expect("a job");
    }
    let shares = [client.find(), client.find(), client.find()];
    let lines = (10..13)
        .zip(&shares)
        .map(|(id, share)| submit_line(id, share));
    client.send(lines.collect::<String>()).await;
    for id in 10..13 {
        let reply = client.reply(id).await.expect("an answer");
        assert_eq!(reply["result"], json!(true), "{reply}");
    }
    let work = shares.iter().map(|share| share.work).sum();
    assert_eq!(credited_to(&pool, &key).await, (3, work));
}

#[tokio::test]
async fn lines_come_byte_by_byte() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |_| {}).await;
    let key = key(2);
    let mut client = Client::connect(pool.stratum().await).await;
    // As NerdQAxe+ has it: subscribe, configure, authorize. And line ends of DOS.
    let configure = json!([["version-rolling"], { "version-rolling.mask": "1fffe000" }]);
    let handshake = [
        subscribe(1, "raw/1"),
        line(2, "mining.configure", &configure).replace('\n', "\r\n"),
        authorize(3, &key.username("a")),
    ];
    trickle(&mut client, &handshake.concat()).await;
    let subscribed = client.reply(1).await.expect("an answer");
    client.subscribed(&subscribed);
    let configured = client.reply(2).await.expect("an answer");
    assert_eq!(configured["result"]["version-rolling"], json!(true));
    assert_eq!(
        client.reply(3).await.map(|reply| reply["result"].clone()),
        Some(Value::Bool(true))
    );
    client.jobs(1).await.expect("a job");
    let share = client.find();
    trickle(&mut client, &submit_line(4, &share)).await;
    let reply = client.reply(4).await.expect("an answer");
    assert_eq!(reply["result"], json!(true), "{reply}");
    // The sixth param is the miner's to leave away.
    let mut five = client.find();
    five.version_bits = None;
    assert_eq!(client.submit(&five).await, Verdict::Accepted);
    assert_eq!(credited_to(&pool, &key).await, (2, share.work + five.work));
}

async fn trickle(client: &mut Client, text: &str) {
    for byte in text.as_bytes() {
        client.send([*byte]).await;
        // Lets the segment go before the next byte joins it.
        tokio::task::yield_now().await;
    }
}
