//! `GET /miners/{key}`: is it working, what did it earn. `GET /miners/{key}/live`: the
//! parts of it that change, as they change. `/miners`: the way there from a typed key.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Extension, Form, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use ledger::{MinerId, Msat, Work};
use mint::{Token, TokenState};
use serde::Deserialize;
use serde_json::json;

use super::key_check::{self, NoKey};
use super::plot::Plot;
use super::{Frame, Message, Pages, format, page};
use crate::humane;
use crate::web::api::Refusal;
use crate::web::client::Client;
use crate::web::figures::{
    self, Earning, EarningState, MinerFigures, StatementLine, WorkerFigures,
};

/// Tokens shown, the newest.
const TOKENS: usize = 10;

/// Submissions in an hour from which on a reject rate says something, and the rate in
/// percent that is worth a look.
const ENOUGH_SHARES: u64 = 20;
const HIGH_REJECTS_PERCENT: u64 = 5;

/// A device without a share for so long is silent.
const SILENT_AFTER: Duration = Duration::from_secs(900);

#[derive(Debug, Template)]
#[template(path = "miner.html")]
struct MinerPage {
    frame: Frame,
    miner: String,
    npub: String,
    /// The npub's beginning and end.
    short: String,
    m: Shown,
    tokens: Vec<TokenShown>,
    no_tokens: Option<&'static str>,
}

/// The parts that change.
#[derive(Debug, Template)]
#[template(path = "miner/figures.html")]
struct FiguresPart<'a> {
    m: &'a Shown,
}

#[derive(Debug, Template)]
#[template(path = "miner/ready.html")]
struct ReadyPart<'a> {
    m: &'a Shown,
}

#[derive(Debug, Template)]
#[template(path = "miner/workers.html")]
struct WorkersPart<'a> {
    m: &'a Shown,
}

#[derive(Debug, Template)]
#[template(path = "miner/earnings.html")]
struct EarningsPart<'a> {
    m: &'a Shown,
}

/// A miner's figures as text.
#[derive(Debug)]
struct Shown {
    is_known: bool,
    connected: usize,
    devices: usize,
    now: String,
    hour: String,
    day: String,
    best: Option<String>,
    plot: Option<Plot>,
    ready: Option<String>,
    is_ready: bool,
    sweep_only: bool,
    paid: String,
    carry: String,
    per_day: Option<String>,
    next_sat: Option<String>,
    running: Option<String>,
    workers: Vec<WorkerShown>,
    earnings: Vec<EarningShown>,
    statement: Vec<LineShown>,
}

#[derive(Debug)]
struct WorkerShown {
    name: String,
    user_agent: String,
    state: &'static str,
    state_class: &'static str,
    hashrate: String,
    last: String,
    accepted: String,
    rejected: String,
    rejects_are_high: bool,
    best: String,
}

#[derive(Debug)]
struct EarningShown {
    epoch: String,
    when: String,
    machine: String,
    work: String,
    part: String,
    amount: String,
    is_estimate: bool,
    state: String,
    state_class: &'static str,
}

#[derive(Debug)]
struct LineShown {
    when: String,
    machine: String,
    before: String,
    allocated: String,
    paid: String,
    after: String,
}

#[derive(Debug)]
struct TokenShown {
    number: u64,
    sat: String,
    when: String,
    machine: String,
    state: &'static str,
    state_class: &'static str,
}

#[derive(Deserialize)]
pub(super) struct Typed {
    key: Option<String>,
}

/// The way from a typed key to its page; a form that asks for one.
pub(super) async fn find(
    State(pages): State<Arc<Pages>>,
    query: Result<Query<Typed>, QueryRejection>,
) -> Response {
    match query.ok().and_then(|Query(typed)| typed.key) {
        Some(key) => way(&pages, &key),
        None => page(
            StatusCode::OK,
            &Find {
                frame: pages.frame.at("miner"),
                problem: None,
            },
        ),
    }
}

/// The same by a form whose content is in nobody's log.
pub(super) async fn find_typed(
    State(pages): State<Arc<Pages>>,
    form: Result<Form<Typed>, FormRejection>,
) -> Response {
    let key = form.ok().and_then(|Form(typed)| typed.key);
    way(&pages, &key.unwrap_or_default())
}

