//! Destinations of lightning payments.

use std::fmt;
use std::str::FromStr;

use cdk_common::Bolt11Invoice;
use thiserror::Error;

use crate::text::plain;

/// Letters of a destination at most; offers with long paths are a few thousand.
const MAX_LETTERS: usize = 8192;

/// Why a text is nothing that can be paid.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DestinationError {
    /// None of the forms.
    #[error(
        "{0:?} cannot be paid: a lightning invoice (lnbc...), a BOLT12 offer (lno...) or an address (name@example.com) is expected"
    )]
    Form(String),
    /// An invoice with a typing error, for instance.
    #[error("the invoice cannot be read: {0}")]
    Invoice(String),
    /// LUD-01.
    #[error("an lnurl is not supported: use the lightning address that belongs to it")]
    Lnurl,
    /// A bitcoin address.
    #[error(
        "a bitcoin address cannot be paid from ecash: a lightning invoice, offer or address is expected"
    )]
    OnChain,
    /// It names no amount, and none was given.
    #[error("the request names no amount: add the amount in sat")]
    NoAmount,
    /// It names one, and another was given.
    #[error("the invoice is for {invoice_msat} msat, not for {given_sat} sat")]
    OtherAmount {
        /// What the invoice says.
        invoice_msat: u64,
        /// What was asked for.
        given_sat: u64,
    },
    /// It is paid once.
    #[error(
        "an invoice can be paid only once: to be paid again and again an offer (lno...) or an address (name@example.com) is needed"
    )]
    Once,
}

/// Somebody who can be paid over lightning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A BOLT11 invoice.
    Invoice(Box<Bolt11Invoice>),
    /// A BOLT12 offer, which the mint's node reads.
    Offer(String),
    /// `name@example.com`: a BIP353 name or a lightning address (LUD-16).
    Address(String),
}

impl Destination {
    /// Fails for what cannot be paid again and again.
    ///
    /// # Errors
    /// [`DestinationError::Once`]
    pub fn standing(self) -> Result<Destination, DestinationError> {
        match self {
            Destination::Invoice(_) => Err(DestinationError::Once),
            other => Ok(other),
        }
    }

    /// The satoshis to pay, rounded up, with `given` where it names none. `None` only
    /// for an offer, which may name them where we cannot read it.
    pub(crate) fn amount_sat(&self, given: Option<u64>) -> Result<Option<u64>, DestinationError> {
        match self {
            Destination::Offer(_) => Ok(given),
            Destination::Address(_) => given.ok_or(DestinationError::NoAmount).map(Some),
            Destination::Invoice(invoice) => match (invoice.amount_milli_satoshis(), given) {
                (None, None) => Err(DestinationError::NoAmount),
                (None, Some(given)) => Ok(Some(given)),
                (Some(msat), None) => Ok(Some(msat.div_ceil(1000))),
                (Some(msat), Some(given)) if msat.div_ceil(1000) == given => Ok(Some(given)),
                (Some(invoice_msat), Some(given_sat)) => Err(DestinationError::OtherAmount {
                    invoice_msat,
                    given_sat,
                }),
            },
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Destination::Invoice(invoice) => invoice.fmt(f),
            Destination::Offer(text) | Destination::Address(text) => f.write_str(text),
        }
    }
}

impl FromStr for Destination {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Destination, DestinationError> {
        let text = text.trim();
        let form = || DestinationError::Form(plain(text));
        if text.len() > MAX_LETTERS {
            return Err(form());
        }
        let lower = text.to_lowercase();
        let bare = lower.strip_prefix("lightning:").unwrap_or(&lower);
        if bare.contains('@') {
            return address(bare).map(Destination::Address).ok_or_else(form);
        }
        if bare.starts_with("lnurl1") {
            return Err(DestinationError::Lnurl);
        }
        if let Some(data) = bare.strip_prefix("lno1") {
            let good = !data.is_empty() && data.bytes().all(is_bech32);
            return if good {
                Ok(Destination::Offer(bare.to_owned()))
            } else {
                Err(form())
            };
        }
        if bare.starts_with("bitcoin:")
            || ["bc1", "tb1", "bcrt1"]
                .iter()
                .any(|hrp| bare.starts_with(hrp))
        {
            return Err(DestinationError::OnChain);
        }
        if bare.starts_with("lnbc") || bare.starts_with("lntb") {
            let invoice = bare
                .parse()
                .map_err(|error| DestinationError::Invoice(plain(&format!("{error}"))))?;
            return Ok(Destination::Invoice(Box::new(invoice)));
        }
        Err(form())
    }
}

