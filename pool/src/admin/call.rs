//! Requests together with their answers: a caller gets the one kind of answer that belongs
//! to its request, and the case "it answered something else" is handled here.

use std::fmt;

use accounting::settle::PayoutKey;
use accounting::{Epoch, EpochId};
use payout::outgoing::Undecided;

use super::backup::{BackupRequest, BackupState, RestoreRequest, RestoreStatus};
use super::client::AskError;
use super::money::{FeeStatus, MoneyReply, MoneyRequest, PayoutSplit, Payouts, WithdrawalRow};
use super::node::{
    NodeReply, NodeRequest, NodeStatus, OfferAnswer, Opening, Payment, Sent, WalletView,
};
use super::protocol::{Epochs, Health, Miners, MintParked, Reply, Request, Status, SuspectRow};
use super::wind_down::WindDownRequest;
use crate::wind_down::WindDownStatus;

/// A request with the way to read its answer, an `A`.
pub struct Call<A> {
    request: Request,
    read: Box<dyn FnOnce(Reply) -> Option<A> + Send>,
}

impl<A> Call<A> {
    fn new(request: Request, read: impl FnOnce(Reply) -> Option<A> + Send + 'static) -> Self {
        let read = Box::new(read);
        Call { request, read }
    }

    /// The request to send.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Reads what came back.
    ///
    /// # Errors
    /// [`AskError::Refused`] when it is an error, [`AskError::OtherAnswer`] when it belongs
    /// to another request.
    pub fn read(self, reply: Reply) -> Result<A, AskError> {
        match reply {
            Reply::Error { why } => Err(AskError::Refused(why)),
            reply => (self.read)(reply).ok_or(AskError::OtherAnswer),
        }
    }
}

impl<A> fmt::Debug for Call<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.request.fmt(f)
    }
}

/// A call whose answer is the content of one variant of [`Reply`].
macro_rules! call {
    ($request:expr, $pattern:pat => $answer:expr) => {
        Call::new($request, |reply| match reply {
            $pattern => Some($answer),
            _ => None,
        })
    };
}

/// How is it?
pub fn status() -> Call<Box<Status>> {
    call!(Request::Status, Reply::Status(status) => status)
}

/// Can it go on, and are miners served?
pub fn health() -> Call<Health> {
    call!(Request::Health, Reply::Health(health) => health)
}

/// Which epochs are there?
pub fn epochs() -> Call<Epochs> {
    call!(Request::Epochs, Reply::Epochs(epochs) => epochs)
}

/// Close the open epoch; the answer is the closed one.
pub fn close_epoch() -> Call<Epoch> {
    call!(Request::CloseEpoch, Reply::EpochClosed { epoch } => epoch)
}

/// Who worked in an epoch, as [`Request::Miners`] says?
pub fn miners(epoch: Option<EpochId>, workers: bool) -> Call<Miners> {
    call!(Request::Miners { epoch, workers }, Reply::Miners(miners) => miners)
}

/// Whose shares earn less upstream than they should?
pub fn suspects() -> Call<Vec<SuspectRow>> {
    call!(Request::Suspects, Reply::Suspects { suspects } => suspects)
}

/// The orders that the mint refuses for good. With `retry` each is tried again first.
pub fn mint_parked(retry: bool) -> Call<MintParked> {
    call!(Request::MintParked { retry }, Reply::MintParked(parked) => parked)
}

/// Sets the log levels, or leaves them as they are. The answer is the levels in force.
pub fn log(levels: Option<String>) -> Call<String> {
    call!(Request::Log { levels }, Reply::Log { levels } => levels)
}

/// About backups.
pub fn backup(request: BackupRequest) -> Call<BackupState> {
    call!(Request::Backup(request), Reply::Backup(state) => state)
}

/// About the restore that the pool came from.
pub fn restore(request: RestoreRequest) -> Call<RestoreStatus> {
    call!(Request::Restore(request), Reply::Restore(status) => *status)
}

/// About winding down.
pub fn wind_down(request: WindDownRequest) -> Call<WindDownStatus> {
    call!(Request::WindDown(request), Reply::WindDown(status) => status)
}

/// The payments that came last, at most so many.
pub fn payouts(newest: usize) -> Call<Payouts> {
    let request = MoneyRequest::Payouts { newest };
    call!(Request::Money(request), Reply::Money(MoneyReply::Payouts(payouts)) => payouts)
}

/// The payments that are nobody's yet, the oldest first.
pub fn suspense() -> Call<Payouts> {
    let request = MoneyRequest::Suspense;
    call!(Request::Money(request), Reply::Money(MoneyReply::Payouts(payouts)) => payouts)
}