/// A form that asks for a key.
#[derive(Debug, Template)]
#[template(path = "find.html")]
struct Find {
    frame: Frame,
    problem: Option<Problem>,
}

#[derive(Debug)]
struct Problem {
    words: String,
    alarming: bool,
}

fn way(pages: &Pages, typed: &str) -> Response {
    match key_check::read(typed) {
        Ok(miner) => Redirect::to(&format!("/miners/{miner}")).into_response(),
        Err(no_key) => {
            let problem = Problem {
                words: no_key.words(),
                alarming: no_key.alarming(),
            };
            let find = Find {
                frame: pages.frame.at("miner"),
                problem: Some(problem),
            };
            page(StatusCode::BAD_REQUEST, &find)
        }
    }
}

pub(super) async fn get(State(pages): State<Arc<Pages>>, Path(key): Path<String>) -> Response {
    let miner = match key_check::read(&key) {
        Ok(miner) => miner,
        Err(no_key) => return no_such(&pages, no_key),
    };
    if key != miner.to_string() {
        return Redirect::permanent(&format!("/miners/{miner}")).into_response();
    }
    match whole(&pages, miner).await {
        Ok(whole) => page(StatusCode::OK, &whole),
        Err(refusal) => pages.refused(&refusal),
    }
}

/// What stands where a key should.
pub(super) fn no_such(pages: &Pages, no_key: NoKey) -> Response {
    let message = Message {
        frame: pages.frame.at("miner"),
        title: "This is no miner's key",
        text: no_key.words(),
        alarming: no_key.alarming(),
        back: "/miners".to_owned(),
        back_text: "Type a key",
    };
    message.answer(StatusCode::BAD_REQUEST)
}

async fn whole(pages: &Pages, miner: MinerId) -> Result<MinerPage, Refusal> {
    let figures = pages.figures.miner(miner).await?;
    let tokens = match pages.figures.view().mint() {
        Some(mint) => mint.tokens(&miner, TOKENS).await.unwrap_or_else(|error| {
            // The rest of the page is the ledger's, and needs no mint.
            tracing::warn!(%error, "a key's tokens cannot be read");
            Vec::new()
        }),
        None => Vec::new(),
    };
    let tokens = tokens.iter();
    Ok(MinerPage {
        frame: pages.frame.at("miner"),
        miner: miner.to_string(),
        short: format::short(&miner.npub()),
        npub: miner.npub(),
        tokens: tokens
            .map(|(token, state)| of_token(token, *state))
            .collect(),
        m: shown(&figures),
        no_tokens: pages.no_tokens,
    })
}

/// Server-sent events `parts`: the HTML of the parts by the id of their place.
pub(super) async fn live(
    State(pages): State<Arc<Pages>>,
    Extension(client): Extension<Client>,
    Path(key): Path<String>,
) -> Response {
    let miner = match key_check::read(&key) {
        Ok(miner) => miner,
        Err(no_key) => return no_such(&pages, no_key),
    };
    let place = match pages.figures.streams().enter(client) {
        Ok(place) => place,
        Err(busy) => return busy.into_response(),
    };
    let closing = pages.figures.closing();
    let look = move || {
        let pages = Arc::clone(&pages);
        async move { parts(&shown(&pages.figures.miner(miner).await?)) }
    };
    figures::events("parts", place, closing, look)
}

fn parts(m: &Shown) -> Result<String, Refusal> {
    let made = || -> askama::Result<String> {
        let parts = json!({
            "figures": FiguresPart { m }.render()?,
            "ready": ReadyPart { m }.render()?,
            "workers": WorkersPart { m }.render()?,
            "earnings": EarningsPart { m }.render()?,
        });
        Ok(parts.to_string())
    };
    made().map_err(|error| Refusal::Disk(std::io::Error::other(error)))
}

