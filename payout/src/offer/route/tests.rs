use super::*;
use crate::node::{Balances, ChannelView};
use accounting::{Msat, Sat};
use bitcoin::secp256k1::{Secp256k1, SecretKey};

fn key(n: u8) -> PublicKey {
    PublicKey::from_secret_key(&Secp256k1::new(), &SecretKey::from_slice(&[n; 32]).unwrap())
}

fn channel(peer: u8, usable: bool, public: bool) -> ChannelView {
    ChannelView {
        id: u128::from(peer),
        peer: key(peer),
        size: Sat::new(1_000_000),
        inbound: Msat::new(900_000_000),
        inbound_part: Some(Msat::new(u64::from(peer) * 1_000_000)),
        outbound: Msat::ZERO,
        is_ready: true,
        is_usable: usable,
        is_public: public,
        is_ours: false,
    }
}

fn view(channels: &[ChannelView]) -> NodeView {
    NodeView {
        node_id: key(1),
        channels: channels.to_vec(),
        peers: Vec::new(),
        balances: Balances::default(),
        is_unsought: false,
        closed: Vec::new(),
        tip_height: 0,
        chain_heard_secs: None,
        chain_doubt: None,
        announced_secs: None,
    }
}

fn settings(public: bool, path: &str, ocean: u8) -> Settings {
    let reach = if public {
        "[reach]\nalias = \"pool\"\nlisten = [\"127.0.0.1:9735\"]\n"
    } else {
        ""
    };
    let ocean = key(ocean);
    Settings::parse(&format!(
        "network = \"regtest\"\n{reach}[peers]\nocean = [\"{ocean}\"]\n[offer]\npath = \"{path}\"\n"
    ))
    .unwrap()
}

#[track_caller]
fn case(channels: &[ChannelView], settings: &Settings, expected: Result<Route, Obstacle>) {
    assert_eq!(choose(&view(channels), settings), expected);
}

#[test]
fn the_right_kind_for_each_node_or_why_none() {
    let (open, private) = (settings(true, "auto", 9), settings(false, "auto", 9));
    case(&[], &open, Err(Obstacle::NoChannel));
    case(&[], &private, Err(Obstacle::NoChannel));
    case(&[channel(2, false, true)], &open, Err(Obstacle::NoneUsable));
    case(
        &[channel(2, true, false)],
        &open,
        Err(Obstacle::NoPublicChannel),
    );
    case(
        &[channel(2, true, false), channel(3, false, true)],
        &open,
        Err(Obstacle::NoneUsable),
    );
    case(&[channel(2, true, true)], &open, Ok(Route::Public));
    // A public node may have its channel with OCEAN itself.
    case(&[channel(9, true, true)], &open, Ok(Route::Public));
    case(
        &[channel(9, true, false)],
        &private,
        Err(Obstacle::OnlyOcean),
    );
    case(
        &[
            channel(9, true, false),
            channel(2, true, false),
            channel(3, true, false),
        ],
        &private,
        Ok(Route::Through(key(3))),
    );
}

#[test]
fn what_the_settings_ask_for_is_done_or_refused() {
    let none = settings(false, "none", 9);
    case(
        &[channel(2, true, false)],
        &none,
        Err(Obstacle::PrivateWithoutPath),
    );
    let through = settings(false, &key(2).to_string(), 9);
    case(
        &[channel(2, true, false), channel(3, true, false)],
        &through,
        Ok(Route::Through(key(2))),
    );
    case(
        &[channel(3, true, false)],
        &through,
        Err(Obstacle::NotAPeer(key(2))),
    );
}

#[track_caller]
fn stands(made: Route, channels: &[ChannelView], settings: &Settings, expected: &str) {
    let standing = match standing(&made, &view(channels), settings) {
        Standing::Good => "good",
        Standing::Hindered(_) => "hindered",
        Standing::Outdated(_) => "outdated",
    };
    assert_eq!(standing, expected, "{made:?}");
}

#[test]
fn an_offer_lives_as_long_as_its_way_in() {
    let (open, private) = (settings(true, "auto", 9), settings(false, "auto", 9));
    let two = Route::Through(key(2));
    stands(Route::Public, &[channel(3, true, true)], &open, "good");
    stands(Route::Public, &[channel(3, false, true)], &open, "hindered");
    stands(
        Route::Public,
        &[channel(3, true, false)],
        &private,
        "outdated",
    );
    // The larger peer would be chosen for a new one; the old one works all the same.
    stands(
        two,
        &[channel(2, true, false), channel(3, true, false)],
        &private,
        "good",
    );
    stands(two, &[channel(3, true, false)], &private, "outdated");
    stands(two, &[channel(2, false, false)], &private, "hindered");
    stands(two, &[], &private, "hindered");
    stands(
        two,
        &[channel(2, true, false), channel(3, true, true)],
        &open,
        "good",
    );
}
