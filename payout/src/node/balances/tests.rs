use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::PublicKey;

use super::*;

const HASH: PaymentHash = PaymentHash([7; 32]);

fn peer() -> PublicKey {
    let generator = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    generator.parse().unwrap()
}

fn channel() -> ChannelId {
    ChannelId([1; 32])
}

fn txid() -> Txid {
    Txid::from_byte_array([9; 32])
}

/// An open channel with `sat` of ours.
fn open(sat: u64, fee: u64, rounded_msat: u64) -> LightningBalance {
    LightningBalance::ClaimableOnChannelClose {
        channel_id: channel(),
        counterparty_node_id: peer(),
        amount_satoshis: sat,
        transaction_fee_satoshis: fee,
        outbound_payment_htlc_rounded_msat: rounded_msat,
        outbound_forwarded_htlc_rounded_msat: 0,
        inbound_claiming_htlc_rounded_msat: 0,
        inbound_htlc_rounded_msat: 0,
    }
}

fn htlc(sat: u64, outbound_payment: bool) -> LightningBalance {
    LightningBalance::MaybeTimeoutClaimableHTLC {
        channel_id: channel(),
        counterparty_node_id: peer(),
        amount_satoshis: sat,
        claimable_height: 1000,
        payment_hash: HASH,
        outbound_payment,
    }
}

fn confirming(sat: u64, source: BalanceSource) -> LightningBalance {
    LightningBalance::ClaimableAwaitingConfirmations {
        channel_id: channel(),
        counterparty_node_id: peer(),
        amount_satoshis: sat,
        confirmation_height: 1000,
        source,
    }
}

fn all(channels: Vec<LightningBalance>, swept: Vec<PendingSweepBalance>) -> BalanceDetails {
    let claimable = channels.iter().map(|balance| match balance {
        LightningBalance::ClaimableOnChannelClose {
            amount_satoshis, ..
        }
        | LightningBalance::ClaimableAwaitingConfirmations {
            amount_satoshis, ..
        } => *amount_satoshis,
        _ => 0,
    });
    BalanceDetails {
        total_onchain_balance_sats: 1_000,
        spendable_onchain_balance_sats: 900,
        total_anchor_channels_reserve_sats: 100,
        total_lightning_balance_sats: claimable.sum(),
        lightning_balances: channels,
        pending_balances_from_channel_closures: swept,
    }
}

/// In channels (satoshis) and under way (msat), while the payment is not decided.
#[track_caller]
fn case(channels: Vec<LightningBalance>, expected: (u64, u64)) {
    let found = balances(&all(channels, Vec::new()), |_| HashSet::new(), |_| false);
    let found = (found.channels.get(), found.under_way.get());
    assert_eq!(found, expected);
}

#[test]
fn a_payment_under_way_is_ours_until_it_is_decided() {
    // 500,000 sat, of which 20,000.5 are held by the receiver.
    case(vec![open(500_000, 0, 0)], (500_000, 0));
    let held = vec![open(479_999, 0, 500), htlc(20_000, true)];
    case(held.clone(), (479_999, 20_000_500));
    // Too small for an output: in the rounded sum alone.
    case(vec![open(499_999, 0, 300_000)], (499_999, 300_000));
    // What others sent through us is not ours.
    case(vec![open(480_000, 0, 0), htlc(20_000, false)], (480_000, 0));
    // Arrived, and its ecash is gone, although the channel still has the HTLC.
    let paid = balances(&all(held, Vec::new()), Clone::clone, |_| false);
    assert_eq!(paid.under_way.get(), 500);
}

/// The fee of a commitment transaction of ours grows with its HTLCs, and LDK takes it from
/// our balance; that is no money gone.
#[test]
fn htlcs_in_a_channel_of_ours_cost_nothing_before_it_is_closed() {
    // 253 sat per 1,000 units of weight: 284 without HTLCs, 327 with one.
    case(vec![open(499_056, 284, 0)], (499_056, 0));
    let held = vec![open(479_013, 327, 0), htlc(20_000, true)];
    case(held, (479_056, 20_000_000));
    // The figure has what HTLCs lose to rounding in it.
    let held = vec![open(479_012, 328, 1_000), htlc(20_000, true)];
    case(held, (479_055, 20_001_000));
}

#[test]
fn what_the_wallet_has_is_there_once() {
    let sweep = |confirmed: bool| match confirmed {
        true => PendingSweepBalance::AwaitingThresholdConfirmations {
            channel_id: Some(channel()),
            latest_spending_txid: txid(),
            confirmation_hash: bitcoin::BlockHash::all_zeros(),
            confirmation_height: 7,
            amount_satoshis: 905_001,
        },
        false => PendingSweepBalance::BroadcastAwaitingConfirmation {
            channel_id: Some(channel()),
            latest_broadcast_height: 7,
            latest_spending_txid: txid(),
            amount_satoshis: 905_001,
        },
    };
    for confirmed in [true, false] {
        let swept = all(Vec::new(), vec![sweep(confirmed)]);
        let closing = |knows: bool| {
            let found = balances(
                &swept,
                |_| HashSet::new(),
                |asked| knows && asked.txid == Some(txid()),
            );
            found.closing.get()
        };
        assert_eq!(closing(true), 0, "{confirmed}");
        assert_eq!(closing(false), 905_001, "{confirmed}");
    }
    let waits = PendingSweepBalance::PendingBroadcast {
        channel_id: None,
        amount_satoshis: 5,
    };
    let found = balances(
        &all(Vec::new(), vec![waits]),
        |_| HashSet::new(),
        |swept| swept.txid.is_some(),
    );
    assert_eq!(found.closing.get(), 5);
    case(vec![confirming(7, BalanceSource::CoopClose)], (0, 0));
    case(
        vec![confirming(7, BalanceSource::HolderForceClosed)],
        (7, 0),
    );
}
