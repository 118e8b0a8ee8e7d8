//! Which deliveries may be under way at the same time. Pure: times are handed in.
//!
//! Every server has a lane of its own, in which one request follows the other. So a
//! server that answers slowly holds up nobody but those who chose it.

use std::collections::BTreeMap;

use accounting::MinerId;

use super::pace::Pace;
use signed::{Channel, Target};

use super::target::Policy;

/// Webhooks that are asked at the same time. An owner's key sends some five messages an
/// hour, and a request takes ten seconds at most: as many keys as there may be, all with
/// slow servers of their own, do not fill these for an hour. The ntfy servers of the
/// config do not count: strangers' webhooks take no place from them.
const MAX_WEBHOOKS: usize = 32;

/// One server that messages are sent to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    /// One of the config's ntfy servers, by its URL.
    Ntfy(String),
    /// A webhook's host and port.
    Webhook(String),
    /// Targets that the config does not allow any more: nothing is sent, they only fail.
    Nowhere,
}

impl Lane {
    /// The lane of a target.
    pub(super) fn of(target: &Target, policy: &Policy) -> Lane {
        match target.channel {
            Channel::Ntfy => policy
                .server_of(&target.url)
                .map_or(Lane::Nowhere, |server| Lane::Ntfy(server.to_owned())),
            Channel::Webhook => {
                let url = url::Url::parse(&target.url).ok();
                let host = url.as_ref().and_then(|url| {
                    let port = url.port_or_known_default()?;
                    // "hook.example." is the same server as "hook.example".
                    let host = url.host_str()?.trim_end_matches('.');
                    Some(format!("{host}:{port}"))
                });
                host.map_or(Lane::Nowhere, Lane::Webhook)
            }
        }
    }
}

/// All lanes that were used lately.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    paces: BTreeMap<Lane, Pace>,
    webhooks: usize,
}

impl Lanes {
    /// Takes a lane for one request; false when the lane, or all webhooks, have to wait.
    pub(super) fn begin(&mut self, lane: &Lane, now_ms: u64) -> bool {
        let is_webhook = !matches!(lane, Lane::Ntfy(_));
        if is_webhook && self.webhooks >= MAX_WEBHOOKS {
            return false;
        }
        let pace = self
            .paces
            .entry(lane.clone())
            .or_insert_with(|| Pace::new(now_ms));
        let may = pace.begin(now_ms);
        self.webhooks += usize::from(may && is_webhook);
        may
    }

    /// Gives a lane back; the other arguments are [`Pace::end`]'s.
    pub(super) fn end(
        &mut self,
        lane: &Lane,
        miner: &MinerId,
        wait_ms: Option<Option<u64>>,
        now_ms: u64,
    ) {
        if let Some(pace) = self.paces.get_mut(lane) {
            pace.end(miner, wait_ms, now_ms);
            let is_webhook = !matches!(lane, Lane::Ntfy(_));
            self.webhooks -= usize::from(is_webhook);
        }
        // Hosts are the owners' to choose, so they must not fill the memory.
        self.paces.retain(|_, pace| !pace.is_rested(now_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::pair;

    fn policy() -> Policy {
        Policy {
            ntfy_servers: vec!["https://ntfy.sh".to_owned()],
            webhooks: true,
            allow_private: false,
        }
    }

    fn lane(channel: Channel, url: &str) -> Lane {
        let url = url.to_owned();
        Lane::of(&Target { channel, url }, &policy())
    }

    #[test]
    fn a_lane_is_a_server() {
        let ntfy = lane(Channel::Ntfy, "https://ntfy.sh/a");
        assert_eq!(ntfy, lane(Channel::Ntfy, "https://ntfy.sh/b"));
        assert_eq!(lane(Channel::Ntfy, "https://gone.example/b"), Lane::Nowhere);
        let hook = lane(Channel::Webhook, "https://Hook.example/a?b=c");
        assert_eq!(hook, Lane::Webhook("hook.example:443".to_owned()));
        for same in ["https://hook.example./", "https://hook.example:443/x"] {
            assert_eq!(lane(Channel::Webhook, same), hook, "{same}");
        }
        assert_ne!(lane(Channel::Webhook, "https://a.hook.example/"), hook);
        assert_eq!(lane(Channel::Webhook, "what?"), Lane::Nowhere);
    }

    #[test]
    fn slow_webhooks_hold_up_neither_each_other_nor_ntfy() {
        let mut lanes = Lanes::default();
        let hook = |number: usize| Lane::Webhook(format!("{number}.example:443"));
        for number in 0..MAX_WEBHOOKS {
            assert!(lanes.begin(&hook(number), 0), "{number}");
            assert!(!lanes.begin(&hook(number), 0), "one at a time");
        }
        assert!(!lanes.begin(&hook(MAX_WEBHOOKS), 0), "they are bounded");
        let ntfy = Lane::Ntfy("https://ntfy.sh".to_owned());
        assert!(lanes.begin(&ntfy, 0));
        lanes.end(&hook(3), &pair(1).1, None, 0);
        assert!(lanes.begin(&hook(MAX_WEBHOOKS), 0));
    }

    #[test]
    fn lanes_that_rested_are_forgotten() {
        let mut lanes = Lanes::default();
        let hook = |number: u64| Lane::Webhook(format!("{number}.example:443"));
        for number in 0..100 {
            let now_ms = number * 10_000;
            assert!(lanes.begin(&hook(number), now_ms));
            lanes.end(&hook(number), &pair(1).1, None, now_ms);
            assert!(lanes.paces.len() <= 2, "{lanes:?}");
        }
        assert_eq!(lanes.webhooks, 0);
    }
}
