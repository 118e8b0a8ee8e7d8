//! Each fault does what it says, as seen by a client that says exactly what it is told.

#![allow(clippy::unwrap_used, reason = "a failed test is what a panic is for")]

mod common;

use std::time::Duration;

use common::{EASY, PATIENCE, RawClient, bitaxe, pool};
use serde_json::{Value, json};
use simnet::pool::{Books, ExtranonceAudience, Reject, SimPoolHandle, Stall};

/// A client that has subscribed and authorized, and its first job's params.
async fn subscribed(pool: &SimPoolHandle) -> (RawClient, Value) {
    let mut client = RawClient::connect(pool.address()).await;
    client.call(1, "mining.subscribe", json!(["raw"])).await;
    client
        .call(2, "mining.authorize", json!(["bc1qraw", "x"]))
        .await;
    let job = client.push("mining.notify").await;
    assert_eq!(client.reply(2).await["result"], json!(true));
    (client, job)
}

#[tokio::test]
async fn the_handshake_is_datums() {
    let pool = pool(|_| {}).await;
    let mut client = RawClient::connect(pool.address()).await;
    let mask = json!([["version-rolling"], { "version-rolling.mask": "ffffffff" }]);
    client.call(7, "mining.configure", mask).await;
    let configured = client.next().await.unwrap();
    assert_eq!(
        configured["result"]["version-rolling.mask"],
        json!("1fffe000")
    );
    client.call(8, "mining.subscribe", json!(["raw"])).await;
    let subscribed = client.next().await.unwrap();
    assert_eq!(
        (&subscribed["id"], &subscribed["result"][2]),
        (&json!(8), &json!(8))
    );
    assert_eq!(subscribed["result"][0][1][0], json!("mining.notify"));
    assert_eq!(subscribed["result"][1].as_str().unwrap().len(), 8);
    assert_eq!(client.next().await.unwrap()["params"], json!([EASY]));
    let notify = client.next().await.unwrap();
    assert_eq!(notify["method"], json!("mining.notify"));
    assert_eq!(notify["params"][8], json!(true), "the first job is clean");
    let coinb1 = notify["params"][2].as_str().unwrap();
    let tag: String = b"< OCEAN.XYZ >"
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert!(coinb1.contains(&tag), "{coinb1}");
}

#[tokio::test]
async fn shares_are_rejected_with_datums_codes() {
    let pool = pool(|_| {}).await;
    let (mut client, job) = subscribed(&pool).await;
    let (id, ntime) = (job[0].clone(), job[7].clone());
    let early = json!("00000001");
    let cases = [
        (
            json!(["bc1qraw", "junk", "00".repeat(8), ntime, "00000000"]),
            Reject::UnknownWork,
        ),
        (
            json!(["bc1qraw", id, "00".repeat(8), ntime]),
            Reject::BadParams,
        ),
        (
            json!(["bc1qraw", id, "zz".repeat(8), ntime, "00000000"]),
            Reject::BadParams,
        ),
        (
            json!(["bc1qraw", id, "00".repeat(7), ntime, "00000000"]),
            Reject::BadExtranonce2,
        ),
        (
            json!(["bc1qraw", id, "00".repeat(8), early, "00000000"]),
            Reject::BadTime,
        ),
        (
            json!(["bc1qother", id, "00".repeat(8), ntime, "00000000"]),
            Reject::Unauthorized,
        ),
        // No mask was granted: no bits may be set.
        (
            json!(["bc1qraw", id, "00".repeat(8), ntime, "00000000", "00002000"]),
            Reject::BadVersion,
        ),
        (
            json!(["bc1qraw", id, "00".repeat(8), ntime, "00000000"]),
            Reject::HighHash,
        ),
    ];
    for (number, (params, reject)) in (10..).zip(cases) {
        client.call(number, "mining.submit", params).await;
        let reply = client.reply(number).await;
        assert_eq!(reply["error"][0], json!(reject.code()), "{reject}");
        assert_eq!(reply["error"][1], json!(reject.to_string()));
        assert!(
            pool.read_books(|books| books.rejected_for(reject)) > 0,
            "{reject}"
        );
        assert_eq!(pool.read_books(Books::rejected), number - 9);
    }
    pool.new_job(true);
    client.push("mining.notify").await;
    let late = json!(["bc1qraw", id, "00".repeat(8), ntime, "00000000"]);
    client.call(99, "mining.submit", late).await;
    assert_eq!(
        client.reply(99).await["error"][0],
        json!(Reject::Stale.code())
    );
    assert_eq!(pool.read_books(Books::accepted), 0);
}

