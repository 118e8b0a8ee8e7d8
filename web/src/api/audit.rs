//! `GET /api/audit`: the list. `GET /api/audit/{n}.json`: the bytes whose SHA256 is the
//! file's hash. `GET /api/audit/{n}.csv`: the same miner by miner, see [`super::csv`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use accounting::settle::{FileHash, Part, PayoutKey, PayoutState, Preimage, Via};
use accounting::{EpochId, Msat, schema};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bitcoin::Txid;
use bitcoin::hashes::sha256;
use ledger::LedgerError;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::gzip::is_known;
use super::super::routes::for_anybody;
use super::answer::{self, Newest, Refusal};
use super::files::Form;
use super::{Api, Settled};

/// A file never changes: it is settled, and chained by its hash.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The files' rows, as far as they were asked for: none ever changes.
pub(super) type Listed = BTreeMap<u64, Row>;

/// A settled payout and its audit file.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "AuditRow")]
pub(crate) struct Row {
    /// Counts the files from 1.
    #[schemars(range(min = 1))]
    pub(crate) number: u64,
    /// The payment.
    pub(crate) payout: PayoutKey,
    /// The file's SHA256.
    pub(crate) hash: FileHash,
    /// That of the file before; `null` for the first.
    pub(crate) previous: Option<FileHash>,
    /// What was received.
    pub(crate) amount_msat: Msat,
    /// The operator's fee of it.
    pub(crate) fee_msat: Msat,
    /// When it was seen, milliseconds since 1970.
    pub(crate) received_ms: u64,
    /// The proof that it came.
    pub(crate) proof: Proof,
    /// What each epoch got.
    pub(crate) parts: Vec<PartRow>,
    /// The epochs that got something.
    pub(crate) epochs: Vec<EpochId>,
    /// The epochs whose work it was split over.
    pub(crate) split_over: Vec<EpochId>,
    /// Where the file is.
    #[schemars(with = "schema::UrlPath")]
    pub(crate) json: String,
    /// The same as a table.
    #[schemars(with = "schema::UrlPath")]
    pub(crate) csv: String,
}

/// The proof of a payment.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Proof {
    /// A lightning payment; its hash is the SHA256 of the preimage.
    Lightning {
        /// The hash.
        #[schemars(with = "schema::Hash")]
        payment_hash: sha256::Hash,
        /// The preimage, when the node has it.
        preimage: Option<Preimage>,
    },
    /// An output to the payout address.
    OnChain {
        /// The transaction.
        #[schemars(with = "schema::Hash")]
        txid: Txid,
        /// Which output.
        vout: u32,
    },
}

impl Proof {
    fn of(via: &Via) -> Proof {
        match via {
            Via::Lightning {
                payment_hash,
                preimage,
                ..
            } => Proof::Lightning {
                payment_hash: *payment_hash,
                preimage: *preimage,
            },
            Via::OnChain { output, .. } => Proof::OnChain {
                txid: output.txid,
                vout: output.vout,
            },
        }
    }
}

/// An epoch's part of a payment.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[schemars(rename = "AuditPart")]
pub(crate) struct PartRow {
    /// The epoch.
    pub(crate) epoch: EpochId,
    /// How much.
    pub(crate) amount_msat: Msat,
    /// The epoch whose miners get it.
    pub(crate) pays_over: EpochId,
}

impl PartRow {
    fn of(part: &Part) -> PartRow {
        PartRow {
            epoch: part.epoch,
            amount_msat: part.amount,
            pays_over: part.pays_over,
        }
    }
}

/// The audit files.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AuditList")]
pub(crate) struct List {
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

/// A file; `None` when there is none of this number.
pub(super) fn row(
    api: &Api,
    settled: &mut Settled,
    number: u64,
) -> Result<Option<Row>, LedgerError> {
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
    let slices = settlement.parts.iter().flat_map(|part| &part.slices);
    let split_over: BTreeSet<EpochId> = slices.map(|slice| slice.epoch).collect();
    let row = Row {
        number,
        payout: payout.payment.key(),
        hash,
        previous,
        amount_msat: payout.payment.amount,
        fee_msat: settlement.fee,
        received_ms: payout.payment.received_ms,
        proof: Proof::of(&payout.payment.via),
        parts: settlement.parts.iter().map(PartRow::of).collect(),
        split_over: split_over.into_iter().collect(),
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
    let mut response = if is_known(&headers, &tag) {
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

/// `12.json`, `12.csv`. Nothing else names a file: what is kept for ever has one name.
fn parse(name: &str) -> Option<(u64, Form)> {
    let (number, form) = name.split_once('.')?;
    let form = match form {
        "json" => Form::Json,
        "csv" => Form::Csv,
        _ => return None,
    };
    let is_plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = is_plain && !number.starts_with('0');
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
            "0.json",
            "01.json",
            "0001.json",
            "1.json.csv",
            "a.csv",
        ] {
            case(bad, None);
        }
        case(&format!("{}.json", u128::MAX), None);
    }
}
