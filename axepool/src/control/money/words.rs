//! Texts about the money.

use accounting::settle::Suspense;

/// Why a payment is nobody's yet.
pub(crate) fn suspense(why: Suspense) -> String {
    match why {
        Suspense::NoEpoch { hash, height } => match (hash, height) {
            (_, Some(height)) => {
                format!("no epoch's block is known at the height {height} that its note names")
            }
            (Some(hash), None) => format!("no epoch's block is {hash}, which its note names"),
            (None, None) => "its note names no block, and no epoch is old enough".to_owned(),
        },
        Suspense::NoWork => "nobody worked in its epochs, nor before".to_owned(),
        Suspense::Implausible => "no payout can have this amount".to_owned(),
        Suspense::Stranger => "not from OCEAN, as far as is known".to_owned(),
        Suspense::BeforeRestore => {
            "from before the restore: the miners may have got it already".to_owned()
        }
        Suspense::UnknownOffer => {
            "to an offer of this node that offers.json does not know: OCEAN may have it".to_owned()
        }
    }
}
