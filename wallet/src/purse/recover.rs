//! Taking up what was under way when the last process ended.
//!
//! cdk writes down what it is about to ask before it asks, with the blinded outputs, and
//! asks again with the very same ones: a mint answers that from its cache (NUT-19) or
//! gives the signatures once more (NUT-09). Two ends remain that it leaves open for
//! ever, and that are settled here. The mint never got the request, and now refuses it:
//! somebody else used what it was for, or another copy of this wallet used its outputs.

use bitcoin::hashes::{Hash, sha256};
use cdk_common::mint_url::MintUrl;
use cdk_common::nuts::{BlindedMessage, Proof, PublicKey, RestoreRequest, RestoreResponse, State};
use cdk_common::wallet::{
    IssueSagaState, OperationData, ReceiveSagaState, SendSagaState, SwapSagaState, WalletSaga,
    WalletSagaState,
};

use super::Purse;
use super::join::too_many;
use super::watch::ONCE;
use crate::error::WalletError;

/// Proofs whose states are asked for in one request.
pub(super) const STATES_AT_ONCE: usize = 100;

/// What came of the operations that were under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Brought to their end.
    pub completed: usize,
    /// Undone: they had not happened.
    pub undone: usize,
    /// Still open; asked again the next time.
    pub open: usize,
}

impl Recovered {
    /// Both together.
    pub(super) fn and(self, other: Recovered) -> Recovered {
        Recovered {
            completed: self.completed + other.completed,
            undone: self.undone + other.undone,
            open: self.open + other.open,
        }
    }
}

/// The mint's word on proofs that count as unspent here.
#[derive(Clone, Copy, Debug, Default)]
struct States {
    /// Satoshis that it holds for a request which has not ended.
    held_sat: u64,
    /// Some are spent.
    are_spent: bool,
}

impl Purse {
    /// Brings cdk's operations to their end: the first part of [`Purse::recover`].
    pub(crate) async fn recover_operations(&self) -> Result<Recovered, WalletError> {
        let before = self.sagas().await?;
        self.release_orphans(&before).await?;
        self.tie_sent_tokens(&before).await?;
        let are_under_way = before.iter().any(|saga| !is_sent_token(saga));
        let earlier = self.unchecked_until().await?;
        if are_under_way {
            // First: cut off after one is undone, the next process still looks out.
            self.watch_proofs().await?;
        }
        // It also frees quotes that were reserved for operations which never began.
        let report = self
            .wallet
            .recover_incomplete_sagas()
            .await
            .map_err(self.error())?;
        let mut undone = report.compensated;
        if report.failed + report.skipped > 0 {
            for saga in self.sagas().await? {
                undone += usize::from(self.settle(&saga).await?);
            }
        }
        if are_under_way && undone == 0 {
            self.set_unchecked(Some(earlier.unwrap_or(ONCE))).await?;
        }
        let after = self.sagas().await?;
        for saga in &before {
            if !after.iter().any(|open| open.id == saga.id) {
                // cdk does so only when it begins the next time.
                let released = self.wallet.localstore.release_mint_quote(&saga.id).await;
                released.map_err(|error| self.store_error(error))?;
            }
        }
        if self.is_unchecked().await? {
            self.drop_spent().await?;
        }
        let unfinished =
            |sagas: &[WalletSaga]| sagas.iter().filter(|one| !is_sent_token(one)).count();
        let open = unfinished(&after);
        let recovered = Recovered {
            completed: unfinished(&before).saturating_sub(open + undone),
            undone,
            open,
        };
        Ok(recovered)
    }

    /// Gives back proofs that are held for an operation which was never written down:
    /// cdk 0.18.3 holds them first, and takes up only what was written down.
    async fn release_orphans(&self, sagas: &[WalletSaga]) -> Result<(), WalletError> {
        let store = &self.wallet.localstore;
        let mint = Some(self.wallet.mint_url.clone());
        let held = store
            .get_proofs(mint, None, Some(vec![State::Reserved]), None)
            .await;
        let held = held.map_err(|error| self.store_error(error))?;
        let mut orphans: Vec<_> = held
            .iter()
            .filter_map(|proof| proof.used_by_operation)
            .collect();
        orphans.retain(|operation| !sagas.iter().any(|saga| saga.id == *operation));
        orphans.sort_unstable();
        orphans.dedup();
        if orphans.is_empty() {
            return Ok(());
        }
        // An operation may have ended with its proofs still held, and spent.
        self.mark_unchecked().await?;
        for operation in orphans {
            let released = store.release_proofs(&operation).await;
            released.map_err(|error| self.store_error(error))?;
        }
        Ok(())
    }