fn is_bech32(byte: u8) -> bool {
    b"qpzry9x8gf2tvdw0s3jn54khce6mua7l".contains(&byte)
}

/// `name@host`, as LUD-16 and BIP353 write it; a leading bitcoin sign is BIP353's.
fn address(text: &str) -> Option<String> {
    let text = text.strip_prefix('₿').unwrap_or(text);
    let (name, host) = text.split_once('@')?;
    let of = |byte: u8, more: &[u8]| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || more.contains(&byte)
    };
    let good = !name.is_empty()
        && name.bytes().all(|byte| of(byte, b"-_.+"))
        && host.contains('.')
        && host.split('.').all(|label| !label.is_empty())
        && host.bytes().all(|byte| of(byte, b"-."));
    good.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// From BOLT 11's test vectors: 2500u, and one without an amount.
    const COFFEE: &str = "lnbc2500u1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdq5xysxxatsyp3k7enxv4jsxqzpu9qrsgquk0rl77nj30yxdy8j9vdx85fkpmdla2087ne0xh8nhedh8w27kyke0lp53ut353s06fv3qfegext0eh0ymjpf39tuven09sam30g4vgpfna3rh";
    const DONATION: &str = "lnbc1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdpl2pkx2ctnv5sxxmmwwd5kgetjypeh2ursdae8g6twvus8g6rfwvs8qun0dfjkxaq9qrsgq357wnc5r2ueh7ck6q93dj32dlqnls087fxdwk8qakdyafkq3yap9us6v52vjjsrvywa6rt52cm9r9zqt8r2t7mlcwspyetp5h2tztugp9lfyql";

    #[track_caller]
    fn kind(text: &str, expected: &str) {
        let read = text.parse::<Destination>();
        let name = match &read {
            Ok(Destination::Invoice(_)) => "invoice",
            Ok(Destination::Offer(_)) => "offer",
            Ok(Destination::Address(_)) => "address",
            Err(DestinationError::Lnurl) => "lnurl",
            Err(DestinationError::OnChain) => "on-chain",
            Err(DestinationError::Invoice(_)) => "bad invoice",
            Err(_) => "no",
        };
        assert_eq!(name, expected, "{text}: {read:?}");
    }

    #[test]
    fn every_form_is_known() {
        kind(COFFEE, "invoice");
        kind(&COFFEE.to_uppercase(), "invoice");
        kind(&format!("lightning:{COFFEE}"), "invoice");
        kind("lno1pgqpvggr25k", "offer");
        kind("LNO1PGQPVGGR25K", "offer");
        kind("alice@example.com", "address");
        kind("₿alice@example.com", "address");
        kind("Alice@Example.com", "address");
        kind("lnurl1dp68gurn8ghj7", "lnurl");
        kind("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "on-chain");
        kind(
            "bitcoin:bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            "on-chain",
        );
        kind("lnbc1nonsense", "bad invoice");
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "@",
            "a@",
            "@b.c",
            "a@b",
            "a@b..c",
            "a b@example.com",
            "a@example.com/x",
            "a@b@example.com",
            "a@user:pw.com",
            "lno1",
            "lno1b",
            "npub1x",
            "x\u{1b}[2J",
        ] {
            kind(text, "no");
        }
        kind(&"a".repeat(MAX_LETTERS + 1), "no");
    }

    #[test]
    fn amounts_are_named_once() {
        let coffee: Destination = COFFEE.parse().unwrap();
        let donation: Destination = DONATION.parse().unwrap();
        let address: Destination = "a@example.com".parse().unwrap();
        let offer: Destination = "lno1pgqpvggr25k".parse().unwrap();
        assert_eq!(coffee.amount_sat(None), Ok(Some(250_000)));
        assert_eq!(coffee.amount_sat(Some(250_000)), Ok(Some(250_000)));
        assert_eq!(
            coffee.amount_sat(Some(1)),
            Err(DestinationError::OtherAmount {
                invoice_msat: 250_000_000,
                given_sat: 1
            })
        );
        assert_eq!(donation.amount_sat(Some(5)), Ok(Some(5)));
        for nameless in [&donation, &address] {
            assert_eq!(nameless.amount_sat(None), Err(DestinationError::NoAmount));
        }
        assert_eq!(offer.amount_sat(None), Ok(None));
        assert_eq!(coffee.standing(), Err(DestinationError::Once));
        assert!(offer.standing().is_ok() && address.standing().is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".{0,200}", form in "(lno1|lnbc|lightning:|a@)?") {
            let _ = format!("{form}{text}").parse::<Destination>();
        }
    }
}
