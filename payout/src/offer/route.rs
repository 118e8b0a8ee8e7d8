//! Which offer would work, and whether the one that OCEAN has still does. Pure.

use std::fmt;

use bitcoin::secp256k1::PublicKey;

use crate::node::NodeView;
use crate::offer_book::Route;
use crate::settings::{OfferPath, Settings};

/// Why no offer would work now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// There is no channel.
    NoChannel,
    /// There are channels, but none is usable: it waits for confirmations, or the peer
    /// is not there.
    NoneUsable,
    /// The node has a name and an address, but no channel that the network may know of:
    /// it will never be announced.
    NoPublicChannel,
    /// The node is private, and its only channels are with OCEAN's own node, which
    /// cannot be the way in of an offer that it pays itself.
    OnlyOcean,
    /// The peer that the settings name has no usable channel with us.
    NotAPeer(PublicKey),
    /// The settings ask for an offer without a path, and the node is private: nobody
    /// would find it.
    PrivateWithoutPath,
}

/// How the offer that OCEAN has stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It can be paid.
    Good,
    /// It cannot be paid now, and no other could: once this is mended it is good again.
    Hindered(Obstacle),
    /// Another one must be made and given to OCEAN.
    Outdated(String),
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::NoChannel => f.write_str("the node has no channel: open one, or have one opened to it"),
            Obstacle::NoneUsable => f.write_str(
                "no channel is usable: wait for its confirmations, or for its peer to come back",
            ),
            Obstacle::NoPublicChannel => f.write_str(
                "the node is to be public, but none of its channels is: open a public one",
            ),
            Obstacle::OnlyOcean => f.write_str(
                "the node is private and has channels with OCEAN's node alone, which cannot be the way in of an offer that it pays: open a channel with another peer, or make the node public",
            ),
            Obstacle::NotAPeer(peer) => write!(
                f,
                "offer.path names {peer}, and there is no usable channel with it"
            ),
            Obstacle::PrivateWithoutPath => f.write_str(
                "offer.path = \"none\" needs a public node: set reach.alias and reach.listen, or leave the path to us",
            ),
        }
    }
}

/// The way that an offer made now would take.
///
/// # Errors
/// Why none would work.
pub(super) fn choose(view: &NodeView, settings: &Settings) -> Result<Route, Obstacle> {
    if view.channels.is_empty() {
        return Err(Obstacle::NoChannel);
    }
    if !view.channels.iter().any(|channel| channel.is_usable) {
        return Err(Obstacle::NoneUsable);
    }
    match &settings.offer_path {
        OfferPath::Through(peer) => through(view, peer)
            .then_some(Route::Through(*peer))
            .ok_or(Obstacle::NotAPeer(*peer)),
        OfferPath::None if !settings.is_public() => Err(Obstacle::PrivateWithoutPath),
        OfferPath::None => public(view),
        OfferPath::Auto if settings.is_public() => public(view),
        OfferPath::Auto => private(view, &settings.peers.ocean),
    }
}

/// How an offer of the way `made` stands.
pub(super) fn standing(made: &Route, view: &NodeView, settings: &Settings) -> Standing {
    let now = match choose(view, settings) {
        Ok(now) => now,
        Err(obstacle) => return Standing::Hindered(obstacle),
    };
    match (made, now) {
        (Route::Public, Route::Public) => Standing::Good,
        // While the channel is there the old way works, whatever a new offer would do.
        (Route::Through(peer), _) if through(view, peer) => Standing::Good,
        (Route::Through(peer), _) => Standing::Outdated(format!(
            "it leads through {peer}, and there is no usable channel with it any more"
        )),
        (Route::Public, Route::Through(_)) => Standing::Outdated(
            "it was made for a public node, and the node is private now".to_owned(),
        ),
    }
}

fn public(view: &NodeView) -> Result<Route, Obstacle> {
    let public = |is_usable: bool| {
        view.channels
            .iter()
            .any(|channel| channel.is_public && (channel.is_usable || !is_usable))
    };
    match (public(false), public(true)) {
        (false, _) => Err(Obstacle::NoPublicChannel),
        (true, false) => Err(Obstacle::NoneUsable),
        (true, true) => Ok(Route::Public),
    }
}

/// Through the peer whose channels take the largest single payment; the smaller id of
/// two equals, so that the choice is always the same.
fn private(view: &NodeView, ocean: &[PublicKey]) -> Result<Route, Obstacle> {
    view.channels
        .iter()
        .filter(|channel| channel.is_usable && !ocean.contains(&channel.peer))
        .max_by_key(|channel| (channel.inbound_part, std::cmp::Reverse(channel.peer)))
        .map(|channel| Route::Through(channel.peer))
        .ok_or(Obstacle::OnlyOcean)
}

fn through(view: &NodeView, peer: &PublicKey) -> bool {
    view.channels
        .iter()
        .any(|channel| channel.is_usable && channel.peer == *peer)
}

#[cfg(test)]
mod tests;
