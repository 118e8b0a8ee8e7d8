//! The terms by which an epoch is paid. Each rule has its name, its number and its words
//! here, and nowhere else.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::{Work, as_text};

/// Over which work a payout is split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[schemars(rename = "SplitRule", rename_all = "snake_case")]
pub enum Split {
    /// The work of the epochs that the payout covers.
    #[default]
    Epoch,
    /// The last `shares_in_window` of our own work, as OCEAN's TIDES pays us.
    Tides,
}

/// For what a mint quote is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum QuotePer {
    /// One quote per miner and epoch.
    #[default]
    Epoch,
    /// One quote per accepted share, see [`EpochTerms::max_share_quotes`].
    Share,
}

/// All that is said of a choice anywhere.
struct Told {
    name: &'static str,
    code: u8,
    words: &'static str,
}

impl Split {
    /// All of them.
    pub const ALL: [Split; 2] = [Split::Epoch, Split::Tides];

    /// The rule for a pool in which strangers may mine.
    pub const FOR_STRANGERS: Split = Split::Tides;

    const fn told(self) -> Told {
        match self {
            Split::Epoch => Told {
                name: "epoch",
                code: 0,
                words: "over the work of the epochs that a payout covers",
            },
            Split::Tides => Told {
                name: "tides",
                code: 1,
                words: "over the pool's last shares in OCEAN's window (TIDES)",
            },
        }
    }

    /// True where a miner who comes only for short epochs earns more than one who stays.
    pub const fn rewards_timing(self) -> bool {
        match self {
            Split::Epoch => true,
            Split::Tides => false,
        }
    }
}

impl QuotePer {
    /// All of them.
    pub const ALL: [QuotePer; 2] = [QuotePer::Epoch, QuotePer::Share];

    const fn told(self) -> Told {
        match self {
            QuotePer::Epoch => Told {
                name: "epoch",
                code: 0,
                words: "one per miner and epoch",
            },
            QuotePer::Share => Told {
                name: "share",
                code: 1,
                words: "one per share, up to a limit",
            },
        }
    }
}

/// The text is not the name of a choice.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is not one of the choices")]
pub struct NoSuchChoice(String);

macro_rules! choice {
    ($choice:ty) => {
        impl $choice {
            /// Its name in the config, in JSON and on a command line.
            pub const fn name(self) -> &'static str {
                self.told().name
            }

            /// The number that stands for it in the journal and in what a receipt signs.
            /// It never changes.
            pub const fn code(self) -> u8 {
                self.told().code
            }

            /// What it means, for the pages.
            pub const fn words(self) -> &'static str {
                self.told().words
            }

            /// The one of this number.
            pub fn from_code(code: u8) -> Option<Self> {
                Self::ALL.into_iter().find(|choice| choice.code() == code)
            }
        }

        impl fmt::Display for $choice {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $choice {
            type Err = NoSuchChoice;

            fn from_str(text: &str) -> Result<Self, NoSuchChoice> {
                let mut all = Self::ALL.into_iter();
                all.find(|choice| choice.name() == text)
                    .ok_or_else(|| NoSuchChoice(text.chars().take(40).collect()))
            }
        }

        impl Serialize for $choice {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                as_text::serialize(self, to)
            }
        }

        impl<'de> Deserialize<'de> for $choice {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                as_text::deserialize(from)
            }
        }
    };
}

choice!(Split);
choice!(QuotePer);

/// The terms of payment for an epoch. They are recorded when it opens: a later change of the
/// config changes nothing about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EpochTerms {
    /// The operator's fee in basis points (1/100 of a percent), at most
    /// [`Self::MAX_FEE_BPS`].
    #[schemars(range(max = 10_000))]
    pub fee_bps: u16,
    /// Over which work a payout is split.
    pub split: Split,
    /// For what a mint quote is made.
    pub quote_per: QuotePer,
    /// A miner's work in the epoch from which on the quote is made; below it, at
    /// settlement. Zero: with the first share.
    pub quote_min_work: Work,
    /// With [`QuotePer::Share`]: so many shares of the epoch, its first ones, have a
    /// quote of their own. All other work is the miner's quote of the epoch.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 1))]
    pub max_share_quotes: u32,
}

impl EpochTerms {
    /// All of it.
    pub const MAX_FEE_BPS: u16 = 10_000;

    /// Whether the share that follows on `before` others of the epoch has a quote of
    /// its own.
    pub fn quotes_share(&self, before: u64) -> bool {
        self.quote_per == QuotePer::Share && before < u64::from(self.max_share_quotes)
    }
}

/// Published with the terms only where there are such quotes.
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Default for EpochTerms {
    fn default() -> Self {
        EpochTerms {
            fee_bps: 0,
            split: Split::default(),
            quote_per: QuotePer::default(),
            quote_min_work: Work::ZERO,
            max_share_quotes: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(split: Split, quote_per: QuotePer, json: &str, codes: [u8; 2]) {
        let terms = EpochTerms {
            split,
            quote_per,
            ..EpochTerms::default()
        };
        let text = serde_json::to_string(&terms).expect("writes");
        assert_eq!(text, json);
        assert_eq!(
            serde_json::from_str::<EpochTerms>(&text).expect("reads"),
            terms
        );
        assert_eq!([split.code(), quote_per.code()], codes);
        assert_eq!(Split::from_code(codes[0]), Some(split));
        assert_eq!(QuotePer::from_code(codes[1]), Some(quote_per));
        assert_eq!(split.to_string().parse(), Ok(split));
        assert_eq!(quote_per.to_string().parse(), Ok(quote_per));
    }

    /// What was published, signed and written to journals is read as it was.
    #[test]
    fn names_and_numbers_stay() {
        case(
            Split::Epoch,
            QuotePer::Epoch,
            r#"{"fee_bps":0,"split":"epoch","quote_per":"epoch","quote_min_work":"0"}"#,
            [0, 0],
        );
        case(
            Split::Tides,
            QuotePer::Share,
            r#"{"fee_bps":0,"split":"tides","quote_per":"share","quote_min_work":"0"}"#,
            [1, 1],
        );
        assert_eq!(Split::from_code(2), None);
        assert_eq!(QuotePer::from_code(2), None);
        assert!("Tides".parse::<Split>().is_err());
        assert!(serde_json::from_str::<QuotePer>("\"tides\"").is_err());
    }

    #[test]
    fn the_rule_for_strangers_rewards_no_timing() {
        assert!(!Split::FOR_STRANGERS.rewards_timing());
    }
}
