//! Texts about the money.

use accounting::settle::Suspense;

use crate::admin::Way;

/// Why a payment is nobody's yet.
pub fn suspense(why: Suspense, via: Way) -> String {
    match why {
        // It has no note.
        Suspense::NoEpoch { .. } if via == Way::OnChain => {
            "a payment on-chain names no block, and no epoch's block is old enough".to_owned()
        }
        Suspense::NoEpoch { hash, height } => match (hash, height) {
            (_, Some(height)) => {
                format!("no epoch's block is known at the height {height} that its note names")
            }
            (Some(hash), None) => format!("no epoch's block is {hash}, which its note names"),
            (None, None) => {
                "its note names no block, and no epoch's block is old enough".to_owned()
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_payment_with_a_note_is_told_about_its_note() {
        let nowhere = Suspense::NoEpoch {
            hash: None,
            height: None,
        };
        assert!(suspense(nowhere, Way::Lightning).contains("its note names no block"));
        let on_chain = suspense(nowhere, Way::OnChain);
        assert!(!on_chain.contains("note"), "{on_chain}");
    }
}