#[tokio::test]
async fn a_mask_granted_makes_six_params_a_must() {
    let pool = pool(|_| {}).await;
    let (mut client, job) = subscribed(&pool).await;
    client
        .call(5, "mining.configure", json!([["version-rolling"], {}]))
        .await;
    client.reply(5).await;
    let five = json!(["bc1qraw", job[0], "00".repeat(8), job[7], "00000000"]);
    client.call(6, "mining.submit", five).await;
    assert_eq!(
        client.reply(6).await["error"][1],
        json!(Reject::BadParams.to_string())
    );
    let six = json!([
        "bc1qraw",
        job[0],
        "00".repeat(8),
        job[7],
        "00000000",
        "e0000000"
    ]);
    client.call(7, "mining.submit", six).await;
    assert_eq!(
        client.reply(7).await["error"][1],
        json!(Reject::BadVersion.to_string())
    );
    pool.set_version_mask(0x00ff_0000);
    assert_eq!(
        client.push("mining.set_version_mask").await,
        json!(["00ff0000"])
    );
}

#[tokio::test]
async fn difficulty_comes_with_or_without_a_job() {
    let pool = pool(|_| {}).await;
    let axe = bitaxe(&pool, |_| {});
    axe.wait_for(|stats| stats.accepted > 3, PATIENCE)
        .await
        .unwrap();
    pool.set_difficulty(4.0 * EASY, None);
    axe.wait_for(|stats| stats.max_difficulty == 4.0 * EASY, PATIENCE)
        .await
        .unwrap();
    let accepted = axe.stats().accepted;
    axe.wait_for(|stats| stats.accepted > accepted + 3, PATIENCE)
        .await
        .unwrap();
    assert_eq!(
        axe.stats().difficulty,
        EASY,
        "the job at hand keeps its own"
    );
    assert_eq!(axe.stats().jobs, 1);

    pool.set_difficulty(2.0 * EASY, Some(false));
    axe.wait_for(|stats| stats.jobs == 2, PATIENCE)
        .await
        .unwrap();
    assert_eq!(axe.stats().difficulty, 2.0 * EASY);
    axe.wait_for(|stats| stats.accepted > accepted + 10, PATIENCE)
        .await
        .unwrap();
    let stats = axe.drain(PATIENCE).await.unwrap();
    let books = pool.books();
    assert_eq!((stats.accepted_work, stats.rejected()), (books.work(), 0));
    assert!(
        books
            .shares
            .iter()
            .all(|share| share.difficulty != 4.0 * EASY)
    );
}

/// A job whose id was seen is ignored unless it is clean, and with it the difficulty
/// that was meant to come into force.
#[tokio::test]
async fn a_job_seen_is_ignored_unless_clean() {
    let pool = pool(|_| {}).await;
    let axe = bitaxe(&pool, |options| options.hashrate = 0.0);
    axe.wait_for(|stats| stats.jobs == 1, PATIENCE)
        .await
        .unwrap();
    let (_, first) = subscribed(&pool).await;
    let notify = |job: &Value| {
        pool.send_line(
            &json!({ "id": null, "method": "mining.notify", "params": job }).to_string(),
        );
    };
    pool.set_difficulty(9.0, None);
    let mut again = first.clone();
    again[8] = json!(false);
    notify(&again);
    axe.wait_for(|stats| stats.ignored_jobs == 1, PATIENCE)
        .await
        .unwrap();
    assert_eq!((axe.stats().jobs, axe.stats().difficulty), (1, EASY));
    again[8] = json!(true);
    notify(&again);
    axe.wait_for(|stats| stats.jobs == 2, PATIENCE)
        .await
        .unwrap();
    assert_eq!(axe.stats().difficulty, 9.0);
    // After sixteen others it is forgotten.
    for number in 0..16 {
        again[0] = json!(format!("other{number}"));
        again[8] = json!(false);
        notify(&again);
    }
    again[0] = first[0].clone();
    notify(&again);
    axe.wait_for(|stats| stats.jobs == 19, PATIENCE)
        .await
        .unwrap();
    assert_eq!(axe.stats().ignored_jobs, 1);
}

#[tokio::test]
async fn a_stall_is_silence_until_it_ends() {
    let pool = pool(|_| {}).await;
    let (mut client, _) = subscribed(&pool).await;
    pool.set_faults(|faults| faults.stall = Stall::Jobs);
    let lost = pool.new_job(true);
    client.call(20, "mining.ping", json!([])).await;
    assert_eq!(
        client.next().await.unwrap()["result"],
        json!("pong"),
        "it answers"
    );
    pool.set_faults(|faults| faults.stall = Stall::All);
    client.call(21, "mining.ping", json!([])).await;
    // The next of what comes in is noticed in the books, so the ping was read before.
    client
        .call(22, "mining.suggest_difficulty", json!([3.5]))
        .await;
    pool.wait_for(|books| books.suggested == [3.5], PATIENCE)
        .await
        .unwrap();
    pool.set_faults(|faults| faults.stall = Stall::Off);
    let next = pool.new_job(false);
    let job = client.next().await.unwrap();
    assert_eq!(job["params"][0], json!(next));
    assert_ne!(next, lost);
}

