//! The repetition of a request that a mint carried out before it closed.
//!
//! A wallet whose answer was lost sends its request again (NUT-19). A mint that is closed after
//! a restore may have carried it out before: told that nothing was done, the wallet would take
//! inputs back that are spent. So the mint answers what it answered then, or says what became
//! of the inputs. Nothing is told by it that NUT-07 and NUT-09 do not tell everybody.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use cdk_common::database::Error as StoreError;
use cdk_common::error::ErrorCode;
use cdk_common::nuts::{BlindSignature, BlindedMessage, Proof, PublicKey, State};
use serde::Deserialize;
use serde_json::json;

use super::error::{for_web_wallets, refusal};
use crate::handle::Mint;

/// The fields that a swap, a mint request and a melt have in common.
#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    inputs: Vec<Proof>,
    #[serde(default)]
    outputs: Option<Vec<BlindedMessage>>,
}

/// What became of a request, by what the store has of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It was carried out: its outputs are signed.
    Done,
    /// An input is spent.
    Spent,
    /// An input is pending.
    Pending,
    /// An output is signed.
    Signed,
    /// The store knows nothing of it.
    Unknown,
}

impl Fate {
    /// Of a request with inputs in these states, some of whose outputs are signed, or all.
    fn of(is_melt: bool, inputs: &[Option<State>], signed: usize, outputs: usize) -> Fate {
        let is = |wanted: State| move |state: &Option<State>| *state == Some(wanted);
        let all_spent = inputs.iter().all(is(State::Spent));
        if !is_melt && outputs > 0 && signed == outputs && all_spent {
            Fate::Done
        } else if inputs.iter().any(is(State::Pending)) {
            Fate::Pending
        } else if inputs.iter().any(is(State::Spent)) {
            Fate::Spent
        } else if signed > 0 {
            Fate::Signed
        } else {
            Fate::Unknown
        }
    }
}

/// The answer to a request of which the store knows; `None` where it knows nothing.
pub(super) async fn answer(
    mint: &Mint,
    path: &str,
    body: &[u8],
) -> Result<Option<Response>, StoreError> {
    let Ok(Asked { inputs, outputs }) = serde_json::from_slice(body) else {
        return Ok(None);
    };
    let outputs = outputs.unwrap_or_default();
    let config = mint.config();
    if inputs.len() > config.max_inputs || outputs.len() > config.max_outputs {
        return Ok(None);
    }
    let Ok(ys) = inputs.iter().map(Proof::y).collect::<Result<Vec<_>, _>>() else {
        return Ok(None);
    };
    // The store cannot be asked for nothing.
    let states = match ys[..] {
        [] => Vec::new(),
        _ => mint.store().get_proofs_states(&ys).await?,
    };
    let signatures = signatures_of(mint, &outputs).await?;
    let is_melt = path.starts_with("/v1/melt/");
    let fate = Fate::of(is_melt, &states, signatures.len(), outputs.len());
    let bad = StatusCode::BAD_REQUEST;
    Ok(match fate {
        Fate::Done if is_balanced(&inputs, &outputs) => {
            let answer = Json(json!({ "signatures": signatures })).into_response();
            Some(for_web_wallets(answer))
        }
        Fate::Done | Fate::Spent => {
            let why = "an input is spent already";
            Some(refusal(bad, ErrorCode::TokenAlreadySpent, why))
        }
        Fate::Pending => {
            let why = "an input is pending: ask for its state";
            Some(refusal(bad, ErrorCode::TokenPending, why))
        }
        Fate::Signed => {
            let why = "an output was signed before: its signature can be fetched (NUT-09)";
            Some(refusal(bad, ErrorCode::BlindedMessageAlreadySigned, why))
        }
        Fate::Unknown => None,
    })
}

/// The stored signatures of those outputs that have one, in the order of the outputs: of this
/// amount and keyset.
async fn signatures_of(
    mint: &Mint,
    outputs: &[BlindedMessage],
) -> Result<Vec<BlindSignature>, StoreError> {
    if outputs.is_empty() {
        return Ok(Vec::new());
    }
    let secrets: Vec<PublicKey> = outputs.iter().map(|output| output.blinded_secret).collect();
    let stored = mint.store().get_blind_signatures(&secrets).await?;
    let pairs = outputs.iter().zip(stored);
    let same = pairs.filter_map(|(output, signature)| {
        signature.filter(|signature| {
            (signature.amount, signature.keyset_id) == (output.amount, output.keyset_id)
        })
    });
    Ok(same.collect())
}

/// Whether inputs and outputs may be of one swap. Ecash of this mint has no fee; a mint request
/// has no inputs.
fn is_balanced(inputs: &[Proof], outputs: &[BlindedMessage]) -> bool {
    let spent = sum(inputs.iter().map(|proof| proof.amount.into()));
    let signed = sum(outputs.iter().map(|output| output.amount.into()));
    inputs.is_empty() || (spent.is_some() && spent == signed)
}

fn sum(mut amounts: impl Iterator<Item = u64>) -> Option<u64> {
    amounts.try_fold(0_u64, u64::checked_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPENT: Option<State> = Some(State::Spent);
    const PENDING: Option<State> = Some(State::Pending);

    #[track_caller]
    fn case(inputs: &[Option<State>], (signed, outputs): (usize, usize), expected: Fate) {
        assert_eq!(Fate::of(false, inputs, signed, outputs), expected);
    }

    #[test]
    fn a_request_was_done_when_all_of_it_is_there() {
        case(&[SPENT, SPENT], (3, 3), Fate::Done);
        case(&[], (3, 3), Fate::Done);
        case(&[SPENT, None], (3, 3), Fate::Spent);
        case(&[SPENT, SPENT], (2, 3), Fate::Spent);
        case(&[SPENT, PENDING], (0, 3), Fate::Pending);
        case(&[None], (1, 3), Fate::Signed);
        case(&[None], (3, 3), Fate::Signed);
        case(&[Some(State::Unspent)], (0, 3), Fate::Unknown);
        case(&[], (0, 0), Fate::Unknown);
        // The change of a melt is not what the melt was for.
        assert_eq!(Fate::of(true, &[SPENT], 1, 1), Fate::Spent);
        assert_eq!(Fate::of(true, &[None], 0, 0), Fate::Unknown);
    }
}
