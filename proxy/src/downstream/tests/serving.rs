//! Mining, over a socket.

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::pool::notify;
use super::*;

#[tokio::test]
async fn a_share_is_checked_forwarded_stored_and_answered() {
    let mut house = House::start(config()).await;
    let mut device = house.device().await;
    let job = device.begin(&format!("{MINER}.garage")).await;
    device
        .send(&submit(
            7,
            job["params"][0].as_str().unwrap(),
            "0000000001",
            1,
        ))
        .await;
    assert_eq!(device.expect("7").await["result"], true);
    let submits = soon(house.pool.submits.wait_for(|submits| submits.len() == 1))
        .await
        .unwrap()
        .clone();
    assert_eq!(
        submits[0]["params"][0], "bc1qpool.axepool",
        "never the miner's name"
    );
    assert_eq!(submits[0]["params"][2].as_str().unwrap().len(), 16);
    let epoch = house.ledger.reader().open_epoch();
    let tallies = house.ledger.reader().tallies(epoch.id).unwrap();
    assert_eq!(
        tallies.keys().map(ToString::to_string).collect::<Vec<_>>(),
        [MINER]
    );
    let status = house.proxy.status(10).downstream;
    assert_eq!(
        (status.connections, status.workers, status.sessions.len()),
        (1, 1, 1)
    );
    let session = &status.sessions[0];
    assert_eq!(
        (session.who.worker.as_str(), &*session.user_agent),
        ("garage", "bitaxe/BM1370/v2.9.0")
    );
    assert_eq!((session.accepted, session.tls), (1, false));
    house.metric_becomes("connections", "mining", 1.0).await;
    drop(device);
    house.metric_becomes("connections", "", 0.0).await;
    house.stop().await;
}

#[tokio::test]
async fn what_a_device_sent_last_is_counted_when_it_is_gone() {
    let house = House::start(config()).await;
    let mut device = house.device().await;
    let job = device.begin(&format!("{MINER}.garage")).await;
    let job = job["params"][0].as_str().unwrap();
    let shares: String = (0..5)
        .map(|nonce| submit(7, job, "0000000001", nonce))
        .collect();
    device
        .send(&format!("{shares}{}", submit(8, "77", "0000000001", 1)))
        .await;
    // It hears of the reject, and does not wait for the disk.
    device.expect("8").await;
    drop(device);
    house.metric_becomes("connections", "", 0.0).await;
    let ended = house.proxy.take_ended();
    let counts: Vec<_> = ended
        .iter()
        .map(|one| (one.accepted, one.rejected))
        .collect();
    assert_eq!(counts, [(5, 1)]);
    assert_eq!(house.metric("shares_accepted_total", ""), 5.0);
    assert!(house.proxy.take_ended().is_empty());
    house.stop().await;
}

