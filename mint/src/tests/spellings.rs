//! Keys that begin with 03: quotes and tokens in the spelling that a wallet shows.

use std::collections::{BTreeSet, HashMap};

use accounting::KeyPrefix::{self, Even, Odd};
use accounting::MinerKey;
use basics::clock::now_ms;
use cdk::amount::SplitTarget;
use cdk::wallet::ReceiveOptions;
use cdk_common::nuts::nut00::ProofsMethods as _;
use cdk_common::nuts::nut10::Secret as Nut10Secret;
use cdk_common::nuts::{Proofs, SecretKey, Token};
use serde_json::{Value, json};

use super::support::{Owner, Pool, row_sums};
use crate::quote::method;
use crate::{Order, Purpose};

/// An owner, and the key as their wallet shows it.
pub(super) struct Person {
    pub(super) owner: Owner,
    pub(super) shown: MinerKey,
}

impl Person {
    pub(super) fn with(prefix: KeyPrefix) -> Person {
        loop {
            let secret = SecretKey::generate();
            let shown = MinerKey::from_public_key(&secret.public_key());
            if shown.prefix == prefix {
                let miner = shown.miner;
                let owner = Owner { secret, miner };
                return Person { owner, shown };
            }
        }
    }

    fn other(&self) -> MinerKey {
        let prefix = match self.shown.prefix {
            Even => Odd,
            Odd => Even,
        };
        MinerKey {
            prefix,
            ..self.shown
        }
    }
}

impl Pool {
    /// A quote of this epoch, ordered by a device that typed `key`, and paid.
    pub(super) async fn typed_and_paid(
        &self,
        key: MinerKey,
        person: &Person,
        epoch: u64,
        sat: u64,
    ) {
        let quote = person.owner.quote(epoch);
        let typed = Some(key.prefix);
        self.ledger.order(Order::CreateQuote { quote, typed });
        self.ledger.pay(quote, &format!("payout-{epoch}"), sat);
        self.work().await;
    }

