//! Paying over lightning: the mint pays, the wallet gives it the ecash (NUT-05).

use std::collections::HashMap;

use cdk::wallet::MeltQuote;
use cdk_common::nuts::{MeltOptions, MeltQuoteState, MintInfo, PaymentMethod};

use crate::destination::{Destination, DestinationError};
use crate::error::WalletError;
use crate::purse::Purse;
use crate::text::plain;

/// Tries at an amount that is all there is less what the payment costs. Each brings the
/// fee closer; two or three are usual.
const MAX_TRIES: usize = 8;

/// How often one payment is asked for when the mint has its outputs or ecash already.
const MAX_MELTS: u32 = 2;

/// A payment that went through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paid {
    /// Satoshis that the payee got.
    pub amount_sat: u64,
    /// Satoshis that it cost besides.
    pub fee_sat: u64,
    /// The preimage, where the mint gives it: the proof of payment.
    pub proof: Option<String>,
}

impl Purse {
    /// Pays `to`, with `amount_sat` where it names no amount itself.
    ///
    /// # Errors
    /// [`WalletError::PaymentFailed`]: the money is back. [`WalletError::PaymentPending`]:
    /// the outcome is not known, and asked for by [`Purse::recover`].
    pub async fn pay(
        &self,
        to: &Destination,
        amount_sat: Option<u64>,
    ) -> Result<Paid, WalletError> {
        let amount_sat = to.amount_sat(amount_sat)?;
        self.check_melts(&self.info().await?, to)?;
        self.ready().await?;
        self.join().await?;
        let quote = self.quote(to, amount_sat).await?;
        self.check_funds(&quote).await?;
        self.melt(&quote).await
    }

    /// Pays `to` all that is in the wallet, less what that costs, if it is at least
    /// `above_sat`. `None` when it is less.
    ///
    /// # Errors
    /// Like [`Purse::pay`].
    pub async fn pay_all(
        &self,
        to: &Destination,
        above_sat: u64,
    ) -> Result<Option<Paid>, WalletError> {
        self.ready().await?;
        if self.balance_sat().await? < above_sat.max(1) {
            return Ok(None);
        }
        self.join().await?;
        // Less what the mint asked for joining, if it asks anything.
        let have = self.balance_sat().await?;
        let info = self.info().await?;
        self.check_melts(&info, to)?;
        let mut amount = most_at_once(&info).map_or(have, |most| have.min(most));
        for _ in 0..MAX_TRIES {
            let quote = self.quote(to, Some(amount)).await?;
            let need = self.need_sat(&quote).await?;
            if need <= have {
                return self.melt(&quote).await.map(Some);
            }
            amount = match amount.checked_sub(need - have) {
                Some(less) if less > 0 => less,
                _ => return Err(self.insufficient(need, have)),
            };
        }
        Err(WalletError::Recipient {
            to: plain(&to.to_string()),
            why: format!("the mint's fee for it changes with every one of {MAX_TRIES} questions"),
        })
    }

    async fn quote(
        &self,
        to: &Destination,
        amount_sat: Option<u64>,
    ) -> Result<MeltQuote, WalletError> {
        let msat = match amount_sat.map(|sat| sat.checked_mul(1000)) {
            Some(None) => return Err(self.insufficient(u64::MAX, self.balance_sat().await?)),
            Some(Some(msat)) => Some(msat),
            None => None,
        };
        let quoted = match to {
            Destination::Invoice(invoice) => {
                let options = match invoice.amount_milli_satoshis() {
                    Some(_) => None,
                    None => msat.map(MeltOptions::new_amountless),
                };
                self.wallet
                    .melt_quote(PaymentMethod::BOLT11, invoice, options, None)
                    .await
            }
            Destination::Offer(offer) => {
                let options = msat.map(MeltOptions::new_amountless);
                self.wallet
                    .melt_quote(PaymentMethod::BOLT12, offer, options, None)
                    .await
            }
            Destination::Address(address) => {
                let msat = msat.ok_or(DestinationError::NoAmount)?;
                self.wallet
                    .melt_human_readable_quote(address, msat, bitcoin::Network::Bitcoin)
                    .await
            }
        };
        quoted.map_err(|error| self.quote_error(to, error))
    }

    fn quote_error(&self, to: &Destination, error: cdk::Error) -> WalletError {
        use cdk::Error as E;
        match error {
            E::AmountUndefined | E::InvoiceAmountUndefined => DestinationError::NoAmount.into(),
            E::LightningAddressParse(why)
            | E::LightningAddressRequest(why)
            | E::Bip353Parse(why)
            | E::Bip353Resolve(why)
            | E::Bip321Parse(why) => WalletError::Recipient {
                to: plain(&to.to_string()),
                why: plain(&why),
            },
            E::Bip353NoBolt12Offer | E::Bolt12parse | E::IncorrectQuoteAmount => {
                WalletError::Recipient {
                    to: plain(&to.to_string()),
                    why: plain(&error.to_string()),
                }
            }
            E::RequestAlreadyPaid => WalletError::Recipient {
                to: plain(&to.to_string()),
                why: "its invoice has been paid already".to_owned(),
            },
            error => WalletError::of(&self.mint, error),
        }
    }

