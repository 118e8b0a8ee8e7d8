//! Errors between a wallet and a mint, each with its remedy.

use cdk_common::mint_url::MintUrl;
use cdk_http_client::HttpError;
use thiserror::Error;

use crate::destination::DestinationError;
use crate::foreign::FOREIGN;
use crate::mint_address::{MintAddressError, mint_address};
use crate::text::plain;
use crate::transport::{REDIRECT, WEB_PAGE};

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
    /// It is at work on the same ecash or quote for another request.
    #[error(
        "the mint {mint} is at work on the same for another request: {why}\nNothing is lost: try again in a minute"
    )]
    AtWork {
        /// The mint's address.
        mint: String,
        /// What it said.
        why: String,
    },
    /// Another copy of this wallet uses the same outputs at the same time.
    #[error(
        "another wallet with the same words uses the mint {mint} at the same time: end one of the two, then try again\nNothing is lost"
    )]
    SameWords {
        /// The mint's address.
        mint: String,
    },
    /// Another copy of this wallet had the ecash first.
    #[error(
        "the payment was not made: another wallet with the same words has spent, or is spending, {sat} sat of this one at {mint}"
    )]
    SpentElsewhere {
        /// The mint's address.
        mint: String,
        /// Satoshis that are gone.
        sat: u64,
    },
    /// It answers people, not wallets.
    #[error(
        "this is a web page, not a mint: {mint} answers with {page}. Give the mint's address, which the pool's front page shows"
    )]
    WebPage {
        /// The address.
        mint: String,
        /// What the page is.
        page: String,
    },
    /// It publishes keys that this wallet knows as another mint's.
    #[error(
        "the mint {mint} publishes keys that this wallet has from {other}: nothing of it was written down. If both are addresses of one mint, give {other}, or restore the words in another directory (--wallet DIR) with the new address; if not, one of them copies the other: keep {mint} out of this wallet"
    )]
    ForeignKeys {
        /// The mint's address.
        mint: String,
        /// The address of the mint that the wallet knows the keys from.
        other: String,
    },
    /// It sends its visitors to another address.
    #[error("{mint} is no mint: it sends its visitors to {to}. If you trust that address, give it")]
    Moved {
        /// The address.
        mint: String,
        /// Where it sends to.
        to: String,
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
    /// What should be a mint's address.
    #[error(transparent)]
    Address(#[from] MintAddressError),
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
    /// It makes no such payments, or none now.
    #[error(
        "the mint {mint} does not pay over lightning to such a destination now.{said} `wallet send` makes a token that another wallet takes"
    )]
    NoMelts {
        /// The mint's address.
        mint: String,
        /// What it says about it; empty, or a space and a sentence.
        said: String,
    },
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
            E::HttpError(None, page) if page.starts_with(WEB_PAGE) => {
                WalletError::WebPage { mint, page }
            }
            E::HttpError(None, text) if text.starts_with(FOREIGN) => {
                let other = text.trim_start_matches(FOREIGN).to_owned();
                WalletError::ForeignKeys { mint, other }
            }
            E::HttpError(Some(status), text) => WalletError::status(mint, status, &text),
            E::HttpError(None, why) => WalletError::Unreachable {
                mint,
                why: plain(&why),
            },
            E::Timeout | E::CouldNotGetMintInfo => WalletError::Unreachable { mint, why },
            E::MintTimeExceedsTolerance => WalletError::Clock { mint },
            E::Database(error) => WalletError::Store(plain(&error.to_string())),
            E::PendingQuote | E::TokenPending | E::UnknownPaymentState => {
                WalletError::AtWork { mint, why }
            }
            E::BlindedMessageAlreadySigned | E::DuplicateOutputs | E::RequestAlreadyPaid => {
                WalletError::SameWords { mint }
            }
            E::PaymentFailed => WalletError::PaymentFailed(why),
            E::UnknownErrorResponse(said) => WalletError::Refused {
                mint,
                why: plain(words(&said)),
            },
            _ => WalletError::Refused { mint, why },
        }
    }

    /// What an HTTP status means, with the answer's text.
    fn status(mint: String, status: u16, text: &str) -> WalletError {
        let why = format!("HTTP {status}: {}", plain(text));
        if status >= 500 || status == 429 {
            return WalletError::Unable { mint, why };
        }
        if let Some(to) = text.strip_prefix(REDIRECT) {
            let to = mint_address(to).map_or_else(|_| plain(to), |to| to.to_string());
            return WalletError::Moved { mint, to };
        }
        match text.starts_with(WEB_PAGE) {
            true => WalletError::WebPage {
                mint,
                page: plain(text),
            },
            false => WalletError::Refused { mint, why },
        }
    }

    /// What an error of the pool's own routes means.
    pub(crate) fn http(mint: &MintUrl, error: HttpError) -> WalletError {
        let mint = mint.to_string();
        match error {
            HttpError::Status { status, message } => WalletError::status(mint, status, &message),
            HttpError::Other(page) if page.starts_with(WEB_PAGE) => {
                WalletError::WebPage { mint, page }
            }
            other => WalletError::Unreachable {
                mint,
                why: plain(&other.to_string()),
            },
        }
    }

    /// True when no waiting changes it: the wallet's own store fails, or nobody can ever pay
    /// to such a destination. What a mint says may be otherwise the next time.
    pub fn is_final(&self) -> bool {
        match self {
            WalletError::TokenPart { rest, .. } => rest.is_final(),
            WalletError::Store(_) | WalletError::Address(_) | WalletError::Destination(_) => true,
            _ => false,
        }
    }

    /// True when a token itself is at fault.
    pub(crate) fn is_of_token(&self) -> bool {
        match self {
            WalletError::TokenPart { rest, .. } => rest.is_of_token(),
            WalletError::Token(_) => true,
            _ => false,
        }
    }

    /// True when it keeps one token, and says nothing about others.
    pub(crate) fn keeps_one_token(&self) -> bool {
        match self {
            WalletError::TokenPart { rest, .. } => rest.keeps_one_token(),
            WalletError::AtWork { .. } => true,
            _ => false,
        }
    }

    /// True when the same may well work in a while.
    pub fn passes(&self) -> bool {
        match self {
            WalletError::TokenPart { rest, .. } => rest.passes(),
            WalletError::Unreachable { .. }
            | WalletError::Unable { .. }
            | WalletError::NoMelts { .. }
            | WalletError::AtWork { .. }
            | WalletError::SameWords { .. }
            | WalletError::SpentElsewhere { .. }
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
    fn only_the_store_and_the_destination_end_a_watch() {
        let mint = || "https://mint.example".to_owned();
        let why = || "no".to_owned();
        let passing = [
            WalletError::Unreachable {
                mint: mint(),
                why: why(),
            },
            WalletError::Unable {
                mint: mint(),
                why: why(),
            },
            WalletError::Refused {
                mint: mint(),
                why: why(),
            },
            WalletError::NoPool {
                mint: mint(),
                why: why(),
            },
            WalletError::NoMelts {
                mint: mint(),
                said: why(),
            },
            WalletError::AtWork {
                mint: mint(),
                why: why(),
            },
            WalletError::SameWords { mint: mint() },
            WalletError::SpentElsewhere {
                mint: mint(),
                sat: 1,
            },
            WalletError::Clock { mint: mint() },
            WalletError::Recipient {
                to: why(),
                why: why(),
            },
            WalletError::PaymentPending,
            WalletError::PaymentFailed(why()),
            WalletError::Token(why()),
            WalletError::Insufficient {
                mint: mint(),
                need: 2,
                have: 1,
                fee: true,
            },
        ];
        for error in passing {
            assert!(!error.is_final(), "{error}");
            let rest = Box::new(error);
            assert!(
                !WalletError::TokenPart {
                    received_sat: 1,
                    rest
                }
                .is_final()
            );
        }
        for error in [WalletError::Store(why()), DestinationError::Once.into()] {
            assert!(error.is_final(), "{error}");
        }
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
        // A payment of ours that is pending is told as one where it is made.
        for somebody_elses in [cdk::Error::PendingQuote, cdk::Error::TokenPending] {
            case(somebody_elses, true, "is at work on the same");
        }
        for had in [
            cdk::Error::BlindedMessageAlreadySigned,
            cdk::Error::DuplicateOutputs,
            cdk::Error::RequestAlreadyPaid,
        ] {
            case(had, true, "with the same words");
        }
        case(cdk::Error::MintTimeExceedsTolerance, false, "clocks");
        case(
            cdk::Error::Database(cdk_common::database::Error::ConcurrentUpdate),
            false,
            "the wallet's store",
        );
    }
}