    pub(super) async fn claim_as(&self, key: &str, signature: Value) -> Value {
        let path = format!("/api/miners/{key}/token");
        let (status, answer) = self.post(&path, signature).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    async fn reissue_as(&self, key: MinerKey, number: u64, signature: Value) -> (u16, Value) {
        let path = format!("/api/miners/{key}/tokens/{number}/reissue");
        self.post(&path, signature).await
    }

    fn proofs(&self, token: &Value) -> Proofs {
        let text = token["token"].as_str().expect("a token");
        let token: Token = text.parse().expect("reads");
        token
            .proofs(&self.mint.cdk().keysets().keysets)
            .expect("proofs")
    }

    /// The keys that a token's proofs are locked to, all 33 bytes of them.
    fn locks(&self, token: &Value) -> BTreeSet<String> {
        let proofs = self.proofs(token);
        let secrets = proofs
            .iter()
            .map(|proof| Nut10Secret::try_from(&proof.secret).expect("a NUT-10 secret"));
        secrets
            .map(|secret| secret.secret_data().data().to_owned())
            .collect()
    }

    async fn receive_as(&self, person: &Person, token: &Value) -> Result<u64, cdk::Error> {
        let text = token["token"].as_str().expect("a token");
        let options = ReceiveOptions {
            p2pk_signing_keys: vec![person.owner.secret.clone()],
            ..ReceiveOptions::default()
        };
        let received = self.wallet().await.receive(text, options).await?;
        Ok(u64::from(received))
    }
}

fn only(key: MinerKey) -> BTreeSet<String> {
    BTreeSet::from([key.to_string()])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quotes_and_tokens_are_locked_to_the_key_as_it_was_typed() {
    let pool = Pool::start().await;
    for (prefix, epoch) in [(Even, 1), (Odd, 2)] {
        let person = Person::with(prefix);
        let key = person.shown;
        pool.typed_and_paid(key, &person, epoch, 40).await;
        let id = pool.id(&person.owner, epoch);
        let (_, quote) = pool.get(&format!("/v1/mint/quote/axepool/{id}")).await;
        assert_eq!(quote["pubkey"], json!(key.to_string()), "{quote}");

        // Who types an npub, or opens the page, gets the spelling of the device.
        let claim = pool.claim_as(&key.miner.npub(), json!({})).await;
        assert_eq!(claim["prefix"], json!(prefix));
        assert_eq!(pool.locks(&claim), only(key));
        assert_eq!(
            pool.receive_as(&person, &claim).await.expect("receives"),
            40
        );
    }
    assert_eq!(row_sums(&pool.mint).await, (80, 80));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wallet_finds_its_quotes_in_the_spelling_that_it_shows() {
    let pool = Pool::start().await;
    let person = Person::with(Odd);
    // The quotes of before spellings were kept, and of a device that typed the other one.
    pool.paid(&person.owner, &[(1, 7)]).await;
    pool.typed_and_paid(person.other(), &person, 2, 8).await;
    for key in [person.shown, person.other()] {
        let mint = pool.mint.public_key();
        let text = format!("Cashu_MintQuoteLookup_v1{mint}{key}");
        let signature = person.owner.secret.sign(text.as_bytes()).expect("signs");
        let asked = json!({
            "pubkeys": [key.to_string()],
            "pubkey_signatures": [signature.to_string()],
        });
        let (status, found) = pool.post("/v1/mint/quote/axepool/pubkey", asked).await;
        assert_eq!(status, 200, "{found}");
        let quotes = found["quotes"].as_array().expect("quotes");
        assert_eq!(quotes.len(), 2, "{found}");
        for quote in quotes {
            assert_eq!(quote["pubkey"], json!(key.to_string()), "{quote}");
        }
    }
    // The signature of the one secret key holds for a quote in either spelling.
    let wallet = pool.wallet().await;
    for epoch in [1, 2] {
        let id = pool.id(&person.owner, epoch);
        wallet
            .fetch_mint_quote(&id, Some(method()))
            .await
            .expect("known");
        let keys = HashMap::from([(id.clone(), person.owner.secret.clone())]);
        let proofs = wallet
            .batch_mint(&[&id], SplitTarget::default(), None, Some(keys))
            .await
            .expect("mints");
        let minted = proofs.total_amount().expect("sums");
        assert_eq!(u64::from(minted), 6 + epoch);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_spelling_of_a_claim_decides_for_new_money() {
    let pool = Pool::start().await;
    let person = Person::with(Odd);
    pool.typed_and_paid(person.other(), &person, 1, 21).await;
    let claim = pool.claim_as(&person.shown.to_string(), json!({})).await;
    assert_eq!(pool.locks(&claim), only(person.shown));
    assert_eq!(
        pool.receive_as(&person, &claim).await.expect("receives"),
        21
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_before_is_made_again_for_the_key_that_a_device_types() {
    let pool = Pool::start().await;
    let person = Person::with(Odd);
    pool.paid(&person.owner, &[(1, 45)]).await;
    let before = pool.claim_as(&person.other().to_string(), json!({})).await;
    assert_eq!(pool.locks(&before), only(person.other()));
    // Whoever asks in a spelling that no device typed gets what there is.
    let asked = pool.claim_as(&person.shown.to_string(), json!({})).await;
    assert_eq!(asked["token"], before["token"]);

    pool.typed_and_paid(person.shown, &person, 2, 5).await;
    let again = pool.claim_as(&person.shown.miner.npub(), json!({})).await;
    assert_eq!(pool.locks(&again), only(person.shown));
    assert_eq!(
        (&again["amount"], &again["waiting"]),
        (&json!(45), &json!(5))
    );
    // The same sats are there once.
    assert_eq!(row_sums(&pool.mint).await, (50, 45));
    let refused = pool.receive_as(&person, &before).await;
    assert!(refused.is_err(), "the first token is spent: {refused:?}");
    assert_eq!(
        pool.receive_as(&person, &again).await.expect("receives"),
        45
    );
    let (_, list) = pool
        .get(&format!("/api/miners/{}/tokens", person.shown))
        .await;
    let tokens = list["tokens"].as_array().expect("a list");
    assert_eq!(tokens.len(), 1, "{list}");
    assert_eq!(
        (&tokens[0]["number"], &tokens[0]["state"]),
        (&json!(1), &json!("spent"))
    );
    // A spent token is told as one, in either spelling.
    for key in [person.shown, person.other()] {
        let (status, refusal) = pool.reissue_as(key, 1, json!({})).await;
        assert_eq!(status, 409, "{refusal}");
    }
}

/// A device that types an npub prefers no spelling: nobody undoes that of the first claim.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_does_not_undo_the_spelling_of_a_claim() {
    let pool = Pool::start().await;
    let person = Person::with(Odd);
    pool.paid(&person.owner, &[(1, 45)]).await;
    let claim = pool.claim_as(&person.shown.to_string(), json!({})).await;
    assert_eq!(pool.locks(&claim), only(person.shown));
    for asked in [person.other().to_string(), person.shown.miner.npub()] {
        let again = pool.claim_as(&asked, json!({})).await;
        assert_eq!(again["token"], claim["token"], "{asked}");
    }
    let (status, _) = pool.reissue_as(person.other(), 1, json!({})).await;
    assert_eq!(status, 409);

    // Who mines in the other spelling has it made again once a day, and no more often.
    let at = now_ms();
    let mut epoch = 1;
    let mut moved = Vec::new();
    for (key, at_ms) in [
        (person.other(), at),
        (person.shown, at + 1),
        (person.shown, at + 24 * 60 * 60 * 1000),
    ] {
        epoch += 1;
        pool.typed_and_paid(key, &person, epoch, 1).await;
        let token = pool.mint.reissue(key, 1, None, at_ms).await;
        moved.push(token.is_ok_and(|token| token.prefix == key.prefix));
    }
    assert_eq!(moved, [true, false, true]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_spelling_takes_a_signature_and_holds() {
    let pool = Pool::start().await;
    let person = Person::with(Odd);
    let device = person.other();
    pool.typed_and_paid(device, &person, 1, 45).await;
    let first = pool.claim_as(&device.to_string(), json!({})).await;
    let (status, refusal) = pool.reissue_as(person.shown, 1, json!({})).await;
    assert_eq!(status, 409, "{refusal}");

    let sign = |number, time_ms| {
        let prefix = person.shown.prefix;
        let purpose = Purpose::Reissue { number, prefix };
        person.owner.signed(&pool.mint, purpose, time_ms)
    };
    let now = now_ms();
    // A signature for another token is none for this one.
    let (status, _) = pool.reissue_as(person.shown, 1, sign(2, now)).await;
    assert_eq!(status, 400);
    let (status, again) = pool.reissue_as(person.shown, 1, sign(1, now)).await;
    assert_eq!(status, 200, "{again}");
    assert_eq!(pool.locks(&again), only(person.shown));
    assert!(pool.receive_as(&person, &first).await.is_err());
    // Asked once more, with a new signature, it is the same token.
    let (status, repeated) = pool.reissue_as(person.shown, 1, sign(1, now + 1)).await;
    assert_eq!((status, &repeated["token"]), (200, &again["token"]));
    let (status, _) = pool.reissue_as(person.shown, 1, sign(1, now)).await;
    assert_eq!(status, 400, "a signature is taken once");

    // No stranger takes it back to the device's spelling.
    let claim = pool.claim_as(&device.to_string(), json!({})).await;
    assert_eq!(claim["token"], again["token"]);
    let (status, _) = pool.reissue_as(device, 1, json!({})).await;
    assert_eq!(status, 409);
    assert_eq!(
        pool.receive_as(&person, &again).await.expect("receives"),
        45
    );
    let (status, other) = pool.reissue_as(device, 1, sign(1, now + 2)).await;
    assert_eq!(status, 400, "signed for the other spelling: {other}");
    let (status, spent) = pool.reissue_as(person.shown, 1, sign(1, now + 3)).await;
    assert_eq!(status, 409, "{spent}");
    let (status, missing) = pool.reissue_as(person.shown, 9, sign(9, now + 4)).await;
    assert_eq!(status, 409, "{missing}");
    assert_eq!(row_sums(&pool.mint).await, (45, 45));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_spent_is_not_made_again() {
    let pool = Pool::start().await;
    let person = Person::with(Even);
    pool.typed_and_paid(person.shown, &person, 1, 45).await;
    let token = pool.claim_as(&person.shown.to_string(), json!({})).await;
    let of = person.other();
    let ask = |time_ms| {
        let prefix = of.prefix;
        let purpose = Purpose::Reissue { number: 1, prefix };
        person.owner.signed(&pool.mint, purpose, time_ms)
    };
    // Its reissue and its redemption, at the same time: one of the two.
    let ((status, again), received) = tokio::join!(
        pool.reissue_as(of, 1, ask(now_ms())),
        pool.receive_as(&person, &token)
    );
    match received {
        Ok(sat) => assert_eq!((sat, status), (45, 409), "{again}"),
        Err(error) => {
            assert_eq!(status, 200, "{error}: {again}");
            assert_eq!(
                pool.receive_as(&person, &again).await.expect("receives"),
                45
            );
        }
    }
    let (status, spent) = pool.reissue_as(of, 1, ask(now_ms() + 1)).await;
    assert_eq!(status, 409, "{spent}");
    assert!(pool.receive_as(&person, &token).await.is_err());
    assert_eq!(row_sums(&pool.mint).await, (45, 45));
}
