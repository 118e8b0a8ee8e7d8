//! What a sweep tells: how far it is, what it brought, and what it left.

use serde::Serialize;

/// How far a sweep is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Operations of an earlier run were taken up.
    Recovered(crate::Recovered),
    /// The words were in use before this store: what the mint holds for them was searched.
    Restored(crate::Restored),
    /// Tokens taken in.
    Tokens {
        /// So many of them.
        done: usize,
        /// Of so many.
        of: usize,
    },
    /// Quotes minted.
    Quotes {
        /// So many of them.
        done: usize,
        /// Of so many that were found.
        of: usize,
        /// Satoshis so far.
        sat: u64,
    },
}

/// A quote or a token that could not be fetched, and why. The others were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// The quote's id, or `token`.
    pub what: String,
    /// Satoshis in it, when that is known.
    pub sat: Option<u64>,
    /// Why it stayed.
    pub why: String,
}

/// What a sweep brought.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Satoshis that were not in the wallet before, what earlier runs had begun among
    /// them.
    pub received_sat: u64,
    /// Quotes minted, and their satoshis.
    pub quotes: usize,
    /// Satoshis of those quotes.
    pub quotes_sat: u64,
    /// Tokens taken in.
    pub tokens: usize,
    /// Satoshis of those tokens.
    pub tokens_sat: u64,
    /// What could not be fetched.
    pub left: Vec<Left>,
    /// Quotes of the key that wait for their payment.
    pub unpaid_quotes: usize,
    /// Quotes of the key that the look-up told of, paid or not.
    pub known_quotes: usize,
    /// Satoshis in the wallet now.
    pub balance_sat: u64,
}

impl Swept {
    /// Why nothing came, in words; `None` when something did.
    pub fn why_nothing(&self) -> Option<&'static str> {
        if self.received_sat > 0 || !self.left.is_empty() {
            None
        } else if self.unpaid_quotes > 0 {
            Some(
                "nothing to fetch yet: the quotes of this key wait for their payment, which comes \
                 after the pool was paid for a block",
            )
        } else if self.known_quotes > 0 {
            Some("nothing to fetch: all that was paid to this key has been fetched already")
        } else {
            Some(
                "nothing to fetch: the pool has no quote for this key. It makes one when the work \
                 is worth about a satoshi; less than that is carried over to the next block. If \
                 your device has mined for days, check that its username is this key",
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_explained() {
        let nothing = Swept::default();
        assert!(
            nothing
                .why_nothing()
                .unwrap()
                .contains("no quote for this key")
        );
        let unpaid = Swept {
            unpaid_quotes: 1,
            known_quotes: 1,
            ..Swept::default()
        };
        assert!(
            unpaid
                .why_nothing()
                .unwrap()
                .contains("wait for their payment")
        );
        let fetched = Swept {
            known_quotes: 1,
            ..Swept::default()
        };
        assert!(fetched.why_nothing().unwrap().contains("already"));
        let some = Swept {
            received_sat: 1,
            ..Swept::default()
        };
        assert_eq!(some.why_nothing(), None);
    }
}
