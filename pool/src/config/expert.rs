//! Keys that nearly no operator has a reason to set: they stand in tables of their own,
//! `[expert.stratum]` and so on, so that the sections show what matters. A key that an
//! older file has in its plain section is still read, with a warning.

/// The section of each key, and its name.
const KEYS: [(&str, &[&str]); 6] = [
    (
        "upstream",
        &[
            "user_agent",
            "job_max_age_secs",
            "no_job_timeout_secs",
            "connect_timeout_secs",
            "backoff_min_ms",
            "backoff_max_secs",
            "failback_interval_secs",
            "max_lanes",
        ],
    ),
    (
        "stratum",
        &[
            "max_connections_per_address",
            "new_per_second_per_address",
            "new_burst_per_address",
            "authorize_timeout_secs",
            "handshake_hold_ms",
            "max_line_bytes",
            "messages_per_second",
            "idle_timeout_secs",
            "max_rejects_in_a_row",
            "max_unsent_bytes",
            "max_pending_shares",
            "upstream_grace_secs",
            "store_grace_secs",
        ],
    ),
    (
        "http",
        &[
            "max_connections_per_address",
            "request_timeout_secs",
            "request_burst_per_address",
        ],
    ),
    (
        "mint",
        &[
            "quote_min_work",
            "max_share_quotes_per_epoch",
            "max_requests",
        ],
    ),
    ("notices", &["look_secs"]),
    ("ocean", &["ask_every_secs"]),
];

/// True for a key that stands in `[expert.SECTION]`.
pub(super) fn is_expert(section: &str, key: &str) -> bool {
    let of_section = KEYS.iter().find(|(name, _)| *name == section);
    of_section.is_some_and(|(_, keys)| keys.contains(&key))
}

/// The table of a section's expert keys, as the file writes it.
pub(super) fn table(section: &str) -> String {
    format!("expert.{section}")
}
