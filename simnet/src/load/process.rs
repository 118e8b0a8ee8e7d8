//! The resources of a process, from Linux's /proc.

use std::io;
use std::time::Duration;

/// What a process has used of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// User and system time together.
    pub(crate) cpu: Duration,
    /// Resident memory in bytes.
    pub(crate) rss_bytes: u64,
}

/// Looks at a process.
pub(crate) fn usage(pid: u32) -> io::Result<Usage> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let invalid = |what| io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}/{what}"));
    let ticks = cpu_ticks(&stat).ok_or_else(|| invalid("stat"))?;
    let rss_bytes = rss_bytes(&status).ok_or_else(|| invalid("status"))?;
    let micros =
        u128::from(ticks) * 1_000_000 / u128::from(rustix::param::clock_ticks_per_second());
    let cpu = Duration::from_micros(u64::try_from(micros).map_err(io::Error::other)?);
    Ok(Usage { cpu, rss_bytes })
}

/// utime + stime of proc(5)'s `stat`: fields 14 and 15. The second field, the name in
/// brackets, may itself have spaces and brackets.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

fn rss_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_name() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 250 31 0 0";
        for name in ["axepool", "a b", "a) 9 (b"] {
            assert_eq!(
                cpu_ticks(&format!("12 ({name}) {rest}")),
                Some(281),
                "{name}"
            );
        }
        assert_eq!(cpu_ticks("12 axepool"), None);
        assert_eq!(
            rss_bytes("VmPeak: 9 kB\nVmRSS:\t   2048 kB\n"),
            Some(2 << 20)
        );
        assert_eq!(rss_bytes("VmPeak: 9 kB\n"), None);
    }

    #[test]
    fn our_own_process_uses_something() {
        let usage = usage(std::process::id()).unwrap();
        assert!(usage.rss_bytes > 100_000);
    }
}
