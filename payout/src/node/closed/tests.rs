use std::os::unix::fs::PermissionsExt as _;

use accounting::Sat;
use ldk_node::{LightningBalance, PendingSweepBalance};
use lightning::chain::channelmonitor::BalanceSource;
use lightning::types::string::UntrustedString;

use super::reason::MAX_REASON;
use super::*;

const PEER: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

fn closed(n: u8, reason: &ClosureReason) -> ClosedChannel {
    let channel = ChannelId([n; 32]);
    ClosedChannel::new((u128::from(n), &channel), None, Some(reason), 7)
}

fn nothing() -> BalanceDetails {
    BalanceDetails {
        total_onchain_balance_sats: 0,
        spendable_onchain_balance_sats: 0,
        total_anchor_channels_reserve_sats: 0,
        total_lightning_balance_sats: 0,
        lightning_balances: Vec::new(),
        pending_balances_from_channel_closures: Vec::new(),
    }
}

/// `sat` of channel `n`, to be had after a block.
fn waits(n: u8, sat: u64, block: u32) -> BalanceDetails {
    let waits = LightningBalance::ClaimableAwaitingConfirmations {
        channel_id: ChannelId([n; 32]),
        counterparty_node_id: PEER.parse().unwrap(),
        amount_satoshis: sat,
        confirmation_height: block,
        source: BalanceSource::HolderForceClosed,
    };
    BalanceDetails {
        lightning_balances: vec![waits],
        ..nothing()
    }
}

fn by_peer(words: &str) -> ClosureReason {
    ClosureReason::CounterpartyForceClosed {
        peer_msg: UntrustedString(words.to_owned()),
    }
}

#[test]
fn who_closed_is_kept_over_a_restart_and_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let by_peer = by_peer(&"x".repeat(60_000));
    let ours = closed(2, &ClosureReason::LocallyInitiatedCooperativeClosure);
    add(dir.path(), closed(1, &by_peer), &nothing()).unwrap();
    add(dir.path(), ours.clone(), &nothing()).unwrap();
    let again = closed(1, &ClosureReason::CommitmentTxConfirmed);
    add(dir.path(), again, &nothing()).unwrap();
    let found = recorded(dir.path());
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].closed, ours);
    assert_eq!(found[0].closed.by, ClosedBy::AgreementAskedByUs);
    assert_eq!(found[1].closed.by, ClosedBy::Peer);
    assert!(found[1].closed.reason.len() <= MAX_REASON);
    let mode = std::fs::metadata(place(dir.path())).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
}

#[test]
fn strangers_who_never_fund_push_nothing_out() {
    let dir = tempfile::tempdir().unwrap();
    add(dir.path(), closed(1, &by_peer("bye")), &waits(1, 5, 9)).unwrap();
    add(dir.path(), closed(2, &by_peer("bye")), &nothing()).unwrap();
    for n in 3..=120 {
        let never = closed(n, &ClosureReason::DisconnectedPeer);
        add(dir.path(), never, &nothing()).unwrap();
    }
    let found = recorded(dir.path());
    assert_eq!(found.len(), KEPT);
    let of = |n: u128| found.iter().any(|one| one.closed.id == n);
    assert!(of(1) && of(2) && of(120));
    // Others push out those whose money has come, and then the oldest.
    for n in 130..=230 {
        add(dir.path(), closed(n, &by_peer("")), &waits(n, 5, 9)).unwrap();
    }
    assert!(
        recorded(dir.path())
            .iter()
            .all(|one| one.closed.money.coming == Sat::new(5))
    );
}

