//! Joining: many small proofs become few, before a mint is handed more of them than it
//! takes in one request.
//!
//! Each sweep brings as few proofs as can be, and still an owner of a year has hundreds.
//! Mints bound the inputs of a swap and of a payment, and do not say so beforehand.

use cdk::amount::SplitTarget;

use super::Purse;
use super::in_step::Patience;
use crate::error::WalletError;

/// A wallet of so many proofs is left alone: all of them fit into one request.
const FIT: usize = 200;

/// Proofs that are handed in by one swap. Ours takes 500.
pub(super) const AT_ONCE: usize = 200;

impl Purse {
    /// Joins the smallest proofs, request by request, until what is left fits into one.
    /// Each request is an operation of its own: cut off at any point, [`Purse::recover`]
    /// ends it.
    ///
    /// # Errors
    /// [`WalletError`]: when the mint cannot be asked, or the store fails.
    pub(crate) async fn join(&self) -> Result<(), WalletError> {
        self.join_above(FIT, AT_ONCE).await
    }

    pub(crate) async fn join_above(
        &self,
        fit: usize,
        mut at_once: usize,
    ) -> Result<(), WalletError> {
        let mut before = usize::MAX;
        let mut patience = Patience::default();
        loop {
            let unspent = self.wallet.get_unspent_proofs().await;
            let mut proofs = unspent.map_err(self.error())?;
            let count = proofs.len();
            // No fewer than before: there is nothing more to join.
            if count <= fit || count >= before || at_once < 2 {
                return Ok(());
            }
            proofs.sort_by_key(|proof| proof.amount);
            proofs.truncate(at_once);
            // As few proofs as can be: whole powers of two.
            let split = SplitTarget::Values(Vec::new());
            let swap = self.wallet.swap(None, split, proofs, None, false, false);
            match swap.await {
                Ok(_) => before = count,
                Err(error) if too_many(&error) => at_once /= 2,
                // They are worth less than the mint asks for joining them.
                Err(cdk::Error::InsufficientFunds) => return Ok(()),
                Err(error) if self.may_ask_again(&error, &mut patience).await? => {
                    before = usize::MAX;
                }
                Err(error) => return Err(WalletError::of(&self.mint, error)),
            }
        }
    }
}

/// True when a request has more inputs or outputs than the mint takes.
pub(super) fn too_many(error: &cdk::Error) -> bool {
    use cdk::Error as E;
    matches!(
        error,
        E::MaxInputsExceeded { .. } | E::MaxOutputsExceeded { .. } | E::HttpError(Some(413), _)
    )
}
