//! The pool itself: its miners, its upstream, its open epoch, the mint.

use std::time::Duration;

use basics::humane;
use mint::Parked;
use pool::admin::{MintState, MintStatus, Status, SuspectRow, UpstreamStatus};
use pool::amounts;

use super::{Note, Section, Table, alarm, bad, doubtful, good, plain, warn};

pub(super) fn health(status: &Status) -> Section {
    let up = Duration::from_millis(status.now_ms.saturating_sub(status.started_ms));
    let badge = match (status.not_ready.is_empty(), status.beside.is_empty()) {
        (true, true) => good("miners are served"),
        (true, false) => doubtful("miners are served, see below"),
        (false, _) => bad("miners are not served"),
    };
    let listening = |list: &[std::net::SocketAddr]| {
        let texts: Vec<String> = list.iter().map(ToString::to_string).collect();
        if texts.is_empty() {
            "off".to_owned()
        } else {
            texts.join(" ")
        }
    };
    let reasons = status.not_ready.iter().map(|why| alarm(why.as_str()));
    let beside = status.beside.iter().map(|why| warn(why.as_str()));
    let mut facts = vec![
        ("Version", format!("axepool {}", status.version)),
        (
            "Process",
            format!("{}, up {}", status.pid, humane::duration(up)),
        ),
        ("Network", status.network.clone()),
        ("Stratum", listening(&status.stratum)),
    ];
    if !status.stratum_tls.is_empty() {
        facts.push(("Stratum with TLS", listening(&status.stratum_tls)));
    }
    facts.push(("Pages and mint", listening(&status.http)));
    facts.push(("Metrics", listening(&status.metrics)));
    Section {
        title: "The pool",
        badge,
        facts,
        notes: reasons.chain(beside).collect(),
        table: None,
    }
}

pub(super) fn upstream(upstream: &UpstreamStatus) -> Section {
    let since = humane::duration(Duration::from_secs(upstream.since_secs));
    let mut facts = vec![
        ("In use", upstream.url.clone()),
        (if upstream.up { "Up for" } else { "Down for" }, since),
    ];
    if let Some(difficulty) = upstream.difficulty {
        facts.push(("Difficulty that it asks for", difficulty.to_string()));
    }
    if let Some(secs) = upstream.last_job_secs {
        facts.push(("Last job", humane::ago(0, secs.saturating_mul(1000))));
    }
    facts.push((
        "Connections with work",
        format!("{} of {}", upstream.lanes_up, upstream.lanes),
    ));
    facts.push((
        "Room for more miners",
        humane::count(u64::try_from(upstream.prefixes_free).unwrap_or(u64::MAX)),
    ));
    let error = upstream.last_error.as_ref();
    let error = error.map(|error| {
        let text = format!("The last connection ended: {error}");
        if upstream.up { warn(text) } else { alarm(text) }
    });
    Section {
        title: "Upstream",
        badge: if upstream.up { good("up") } else { bad("down") },
        facts,
        notes: error.into_iter().chain(left(upstream)).collect(),
        table: None,
    }
}

/// The upstreams that the operator prefers and that are not used.
fn left(upstream: &UpstreamStatus) -> impl Iterator<Item = Note> + '_ {
    upstream.left.iter().map(|left| {
        let ago = humane::ago(0, left.since_secs.saturating_mul(1000));
        warn(format!("{} was left {ago}: {}", left.url, left.why))
    })
}

pub(super) fn miners(status: &Status) -> Section {
    let epoch = &status.ledger.epoch;
    let totals = &epoch.totals;
    let open = status.now_ms.saturating_sub(epoch.opened_ms);
    let failing = status.ledger.failing.as_ref();
    let failing = failing.map(|why| alarm(format!("Shares cannot be stored: {why}")));
    Section {
        title: "Miners and ledger",
        badge: match failing {
            None => good("shares are stored"),
            Some(_) => bad("the disk fails"),
        },
        facts: vec![
            ("Connections", status.connections.to_string()),
            ("Devices mining", status.workers.to_string()),
            (
                "Open epoch",
                format!(
                    "{}, for {}",
                    epoch.id,
                    humane::duration(Duration::from_millis(open))
                ),
            ),
            ("Its miners", humane::count(totals.miners)),
            ("Its shares", humane::count(totals.shares)),
            ("Its work", amounts::work(totals.work)),
            ("Accepted upstream", humane::count(totals.upstream_accepted)),
            ("Refused upstream", humane::count(totals.upstream_refused)),
        ],
        notes: failing.into_iter().collect(),
        table: None,
    }
}

pub(super) fn mint(
    mint: &MintStatus,
    parked: &Result<Vec<Parked>, String>,
    now_ms: u64,
) -> Section {
    // While it is not open nobody knows.
    let count = parked.as_ref().map(|parked| parked.len().to_string());
    let count = count.unwrap_or_else(|_| "not known".to_owned());
    let parked = parked.as_deref().unwrap_or_default();
    let badge = match mint.state {
        MintState::Off => plain("off"),
        MintState::Opening => bad("not open"),
        MintState::Open if mint.failing.is_some() => bad("open, failing"),
        MintState::Open if !parked.is_empty() => bad("rows are parked"),
        MintState::Open => good("open"),
    };
    let sats = |amount: Option<accounting::Sat>| {
        amount.map_or("not known".to_owned(), |amount| {
            format!("{} sat", humane::count(amount.get()))
        })
    };
    let failing = mint.failing.iter().map(|why| alarm(why.as_str()));
    let row = |parked: &Parked| {
        vec![
            parked.row.id.get().to_string(),
            parked.reason.clone(),
            humane::ago(parked.since_ms, now_ms),
        ]
    };
    let advice = (!parked.is_empty()).then(|| {
        warn("Parked rows are refused for good. Once it is mended: axepool mint parked --retry")
    });
    Section {
        title: "Mint and outbox",
        badge,
        facts: vec![
            ("URL in tokens", mint.public_url.clone()),
            ("Rows of the outbox to do", mint.outbox_waiting.to_string()),
            ("Parked rows", count),
            ("Ecash outstanding", sats(mint.outstanding_sat)),
            ("Paid and not issued", sats(mint.paid_unissued_sat)),
        ],
        notes: failing.chain(advice).collect(),
        table: Table::of(&["Row", "Why", "Since"], parked, row),
    }
}

pub(super) fn suspects(rows: &[SuspectRow]) -> Section {
    /// One honest miner in a thousand looks like this.
    const UNLIKELY: f64 = 0.001;
    let unlikely = rows.iter().filter(|row| row.chance < UNLIKELY).count();
    let row = |row: &SuspectRow| {
        vec![
            humane::short_key(&row.miner.to_string()),
            amounts::work(row.work),
            format!("{:.2}", row.expected),
            humane::count(row.found),
            format!("{:.4} %", 100.0 * row.chance),
        ]
    };
    let head = [
        "Miner",
        "Work",
        "Expected upstream",
        "Found",
        "Chance, if honest",
    ];
    Section {
        title: "Suspects",
        badge: match unlikely {
            0 => good("nobody stands out"),
            _ => doubtful("look at the first ones"),
        },
        facts: Vec::new(),
        notes: Vec::new(),
        table: Table::of(&head, rows, row),
    }
}