fn shown(figures: &MinerFigures) -> Shown {
    let now_ms = figures.now_ms;
    let estimates = &figures.estimates;
    let connected = figures.workers.iter().filter(|worker| worker.connected > 0);
    let running = figures
        .earnings
        .iter()
        .find_map(|earning| match earning.state {
            EarningState::Running { estimate_msat } => estimate_msat,
            _ => None,
        });
    let hashrate = &figures.hashrate;
    Shown {
        is_known: !figures.workers.is_empty() || !figures.earnings.is_empty(),
        connected: connected.count(),
        devices: figures.workers.len(),
        now: format::hashrate(hashrate.now),
        hour: format::hashrate(hashrate.hour),
        day: format::hashrate(hashrate.day),
        best: figures.best_difficulty.map(format::si),
        plot: Plot::of(hashrate),
        ready: figures.ready_sat.map(format::sat),
        is_ready: figures.ready_sat.is_some_and(|ready| !ready.is_zero()),
        sweep_only: figures.sweep_only == Some(true),
        paid: format::sat(figures.account.paid),
        carry: format::msat(figures.account.carry),
        per_day: estimates.sat_per_day.map(format::estimate),
        next_sat: estimates.days_to_next_sat.map(format::days),
        running: running.map(|msat| format::estimate(msat / 1000.0)),
        workers: figures
            .workers
            .iter()
            .map(|worker| of_worker(worker, now_ms))
            .collect(),
        earnings: figures
            .earnings
            .iter()
            .map(|earning| of_earning(earning, now_ms))
            .collect(),
        statement: figures.statement.iter().map(of_line).collect(),
    }
}

fn of_worker(worker: &WorkerFigures, now_ms: u64) -> WorkerShown {
    let sent = worker
        .accepted_last_hour
        .saturating_add(worker.rejected_last_hour);
    let is_high = sent >= ENOUGH_SHARES
        && worker.rejected_last_hour.saturating_mul(100)
            > sent.saturating_mul(HIGH_REJECTS_PERCENT);
    let silent = worker
        .last_share_ms
        .is_none_or(|last| Duration::from_millis(now_ms.saturating_sub(last)) > SILENT_AFTER);
    let (state, state_class) = match (worker.connected, silent) {
        (0, _) => ("away", "alarm"),
        (_, true) => ("silent", "warn"),
        (_, false) => ("mining", "good"),
    };
    let rejected = match sent {
        0 => "none sent".to_owned(),
        sent => {
            let percent = humane::percent(worker.rejected_last_hour as f64, sent as f64);
            format!("{percent} ({})", format::count(worker.rejected_last_hour))
        }
    };
    WorkerShown {
        name: worker.name.to_string(),
        user_agent: worker.user_agent.to_string(),
        state,
        state_class,
        hashrate: format::hashrate(worker.hashrate),
        last: worker
            .last_share_ms
            .map_or_else(|| "never".to_owned(), |last| humane::ago(last, now_ms)),
        accepted: format::count(worker.accepted_last_hour),
        rejected,
        rejects_are_high: is_high,
        best: worker
            .best_difficulty
            .map_or_else(|| "-".to_owned(), format::si),
    }
}

fn of_earning(earning: &Earning, now_ms: u64) -> EarningShown {
    let estimate = |msat: Option<f64>| match msat {
        Some(msat) => (format::estimate(msat / 1000.0), true),
        None => ("-".to_owned(), false),
    };
    let ((amount, is_estimate), state, state_class) = match earning.state {
        EarningState::Running { estimate_msat } => {
            (estimate(estimate_msat), "running".to_owned(), "")
        }
        EarningState::Pending { estimate_msat } => {
            (estimate(estimate_msat), "pending".to_owned(), "warn")
        }
        EarningState::Paid {
            paid_sat,
            swept_sat,
        } => {
            let state = match swept_sat {
                Some(swept) if swept >= paid_sat => ("claimed".to_owned(), ""),
                Some(swept) if !swept.is_zero() => {
                    (format!("{} sat claimed", format::sat(swept)), "good")
                }
                Some(_) => ("ready".to_owned(), "good"),
                None => ("paid".to_owned(), "good"),
            };
            ((format::sat(paid_sat), false), state.0, state.1)
        }
        EarningState::Carried => (("0".to_owned(), false), "in carry".to_owned(), ""),
        EarningState::Merged { into } => {
            (("-".to_owned(), false), format!("counts in {into}"), "warn")
        }
    };
    let at_ms = earning.closed_ms.unwrap_or(earning.opened_ms);
    EarningShown {
        epoch: earning.epoch.to_string(),
        when: match earning.closed_ms {
            Some(closed_ms) => humane::ago(closed_ms, now_ms),
            None => "open now".to_owned(),
        },
        machine: format::machine_time(at_ms),
        work: humane::work(earning.work),
        part: part(earning.work, earning.whole_work),
        amount,
        is_estimate,
        state,
        state_class,
    }
}

