//! `client.reconnect`: the hosts to which a pool may redirect us. Pure.

use std::time::Duration;

use super::failure::Failure;
use crate::config::UpstreamUrl;

/// Longer than this no pool keeps us waiting; a request beyond it is cut.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What of a pool's redirections is followed. Whoever sits in between could send our
/// hashrate to a pool of theirs, so another host counts only when the operator allows it.
#[derive(Clone, Debug)]
pub(super) struct Redirects {
    from: UpstreamUrl,
    allow_elsewhere: bool,
}

impl Redirects {
    pub(super) fn new(from: UpstreamUrl, allow_elsewhere: bool) -> Self {
        Redirects {
            from,
            allow_elsewhere,
        }
    }

    /// The end of the connection that the pool asks for, or the host that it must not
    /// send us to. What it leaves out stays as it is; so does TLS, always.
    pub(super) fn follow(
        &self,
        host: Option<String>,
        port: Option<u16>,
        wait: Duration,
    ) -> Result<Failure, String> {
        let host = host.unwrap_or_else(|| self.from.host.clone());
        if !self.allow_elsewhere && !host.eq_ignore_ascii_case(&self.from.host) {
            return Err(host);
        }
        let to = UpstreamUrl {
            host,
            port: port.unwrap_or(self.from.port),
            tls: self.from.tls,
        };
        Ok(Failure::Reconnect {
            to,
            wait: wait.min(LONGEST_WAIT),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(
        allow: bool,
        host: Option<&str>,
        port: Option<u16>,
        wait_secs: u64,
        expected: Option<(&str, u16, u64)>,
    ) {
        let from = UpstreamUrl {
            host: "pool.example".to_owned(),
            port: 3333,
            tls: true,
        };
        let result = Redirects::new(from, allow).follow(
            host.map(str::to_owned),
            port,
            Duration::from_secs(wait_secs),
        );
        let followed = match &result {
            Ok(Failure::Reconnect { to, wait }) => {
                assert!(to.tls);
                Some((to.host.as_str(), to.port, wait.as_secs()))
            }
            _ => None,
        };
        assert_eq!(followed, expected);
    }

    #[test]
    fn only_the_same_host_unless_allowed() {
        case(false, None, None, 0, Some(("pool.example", 3333, 0)));
        case(
            false,
            Some("POOL.example"),
            Some(1),
            5,
            Some(("POOL.example", 1, 5)),
        );
        case(false, Some("evil.example"), None, 0, None);
        case(false, Some("pool.example.evil"), None, 0, None);
        case(
            true,
            Some("other.example"),
            None,
            9999,
            Some(("other.example", 3333, 60)),
        );
    }
}
