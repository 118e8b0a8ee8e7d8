//! What still keeps OCEAN from paying. Pure.

use std::collections::BTreeMap;

use accounting::Msat;
use bitcoin::secp256k1::PublicKey;
use serde::{Deserialize, Serialize};

use crate::node::{ChannelView, NodeView};
use crate::offer::Standing;
use crate::settings::Settings;

/// A margin below the most that one payment may have: a payment of exactly that much was
/// seen to block a channel for minutes (Core Lightning 25.12.1).
const PART_MARGIN: (u64, u64) = (95, 100);

/// A chain source that has not been heard for so long is down. The node asks bitcoind every
/// two seconds, and others about once a minute; the pool's own questions notice it earlier.
const CHAIN_SILENT_SECS: u64 = 5 * 60;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// How it is.
    pub mark: Mark,
    /// In words; where it is not well, what to do.
    pub said: String,
}

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Well.
    Good,
    /// It works, and should be seen to.
    Warn,
    /// OCEAN cannot pay.
    Bad,
}

fn good(said: impl Into<String>) -> Check {
    Check {
        mark: Mark::Good,
        said: said.into(),
    }
}

fn warn(said: impl Into<String>) -> Check {
    Check {
        mark: Mark::Warn,
        said: said.into(),
    }
}

fn bad(said: impl Into<String>) -> Check {
    Check {
        mark: Mark::Bad,
        said: said.into(),
    }
}

/// What the pool's own questions to the node's chain source came to, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceReport {
    /// The chain cannot be followed with it.
    pub trouble: Option<String>,
    /// It does not estimate fees.
    pub no_fees: Option<String>,
}

impl SourceReport {
    /// The report on a node that is not up, which looks at its source alone.
    pub fn checks(self) -> Vec<Check> {
        let trouble = self.trouble.map(bad);
        trouble.into_iter().chain(self.no_fees.map(bad)).collect()
    }
}

/// The report on a node that is up. `expected` is the next payout, where it is known;
/// `offer` how the offer stands, none when none was made.
pub fn readiness(
    (view, source): (&NodeView, SourceReport),
    settings: &Settings,
    offer: Option<&Standing>,
    expected: Option<Msat>,
    now_secs: u64,
) -> Vec<Check> {
    let mut checks = vec![match source.trouble {
        Some(trouble) => bad(trouble),
        None => chain(view, now_secs),
    }];
    checks.extend(source.no_fees.map(warn));
    let usable = usable(view);
    checks.push(match (view.channels.len(), usable.len()) {
        (0, _) => bad("no channel: open one, or have one opened to this node"),
        (1, 0) => bad("the one channel is not usable: it waits for confirmations, or for its peer"),
        (all, 0) => bad(format!(
            "none of {all} channels is usable: it waits for confirmations, or for its peer"
        )),
        (all, usable) if usable < all => warn(format!("{usable} of {all} channels are usable")),
        (1, _) => good("one channel, usable"),
        (all, _) => good(format!("{all} channels, all usable")),
    });
    if !usable.is_empty() {
        checks.push(inbound(&usable, settings, expected));
        checks.extend(several(&usable));
    }
    let reserve = settings.anchors.reserve_sat;
    checks.extend(view.balances.lacks_reserve(reserve).map(warn));
    checks.push(match offer {
        None => bad("no offer was made: `axepool offer`, then give it to OCEAN"),
        Some(Standing::Good) => good("the offer can be paid"),
        Some(Standing::Hindered(obstacle)) => {
            bad(format!("the offer cannot be paid now: {obstacle}"))
        }
        Some(Standing::Outdated(why)) => bad(format!(
            "OCEAN needs a new offer: {why} (`axepool offer --renew`)"
        )),
    });
    checks.extend(reach(view, settings));
    checks
}