/// A part of the whole in percent, with decimals where it is small.
fn part(work: Work, whole: Work) -> String {
    let percent = 100.0 * work.hashes() as f64 / (whole.hashes() as f64).max(1.0);
    match percent {
        none if none <= 0.0 => "0 %".to_owned(),
        little if little < 0.01 => "< 0.01 %".to_owned(),
        little if little < 1.0 => format!("{little:.2} %"),
        some => format!("{some:.1} %"),
    }
}

fn of_line(line: &StatementLine) -> LineShown {
    let sat = |amount: Msat| format::msat(amount);
    LineShown {
        when: format::minute(line.received_ms),
        machine: format::machine_time(line.received_ms),
        before: sat(line.carry_before_msat),
        allocated: sat(line.allocated_msat),
        paid: format::sat(line.paid_sat),
        after: sat(line.carry_after_msat),
    }
}

fn of_token(token: &Token, state: TokenState) -> TokenShown {
    let (state, state_class) = match state {
        TokenState::Unspent => ("not redeemed yet", "good"),
        TokenState::PartlySpent => ("partly redeemed", "warn"),
        TokenState::Spent => ("redeemed", ""),
    };
    TokenShown {
        number: token.number,
        sat: format::sat(token.amount),
        when: format::minute(token.issued_ms),
        machine: format::machine_time(token.issued_ms),
        state,
        state_class,
    }
}

#[cfg(test)]
mod tests {
    use ledger::WorkerName;

    use super::*;

    fn worker(connected: u32, last_ms: Option<u64>, counts: (u64, u64)) -> WorkerShown {
        let worker = WorkerFigures {
            name: WorkerName::clean("axe"),
            connected,
            hashrate: 1e12,
            difficulty: 1000.0,
            last_share_ms: last_ms,
            accepted_last_hour: counts.0,
            rejected_last_hour: counts.1,
            shares: 9,
            best_difficulty: Some(2.5e6),
            user_agent: "bitaxe".into(),
        };
        of_worker(&worker, 10_000_000)
    }

    #[test]
    fn a_worker_mines_is_silent_or_is_away() {
        let now = Some(9_990_000);
        assert_eq!(worker(1, now, (9, 0)).state, "mining");
        assert_eq!(worker(1, Some(1), (9, 0)).state, "silent");
        assert_eq!(worker(1, None, (0, 0)).state, "silent");
        assert_eq!(worker(0, now, (9, 0)).state, "away");
        assert_eq!(worker(1, now, (0, 0)).rejected, "none sent");
        assert_eq!(worker(1, now, (99, 1)).rejected, "1.0 % (1)");
        assert!(!worker(1, now, (99, 1)).rejects_are_high);
        assert!(worker(1, now, (90, 10)).rejects_are_high);
        assert!(!worker(1, now, (1, 9)).rejects_are_high, "too few to tell");
    }

    #[test]
    fn parts_are_told_as_finely_as_they_are_small() {
        for (work, text) in [
            (0, "0 %"),
            (1, "< 0.01 %"),
            (123_456, "0.12 %"),
            (50_000_000, "50.0 %"),
        ] {
            let (work, whole) = (Work::from_hashes(work), Work::from_hashes(100_000_000));
            assert_eq!(part(work, whole), text);
        }
        assert_eq!(part(Work::ZERO, Work::ZERO), "0 %");
    }
}
