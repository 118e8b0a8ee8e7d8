//! The lightning node, and the reasons why OCEAN cannot pay it.

use accounting::Msat;
use basics::humane;
use payout::node::{ChannelView, ClosedView};
use payout::readiness::Mark;
use pool::admin::NodeStatus;
use pool::amounts;

use super::{Note, Section, Table, bad, doubtful, good, plain};

pub(super) fn node(status: &NodeStatus) -> Section {
    let worst = status.checks.iter().map(|check| check.mark);
    let worst = worst.max_by_key(|mark| match mark {
        Mark::Good => 0,
        Mark::Warn => 1,
        Mark::Bad => 2,
    });
    let badge = match worst {
        Some(Mark::Bad) => bad("OCEAN cannot pay"),
        Some(Mark::Warn) => doubtful("should be seen to"),
        Some(Mark::Good) => good("ready to be paid"),
        None => plain("off"),
    };
    let mut facts = vec![("State", status.state.clone())];
    let msat = |amount: Msat| format!("{} sat", amounts::msat_as_sat(amount));
    if let Some(expected) = status.expected {
        facts.push(("Next payout, expected", msat(expected)));
    }
    let sat = |amount: accounting::Sat| format!("{} sat", humane::count(amount.get()));
    if let Some(node) = &status.node {
        facts.push(("Block seen", node.tip_height.to_string()));
        facts.push(("Ours in channels", sat(node.channels_sat)));
        facts.push(("On-chain, to be spent", sat(node.spendable_sat)));
        facts.push(("Kept for closing channels", sat(node.anchor_reserve_sat)));
        facts.push(("From closed channels, on the way", sat(node.closing_sat)));
    }
    let notes = status.checks.iter().map(|check| Note {
        style: match check.mark {
            Mark::Good => "good",
            Mark::Warn => "warn",
            Mark::Bad => "alarm",
        },
        text: check.said.clone(),
    });
    let channels = status.node.as_ref().map(|node| node.channels.as_slice());
    let row = |channel: &ChannelView| {
        let state = match (channel.is_usable, channel.is_ready) {
            (true, _) => "usable",
            (false, true) => "peer away",
            (false, false) => "unconfirmed",
        };
        vec![
            humane::short_key(&channel.peer.to_string()),
            humane::count(channel.size.get()),
            humane::count(channel.inbound.to_sat_floor().get()),
            humane::count(channel.outbound.to_sat_floor().get()),
            state.to_owned(),
        ]
    };
    let head = ["With", "Size, sat", "Takes, sat", "Sends, sat", "State"];
    Section {
        title: "Lightning node and liquidity",
        badge,
        facts,
        notes: notes.collect(),
        table: Table::of(&head, channels.unwrap_or_default(), row),
    }
}

/// The channels that were closed, and when their money comes; `None` where there was none.
pub(super) fn closed(status: &NodeStatus, now_ms: u64) -> Option<Section> {
    let news = status
        .closed
        .iter()
        .filter(|one| one.is_news(now_ms / 1000));
    let news: Vec<&ClosedView> = news.collect();
    let is_forced = news.iter().any(|one| one.closed.by.is_forced());
    let badge = match (news.is_empty(), is_forced) {
        (true, _) => plain("none lately"),
        (false, true) => bad("closed by force"),
        (false, false) => doubtful("closed"),
    };
    let row = |one: &ClosedView| {
        let closed = &one.closed;
        let peer = closed.peer.map(|peer| humane::short_key(&peer.to_string()));
        vec![
            humane::utc(closed.at_secs.saturating_mul(1000)),
            peer.unwrap_or_else(|| "?".to_owned()),
            closed.by.words().to_owned(),
            closed.reason.clone(),
            one.money(),
        ]
    };
    let head = ["When, UTC", "With", "Closed", "Why", "Money"];
    (!status.closed.is_empty()).then(|| Section {
        title: "Closed channels",
        badge,
        table: Table::of(&head, &status.closed, row),
        ..Section::default()
    })
}
