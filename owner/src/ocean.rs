//! What OCEAN says of an address's earnings: `/earnpay/{address}/{since}` of its API,
//! version 1 (<https://api.ocean.xyz/v1>).
//!
//! The pool has a reader of its own, which this one does not share: whoever checks the pool
//! must not repeat its misreading.

use accounting::Sat;
use accounting::settle::Earnings;
use anyhow::{Context, Result, bail};
use bitcoin::BlockHash;
use serde_json::Value;

use crate::http;

/// The earnings of `address` since `since_secs` (seconds since 1970), by block.
///
/// # Errors
/// OCEAN does not answer, or not as its API does.
pub(crate) async fn earnings(
    api: &str,
    address: &str,
    since_secs: u64,
) -> Result<Vec<(BlockHash, Earnings)>> {
    let api = api.trim_end_matches('/');
    let request = http::client()?.get(format!("{api}/earnpay/{address}/{since_secs}"));
    let (status, body) = http::send(request, "OCEAN's API").await?;
    if !status.is_success() {
        let said = http::shown(&String::from_utf8_lossy(&body));
        bail!("OCEAN's API answered {}: {said}", status.as_u16());
    }
    read(&body)
}

/// Reads an answer. Rows that are not understood are left out: a bad one may not hide the
/// good ones.
fn read(body: &[u8]) -> Result<Vec<(BlockHash, Earnings)>> {
    let answer: Value = serde_json::from_slice(body)
        .with_context(|| http::shown(&String::from_utf8_lossy(body)))
        .context("OCEAN's API answered nonsense")?;
    if let Some(error) = answer["error"].as_str() {
        bail!("OCEAN's API says: {}", http::shown(error));
    }
    match (&answer["result"], &answer["result"]["earnings"]) {
        (_, Value::Array(rows)) => Ok(rows.iter().filter_map(earning).collect()),
        (Value::Object(_), Value::Null) => Ok(Vec::new()),
        _ => bail!("OCEAN's API answered nonsense: there are no earnings in it"),
    }
}

fn earning(row: &Value) -> Option<(BlockHash, Earnings)> {
    let shares_in_window = match &row["shares_in_window"] {
        Value::Null => None,
        Value::String(text) if text.trim().is_empty() => None,
        number => Some(whole(number)?),
    };
    let earnings = Earnings {
        net: Sat::new(whole(&row["satoshis_net_earned"])?),
        shares_in_window,
    };
    Some((row["block_hash"].as_str()?.parse().ok()?, earnings))
}

/// A whole number as OCEAN writes them: as a number or as text, with zeros behind a point
/// or without.
fn whole(value: &Value) -> Option<u64> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return None,
    };
    let (whole, behind) = text.split_once('.').unwrap_or((&text, "0"));
    let is_whole = !behind.is_empty() && behind.bytes().all(|byte| byte == b'0');
    // `parse` takes a leading plus, which no number of theirs has.
    let is_digits = whole.bytes().all(|byte| byte.is_ascii_digit());
    whole.parse().ok().filter(|_| is_whole && is_digits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BLOCK: &str = "00000000000000000001ca1b4a6a1a9d1a8d4a5d1f0b2ad1c8a6f6d3a2b1c0d9";

    #[track_caller]
    fn earned(row: &str, expected: Option<(u64, Option<u64>)>) {
        let row = format!("{{\"block_hash\":\"{BLOCK}\",\"ts\":\"x\",{row}}}");
        let body = format!("{{\"result\":{{\"earnings\":[null,{row}],\"payouts\":[]}}}}");
        let told = read(body.as_bytes()).expect("an answer");
        let told: Vec<_> = told
            .into_iter()
            .map(|(block, earnings)| {
                assert_eq!(block.to_string(), BLOCK);
                (earnings.net.get(), earnings.shares_in_window)
            })
            .collect();
        assert_eq!(told, Vec::from_iter(expected), "{row}");
    }

    #[test]
    fn numbers_are_numbers_in_any_dress() {
        earned(
            "\"satoshis_net_earned\":995,\"shares_in_window\":\"123456\"",
            Some((995, Some(123_456))),
        );
        earned(
            "\"satoshis_net_earned\":\"995\",\"shares_in_window\":null",
            Some((995, None)),
        );
        earned(
            "\"satoshis_net_earned\":\"995.00\",\"shares_in_window\":\"\"",
            Some((995, None)),
        );
        earned("\"satoshis_net_earned\":995.0", Some((995, None)));
        for wrong in [
            "995.5", "-995", "\"+995\"", "\"nine\"", "\"9.\"", "1e30", "null",
        ] {
            earned(&format!("\"satoshis_net_earned\":{wrong}"), None);
        }
        earned("\"satoshis_net_earned\":1,\"shares_in_window\":-1", None);
    }

    #[test]
    fn errors_and_nonsense_are_told_apart() {
        let said = |body: &str| format!("{:#}", read(body.as_bytes()).expect_err("no earnings"));
        assert_eq!(
            said("{\"error\":\"no such user\"}"),
            "OCEAN's API says: no such user"
        );
        for nonsense in [
            "<html>",
            "[]",
            "{\"result\":[]}",
            "{\"result\":{\"earnings\":1}}",
        ] {
            assert!(said(nonsense).contains("nonsense"), "{nonsense}");
        }
        assert_eq!(read(b"{\"result\":{}}").expect("none"), []);
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&body);
        }
    }
}
