//! `[stratum]`: the miners' side. The limits and their defaults are the proxy's own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proxy::Difficulty;
use proxy::config::{DownstreamConfig, Limits, TlsConfig};

use super::reader::Section;
use super::setting::Refusal;

/// A Bitaxe's ASIC reports nothing below it: a lower difficulty brings no more shares.
const MIN_DIFFICULTY: f64 = 256.0;
/// What a Bitaxe suggests by itself.
const START_DIFFICULTY: f64 = 1000.0;

const DAY_SECS: u64 = 86_400;

pub(super) fn read(section: &mut Section<'_>, base: &Path) -> DownstreamConfig {
    let listen = section.get_if(
        "listen",
        vec![SocketAddr::from(([0, 0, 0, 0], 3333))],
        |list| not_empty(list),
    );
    let min_difficulty = section.get("min_difficulty", difficulty(MIN_DIFFICULTY));
    let start_difficulty = section.get("start_difficulty", difficulty(START_DIFFICULTY));
    if start_difficulty < min_difficulty {
        section.problem(
            "start_difficulty",
            Some(&toml::Value::Float(start_difficulty.get())),
            &format!("below min_difficulty, {}", min_difficulty.get()),
            "raise it, or lower min_difficulty",
        );
    }
    let target_shares_per_minute = section.get_if("target_shares_per_minute", 8.0, |rate: &f64| {
        let is_sane = (0.1..=1e6).contains(rate);
        is_sane
            .then_some(())
            .ok_or_else(|| Refusal::new("not from 0.1 to 1000000", "6 to 10 suits a Bitaxe"))
    });
    DownstreamConfig {
        listen,
        min_difficulty,
        start_difficulty,
        target_shares_per_minute,
        limits: limits(section),
        upstream_grace: section.seconds(
            "upstream_grace_secs",
            Duration::from_secs(30),
            0..=DAY_SECS,
        ),
        store_grace: section.seconds("store_grace_secs", Duration::from_secs(300), 1..=DAY_SECS),
        tls: tls(section, base),
        proxy_protocol_from: section.get("proxy_protocol_from", Vec::new()),
    }
}

fn limits(section: &mut Section<'_>) -> Limits {
    let defaults = Limits::default();
    Limits {
        max_connections: section.number("max_connections", defaults.max_connections, 1..=1_000_000),
        max_connections_per_address: section.number(
            "max_connections_per_address",
            defaults.max_connections_per_address,
            1..=1_000_000,
        ),
        new_per_second_per_address: section.number(
            "new_per_second_per_address",
            defaults.new_per_second_per_address,
            1..=1_000_000,
        ),
        new_burst_per_address: section.number(
            "new_burst_per_address",
            defaults.new_burst_per_address,
            1..=1_000_000,
        ),
        authorize_timeout: section.seconds(
            "authorize_timeout_secs",
            defaults.authorize_timeout,
            1..=600,
        ),
        handshake_hold: section.millis("handshake_hold_ms", defaults.handshake_hold, 0..=4_000),
        max_line_bytes: section.number("max_line_bytes", defaults.max_line_bytes, 1024..=1 << 20),
        messages_per_second: section.number(
            "messages_per_second",
            defaults.messages_per_second,
            1..=1_000_000,
        ),
        idle_timeout: section.seconds("idle_timeout_secs", defaults.idle_timeout, 10..=DAY_SECS),
        max_rejects_in_a_row: section.number(
            "max_rejects_in_a_row",
            defaults.max_rejects_in_a_row,
            1..=1_000_000,
        ),
        max_unsent_bytes: section.number(
            "max_unsent_bytes",
            defaults.max_unsent_bytes,
            8192..=1 << 24,
        ),
        max_pending_shares: section.number(
            "max_pending_shares",
            defaults.max_pending_shares,
            1..=65_536,
        ),
    }
}

/// TLS needs its three keys together.
fn tls(section: &mut Section<'_>, base: &Path) -> Option<TlsConfig> {
    let listen: Option<Vec<SocketAddr>> = section.optional("tls_listen");
    let certificate: Option<PathBuf> = section.optional("tls_certificate");
    let key: Option<PathBuf> = section.optional("tls_key");
    let given = [
        ("tls_listen", listen.is_some()),
        ("tls_certificate", certificate.is_some()),
        ("tls_key", key.is_some()),
    ];
    if given.iter().any(|(_, is_given)| *is_given) {
        for (name, _) in given.iter().filter(|(_, is_given)| !is_given) {
            section.problem(
                name,
                None,
                "missing: TLS needs tls_listen, tls_certificate and tls_key",
                "give it too, or none of the three",
            );
        }
    }
    let certificate = certificate.map(|path| section.readable("tls_certificate", base, path));
    let key = key.map(|path| section.readable("tls_key", base, path));
    Some(TlsConfig {
        listen: listen?,
        certificate: certificate?,
        key: key?,
    })
}

fn not_empty(list: &[SocketAddr]) -> Result<(), Refusal> {
    match list {
        [] => Err(Refusal::new(
            "no address to listen on",
            "give at least one, such as \"0.0.0.0:3333\"",
        )),
        _ => Ok(()),
    }
}

fn difficulty(number: f64) -> Difficulty {
    Difficulty::new(number).expect("the defaults are above 0")
}