    /// A mint without a lightning node says so: better before than after a question.
    fn check_melts(&self, info: &MintInfo, to: &Destination) -> Result<(), WalletError> {
        let melts = &info.nuts.nut05;
        let can = |method: PaymentMethod| melts.methods.iter().any(|one| one.method == method);
        let good = !melts.disabled
            && match to {
                Destination::Invoice(_) => can(PaymentMethod::BOLT11),
                Destination::Offer(_) => can(PaymentMethod::BOLT12),
                Destination::Address(_) => can(PaymentMethod::BOLT11) || can(PaymentMethod::BOLT12),
            };
        if good {
            return Ok(());
        }
        let said = match &info.motd {
            Some(motd) if melts.disabled => format!(" It says: {}.", plain(motd)),
            _ => String::new(),
        };
        Err(WalletError::NoMelts {
            mint: self.mint.to_string(),
            said,
        })
    }

    /// The quote's amount with all that may be taken for it: the reserve for routing,
    /// of which the rest comes back, and the mint's fee on inputs.
    async fn need_sat(&self, quote: &MeltQuote) -> Result<u64, WalletError> {
        let proofs = self
            .wallet
            .get_unspent_proofs()
            .await
            .map_err(self.error())?;
        let fee = self
            .wallet
            .get_proofs_fee(&proofs)
            .await
            .map_err(self.error())?;
        let need = quote
            .amount
            .checked_add(quote.fee_reserve)
            .and_then(|sum| sum.checked_add(fee.total));
        Ok(need.map_or(u64::MAX, |sum| sum.to_u64()))
    }

    async fn check_funds(&self, quote: &MeltQuote) -> Result<(), WalletError> {
        let have = self.balance_sat().await?;
        let need = quote
            .amount
            .to_u64()
            .saturating_add(quote.fee_reserve.to_u64());
        if need > have {
            return Err(self.insufficient(need, have));
        }
        Ok(())
    }

    async fn melt(&self, quote: &MeltQuote) -> Result<Paid, WalletError> {
        let before_sat = self.balance_sat().await?;
        match self.try_melt(quote).await {
            Err(error @ (WalletError::PaymentFailed(_) | WalletError::Insufficient { .. })) => {
                match self.gone_sat(before_sat).await? {
                    0 => Err(error),
                    sat => Err(WalletError::SpentElsewhere {
                        mint: self.mint.to_string(),
                        sat,
                    }),
                }
            }
            paid => paid,
        }
    }

    /// Satoshis of the `before_sat` that another copy of this wallet has spent, or is
    /// spending. None are known where the mint cannot be asked.
    async fn gone_sat(&self, before_sat: u64) -> Result<u64, WalletError> {
        let held_sat = match self.drop_spent().await {
            Ok(held_sat) => held_sat,
            Err(error @ WalletError::Store(_)) => return Err(error),
            Err(_) => return Ok(0),
        };
        let gone_sat = before_sat.saturating_sub(self.balance_sat().await?);
        Ok(gone_sat.saturating_add(held_sat))
    }

    async fn try_melt(&self, quote: &MeltQuote) -> Result<Paid, WalletError> {
        let mut tries = 1;
        loop {
            let prepared = match self.wallet.prepare_melt(&quote.id, HashMap::new()).await {
                Err(cdk::Error::InsufficientFunds) => {
                    let need = self.need_sat(quote).await?;
                    return Err(self.insufficient(need, self.balance_sat().await?));
                }
                prepared => prepared.map_err(self.error())?,
            };
            let operation = prepared.operation_id();
            // cdk asks a mint that is away for ever. To stop asking loses nothing: the
            // payment is written down.
            let confirmed = tokio::time::timeout(self.patience, prepared.confirm()).await;
            let error = match confirmed.unwrap_or(Err(cdk::Error::PendingQuote)) {
                Ok(melted) if melted.state() == MeltQuoteState::Paid => {
                    return Ok(Paid {
                        amount_sat: melted.amount().to_u64(),
                        fee_sat: melted.fee_paid().to_u64(),
                        proof: melted.payment_proof().map(plain),
                    });
                }
                Ok(melted) => return Err(WalletError::PaymentFailed(melted.state().to_string())),
                Err(error) => error,
            };
            // The mint pays one quote once, however often it is asked.
            let again = self.catch_up(&error).await? && tries < MAX_MELTS;
            // Whether its ecash is free again is what counts, not how it was said.
            if self.sagas().await?.iter().any(|saga| saga.id == operation) {
                return Err(WalletError::PaymentPending);
            }
            if !again {
                return Err(WalletError::PaymentFailed(plain(&error.to_string())));
            }
            tries += 1;
        }
    }

    fn insufficient(&self, need: u64, have: u64) -> WalletError {
        WalletError::Insufficient {
            mint: self.mint.to_string(),
            need,
            have,
            fee: true,
        }
    }
}

/// What the mint pays at once at most, where it says so.
fn most_at_once(info: &MintInfo) -> Option<u64> {
    let limits = info.nuts.nut05.methods.iter();
    limits
        .filter_map(|method| method.max_amount)
        .map(|most| most.to_u64())
        .filter(|most| *most > 0)
        .min()
}
