//! `[notices]`: notifications to owners, and their targets.

use std::time::Duration;

use super::public_url::PublicUrl;
use super::reader::Section;

/// The settings of feeds, ntfy and webhooks.
#[derive(Clone, Debug)]
pub struct NoticesConfig {
    /// False: no feeds, and nothing is sent.
    pub enabled: bool,
    /// The servers of ntfy that owners may choose from.
    pub ntfy_servers: Vec<PublicUrl>,
    /// Whether owners may name any URL. Off by default: strangers choose where this
    /// machine sends requests then, if only to public addresses.
    pub webhooks: bool,
    /// Whether webhooks may lead to private addresses, and over plain HTTP. For a pool
    /// whose miners are all its operator's.
    pub allow_private_targets: bool,
    /// A worker without a share for so long is silent.
    pub silent_after: Duration,
    /// So many of a hundred shares rejected within an hour are worth telling.
    pub reject_percent: u64,
    /// How often miners are looked at.
    pub look_interval: Duration,
}

pub(super) fn read(section: &mut Section<'_>) -> NoticesConfig {
    NoticesConfig {
        enabled: section.get("enabled", true),
        ntfy_servers: section.get("ntfy_servers", vec![PublicUrl::ntfy()]),
        webhooks: section.get("webhooks", false),
        allow_private_targets: section.get("allow_private_targets", false),
        silent_after: section.seconds("silent_after_secs", Duration::from_secs(900), 5..=86_400),
        reject_percent: section.number("reject_percent", 5, 1..=100),
        look_interval: section.seconds("look_secs", Duration::from_secs(60), 1..=3600),
    }
}
