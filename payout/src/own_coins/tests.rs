use bitcoin::hashes::Hash as _;
use bitcoin::{OutPoint, Txid};

use super::*;

const WORDS: &str =
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

fn coins() -> OwnCoins {
    OwnCoins::of(&Seed::for_tests(WORDS), Network::Regtest, (3, 1)).unwrap()
}

fn key(keychain: Keychain, index: u32) -> (Address, PublicKey) {
    let keys = WalletKeys::new(&Seed::for_tests(WORDS), Network::Regtest).unwrap();
    let key = keys.key(keychain, index).unwrap();
    (key.address, key.private.public_key(keys.secp()))
}

fn unspent(number: u32, script: ScriptBuf, sat: u64, height: u32) -> Unspent {
    Unspent {
        outpoint: OutPoint::new(Txid::from_byte_array([7; 32]), number),
        output: TxOut {
            value: Amount::from_sat(sat),
            script_pubkey: script,
        },
        height,
        may_be_coinbase: false,
    }
}

fn at(number: u32, keychain: Keychain, index: u32, sat: u64) -> Unspent {
    unspent(number, key(keychain, index).0.script_pubkey(), sat, 10)
}

#[test]
fn what_is_found_is_signed_for_and_sent_less_the_fee() {
    let coins = coins();
    assert_eq!(coins.scripts().count(), 2 * 201 + 3 + 1);
    let places = [
        (Keychain::External, 0),
        (Keychain::External, 3 + BEYOND),
        (Keychain::Internal, 0),
        (Keychain::Internal, 1 + BEYOND),
    ];
    let found: Vec<_> = (0..)
        .zip(places)
        .map(|(number, (keychain, index))| at(number, keychain, index, 50_000))
        .collect();
    let to = key(Keychain::External, 4).0;
    let sent = coins.send(&found, &to, 10).unwrap();
    assert_eq!(sent.output.len(), 1);
    assert_eq!(sent.output[0].script_pubkey, to.script_pubkey());
    let fee = 200_000 - sent.output[0].value.to_sat();
    let least = sent.weight().to_wu() * 10 / 4;
    assert!((least..least + least / 20).contains(&fee), "{fee}, {least}");
    // As consensus has it: BIP 143's hash, signed by the key that the script names.
    let mut cache = SighashCache::new(&sent);
    for (index, (one, (keychain, number))) in found.iter().zip(places).enumerate() {
        let input = &sent.input[index];
        assert_eq!(input.previous_output, one.outpoint);
        let public = key(keychain, number).1;
        assert_eq!(input.witness[1], public.to_bytes());
        let script = &one.output.script_pubkey;
        let (value, all) = (one.output.value, EcdsaSighashType::All);
        let hash = cache
            .p2wpkh_signature_hash(index, script, value, all)
            .unwrap();
        let signature = ecdsa::Signature::from_slice(&input.witness[0]).unwrap();
        let secp = bitcoin::secp256k1::Secp256k1::verification_only();
        secp.verify_ecdsa(&Message::from(hash), &signature.signature, &public.inner)
            .unwrap();
    }
}

#[test]
fn what_is_not_ours_or_not_worth_it_is_refused() {
    let coins = coins();
    let to = key(Keychain::External, 4).0;
    let foreign = unspent(
        0,
        key(Keychain::External, 4 + BEYOND).0.script_pubkey(),
        50_000,
        1,
    );
    let refused = coins.send(&[foreign], &to, 10);
    assert!(matches!(refused, Err(OwnCoinsError::NotOurs(_))));
    for found in [
        vec![],
        vec![at(0, Keychain::External, 1, 900)],
        vec![
            at(0, Keychain::External, 1, 600),
            at(1, Keychain::External, 2, 600),
        ],
    ] {
        let refused = coins.send(&found, &to, 10);
        assert!(
            matches!(refused, Err(OwnCoinsError::NotWorthIt { .. })),
            "{refused:?}"
        );
    }
    // Dust is left where it is, and the rest sent.
    let found = [
        at(0, Keychain::External, 1, 50_000),
        at(1, Keychain::External, 2, 600),
    ];
    assert_eq!(coins.send(&found, &to, 10).unwrap().input.len(), 1);
    let many: Vec<_> = (0..600)
        .map(|n| at(n, Keychain::External, 1, 5_000))
        .collect();
    let sent = coins.send(&many, &to, 1).unwrap();
    assert_eq!(sent.input.len(), MOST_INPUTS);
    assert!(sent.vsize() < 100_000, "{}", sent.vsize());
}

#[test]
fn the_wallet_keeps_what_it_sees_and_coinbases_ripen() {
    let coins = coins();
    let script = |index| key(Keychain::External, index).0.script_pubkey();
    let of_coinbase = |number, height| Unspent {
        may_be_coinbase: true,
        ..unspent(number, script(1), 700, height)
    };
    let foreign = key(Keychain::External, 999).0.script_pubkey();
    let found = [
        unspent(0, script(1), 500, 40),
        unspent(1, script(0), 600, 50),
        unspent(2, script(1), 800, 51),
        unspent(3, foreign, 900, 1),
        of_coinbase(4, 10),
        of_coinbase(5, 11),
    ];
    // A coinbase is spent in the hundredth block behind it, which follows on 109.
    let sorted = coins.sort(&found, 50, 109);
    let numbers =
        |coins: &[Unspent]| -> Vec<u32> { coins.iter().map(|one| one.outpoint.vout).collect() };
    assert_eq!(numbers(&sorted.unseen), [4, 1, 0]);
    assert_eq!(numbers(&sorted.young), [5]);
    // One that asks for each of its addresses sees all.
    assert_eq!(coins.sort(&found, 0, 109), Sorted::default());
}
