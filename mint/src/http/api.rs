//! The mint's routes beside those of the NUTs, with their description.

use openapi::{ANSWER, Described, Endpoint, MINER_KEY, NO_KEY, Operation};

use super::token::{self, ClaimAnswer, List, Listed, SweepOnly, SweepOnlyRequest};
use crate::handle::Mint;
use crate::signed::Signed;

const NO_SIGNATURE: &str = "This is no public key, or the signature does not do.";
const NO_TOKENS: &str = "The key's holder wants no tokens, or this pool makes none.";
const NOT_ISSUED: &str = "The mint failed; nothing was issued.";

/// The routes.
pub(super) fn endpoints() -> [Endpoint<Mint>; 4] {
    [
        Endpoint::at("/api/miners/{key}/token").post(token::claim, claim()),
        Endpoint::at("/api/miners/{key}/tokens").get(token::list, list()),
        Endpoint::at("/api/miners/{key}/tokens/{number}/reissue").post(token::reissue, reissue()),
        Endpoint::at("/api/miners/{key}/sweep-only").post(token::sweep_only, sweep_only()),
    ]
}

/// The description of the mint's routes beside those of the NUTs.
pub fn described() -> impl Iterator<Item = Described> {
    endpoints().into_iter().map(Endpoint::described)
}

fn claim() -> Operation {
    Operation::new(
        "claim",
        "Claim the sats of the key, as a token that only the key can spend",
    )
    .path::<String>(
        "key",
        "The miner's public key: 66 hex digits, to whose spelling (02 or 03) a new token is \
         locked, or an npub: the spelling that the miner's device typed last.",
    )
    .body::<Signed>(false)
    .json::<ClaimAnswer>(
        "A token, or nothing yet. An unsigned request gets the unspent token of less than a day \
         ago again; a signed one a new one.",
    )
    .refuses(400, NO_SIGNATURE)
    .refuses(403, NO_TOKENS)
    .refuses(500, NOT_ISSUED)
}

fn list() -> Operation {
    Operation::new("tokens", "A miner's tokens so far")
        .path::<String>("key", MINER_KEY)
        .json::<List>(ANSWER)
        .refuses(400, NO_KEY)
}

fn reissue() -> Operation {
    Operation::new(
        "reissue",
        "The unspent token once more, locked to the key as this path spells it",
    )
    .path::<String>(
        "key",
        "The miner's public key: 66 hex digits in the spelling that is wanted, or an npub: the \
         spelling that the miner's device typed last.",
    )
    .path::<u64>("number", "The token's number.")
    .body::<Signed>(false)
    .json::<Listed>(
        "The token, which keeps its number; its text of before is spent. Without a signature \
         only in the spelling that the miner's device typed last, once a day, and for a token \
         for which nobody signed.",
    )
    .refuses(400, NO_SIGNATURE)
    .refuses(403, NO_TOKENS)
    .refuses(
        409,
        "There is no such token, it is spent or being spent, it was made again too often, or \
         the key's holder has to sign for it: the error says which.",
    )
    .refuses(500, NOT_ISSUED)
}

fn sweep_only() -> Operation {
    Operation::new(
        "sweepOnly",
        "No tokens for this key any more, or tokens again",
    )
    .path::<String>("key", MINER_KEY)
    .body::<SweepOnlyRequest>(true)
    .json::<SweepOnly>("As it is now.")
    .refuses(400, NO_SIGNATURE)
    .refuses(500, "The mint failed; nothing was changed.")
}