fn chain(view: &NodeView, now_secs: u64) -> Check {
    if let Some(doubt) = &view.chain_doubt {
        return bad(format!(
            "the chain is in doubt, at block {}: {doubt}. No channel is opened and nothing is sent on-chain (axepool status)",
            view.tip_height
        ));
    }
    match view.chain_heard_secs {
        None => bad("the node has not heard from its chain source yet"),
        Some(at) if now_secs.saturating_sub(at) > CHAIN_SILENT_SECS => bad(format!(
            "the node's chain source is silent since {} minutes",
            now_secs.saturating_sub(at) / 60
        )),
        Some(_) => good(format!("the chain is followed, block {}", view.tip_height)),
    }
}

/// The most that can come in one payment, by what the usable channels let be in flight.
pub fn most_at_once(view: &NodeView, settings: &Settings) -> Msat {
    most_over(&usable(view), settings.is_public())
}

fn usable(view: &NodeView) -> Vec<&ChannelView> {
    view.channels.iter().filter(|one| one.is_usable).collect()
}

/// A public node may be paid over several channels in parts; a private one over a single
/// one.
fn most_over(usable: &[&ChannelView], is_public: bool) -> Msat {
    let peers = peers(usable).into_values();
    let all = if is_public {
        let over = |channels: &Vec<&ChannelView>| {
            let most = most_of_peer(channels);
            let parts = channels.iter().filter_map(|one| one.inbound_part);
            parts.fold(0, |sum: u64, part| sum.saturating_add(part.get().min(most)))
        };
        peers.fold(0, |sum: u64, channels| sum.saturating_add(over(&channels)))
    } else {
        peers
            .map(|channels| most_of_peer(&channels))
            .max()
            .unwrap_or(0)
    };
    let (numerator, denominator) = PART_MARGIN;
    Msat::new(all / denominator * numerator)
}

fn peers<'a>(usable: &[&'a ChannelView]) -> BTreeMap<PublicKey, Vec<&'a ChannelView>> {
    let mut peers = BTreeMap::<_, Vec<_>>::new();
    for channel in usable {
        peers.entry(channel.peer).or_default().push(*channel);
    }
    peers
}

/// The most that one part through a peer may have for certain. A peer with several channels
/// forwards over whichever it likes, whatever channel the payer names (Core Lightning: over
/// that with the most to spend), so that each that has room for the part must take it.
fn most_of_peer(channels: &[&ChannelView]) -> u64 {
    let parts = || {
        channels
            .iter()
            .filter_map(|one| Some((one, one.inbound_part?)))
    };
    let largest = parts().map(|(_, part)| part).max();
    let capped = parts().filter(|(one, part)| *part < one.inbound);
    let least = capped.map(|(_, part)| part).min();
    largest.map_or(0, |largest| least.unwrap_or(largest).min(largest).get())
}

/// That a peer has several channels, the smallest of which counts.
fn several(usable: &[&ChannelView]) -> Option<Check> {
    let peers = peers(usable);
    let (peer, channels) = peers.iter().find(|(_, channels)| {
        let parts = channels.iter().filter_map(|one| one.inbound_part);
        parts.map(Msat::get).max() > Some(most_of_peer(channels))
    })?;
    Some(warn(format!(
        "peer {peer} chooses among its {} channels by itself, so that the one with the lowest \
         limit counts: close the smaller ones, or have the next channel opened by another peer",
        channels.len()
    )))
}

fn inbound(usable: &[&ChannelView], settings: &Settings, expected: Option<Msat>) -> Check {
    let most = most_over(usable, settings.is_public());
    let most_sat = most.to_sat_floor();
    let level = settings
        .inbound_alarm_sat
        .and_then(|sat| sat.checked_mul(accounting::MSAT_PER_SAT))
        .map(Msat::new);
    match (expected, level) {
        (Some(expected), _) if expected > most => bad(format!(
            "the next payout is expected to have {} sat, and {most_sat} sat can come at once: more inbound capacity is needed (a payment takes a tenth of a channel at most, unless its peer is peers.full_in_flight)",
            expected.to_sat_floor()
        )),
        (_, Some(level)) if level > most => warn(format!(
            "{most_sat} sat can come at once, below the alarm's {}",
            level.to_sat_floor()
        )),
        (Some(expected), _) => good(format!(
            "{most_sat} sat can come at once, and {} sat are expected next",
            expected.to_sat_floor()
        )),
        (None, _) => good(format!("{most_sat} sat can come at once")),
    }
}