#[tokio::test]
async fn garbage_and_messages_do_not_end_a_device() {
    let pool = pool(|_| {}).await;
    let axe = bitaxe(&pool, |_| {});
    axe.wait_for(|stats| stats.accepted > 0, PATIENCE)
        .await
        .unwrap();
    pool.garbage_line();
    pool.show_message("maintenance at noon");
    axe.wait_for(
        |stats| stats.unknown_lines == 1 && !stats.messages.is_empty(),
        PATIENCE,
    )
    .await
    .unwrap();
    assert_eq!(axe.stats().messages, ["maintenance at noon"]);
    let accepted = axe.stats().accepted;
    axe.wait_for(|stats| stats.accepted > accepted + 3, PATIENCE)
        .await
        .unwrap();
    assert_eq!(axe.stats().connections, 1);

    let (mut client, _) = subscribed(&pool).await;
    client.send(&json!("no request")).await;
    assert_eq!(client.next().await, None, "the pool closes on garbage");
    assert_eq!(pool.read_books(|books| books.bad_lines), 1);
}

#[tokio::test]
async fn every_nth_share_is_rejected() {
    let pool = pool(|_| {}).await;
    pool.reject_every(3);
    let axe = bitaxe(&pool, |_| {});
    axe.wait_for(|stats| stats.accepted + stats.rejected() >= 60, PATIENCE)
        .await
        .unwrap();
    let stats = axe.drain(PATIENCE).await.unwrap();
    assert_eq!(stats.rejected(), (stats.accepted + stats.rejected()) / 3);
    let books = pool.books();
    assert_eq!(books.rejected_for(Reject::OnDemand), stats.rejected());
    assert_eq!(books.accepted(), stats.accepted);
}

#[tokio::test]
async fn answers_are_late_reversed_joined_and_crumbled() {
    let pool = pool(|_| {}).await;
    let (mut client, _) = subscribed(&pool).await;
    pool.set_faults(|faults| faults.answers_reversed = true);
    for id in 30..34 {
        client.call(id, "mining.ping", json!([])).await;
    }
    for id in (30..34).rev() {
        assert_eq!(client.next().await.unwrap()["id"], json!(id));
    }
    // A device lives with each of them, and the books still agree.
    let delay = Duration::from_millis(40);
    let bends: [fn(&mut simnet::pool::Faults, Duration); 4] = [
        |faults, delay| faults.answer_delay = delay,
        |faults, _| faults.answers_reversed = true,
        |faults, _| faults.coalesce = true,
        |faults, _| faults.byte_by_byte = true,
    ];
    for bend in bends {
        pool.set_faults(|faults| {
            *faults = simnet::pool::Faults::default();
            bend(faults, delay);
        });
        let before = pool.read_books(Books::accepted);
        let axe = bitaxe(&pool, |_| {});
        axe.wait_for(|stats| stats.accepted > 10, PATIENCE)
            .await
            .unwrap();
        let stats = axe.drain(PATIENCE).await.unwrap();
        assert_eq!(pool.read_books(Books::accepted) - before, stats.accepted);
        assert_eq!(stats.rejected(), 0);
    }
}

#[tokio::test]
async fn connections_are_dropped_and_refused() {
    let pool = pool(|_| {}).await;
    let (mut client, _) = subscribed(&pool).await;
    pool.stop_accepting().await;
    assert!(
        tokio::net::TcpStream::connect(pool.address())
            .await
            .is_err()
    );
    client.call(40, "mining.ping", json!([])).await;
    assert_eq!(
        client.reply(40).await["result"],
        json!("pong"),
        "the open ones stay"
    );
    pool.drop_connections();
    assert_eq!(client.next().await, None);
    pool.resume_accepting().await;
    let (mut client, _) = subscribed(&pool).await;
    pool.stop().await.unwrap();
    assert_eq!(client.next().await, None);
}

#[tokio::test]
async fn extranonce_is_told_to_those_who_asked() {
    let pool = pool(|_| {}).await;
    let (mut deaf, _) = subscribed(&pool).await;
    let (mut asks, _) = subscribed(&pool).await;
    asks.call(50, "mining.extranonce.subscribe", json!([]))
        .await;
    assert_eq!(asks.reply(50).await["result"], json!(true));
    pool.set_extranonce(4, ExtranonceAudience::Subscribers);
    let told = asks.push("mining.set_extranonce").await;
    assert_eq!((told[0].as_str().unwrap().len(), &told[1]), (8, &json!(4)));
    assert_eq!(
        asks.next().await.unwrap()["params"][8],
        json!(true),
        "a clean job follows"
    );
    assert_eq!(deaf.next().await.unwrap()["method"], json!("mining.notify"));
}

#[tokio::test]
async fn whoever_does_not_subscribe_is_closed() {
    let pool = pool(|options| options.subscribe_timeout = Duration::from_millis(50)).await;
    let mut client = RawClient::connect(pool.address()).await;
    assert_eq!(client.next().await, None);
}