/// How a payment was split.
pub fn payout(payout: PayoutKey) -> Call<PayoutSplit> {
    split(MoneyRequest::Payout { payout })
}

/// Give a suspended payment to the miners of a closed epoch; the answer is the payment.
pub fn assign(payout: PayoutKey, epoch: EpochId) -> Call<PayoutSplit> {
    split(MoneyRequest::Assign { payout, epoch })
}

/// Take a suspended payment for the operator; the answer is the payment.
pub fn to_fee(payout: PayoutKey) -> Call<PayoutSplit> {
    split(MoneyRequest::ToFee { payout })
}

fn split(request: MoneyRequest) -> Call<PayoutSplit> {
    call!(Request::Money(request), Reply::Money(MoneyReply::Payout(split)) => *split)
}

/// Book a payment out that a reorganisation removed; the answer is the operator's account.
pub fn book_out(payout: PayoutKey) -> Call<FeeStatus> {
    account(MoneyRequest::BookOut { payout })
}

/// The operator's account.
pub fn fee() -> Call<FeeStatus> {
    account(MoneyRequest::Fee)
}

fn account(request: MoneyRequest) -> Call<FeeStatus> {
    call!(Request::Money(request), Reply::Money(MoneyReply::Fee(status)) => status)
}

/// A withdrawal: [`MoneyRequest::Withdraw`] or [`MoneyRequest::Resolve`].
pub fn withdrawal(request: MoneyRequest) -> Call<WithdrawalRow> {
    call!(Request::Money(request), Reply::Money(MoneyReply::Withdrawal(row)) => row)
}

/// The node, and what keeps OCEAN from paying.
pub fn node_status() -> Call<Box<NodeStatus>> {
    let request = NodeRequest::Status;
    call!(Request::Node(request), Reply::Node(NodeReply::Status(status)) => status)
}

/// A fresh address for the operator's own deposits.
pub fn deposit_address() -> Call<String> {
    let request = NodeRequest::DepositAddress;
    call!(
        Request::Node(request),
        Reply::Node(NodeReply::DepositAddress { address }) => address
    )
}

/// The offer for OCEAN; with `renew` a new one where the present one does not work any more.
pub fn offer(renew: bool) -> Call<Box<OfferAnswer>> {
    let request = NodeRequest::Offer { renew };
    call!(Request::Node(request), Reply::Node(NodeReply::Offer(offer)) => offer)
}

/// Open a channel: [`NodeRequest::Open`].
pub fn open_channel(request: NodeRequest) -> Call<Opening> {
    call!(Request::Node(request), Reply::Node(NodeReply::Opening(opening)) => opening)
}

/// Send on-chain: [`NodeRequest::SendOnchain`].
pub fn send_onchain(request: NodeRequest) -> Call<Sent> {
    call!(Request::Node(request), Reply::Node(NodeReply::Sent(sent)) => sent)
}

/// A payment over lightning: [`NodeRequest::Pay`] or [`NodeRequest::GiveUp`].
pub fn payment(request: NodeRequest) -> Call<Payment> {
    call!(Request::Node(request), Reply::Node(NodeReply::Payment(payment)) => payment)
}

/// Which payments of the node are undecided?
pub fn undecided() -> Call<Vec<Undecided>> {
    let request = NodeRequest::Undecided;
    call!(Request::Node(request), Reply::Node(NodeReply::Undecided { payments }) => payments)
}

/// What of the chain does the node's wallet see?
pub fn node_wallet() -> Call<WalletView> {
    let request = NodeRequest::Wallet;
    call!(Request::Node(request), Reply::Node(NodeReply::Wallet(wallet)) => wallet)
}

/// An order for the node whose answer is that it is done.
pub fn node_order(request: NodeRequest) -> Call<()> {
    call!(Request::Node(request), Reply::Node(NodeReply::Done) => ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_that_belongs_to_a_request_is_taken() {
        let levels = || Reply::Log {
            levels: "info".to_owned(),
        };
        assert_eq!(log(None).read(levels()).expect("its answer"), "info");
        let other = health().read(levels()).expect_err("another answer");
        assert!(matches!(other, AskError::OtherAnswer), "{other}");
        let refused = health().read(Reply::Error {
            why: "no".to_owned(),
        });
        let refused = refused.expect_err("a refusal");
        assert!(
            matches!(&refused, AskError::Refused(why) if why == "no"),
            "{refused}"
        );
    }
}
