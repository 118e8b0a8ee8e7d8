//! `[payout]` and `[mint]`: what an epoch records as its terms when it opens.

use accounting::{EpochTerms, QuotePer, Split, Work};

use super::reader::Section;

/// About the work that earned one satoshi in 2026 (1 TH/s: some 45 sat a day): below it
/// a quote would stand empty.
const QUOTE_MIN_WORK: u128 = 2_000_000_000_000_000;

/// Quotes of their own that an epoch's shares may have, with `quote_per = "share"`: a
/// circle of friends for some days, and an outbox that a small machine drains.
const MAX_SHARE_QUOTES: u32 = 100_000;

/// The quotes' part of the terms, from `[mint]`.
pub(super) struct Quotes {
    per: QuotePer,
    min_work: Work,
    max_shares: u32,
}

pub(super) fn read_quotes(section: &mut Section<'_>) -> Quotes {
    Quotes {
        per: section.get("quote_per", QuotePer::default()),
        min_work: section.get("quote_min_work", Work::from_hashes(QUOTE_MIN_WORK)),
        max_shares: section.number(
            "max_share_quotes_per_epoch",
            MAX_SHARE_QUOTES,
            0..=1_000_000,
        ),
    }
}

pub(super) fn read(section: &mut Section<'_>, quotes: &Quotes) -> EpochTerms {
    EpochTerms {
        split: section.get("split", Split::default()),
        fee_bps: section.number("fee_bps", 0, 0..=EpochTerms::MAX_FEE_BPS),
        quote_per: quotes.per,
        quote_min_work: quotes.min_work,
        // Published with an epoch only where its shares have quotes.
        max_share_quotes: match quotes.per {
            QuotePer::Epoch => 0,
            QuotePer::Share => quotes.max_shares,
        },
    }
}
