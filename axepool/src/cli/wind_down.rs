//! `axepool wind-down`.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::{Context, Result};
use basics::{clock, humane, output};
use pool::admin::{WindDownRequest, call};
use pool::wind_down::WindDownStatus;

use super::place::Place;

/// Close the pool in good order
///
/// Miners are sent to their fallback, and no miner is served any more. OCEAN's remaining
/// payouts are settled, owners are notified, and mint and melts stay up at least until the
/// stated time. The order survives restarts and can be cancelled.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Begin, and keep mint and melts up until this day, YYYY-MM-DD (UTC)
    #[arg(long, value_name = "DATE", group = "order", value_parser = parse_day)]
    until: Option<u64>,
    /// Begin, and keep mint and melts up for this number of days
    #[arg(long, value_name = "N", group = "order")]
    days: Option<u32>,
    /// Cancel: miners are served again
    #[arg(long, group = "order")]
    cancel: bool,
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const DAY_MS: u64 = 24 * 3600 * 1000;

pub(super) fn run(args: Args) -> Result<ExitCode> {
    let begin = |until_ms| WindDownRequest::Begin { until_ms };
    let request = match (args.until, args.days, args.cancel) {
        (Some(until_ms), _, _) => begin(until_ms),
        (_, Some(days), _) => {
            let length = u64::from(days).saturating_mul(DAY_MS);
            begin(clock::now_ms().saturating_add(length))
        }
        (_, _, true) => WindDownRequest::Cancel,
        _ => WindDownRequest::Look,
    };
    let status = args.place.ask_running(call::wind_down(request))?;
    if args.json {
        output::json(&status)?;
    } else {
        output::line(render(&status, clock::now_ms()).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn render(status: &WindDownStatus, now_ms: u64) -> String {
    let mut text = String::new();
    let mut line = |said: String| {
        let _ = writeln!(text, "{said}");
    };
    match status.winding_down {
        None => line("the pool does not wind down: --days N or --until DATE begins it".to_owned()),
        Some(word) => {
            line(format!(
                "the pool winds down since {}: miners are not served, {} connections are left",
                humane::utc(word.since_ms),
                status.connections
            ));
            let until = humane::utc(word.until_ms);
            line(if word.until_ms > now_ms {
                format!("mint and melts stay up until {until} at least")
            } else {
                format!("the stated time was over on {until}: it may be stopped")
            });
        }
    }
    line(format!(
        "{} closed epochs are not paid yet, {} msat are carried, {} msat are in suspense",
        status.unpaid_epochs, status.carry_msat, status.suspense_msat
    ));
    line(match (status.unclaimed_sat, status.outstanding_sat) {
        (Some(unclaimed), Some(outstanding)) => {
            format!("{unclaimed} sat wait to be fetched, {outstanding} sat are out as ecash")
        }
        _ => "what waits to be fetched is not known: the mint is not open".to_owned(),
    });
    text
}

/// The end of a day, milliseconds since 1970.
fn parse_day(text: &str) -> Result<u64> {
    let mut parts = text.splitn(3, '-').map(str::parse::<u32>);
    let mut next = || parts.next().and_then(Result::ok);
    let day = next().zip(next()).zip(next());
    let ((year, month), day) = day.context("give a day as YYYY-MM-DD")?;
    let days = days_since_1970(year, month, day).context("there is no such day")?;
    Ok(days.saturating_add(1).saturating_mul(DAY_MS))
}

/// Days of the Gregorian calendar since 1970-01-01; `None` for no day of 1970 to 9999.
fn days_since_1970(year: u32, month: u32, day: u32) -> Option<u64> {
    let is_leap = |year: u32| {
        year.is_multiple_of(400) || (year.is_multiple_of(4) && !year.is_multiple_of(100))
    };
    let in_month = |year, month| match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    };
    if !(1970..=9999).contains(&year)
        || !(1..=12).contains(&month)
        || !(1..=in_month(year, month)).contains(&day)
    {
        return None;
    }
    let years = (1970..year).map(|year| if is_leap(year) { 366_u64 } else { 365 });
    let months = (1..month).map(|month| u64::from(in_month(year, month)));
    Some(years.sum::<u64>() + months.sum::<u64>() + u64::from(day - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(text: &str, shown: Option<&str>) {
        // The end of a day is the start of the next.
        let start = parse_day(text).ok().map(|end| humane::utc(end - DAY_MS));
        let is_that = match (&start, shown) {
            (Some(start), Some(shown)) => start.starts_with(shown),
            (None, None) => true,
            _ => false,
        };
        assert!(is_that, "{text}: {start:?}");
    }

    #[test]
    fn a_day_is_one_of_the_calendar() {
        for day in ["1970-01-01", "2024-02-29", "2026-12-31", "2100-03-01"] {
            case(day, Some(day));
        }
        for bad in [
            "",
            "2026",
            "2026-13-01",
            "2025-02-29",
            "2100-02-29",
            "2026-1-1-1",
            "x-1-1",
        ] {
            case(bad, None);
        }
    }
}