    /// Ties the proofs of sent tokens to their operations. Where a token was made by a
    /// swap cdk 0.18.3 does not, and its recovery then takes the operation for over:
    /// the token could not be taken back any more.
    async fn tie_sent_tokens(&self, sagas: &[WalletSaga]) -> Result<(), WalletError> {
        let store = &self.wallet.localstore;
        let failed = |error| self.store_error(error);
        for saga in sagas.iter().filter(|saga| is_sent_token(saga)) {
            let OperationData::Send(data) = &saga.data else {
                continue;
            };
            let proofs = data.proofs.iter().flatten();
            let ys: Vec<PublicKey> = proofs.filter_map(|proof| proof.y().ok()).collect();
            let mut loose = store.get_proofs_by_ys(ys).await.map_err(failed)?;
            loose.retain(|proof| {
                proof.state == State::PendingSpent && proof.used_by_operation.is_none()
            });
            if loose.is_empty() {
                continue;
            }
            for proof in &mut loose {
                proof.used_by_operation = Some(saga.id);
            }
            let tied = store.update_proofs(loose, Vec::new()).await;
            tied.map_err(failed)?;
        }
        Ok(())
    }

    pub(super) fn mark(&self) -> String {
        mark(&self.mint)
    }

    /// Drops proofs that count as ours and are spent at the mint. A payment that was cut
    /// off in the swap before it leaves such: cdk gives the inputs back to the wallet
    /// and recovers what they were swapped for besides. Another copy of the wallet may
    /// have spent others. And a request of an earlier process may have arrived after its
    /// operation was undone: then its outputs are ours, and this store does not know of
    /// them. So the mint is searched next. Returns the satoshis that the mint holds for a
    /// request which has not ended, and that stay; they are asked for again.
    pub(crate) async fn drop_spent(&self) -> Result<u64, WalletError> {
        let proofs = self.wallet.get_unspent_proofs().await;
        let proofs = proofs.map_err(self.error())?;
        if proofs.is_empty() {
            self.were_checked(false).await?;
            return Ok(0);
        }
        let searched = self.searched().await?;
        // cdk drops what is spent as soon as it hears of it: cut off just then, the next
        // process still searches.
        self.mark_searched(false).await?;
        let mut states = States::default();
        let checked = self.check_states(&proofs, &mut states).await;
        if !states.are_spent {
            self.set_searched(searched.as_deref()).await?;
        }
        checked?;
        self.were_checked(states.held_sat > 0).await?;
        Ok(states.held_sat)
    }

    async fn check_states(&self, proofs: &[Proof], found: &mut States) -> Result<(), WalletError> {
        let (mut rest, mut at_once) = (proofs, STATES_AT_ONCE);
        while !rest.is_empty() {
            let (some, others) = rest.split_at(rest.len().min(at_once));
            match self.wallet.check_proofs_spent(some.to_vec()).await {
                Ok(states) => {
                    found.are_spent |= states.iter().any(|one| one.state == State::Spent);
                    let held = |proof: &&Proof| {
                        let mut held = states.iter().filter(|one| one.state == State::Pending);
                        proof.y().is_ok_and(|y| held.any(|one| one.y == y))
                    };
                    for proof in some.iter().filter(held) {
                        let sat = proof.amount.to_u64();
                        found.held_sat = found.held_sat.saturating_add(sat);
                    }
                    rest = others;
                }
                Err(error) if too_many(&error) && some.len() > 1 => at_once = some.len() / 2,
                Err(cdk::Error::Database(error)) => return Err(self.store_error(error)),
                Err(error) => return Err(WalletError::of(&self.mint, error)),
            }
        }
        Ok(())
    }