/// Connects, mines so many shares and leaves; gives the extranonce1 that it had.
async fn visit(house: &House, shares: u32) -> String {
    let mut device = house.device().await;
    device
        .send("{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}\n")
        .await;
    device.send(&(authorize(2, MINER) + "\n")).await;
    let subscribed = device.expect("1").await;
    let job = device.expect("mining.notify").await;
    let job = job["params"][0].as_str().unwrap();
    for share in 0..shares {
        let line = json!({"id": 9, "method": "mining.submit",
            "params": [MINER, job, "0000000001", "66000000", format!("{share:08x}")]});
        device.send(&format!("{line}\n")).await;
        assert_eq!(device.expect("9").await["result"], true);
    }
    drop(device);
    house.metric_becomes("connections", "", 0.0).await;
    subscribed["result"][1].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_prefix_rests_only_after_who_was_credited_with_it() {
    let house = House::start(config()).await;
    let first = visit(&house, 0).await;
    assert_eq!(
        visit(&house, 2).await,
        first,
        "who only looked leaves it free"
    );
    assert_ne!(
        visit(&house, 0).await,
        first,
        "its job lives, and work was done with it"
    );
    house.stop().await;
}

#[tokio::test]
async fn lines_may_come_in_any_pieces() {
    let house = House::start(config()).await;
    let mut device = house.device().await;
    let breath = format!(
        "{{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}}\r\n\n{}\n{}",
        authorize(2, MINER),
        submit(3, "1", "0000000001", 9)
    );
    for byte in breath.as_bytes() {
        device.send(std::str::from_utf8(&[*byte]).unwrap()).await;
    }
    // It rolls without having asked, as far as the upstream allows it.
    assert_eq!(device.expect("3").await["result"], true);
    let many: String = (10..60)
        .map(|id| format!("{{\"id\":{id},\"method\":\"mining.ping\"}}\n"))
        .collect();
    device.send(&many).await;
    for id in 10..60 {
        assert_eq!(
            device.line().await.unwrap(),
            json!({"id": id, "result": "pong", "error": null})
        );
    }
    house.stop().await;
}

#[tokio::test]
async fn a_pipelined_flood_of_shares_is_all_answered() {
    let house = House::start(config()).await;
    let mut device = house.device().await;
    device.begin(MINER).await;
    let many: String = (100..400)
        .map(|id| submit(id, "1", "0000000001", id))
        .collect();
    device.send(&many).await;
    for id in 100..400 {
        assert_eq!(device.expect(&id.to_string()).await["result"], true, "{id}");
    }
    assert_eq!(house.metric("shares_accepted_total", ""), 300.0);
    assert_eq!(house.metric("shares_pending", ""), 0.0);
    house.stop().await;
}

#[tokio::test]
async fn every_session_gets_the_same_notify() {
    let house = House::start(config()).await;
    let mut devices = Vec::new();
    for _ in 0..20 {
        let mut device = house.device().await;
        device.begin(MINER).await;
        devices.push(device);
    }
    house.pool.say(&notify("second", "0199", true));
    let mut told = Vec::new();
    for device in &mut devices {
        told.push(device.expect("mining.notify").await);
    }
    assert!(told.iter().all(|notify| *notify == told[0]));
    assert_eq!(
        (&told[0]["params"][0], &told[0]["params"][8]),
        (&json!("2"), &json!(true))
    );
    devices[0].send(&submit(7, "1", "0000000001", 1)).await;
    assert_eq!(
        devices[0].expect("7").await["error"],
        json!([21, "Stale", null])
    );
    house.stop().await;
}

#[tokio::test]
async fn without_an_upstream_devices_go_to_their_fallback() {
    let house = House::start(config()).await;
    let mut device = house.device().await;
    device.begin(MINER).await;
    house.pool.vanish();
    assert_eq!(
        device.rest().await,
        b"",
        "closed after the grace time, without a word"
    );
    house
        .metric_becomes("connections_closed_total", "upstream_lost", 1.0)
        .await;
    let mut other = house.device().await;
    other.send(&format!("{}\n", authorize(1, MINER))).await;
    assert_eq!(other.rest().await, b"");
    house
        .metric_becomes("connections_closed_total", "no_work", 1.0)
        .await;
    house.stop().await;
}

#[tokio::test]
async fn a_bitaxe_stays_when_the_upstream_changes_its_extranonce() {
    let house = House::start(config()).await;
    let (mut bitaxe, mut other) = (house.device().await, house.device().await);
    bitaxe.begin(MINER).await;
    other
        .send(&format!(
            "{{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"x\"]}}\n{}\n",
            authorize(2, MINER)
        ))
        .await;
    other.expect("mining.notify").await;
    house
        .pool
        .say(&json!({"id": null, "method": "mining.set_extranonce", "params": ["11223344", 8]}));
    house.pool.say(&notify("second", "0199", true));
    let set = bitaxe.expect("mining.set_extranonce").await;
    assert!(set["params"][0].as_str().unwrap().starts_with("11223344"));
    let job = bitaxe.expect("mining.notify").await;
    bitaxe
        .send(&submit(
            9,
            job["params"][0].as_str().unwrap(),
            "0000000001",
            5,
        ))
        .await;
    assert_eq!(bitaxe.expect("9").await["result"], true);
    other.rest().await;
    house
        .metric_becomes("connections_closed_total", "extranonce_changed", 1.0)
        .await;
    house.stop().await;
}

#[tokio::test]
async fn jobs_go_out_while_the_ledger_takes_nothing() {
    // It holds one share, has one waiting, and sleeps.
    let listeners = ProxyListeners::default();
    let house = House::start_on(config(), EVERY_HASH, listeners, |ledger| {
        ledger.channel_capacity = 1;
        ledger.window = Duration::from_secs(2);
        ledger.max_window = ledger.window;
    })
    .await;
    let mut device = house.device().await;
    device.begin(MINER).await;
    for id in 7..=9 {
        device.send(&submit(id, "1", "0000000001", id)).await;
    }
    house.metric_becomes("shares_pending", "", 3.0).await;
    house.pool.say(&notify("second", "0199", true));
    let mut before = Vec::new();
    let told = loop {
        let line = device.line().await.unwrap();
        if line["method"] == "mining.notify" {
            break line;
        }
        before.push(line["id"].clone());
    };
    assert_eq!(told["params"][0], "2");
    assert!(
        !before.contains(&json!(9)),
        "the last share still waits: {before:?}"
    );
    while before.last() != Some(&json!(9)) {
        let line = device.line().await.unwrap();
        assert_eq!(line["result"], true, "none is dropped");
        before.push(line["id"].clone());
    }
    assert_eq!(before, [7, 8, 9].map(|id| json!(id)));
    house.stop().await;
}

#[tokio::test]
async fn a_stop_answers_what_waits_for_the_disk() {
    let house = House::start(config()).await;
    let mut device = house.device().await;
    device.begin(MINER).await;
    device.send(&submit(7, "1", "0000000001", 1)).await;
    soon(async {
        while house.metric("shares_accepted_total", "") + house.metric("shares_pending", "") < 1.0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let House {
        proxy,
        ledger,
        _directory,
        ..
    } = house;
    soon(proxy.stop()).await;
    assert_eq!(device.expect("7").await["result"], true);
    assert_eq!(device.rest().await, b"");
    soon(ledger.close()).await;
}

#[tokio::test]
async fn who_does_not_read_is_closed_and_delays_nobody() {
    let mut config = config();
    config.limits.max_unsent_bytes = 4096;
    let house = House::start(config).await;
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    socket.connect(&house.address().into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut lazy = TcpStream::from_std(socket.into()).unwrap();
    lazy.write_all(
        format!(
            "{{\"id\":1,\"method\":\"mining.subscribe\"}}\n{}\n",
            authorize(2, MINER)
        )
        .as_bytes(),
    )
    .await
    .unwrap();
    let mut eager = house.device().await;
    eager.begin(MINER).await;
    // 16 KB each, as long as the systems between take them.
    let big = "00".repeat(8 * 1024);
    for round in 0_u32..1000 {
        house.pool.say(&notify(
            &format!("big-{round}"),
            &format!("{round:08x}{big}"),
            true,
        ));
        let told = eager.expect("mining.notify").await;
        assert!(told["params"][2].as_str().unwrap().ends_with(&big));
        if house.metric("connections_closed_total", "slow_reader") > 0.0 {
            break;
        }
    }
    house
        .metric_becomes("connections_closed_total", "slow_reader", 1.0)
        .await;
    house.stop().await;
}
