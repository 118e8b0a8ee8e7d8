//! The issue of a token: the share that it takes of each quote, and its proofs.

use std::collections::HashMap;

use accounting::{MinerKey, Sat};
use cdk_common::database::mint::Acquired;
use cdk_common::dhke::{blind_message, construct_proofs};
use cdk_common::mint::{MintQuote, Operation};
use cdk_common::nuts::nut10::Secret as Nut10Secret;
use cdk_common::nuts::{BlindedMessage, Id, Proofs, PublicKey, SecretKey, SpendingConditions};
use cdk_common::secret::Secret;
use cdk_common::{Amount, CurrencyUnit};

use crate::handle::Mint;
use crate::index::Tx;
use crate::quote::{locking_key, method};
use crate::token::Token;

/// Proofs in one token at most.
#[cfg(test)]
const MAX_PROOFS: usize = 64;

/// The largest denomination, in sat.
const LARGEST: u64 = 1 << 31;

/// The most that one token can be worth: 33 proofs of the largest denomination and one each of
/// the 31 smaller ones, 64 together.
const MAX_TOKEN_SAT: u64 = 33 * LARGEST + (LARGEST - 1);

/// The amounts that a token takes of each quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// One amount for each quote, in order.
    pub(crate) parts: Vec<Sat>,
    /// Their sum.
    pub(crate) total: Sat,
}

/// Takes all that can be minted, in order, up to what one token can be worth.
pub(crate) fn plan(mintable_sat: impl Iterator<Item = u64>) -> Taken {
    let mut left = MAX_TOKEN_SAT;
    let parts = mintable_sat
        .map(|sat| {
            let part = sat.min(left);
            left -= part;
            Sat::new(part)
        })
        .collect();
    Taken {
        parts,
        total: Sat::new(MAX_TOKEN_SAT - left),
    }
}

/// The amount in as few powers of two as there can be, the smallest first.
fn split(total: Sat) -> Vec<u64> {
    let small = total.get() % LARGEST;
    let mut amounts: Vec<u64> = (0..31)
        .map(|bit| 1 << bit)
        .filter(|amount| small & amount != 0)
        .collect();
    amounts.extend((0..total.get() / LARGEST).map(|_| LARGEST));
    amounts
}

/// Outputs that the mint makes for itself.
struct Outputs {
    messages: Vec<BlindedMessage>,
    secrets: Vec<Secret>,
    blinding: Vec<SecretKey>,
}

fn outputs(keyset: Id, key: MinerKey, total: Sat) -> Result<Outputs, cdk::Error> {
    let lock = SpendingConditions::new_p2pk(locking_key(key), None);
    let mut outputs = Outputs {
        messages: Vec::new(),
        secrets: Vec::new(),
        blinding: Vec::new(),
    };
    for amount in split(total) {
        let secret: Secret = Nut10Secret::try_from(lock.clone())?.try_into()?;
        let (blinded, blinding) = blind_message(&secret.to_bytes(), None)?;
        outputs
            .messages
            .push(BlindedMessage::new(Amount::from(amount), keyset, blinded));
        outputs.secrets.push(secret);
        outputs.blinding.push(blinding);
    }
    Ok(outputs)
}

/// A token's text, and its proofs as the mint knows them when they are spent.
pub(crate) struct Ecash {
    pub(crate) token: String,
    pub(crate) ys: Vec<PublicKey>,
}

/// Makes ecash of the active keyset, locked to `key`, and writes its signatures into `tx` as
/// part of `operation`.
pub(crate) async fn make(
    mint: &Mint,
    tx: Tx<'_>,
    key: MinerKey,
    total: Sat,
    operation: &Operation,
) -> Result<Ecash, cdk::Error> {
    let cdk = mint.cdk();
    let active = mint.active_keyset()?;
    let keyset = cdk.keyset(&active).ok_or(cdk::Error::UnknownKeySet)?;
    let Outputs {
        messages,
        secrets,
        blinding,
    } = outputs(active, key, total)?;
    let signatures = cdk.blind_sign(messages.clone()).await?;
    let blinded: Vec<_> = messages
        .iter()
        .map(|message| message.blinded_secret)
        .collect();
    tx.add_blinded_messages(None, &messages, operation).await?;
    tx.add_blind_signatures(&blinded, &signatures, None).await?;
    let proofs = construct_proofs(signatures, blinding, secrets, &keyset.keys)?;
    let ys = proofs
        .iter()
        .map(|proof| proof.y())
        .collect::<Result<_, _>>()?;
    Ok(Ecash {
        token: text(mint, proofs),
        ys,
    })
}

/// Writes the issue of `taken` on `quotes` into `tx`, and gives the token of it.
pub(crate) async fn issue(
    mint: &Mint,
    tx: Tx<'_>,
    key: MinerKey,
    quotes: &mut [Acquired<MintQuote>],
    taken: &Taken,
    number: u64,
    now_ms: u64,
) -> Result<Token, cdk::Error> {
    let operation = Operation::new_batch_mint(Amount::from(taken.total.get()), method());
    let Ecash { token, ys } = make(mint, &mut *tx, key, taken.total, &operation).await?;
    let mut on = Vec::new();
    for (quote, part) in quotes.iter_mut().zip(&taken.parts) {
        if !part.is_zero() {
            quote.add_issuance(Amount::new(part.get(), CurrencyUnit::Sat))?;
            tx.update_mint_quote(quote).await?;
            on.push((quote.id.to_string(), *part));
        }
    }
    tx.add_completed_operation(&operation, &HashMap::new())
        .await?;
    Ok(Token {
        number,
        amount: taken.total,
        issued_ms: now_ms,
        token,
        prefix: key.prefix,
        is_signed: false,
        reissues: 0,
        unsigned_ms: 0,
        ys,
        quotes: on,
    })
}

impl Mint {
    /// The keyset that signs sats now.
    pub(crate) fn active_keyset(&self) -> Result<Id, cdk::Error> {
        self.cdk()
            .get_active_keysets()
            .get(&CurrencyUnit::Sat)
            .copied()
            .ok_or(cdk::Error::NoActiveKeyset)
    }
}

fn text(mint: &Mint, proofs: Proofs) -> String {
    let memo = Some(mint.config().name.clone());
    cdk_common::nuts::Token::new(mint.url().clone(), proofs, memo, CurrencyUnit::Sat).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(mintable: &[u64], parts: &[u64]) {
        let taken = plan(mintable.iter().copied());
        assert_eq!(
            taken.parts,
            parts.iter().copied().map(Sat::new).collect::<Vec<_>>()
        );
        assert_eq!(taken.total.get(), parts.iter().sum::<u64>());
        let proofs = split(taken.total);
        assert_eq!(proofs.iter().sum::<u64>(), taken.total.get());
        assert!(proofs.len() <= MAX_PROOFS, "{} proofs", proofs.len());
        assert!(
            proofs
                .iter()
                .all(|amount| amount.is_power_of_two() && *amount <= LARGEST)
        );
    }

    #[test]
    fn a_token_takes_all_that_fits() {
        case(&[], &[]);
        case(&[0, 0], &[0, 0]);
        case(&[45], &[45]);
        case(&[1, 0, 2], &[1, 0, 2]);
        case(&[MAX_TOKEN_SAT], &[MAX_TOKEN_SAT]);
        case(&[5, MAX_TOKEN_SAT, 7], &[5, MAX_TOKEN_SAT - 5, 0]);
        case(&[u64::MAX, u64::MAX], &[MAX_TOKEN_SAT, 0]);
    }
}
