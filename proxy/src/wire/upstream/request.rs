//! Our requests to a pool, appended to a buffer as whole lines. The ids are ours.

use crate::Difficulty;
use crate::hex;
use crate::wire::Id;
use crate::wire::reply::{push_display, push_string, result};

/// `mining.configure` (BIP310): version rolling with `mask`.
pub fn configure(out: &mut Vec<u8>, id: u64, mask: u32) {
    request(out, id, "mining.configure", |out| {
        out.extend_from_slice(b"[\"version-rolling\"],{\"version-rolling.mask\":\"");
        hex::push_u32(out, mask);
        out.extend_from_slice(b"\",\"version-rolling.min-bit-count\":2}");
    });
}

/// `mining.subscribe`.
pub fn subscribe(out: &mut Vec<u8>, id: u64, user_agent: &str) {
    request(out, id, "mining.subscribe", |out| {
        push_string(out, user_agent)
    });
}

/// `mining.extranonce.subscribe`.
pub fn extranonce_subscribe(out: &mut Vec<u8>, id: u64) {
    request(out, id, "mining.extranonce.subscribe", |_| {});
}

/// `mining.authorize`.
pub fn authorize(out: &mut Vec<u8>, id: u64, username: &str, password: &str) {
    request(out, id, "mining.authorize", |out| {
        push_string(out, username);
        out.push(b',');
        push_string(out, password);
    });
}

/// `mining.suggest_difficulty`.
pub fn suggest_difficulty(out: &mut Vec<u8>, id: u64, difficulty: Difficulty) {
    request(out, id, "mining.suggest_difficulty", |out| {
        push_display(out, difficulty)
    });
}

/// A share as a pool is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submit<'a> {
    /// Ours, the only one that is ever sent.
    pub username: &'a str,
    /// The pool's name for the job.
    pub job_id: &'a str,
    /// All of the upstream's extranonce2: our prefix and the miner's part.
    pub extranonce2: &'a [u8],
    /// The header's time.
    pub ntime: u32,
    /// The header's nonce.
    pub nonce: u32,
    /// The rolled bits (BIP310). `Some` whenever the pool granted a mask, also for
    /// miners that do not roll: DATUM refuses five params then.
    pub version_bits: Option<u32>,
}

/// `mining.submit`.
pub fn submit(out: &mut Vec<u8>, id: u64, share: &Submit<'_>) {
    request(out, id, "mining.submit", |out| {
        push_string(out, share.username);
        out.push(b',');
        push_string(out, share.job_id);
        out.extend_from_slice(b",\"");
        hex::push(out, share.extranonce2);
        for number in [Some(share.ntime), Some(share.nonce), share.version_bits]
            .into_iter()
            .flatten()
        {
            out.extend_from_slice(b"\",\"");
            hex::push_u32(out, number);
        }
        out.push(b'"');
    });
}

/// The answer to a pool's `mining.ping`.
pub fn pong(out: &mut Vec<u8>, id: Id<'_>) {
    crate::wire::reply::pong(out, id);
}

/// The answer to a pool's `client.get_version`.
pub fn version(out: &mut Vec<u8>, id: Id<'_>, user_agent: &str) {
    result(out, id, |out| push_string(out, user_agent));
}

fn request(out: &mut Vec<u8>, id: u64, method: &str, params: impl FnOnce(&mut Vec<u8>)) {
    push_display(
        out,
        format_args!("{{\"id\":{id},\"method\":\"{method}\",\"params\":["),
    );
    params(out);
    out.extend_from_slice(b"]}\n");
}