fn reach(view: &NodeView, settings: &Settings) -> Vec<Check> {
    let mut checks = Vec::new();
    if settings.is_public() && view.announced_secs.is_none() {
        checks.push(warn(
            "the node has not announced itself yet: it does once a public channel is ready",
        ));
    }
    for id in &settings.peers.ocean {
        let connected = view
            .peers
            .iter()
            .any(|peer| peer.node_id == *id && peer.is_connected);
        checks.push(match (connected, settings.is_public()) {
            (true, _) => good(format!("connected to OCEAN's node {id}")),
            (false, true) => warn(format!("not connected to OCEAN's node {id}: the way back to it may have to be searched")),
            (false, false) => bad(format!("not connected to OCEAN's node {id}: a private node must be, put it into peers.persistent")),
        });
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Balances;
    use accounting::Sat;
    use bitcoin::secp256k1::{Secp256k1, SecretKey};

    const NOW: u64 = 1_800_000_000;

    fn key(n: u8) -> PublicKey {
        PublicKey::from_secret_key(&Secp256k1::new(), &SecretKey::from_slice(&[n; 32]).unwrap())
    }

    fn channel(part_sat: u64, is_usable: bool) -> ChannelView {
        ChannelView {
            id: 1,
            peer: key(2),
            size: Sat::new(part_sat * 10),
            inbound: Msat::new(part_sat * 10_000),
            inbound_part: Some(Msat::new(part_sat * 1000)),
            outbound: Msat::ZERO,
            is_ready: true,
            is_usable,
            is_public: false,
            is_ours: false,
        }
    }

    fn view(channels: Vec<ChannelView>) -> NodeView {
        NodeView {
            node_id: key(1),
            channels,
            peers: Vec::new(),
            balances: Balances {
                spendable: Sat::new(25_000),
                ..Balances::default()
            },
            is_unsought: false,
            closed: Vec::new(),
            tip_height: 5,
            chain_heard_secs: Some(NOW - 60),
            chain_doubt: None,
            announced_secs: None,
        }
    }

    fn of(peer: u8, part_sat: u64, inbound_sat: u64) -> ChannelView {
        ChannelView {
            peer: key(peer),
            inbound: Msat::new(inbound_sat * 1000),
            ..channel(part_sat, true)
        }
    }

    #[track_caller]
    fn at_once(channels: &[ChannelView], is_public: bool, sat: u64) {
        let usable: Vec<_> = channels.iter().collect();
        let most = most_over(&usable, is_public).to_sat_floor().get();
        assert_eq!(most, sat, "{channels:?}");
    }

    #[test]
    fn a_peer_with_several_channels_may_choose_the_smallest() {
        let two = [of(2, 100, 1000), of(2, 1000, 10_000)];
        at_once(&two, false, 95);
        at_once(&two, true, 190);
        // Its small one is full, and is not chosen for more than it has room for.
        let full = [of(2, 7, 7), of(2, 1000, 10_000)];
        at_once(&full, false, 950);
        at_once(&full, true, 1007 * 95 / 100);
        // Another peer's do not count for it.
        let apart = [of(2, 100, 1000), of(3, 1000, 10_000)];
        at_once(&apart, false, 950);
        at_once(&apart, true, 1045);
        at_once(&[of(2, 1000, 1000)], false, 950);
        at_once(&[], false, 0);
        case(&view(two.to_vec()), "", Some(150), Mark::Bad, "150 sat");
        case(
            &view(two.to_vec()),
            "",
            Some(50),
            Mark::Warn,
            "another peer",
        );
    }

    #[test]
    fn a_missing_reserve_is_told_before_a_channel_is_bought() {
        let mut poor = view(vec![channel(100, true)]);
        poor.balances.spendable = Sat::new(24_999);
        case(&poor, "", None, Mark::Warn, "24999 sat are free");
        case(
            &poor,
            "[anchors]\nreserve_sat = 24999",
            None,
            Mark::Good,
            "can come at once",
        );
    }

    #[track_caller]
    fn case(view: &NodeView, settings: &str, expected_sat: Option<u64>, worst: Mark, said: &str) {
        let settings = Settings::parse(&format!("network = \"regtest\"\n{settings}")).unwrap();
        let expected = expected_sat.map(|sat| Msat::new(sat * 1000));
        let checks = readiness(
            (view, SourceReport::default()),
            &settings,
            Some(&Standing::Good),
            expected,
            NOW,
        );
        let found = checks.iter().max_by_key(|check| check.mark).unwrap();
        assert_eq!(found.mark, worst, "{checks:?}");
        assert!(
            checks.iter().any(|check| check.said.contains(said)),
            "{checks:?}"
        );
    }

    #[test]
    fn it_tells_what_keeps_ocean_from_paying() {
        case(&view(vec![]), "", None, Mark::Bad, "no channel");
        case(
            &view(vec![channel(100, false)]),
            "",
            None,
            Mark::Bad,
            "the one channel is not usable",
        );
        case(
            &view(vec![channel(100, true)]),
            "",
            Some(95),
            Mark::Good,
            "95 sat can come",
        );
        case(
            &view(vec![channel(100, true)]),
            "",
            Some(96),
            Mark::Bad,
            "96 sat",
        );
        // A private node is paid over one channel, a public one over all.
        let two = view(vec![channel(100, true), channel(100, true)]);
        case(&two, "", Some(150), Mark::Bad, "150 sat");
        case(
            &two,
            "[reach]\nalias = \"x\"\nlisten = [\"127.0.0.1:1\"]",
            Some(150),
            Mark::Warn,
            "190 sat",
        );
        case(
            &view(vec![channel(100, true)]),
            "[alarm]\ninbound_sat = 200",
            None,
            Mark::Warn,
            "alarm",
        );
        let ocean = format!("[peers]\nocean = [\"{}\"]", key(9));
        case(
            &view(vec![channel(100, true)]),
            &ocean,
            None,
            Mark::Bad,
            "persistent",
        );
        let mut silent = view(vec![channel(100, true)]);
        silent.chain_heard_secs = Some(NOW - 7200);
        case(&silent, "", None, Mark::Bad, "120 minutes");
        // A source that is heard may be on another chain.
        let mut doubted = view(vec![channel(100, true)]);
        doubted.chain_doubt = Some("our chain source differs".into());
        case(&doubted, "", None, Mark::Bad, "our chain source differs");
        let settings = Settings::parse("network = \"regtest\"").unwrap();
        let followed = |check: &Check| check.said.contains("is followed");
        let report = |view: &NodeView, source| {
            let offer = Some(&Standing::Good);
            readiness((view, source), &settings, offer, None, NOW)
        };
        let checks = report(&doubted, SourceReport::default());
        assert!(!checks.iter().any(followed), "{checks:?}");
        // The node heard it a minute ago; the pool asked it since.
        let source = SourceReport {
            trouble: Some("bitcoind at x:1: no answer".into()),
            no_fees: None,
        };
        let checks = report(&view(vec![channel(100, true)]), source);
        assert!(!checks.iter().any(followed), "{checks:?}");
        assert!(
            checks.contains(&bad("bitcoind at x:1: no answer")),
            "{checks:?}"
        );
    }
}
