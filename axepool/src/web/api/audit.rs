//! `GET /api/audit`: the list. `GET /api/audit/{n}.json`: the bytes whose SHA256 is the
//! file's hash. `GET /api/audit/{n}.csv`: the same miner by miner, see [`super::csv`].

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use ledger::settle::{FileHash, PayoutKey, PayoutState};
use ledger::{EpochId, LedgerError, Msat};
use serde::Serialize;

use super::super::routes::for_anybody;
use super::answer::{self, Newest, Refusal};
use super::files::Form;
use super::{Api, Settled};

/// A file never changes: it is settled, and chained by its hash.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The files' rows, as far as they were asked for: none ever changes.
pub(super) type Listed = BTreeMap<u64, Row>;

/// A file in the list.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    number: u64,
    payout: PayoutKey,
    hash: FileHash,
    previous: Option<FileHash>,
    amount_msat: Msat,
    fee_msat: Msat,
    received_ms: u64,
    epochs: Vec<EpochId>,
    json: String,
    csv: String,
}

/// The list.
#[derive(Debug, Serialize)]
struct List {
    /// How many there are, numbered from 1.
    files: u64,
    /// The newest first.
    audit: Vec<Row>,
}

pub(super) async fn list(
    State(api): State<Arc<Api>>,
    query: Result<Query<Newest>, QueryRejection>,
) -> Result<Response, Refusal> {
    let newest = u64::try_from(Newest::read(query)?).unwrap_or(u64::MAX);
    let list = api.look(move |api| listed(api, newest)).await?;
    Ok(answer::json(&list))
}

fn listed(api: &Api, newest: u64) -> Result<List, LedgerError> {
    let files = api.reader.audit_files()?;
    let first = files.saturating_sub(newest).saturating_add(1);
    let mut audit = Vec::new();
    let mut settled = api.settled();
    for number in (first..=files).rev() {
        audit.extend(row(api, &mut settled, number)?);
    }
    Ok(List { files, audit })
}

fn row(api: &Api, settled: &mut Settled, number: u64) -> Result<Option<Row>, LedgerError> {
    if let Some(row) = settled.listed.get(&number) {
        return Ok(Some(row.clone()));
    }
    let Some(payout) = api.reader.audited_payout(number)? else {
        return Ok(None);
    };
    let PayoutState::Settled(settlement) = payout.state else {
        return Ok(None);
    };
    let Some(hash) = api.reader.audit_hash(number)? else {
        return Ok(None);
    };
    let previous = match number.checked_sub(1) {
        None | Some(0) => None,
        Some(before) => api.reader.audit_hash(before)?,
    };
    let row = Row {
        number,
        payout: payout.payment.key(),
        hash,
        previous,
        amount_msat: payout.payment.amount,
        fee_msat: settlement.fee,
        received_ms: payout.payment.received_ms,
        epochs: settlement.parts.iter().map(|part| part.epoch).collect(),
        json: format!("/api/audit/{number}.json"),
        csv: format!("/api/audit/{number}.csv"),
    };
    settled.listed.insert(number, row.clone());
    Ok(Some(row))
}

pub(super) async fn file(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let missing =
        || Refusal::Missing("there is no such audit file: /api/audit lists them".to_owned());
    let (number, form) = parse(&name).ok_or_else(missing)?;
    let hash = api.files.hash(number).await?.ok_or_else(missing)?;
    let tag = match form {
        Form::Json => format!("\"{hash}\""),
        Form::Csv => format!("\"{hash}-csv\""),
    };
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    let is_known = known
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().trim_start_matches("W/") == tag);
    let mut response = if is_known {
        for_anybody(StatusCode::NOT_MODIFIED)
    } else {
        let (length, body) = api.files.open(number, hash, form).await?;
        let mut response = for_anybody(body.into_response());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(form.content_type()),
        );
        response
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, FOR_EVER);
    Ok(response)
}

/// `12.json`, `12.csv`.
fn parse(name: &str) -> Option<(u64, Form)> {
    let (number, form) = name.split_once('.')?;
    let form = match form {
        "json" => Form::Json,
        "csv" => Form::Csv,
        _ => return None,
    };
    let is_plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_plain.then(|| number.parse().ok()).flatten()?;
    Some((number, form))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(name: &str, expected: Option<(u64, Form)>) {
        assert_eq!(parse(name), expected, "{name}");
    }

    #[test]
    fn files_are_named_by_number_and_form() {
        case("1.json", Some((1, Form::Json)));
        case("12.csv", Some((12, Form::Csv)));
        for bad in [
            "",
            ".json",
            "1",
            "1.",
            "1.xml",
            "-1.json",
            "+1.json",
            "1.json.csv",
            "a.csv",
        ] {
            case(bad, None);
        }
        case(&format!("{}.json", u128::MAX), None);
    }
}