    /// Ends an operation that the mint never carried out and never will. True when it
    /// is ended.
    async fn settle(&self, saga: &WalletSaga) -> Result<bool, WalletError> {
        match (&saga.state, &saga.data) {
            (WalletSagaState::Issue(IssueSagaState::MintRequested), OperationData::Mint(data)) => {
                if !self.never_made(data.blinded_messages.as_deref()).await? {
                    return Ok(false);
                }
            }
            (
                WalletSagaState::Receive(ReceiveSagaState::SwapRequested),
                OperationData::Receive(data),
            ) => {
                if !self.never_made(data.blinded_messages.as_deref()).await? {
                    return Ok(false);
                }
                // An earlier request of this wallet may have taken the token.
                self.mark_searched(false).await?;
                let store = &self.wallet.localstore;
                let inputs = store
                    .get_reserved_proofs(&saga.id)
                    .await
                    .map_err(|error| self.store_error(error))?;
                let ys: Vec<_> = inputs.iter().map(|proof| proof.y).collect();
                // Others took the token, or it is taken in again: its proofs are not ours.
                store
                    .update_proofs(Vec::new(), ys)
                    .await
                    .map_err(|error| self.store_error(error))?;
            }
            (WalletSagaState::Swap(SwapSagaState::SwapRequested), OperationData::Swap(data)) => {
                if !self.never_made(data.blinded_messages.as_deref()).await? {
                    return Ok(false);
                }
                let released = self.wallet.localstore.release_proofs(&saga.id).await;
                released.map_err(|error| self.store_error(error))?;
            }
            _ => return Ok(false),
        }
        self.wallet
            .localstore
            .delete_saga(&saga.id)
            .await
            .map_err(|error| self.store_error(error))?;
        tracing::info!(operation = %saga.id, "the mint did not carry it out, and never will");
        Ok(true)
    }

    /// True when the mint says that it did not sign these outputs in one request: it
    /// signed none of them, or a part, or for other amounts. A request is carried out
    /// whole, and one with signed outputs is refused for ever. No answer, or half an
    /// answer, is not that.
    async fn never_made(&self, outputs: Option<&[BlindedMessage]>) -> Result<bool, WalletError> {
        let Some(outputs) = outputs.filter(|outputs| !outputs.is_empty()) else {
            return Ok(false);
        };
        let request = RestoreRequest {
            outputs: outputs.to_vec(),
        };
        let answer = self.wallet.mint_connector().post_restore(request).await;
        match answer.map(|answer| signed(outputs, &answer)) {
            Ok(Signed::None) => Ok(true),
            Ok(Signed::Otherwise) => {
                self.mark_searched(false).await?;
                Ok(true)
            }
            Ok(Signed::AsAsked | Signed::Unclear) | Err(_) => Ok(false),
        }
    }
}

/// The mint in letters that a key of the store may have.
pub(super) fn mark(mint: &MintUrl) -> String {
    sha256::Hash::hash(mint.to_string().as_bytes()).to_string()
}

/// A token in somebody's hands is no unfinished business of ours.
fn is_sent_token(saga: &WalletSaga) -> bool {
    matches!(
        saga.state,
        WalletSagaState::Send(SendSagaState::TokenCreated)
    )
}

/// How a mint has signed the outputs of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signed {
    /// None of them.
    None,
    /// All of them, for the amounts that were asked for.
    AsAsked,
    /// Some of them, or for other amounts: in other requests than this one.
    Otherwise,
    /// The answer makes no sense.
    Unclear,
}

fn signed(asked: &[BlindedMessage], answer: &RestoreResponse) -> Signed {
    if answer.outputs.len() != answer.signatures.len() {
        return Signed::Unclear;
    }
    if answer.outputs.is_empty() {
        return Signed::None;
    }
    let mut as_asked = 0;
    for (output, signature) in answer.outputs.iter().zip(&answer.signatures) {
        let asked = asked
            .iter()
            .find(|asked| asked.blinded_secret == output.blinded_secret);
        match asked {
            None => return Signed::Unclear,
            Some(asked) if asked.amount == signature.amount => as_asked += 1,
            Some(_) => return Signed::Otherwise,
        }
    }
    match as_asked {
        all if all == asked.len() => Signed::AsAsked,
        part if part < asked.len() => Signed::Otherwise,
        _ => Signed::Unclear,
    }
}
