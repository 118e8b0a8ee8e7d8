//! Errors between a wallet and a mint, each with its remedy.

use cdk_common::mint_url::MintUrl;
use cdk_http_client::HttpError;
use thiserror::Error;

use crate::destination::DestinationError;
use crate::text::plain;

/// Why an operation of the wallet did not come to its end. None of these loses money:
/// what was under way is written down and taken up by the next command.
#[derive(Debug, Error)]
pub enum WalletError {
    /// No answer, or none that is one.
    #[error(
        "the mint {mint} cannot be reached: {why}\nNothing is lost: the next run goes on where this one stopped"
    )]
    Unreachable {
        /// The mint's address.
        mint: String,
        /// What the network said.
        why: String,
    },
    /// It answers, and is not able to do it now.
    #[error("the mint {mint} cannot do it now: {why}\nNothing is lost: try again later")]
    Unable {
        /// The mint's address.
        mint: String,
        /// What it said.
        why: String,
    },
    /// It answers no.
    #[error("the mint {mint} refuses: {why}")]
    Refused {
        /// The mint's address.
        mint: String,
        /// What it said.
        why: String,
    },
    /// It answers, but is no mint that lets quotes be looked up.
    #[error("{mint} is not the mint of a pool: {why}")]
    NoPool {
        /// The address.
        mint: String,
        /// What is missing.
        why: String,
    },
    /// The two clocks are too far apart.
    #[error(
        "the clocks of this machine and of the mint {mint} are more than 30 seconds apart: set yours"
    )]
    Clock {
        /// The mint's address.
        mint: String,
    },
    /// The wallet's own store.
    #[error("the wallet's store: {0}")]
    Store(String),
    /// More than there is.
    #[error("{need} sat are needed{}, the wallet has {have} sat at {mint}", .fee.then(|| " with fees").unwrap_or_default())]
    Insufficient {
        /// The mint's address.
        mint: String,
        /// Satoshis asked for, with fees where they are known.
        need: u64,
        /// Satoshis that can be spent.
        have: u64,
        /// Whether `need` has the fees in it.
        fee: bool,
    },
    /// Where to pay to.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// Who is to be paid does not answer, or not as it should.
    #[error("{to} cannot be paid: {why}")]
    Recipient {
        /// The destination.
        to: String,
        /// What is wrong with it.
        why: String,
    },
    /// The mint took the payment on and does not know yet what became of it.
    #[error(
        "the payment is under way and its outcome is not known yet: do not pay again\nAny later command of this wallet asks for the outcome"
    )]
    PaymentPending,
    /// The payment did not go through.
    #[error("the payment was not made, and its ecash stays in the wallet: {0}")]
    PaymentFailed(String),
    /// A token that cannot be read, or not taken.
    #[error("the token: {0}")]
    Token(String),
    /// A token of many proofs, of which some were not taken in.
    #[error(
        "{received_sat} sat of the token are in the wallet, the rest is not: {rest}\nThe same command takes in the rest"
    )]
    TokenPart {
        /// Satoshis that came.
        received_sat: u64,
        /// What kept the rest.
        rest: Box<WalletError>,
    },
}

impl WalletError {
    /// What an error of cdk means, at this mint.
    pub(crate) fn of(mint: &MintUrl, error: cdk::Error) -> WalletError {
        use cdk::Error as E;
        let mint = mint.to_string();
        let why = plain(&error.to_string());
        match error {
            E::HttpError(None, why) => WalletError::Unreachable {
                mint,
                why: plain(&why),
            },
            E::Timeout | E::CouldNotGetMintInfo => WalletError::Unreachable { mint, why },
            E::HttpError(Some(status), text) if status >= 500 || status == 429 => {
                WalletError::Unable {
                    mint,
                    why: format!("HTTP {status}: {}", plain(&text)),
                }
            }
            E::HttpError(Some(status), text) => WalletError::Refused {
                mint,
                why: format!("HTTP {status}: {}", plain(&text)),
            },
            E::MintTimeExceedsTolerance => WalletError::Clock { mint },
            E::Database(error) => WalletError::Store(plain(&error.to_string())),
            E::PendingQuote | E::TokenPending | E::UnknownPaymentState => {
                WalletError::PaymentPending
            }
            E::PaymentFailed => WalletError::PaymentFailed(why),
            E::UnknownErrorResponse(said) => WalletError::Refused {
                mint,
                why: plain(words(&said)),
            },
            _ => WalletError::Refused { mint, why },
        }
    }

    /// What an error of the pool's own routes means.
    pub(crate) fn http(mint: &MintUrl, error: HttpError) -> WalletError {
        let mint = mint.to_string();
        match error {
            HttpError::Status { status, message } => {
                let why = format!("HTTP {status}: {}", plain(&message));
                if status >= 500 || status == 429 {
                    WalletError::Unable { mint, why }
                } else {
                    WalletError::Refused { mint, why }
                }
            }
            other => WalletError::Unreachable {
                mint,
                why: plain(&other.to_string()),
            },
        }
    }

    /// True when the same may well work in a while.
    pub fn passes(&self) -> bool {
        match self {
            WalletError::TokenPart { rest, .. } => rest.passes(),
            WalletError::Unreachable { .. }
            | WalletError::Unable { .. }
            | WalletError::PaymentPending
            | WalletError::PaymentFailed(_)
            | WalletError::Recipient { .. } => true,
            _ => false,
        }
    }
}

/// The mint's own words, of a text in which cdk puts the code before them.
fn words(said: &str) -> &str {
    let rest = said.strip_prefix("code: ");
    let detail = rest.and_then(|rest| rest.split_once(", detail: "));
    detail.map_or(said, |(code, detail)| match detail {
        "" => code,
        _ => detail,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(error: cdk::Error, passes: bool, said: &str) {
        let mint: MintUrl = "https://mint.example".parse().unwrap();
        let error = WalletError::of(&mint, error);
        assert_eq!(error.passes(), passes, "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }

    #[test]
    fn errors_say_whose_they_are() {
        case(
            cdk::Error::HttpError(None, "connection refused".into()),
            true,
            "https://mint.example cannot be reached: connection refused",
        );
        case(cdk::Error::Timeout, true, "cannot be reached");
        case(
            cdk::Error::HttpError(Some(503), "busy".into()),
            true,
            "HTTP 503: busy",
        );
        case(
            cdk::Error::HttpError(Some(404), "x".into()),
            false,
            "refuses: HTTP 404",
        );
        case(cdk::Error::IssuedQuote, false, "refuses");
        let response = cdk::error::ErrorResponse::new(
            cdk::error::ErrorCode::Unknown(50000),
            "melts are paused: a test".into(),
        );
        case(
            response.into(),
            false,
            "https://mint.example refuses: melts are paused: a test",
        );
        let other = cdk::Error::UnknownErrorResponse("code: 7, detail: ".into());
        case(other, false, "refuses: 7");
        case(cdk::Error::PendingQuote, true, "do not pay again");
        case(cdk::Error::MintTimeExceedsTolerance, false, "clocks");
        case(
            cdk::Error::Database(cdk_common::database::Error::ConcurrentUpdate),
            false,
            "the wallet's store",
        );
    }
}
