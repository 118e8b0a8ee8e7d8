//! `GET /`: how to mine here, and how the pool does.

use std::sync::Arc;
use std::time::Duration;

use accounting::EpochTerms;
use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use basics::humane;
use pool::admin::{PayoutFate, PayoutRow, Way};

use super::plot::Plot;
use super::{Frame, Pages, format, page};
use crate::figures::{BlockFigures, PoolFigures};

#[derive(Debug, Template)]
#[template(path = "set_up.html")]
struct SetUp {
    frame: Frame,
    host: Option<String>,
    port: Option<u16>,
    tls_port: Option<u16>,
    miners: String,
    devices: String,
    now: String,
    day: String,
    plot: Option<Plot>,
    epoch: EpochShown,
    blocks: Vec<BlockShown>,
    payouts: Vec<PayoutShown>,
}

/// The open epoch.
#[derive(Debug)]
struct EpochShown {
    id: String,
    age: String,
    work: String,
    miners: String,
    fee: String,
    split: &'static str,
}

#[derive(Debug)]
struct BlockShown {
    epoch: String,
    height: String,
    ago: String,
    machine: String,
    received: Option<String>,
}

#[derive(Debug)]
struct PayoutShown {
    ago: String,
    machine: String,
    sat: String,
    way: &'static str,
    state: &'static str,
    miners: Option<String>,
}

pub(super) async fn get(State(pages): State<Arc<Pages>>, headers: HeaderMap) -> Response {
    let figures = match pages.figures.pool().await {
        Ok(figures) => figures,
        Err(refusal) => return pages.refused(&refusal),
    };
    let asked = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let host = pages.public_host.clone();
    let host = host.or_else(|| asked.and_then(host_of));
    let (port, tls_port) = pages.ports();
    let shown = shown(pages.frame.at("set-up"), host, (port, tls_port), &figures);
    page(StatusCode::OK, &shown)
}

fn shown(
    frame: Frame,
    host: Option<String>,
    (port, tls_port): (Option<u16>, Option<u16>),
    figures: &PoolFigures,
) -> SetUp {
    let now_ms = figures.now_ms;
    let epoch = &figures.epoch;
    let age = Duration::from_millis(now_ms.saturating_sub(epoch.opened_ms));
    let count = |number: usize| format::count(u64::try_from(number).unwrap_or(u64::MAX));
    let blocks = figures.blocks.iter().map(|block| of_block(block, now_ms));
    let payouts = figures.payouts.iter();
    SetUp {
        frame,
        host,
        port,
        tls_port,
        miners: count(figures.miners),
        devices: count(figures.devices),
        now: format::hashrate(figures.hashrate.now),
        day: format::hashrate(figures.hashrate.day),
        plot: Plot::of(&figures.hashrate),
        epoch: EpochShown {
            id: epoch.id.to_string(),
            age: humane::duration(age),
            work: format::work(epoch.totals.work),
            miners: format::count(epoch.totals.miners),
            fee: fee(&epoch.terms),
            split: epoch.terms.split.words(),
        },
        blocks: blocks.collect(),
        payouts: payouts.map(|payout| of_payout(payout, now_ms)).collect(),
    }
}

fn of_block(block: &BlockFigures, now_ms: u64) -> BlockShown {
    BlockShown {
        epoch: block.epoch.to_string(),
        height: format::count(u64::from(block.height)),
        ago: humane::ago(block.closed_ms, now_ms),
        machine: format::machine_time(block.closed_ms),
        received: (!block.received_msat.is_zero())
            .then(|| format::sat(block.received_msat.to_sat_floor())),
    }
}

fn of_payout(payout: &PayoutRow, now_ms: u64) -> PayoutShown {
    let (state, miners) = match &payout.state {
        PayoutFate::Settled { miners, .. } => ("split", Some(format::count(*miners))),
        PayoutFate::Suspended { .. } => ("waits for its block", None),
        PayoutFate::Gathered => ("with the next one", None),
        PayoutFate::Operators | PayoutFate::ToFee => ("the operator's", None),
    };
    PayoutShown {
        ago: humane::ago(payout.received_ms, now_ms),
        machine: format::machine_time(payout.received_ms),
        sat: format::sat(payout.amount_msat.to_sat_floor()),
        way: match payout.via {
            Way::Lightning => "lightning",
            Way::OnChain => "on-chain",
        },
        state,
        miners,
    }
}

/// The fee in percent: `0 %`, `1.25 %`.
fn fee(terms: &EpochTerms) -> String {
    let (whole, rest) = (terms.fee_bps / 100, terms.fee_bps % 100);
    match rest {
        0 => format!("{whole} %"),
        rest => format!("{whole}.{rest:02} %"),
    }
}

/// The host of a `Host` header, where that can be one: it comes from the visitor.
fn host_of(header: &str) -> Option<String> {
    let url = url::Url::parse(&format!("http://{header}/")).ok()?;
    let host = url.host_str()?;
    let is_only_a_host = url.path() == "/" && url.username().is_empty() && url.query().is_none();
    // A device's field has no place for brackets.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (is_only_a_host && host.len() <= 253).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_is_taken_from_the_visitor() {
        for (header, host) in [
            ("pool.example.org", Some("pool.example.org")),
            ("192.0.2.7:8080", Some("192.0.2.7")),
            ("[2001:db8::1]:8080", Some("2001:db8::1")),
            ("a/b", None),
            ("me@pool", None),
            ("<script>", None),
            ("a b", None),
            ("", None),
        ] {
            assert_eq!(host_of(header).as_deref(), host, "{header}");
        }
    }

    #[test]
    fn fees_are_told_in_percent() {
        for (fee_bps, text) in [(0, "0 %"), (100, "1 %"), (125, "1.25 %"), (5, "0.05 %")] {
            let terms = EpochTerms {
                fee_bps,
                ..EpochTerms::default()
            };
            assert_eq!(fee(&terms), text);
        }
    }
}
