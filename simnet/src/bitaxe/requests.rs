//! Requests of firmwares, byte for byte.

use bitcoin::hex::DisplayHex as _;
use serde_json::{Value, json};

use super::search::Found;
use super::{Firmware, PoolAddress};

/// The handshake, line by line. Ids count from 1.
pub(crate) fn handshake(firmware: Firmware, user_agent: &str, pool: &PoolAddress) -> Vec<String> {
    let configure = json!([["version-rolling"], { "version-rolling.mask": "ffffffff" }]);
    let configure = ("mining.configure", configure);
    let subscribe = ("mining.subscribe", json!([user_agent]));
    let authorize = ("mining.authorize", json!([pool.username, pool.password]));
    let calls = match firmware {
        Firmware::EspMiner => vec![configure, subscribe, authorize],
        Firmware::NerdQAxe => vec![subscribe, configure, authorize],
        Firmware::NerdMiner | Firmware::Minerd => vec![subscribe, authorize],
    };
    (1..)
        .zip(calls)
        .map(|(id, (method, params))| line(id, method, &params))
        .collect()
}

/// The probe that a Bitaxe on its fallback sends: no configure.
pub(crate) fn probe(user_agent: &str, pool: &PoolAddress) -> [String; 2] {
    [
        line(1, "mining.subscribe", &json!([user_agent])),
        line(
            2,
            "mining.authorize",
            &json!([pool.username, pool.password]),
        ),
    ]
}

pub(crate) fn suggest_difficulty(id: u64, difficulty: f64) -> String {
    line(id, "mining.suggest_difficulty", &json!([difficulty]))
}

pub(crate) fn extranonce_subscribe(id: u64) -> String {
    line(id, "mining.extranonce.subscribe", &json!([]))
}

pub(crate) fn pong(id: &Value) -> String {
    format!("{}\n", json!({ "id": id, "result": "pong", "error": null }))
}

pub(crate) fn submit(firmware: Firmware, id: u64, username: &str, share: &Found) -> String {
    let job = &share.notify;
    let nonce = match firmware {
        Firmware::NerdMiner => format!("{:x}", share.nonce),
        _ => format!("{:08x}", share.nonce),
    };
    let mut params = vec![
        json!(username),
        json!(job.job_id),
        json!(share.extranonce2.to_lower_hex_string()),
        json!(format!("{:08x}", job.ntime)),
        json!(nonce),
    ];
    if firmware.rolls_version() {
        params.push(json!(format!("{:08x}", share.version ^ job.version)));
    }
    line(id, "mining.submit", &Value::Array(params))
}

/// A submit of a job that does not exist.
pub(crate) fn junk(id: u64, username: &str) -> String {
    let params = json!([
        username, "junk", "00000000", "00000000", "00000000", "00000000"
    ]);
    line(id, "mining.submit", &params)
}

fn line(id: u64, method: &str, params: &Value) -> String {
    // Written by hand for the order of the members: id, method, params, as firmware does.
    format!("{{\"id\":{id},\"method\":\"{method}\",\"params\":{params}}}\n")
}
