//! The report of a measurement, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::LoadMode;
use super::histogram::Histogram;

/// The time from a question to its answer: of shares, from a submit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LatencyReport {
    /// Half of the answers came within that many microseconds.
    pub p50_us: u64,
    /// 90 % of them.
    pub p90_us: u64,
    /// 99 % of them.
    pub p99_us: u64,
    /// All of them.
    pub max_us: u64,
}

impl LatencyReport {
    /// Of what was counted; `None` without anything.
    pub(crate) fn of(latency: &Histogram) -> Option<Self> {
        (latency.count() > 0).then(|| LatencyReport {
            p50_us: latency.quantile_us(500),
            p90_us: latency.quantile_us(900),
            p99_us: latency.quantile_us(990),
            max_us: latency.max_us(),
        })
    }
}

impl fmt::Display for LatencyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |us: u64| us as f64 / 1e3;
        write!(
            f,
            "p50 {:.2}  p90 {:.2}  p99 {:.2}  max {:.2} ms",
            ms(self.p50_us),
            ms(self.p90_us),
            ms(self.p99_us),
            ms(self.max_us)
        )
    }
}

/// What the server's process used.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerReport {
    /// User and system time in seconds, while measuring.
    pub cpu_secs: f64,
    /// The same for each accepted share, in microseconds.
    pub cpu_us_per_share: Option<f64>,
    /// Resident memory before the first miner connected, in bytes.
    pub rss_before_bytes: u64,
    /// When all miners were there.
    pub rss_connected_bytes: u64,
    /// When the measuring was over.
    pub rss_after_bytes: u64,
    /// What each miner added by connecting.
    pub rss_bytes_per_connection: f64,
}

/// From the first to the last miner told of a job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FanOutReport {
    /// Jobs that every miner was told of while measuring.
    pub jobs: usize,
    /// The quickest, in milliseconds.
    pub min_ms: f64,
    /// The one in the middle.
    pub median_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoadReport {
    /// The server.
    pub target: String,
    /// What the miners did.
    pub mode: LoadMode,
    /// Miners that were there when the measuring began.
    pub connections: usize,
    /// Why the others were not, and how many.
    pub failed_connections: BTreeMap<String, u64>,
    /// Miners whose connection ended while measuring.
    pub lost_connections: u64,
    /// How long they took to connect and to get their first job, in seconds.
    pub ramp_secs: f64,
    /// How long was measured, in seconds.
    pub measured_secs: f64,
    /// Shares answered with `true`.
    pub accepted: u64,
    /// Shares answered with an error, by code and text.
    pub rejected: BTreeMap<String, u64>,
    /// Shares in flight at the end, or when their connection was lost.
    pub unanswered: u64,
    /// Accepted shares a second.
    pub accepted_per_sec: f64,
    /// Accepted among the answered, 0 to 1.
    pub accept_ratio: Option<f64>,
    /// How long the answers took.
    pub latency: Option<LatencyReport>,
    /// How far apart the miners were told of jobs.
    pub fan_out: Option<FanOutReport>,
    /// What the server used.
    pub server: Option<ServerReport>,
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match self.mode {
            LoadMode::Shares => "shares",
            LoadMode::Idle => "idle",
            LoadMode::Notify => "notify",
        };
        writeln!(f, "target          {} ({mode})", self.target)?;
        writeln!(
            f,
            "connections     {} in {:.2} s",
            self.connections, self.ramp_secs
        )?;
        for (reason, count) in &self.failed_connections {
            writeln!(f, "  failed        {count}: {reason}")?;
        }
        writeln!(f, "lost            {}", self.lost_connections)?;
        writeln!(f, "measured        {:.2} s", self.measured_secs)?;
        if self.mode == LoadMode::Shares {
            self.fmt_shares(f)?;
        }
        if let Some(fan_out) = &self.fan_out {
            writeln!(
                f,
                "notify fan-out  {:.1} ms median, {:.1} to {:.1} ms over {} jobs",
                fan_out.median_ms, fan_out.min_ms, fan_out.max_ms, fan_out.jobs
            )?;
        }
        if let Some(server) = &self.server {
            server.fmt_lines(f)?;
        }
        Ok(())
    }
}

impl LoadReport {
    fn fmt_shares(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "accepted        {} ({:.0} a second)",
            self.accepted, self.accepted_per_sec
        )?;
        if let Some(ratio) = self.accept_ratio {
            writeln!(f, "accept ratio    {:.4} %", ratio * 100.0)?;
        }
        for (reason, count) in &self.rejected {
            writeln!(f, "  rejected      {count}: {reason}")?;
        }
        writeln!(f, "unanswered      {}", self.unanswered)?;
        if let Some(latency) = &self.latency {
            writeln!(f, "latency         {latency}")?;
        }
        Ok(())
    }
}

impl ServerReport {
    fn fmt_lines(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "server CPU      {:.2} s", self.cpu_secs)?;
        match self.cpu_us_per_share {
            Some(us) => writeln!(f, ", {us:.2} us per accepted share")?,
            None => writeln!(f)?,
        }
        let mb = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        writeln!(
            f,
            "server memory   {:.1} MB, connected {:.1} MB, at the end {:.1} MB",
            mb(self.rss_before_bytes),
            mb(self.rss_connected_bytes),
            mb(self.rss_after_bytes)
        )?;
        writeln!(
            f,
            "per connection  {:.2} KB",
            self.rss_bytes_per_connection / 1024.0
        )
    }
}