#[test]
fn its_money_is_told_until_it_is_the_wallets_and_a_while_after() {
    let dir = tempfile::tempdir().unwrap();
    let look = |all: &BalanceDetails, is_wallets: bool, at: (u32, u64)| {
        let mut found = super::look(dir.path(), all, |_| is_wallets, at);
        found.remove(0)
    };
    add(dir.path(), closed(1, &by_peer("bye")), &nothing()).unwrap();
    let found = look(&waits(1, 5_000, 144), false, (100, 1_000_000));
    assert_eq!(found.about_secs, Some(1_000_000 + 44 * 600));
    assert_eq!(
        found.money(),
        "5000 sat come back after block 144, about 1970-01-12 21:06:40"
    );
    assert!(found.is_news(9_000_000));
    // The node is down: what was seen last is told.
    let seen = recorded(dir.path()).remove(0);
    assert_eq!(
        seen.to_string(),
        "channel 1 with ? was closed on 1970-01-01 00:00:07 BY FORCE, by its peer (the peer said: \
         bye): 5000 sat come back after block 144"
    );
    // It is being swept, and nobody lists it for a moment before.
    let between = look(&nothing(), false, (144, 1_000_100));
    assert!(between.closed.money.arrived_secs.is_some());
    let mut swept = nothing();
    swept.pending_balances_from_channel_closures = vec![PendingSweepBalance::PendingBroadcast {
        channel_id: Some(ChannelId([1; 32])),
        amount_satoshis: 5_000,
    }];
    let found = look(&swept, false, (144, 1_000_200));
    assert_eq!(found.closed.money.arrived_secs, None);
    assert!(found.money().contains("once the transactions"), "{found:?}");
    let found = look(&swept, true, (150, 1_000_300));
    assert_eq!(found.closed.money.arrived_secs, Some(1_000_300));
    let found = look(&nothing(), true, (150, 1_000_500));
    assert_eq!(found.closed.money.arrived_secs, Some(1_000_300));
    assert_eq!(
        found.money(),
        "all of its money has been in the wallet since 1970-01-12 13:51:40"
    );
    assert!(found.is_news(1_000_300 + 7 * 86_400 - 1));
    assert!(!found.is_news(1_000_300 + 7 * 86_400));
}

#[test]
fn an_older_record_is_read_and_a_newer_one_refused() {
    let dir = tempfile::tempdir().unwrap();
    let old = r#"{"version":1,"channels":[{"id":"5","channel":"aa","peer":null,"at_secs":7,
        "by":"agreement","reason":"Channel closed because"}]}"#;
    std::fs::write(place(dir.path()), old).unwrap();
    let found = recorded(dir.path());
    assert_eq!(found[0].closed.by, ClosedBy::Agreement);
    assert_eq!(found[0].closed.money, Money::default());
    std::fs::write(place(dir.path()), r#"{"version":3}"#).unwrap();
    let error = add(dir.path(), closed(1, &by_peer("")), &nothing()).unwrap_err();
    assert!(error.to_string().contains('3'), "{error}");
}

#[test]
fn a_reason_is_told_in_plain_words() {
    let by_us = |message: &str, broadcast| ClosureReason::HolderForceClosed {
        broadcasted_latest_txn: broadcast,
        message: message.to_owned(),
    };
    let cases = [
        (by_peer("a\u{1b}[2Jb\n"), ClosedBy::Peer, "the peer said: "),
        (by_us("", Some(true)), ClosedBy::Us, "node close --force"),
        (by_us("x", None), ClosedBy::Us, "made to close it: x"),
        (by_us("", Some(false)), ClosedBy::Unfunded, ""),
        (
            ClosureReason::CommitmentTxConfirmed,
            ClosedBy::Peer,
            "in a block",
        ),
        (
            ClosureReason::OutdatedChannelManager,
            ClosedBy::Us,
            "in the middle of a write",
        ),
        (
            ClosureReason::HTLCsTimedOut { payment_hash: None },
            ClosedBy::Us,
            "not settled",
        ),
        (
            ClosureReason::CounterpartyInitiatedCooperativeClosure,
            ClosedBy::AgreementAskedByPeer,
            "both sides",
        ),
    ];
    for (reason, by, said) in cases {
        let one = closed(1, &reason);
        assert_eq!(one.by, by, "{reason:?}");
        assert!(one.reason.contains(said), "{}", one.reason);
        assert!(
            !one.reason.chars().any(char::is_control),
            "{:?}",
            one.reason
        );
    }
}

/// The node is looked at by several at once, while its events come.
#[test]
fn a_closing_that_is_told_during_a_look_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    add(dir.path(), closed(200, &by_peer("")), &nothing()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for sat in 1..=60 {
                look(dir.path(), &waits(200, sat, 9), |_| false, (1, 1));
            }
        });
        for n in 0..30 {
            add(dir.path(), closed(n, &by_peer("")), &nothing()).unwrap();
        }
    });
    assert_eq!(recorded(dir.path()).len(), 31);
}
