//! Messages to a miner, appended to a buffer as whole lines.
#![cfg_attr(
    not(test),
    deny(
        clippy::float_arithmetic,
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing
    )
)]

use std::fmt;
use std::io::Write;

use super::{Id, JobId};
use crate::{Difficulty, hex};

/// `true`.
pub fn accepted(out: &mut Vec<u8>, id: Id<'_>) {
    result(out, id, |out| out.extend_from_slice(b"true"));
}

/// An error `[code, "text", null]`. The text is ours and never holds a username.
pub fn error(out: &mut Vec<u8>, id: Id<'_>, code: u8, text: impl fmt::Display) {
    out.extend_from_slice(b"{\"id\":");
    id.push(out);
    out.extend_from_slice(b",\"result\":null,\"error\":[");
    push_display(out, code);
    out.push(b',');
    push_string(out, &text.to_string());
    out.extend_from_slice(b",null]}\n");
}

/// The answer to `mining.subscribe`. It names `mining.notify`, which a Bitaxe's
/// failback probe looks for, and the subscription's name, `session` in hex.
pub fn subscribed(
    out: &mut Vec<u8>,
    id: Id<'_>,
    session: u64,
    extranonce1: &[u8],
    extranonce2_size: usize,
) {
    result(out, id, |out| {
        out.extend_from_slice(b"[[[\"mining.set_difficulty\",\"");
        push_display(out, format_args!("{session:x}"));
        out.extend_from_slice(b"\"],[\"mining.notify\",\"");
        push_display(out, format_args!("{session:x}"));
        out.extend_from_slice(b"\"]],\"");
        hex::push(out, extranonce1);
        out.extend_from_slice(b"\",");
        push_display(out, extranonce2_size);
        out.push(b']');
    });
}

/// What was granted of a [`Configure`](super::Configure).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Configured<'a> {
    /// The mask granted; `None` when version rolling was not asked for. 0 tells the
    /// miner that it may not roll.
    pub version_mask: Option<u32>,
    /// Whether the `minimum-difficulty` that was asked for is kept to; `None` when none
    /// was.
    pub minimum_difficulty: Option<bool>,
    /// `subscribe-extranonce` was asked for.
    pub subscribe_extranonce: bool,
    /// `info` was given.
    pub info: bool,
    /// The extensions that are refused, which BIP310 answers with `false`.
    pub refused: &'a [Box<str>],
}

/// The answer to `mining.configure`.
pub fn configured(out: &mut Vec<u8>, id: Id<'_>, granted: &Configured<'_>) {
    result(out, id, |out| {
        let mut separator = b'{';
        let mut granted_names = [
            ("minimum-difficulty", granted.minimum_difficulty),
            (
                "subscribe-extranonce",
                granted.subscribe_extranonce.then_some(true),
            ),
            ("info", granted.info.then_some(true)),
        ]
        .into_iter()
        .filter_map(|(name, granted)| Some((name, granted?)))
        .chain(granted.refused.iter().map(|name| (&**name, false)));
        if let Some(mask) = granted.version_mask {
            // Always `true`: at `false` ESP-Miner v2.15 goes on rolling its chip's own
            // mask and cgminer gives the pool up. A mask of no bits says the same, and
            // both heed it.
            out.extend_from_slice(b"{\"version-rolling\":true,\"version-rolling.mask\":\"");
            hex::push_u32(out, mask);
            out.push(b'"');
            separator = b',';
        }
        for (name, granted) in &mut granted_names {
            out.push(separator);
            separator = b',';
            push_string(out, name);
            push_display(out, format_args!(":{granted}"));
        }
        if separator == b'{' {
            out.push(b'{');
        }
        out.push(b'}');
    });
}

/// `mining.set_difficulty`: for the jobs after it.
pub fn set_difficulty(out: &mut Vec<u8>, difficulty: Difficulty) {
    out.extend_from_slice(b"{\"id\":null,\"method\":\"mining.set_difficulty\",\"params\":[");
    push_display(out, difficulty);
    out.extend_from_slice(b"]}\n");
}

/// `mining.notify`, with the part that [`notify_middle`](crate::job::notify_middle) made.
pub fn notify(out: &mut Vec<u8>, job: JobId, middle: &str, ntime: u32, clean_jobs: bool) {
    out.reserve(middle.len().saturating_add(128));
    out.extend_from_slice(b"{\"id\":null,\"method\":\"mining.notify\",\"params\":[\"");
    push_display(out, job);
    out.extend_from_slice(b"\",");
    out.extend_from_slice(middle.as_bytes());
    out.extend_from_slice(b",\"");
    hex::push_u32(out, ntime);
    out.extend_from_slice(if clean_jobs {
        b"\",true]}\n"
    } else {
        b"\",false]}\n"
    });
}

/// `mining.set_extranonce`. ESP-Miner heeds it at once, others with the next job.
pub fn set_extranonce(out: &mut Vec<u8>, extranonce1: &[u8], extranonce2_size: usize) {
    out.extend_from_slice(b"{\"id\":null,\"method\":\"mining.set_extranonce\",\"params\":[\"");
    hex::push(out, extranonce1);
    out.extend_from_slice(b"\",");
    push_display(out, extranonce2_size);
    out.extend_from_slice(b"]}\n");
}

/// `mining.set_version_mask` (BIP310).
pub fn set_version_mask(out: &mut Vec<u8>, mask: u32) {
    out.extend_from_slice(b"{\"id\":null,\"method\":\"mining.set_version_mask\",\"params\":[\"");
    hex::push_u32(out, mask);
    out.extend_from_slice(b"\"]}\n");
}

/// `client.show_message`: a text for the device's screen.
pub fn show_message(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b"{\"id\":null,\"method\":\"client.show_message\",\"params\":[");
    push_string(out, text);
    out.extend_from_slice(b"]}\n");
}

/// The answer to `mining.ping`.
pub fn pong(out: &mut Vec<u8>, id: Id<'_>) {
    result(out, id, |out| out.extend_from_slice(b"\"pong\""));
}

/// The answer to `client.get_version`.
pub fn version(out: &mut Vec<u8>, id: Id<'_>, software: &str) {
    result(out, id, |out| push_string(out, software));
}

pub(super) fn result(out: &mut Vec<u8>, id: Id<'_>, value: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"{\"id\":");
    id.push(out);
    out.extend_from_slice(b",\"result\":");
    value(out);
    out.extend_from_slice(b",\"error\":null}\n");
}

pub(super) fn push_display(out: &mut Vec<u8>, value: impl fmt::Display) {
    write!(out, "{value}").expect("a Vec takes every write");
}

/// A JSON string with its escapes.
pub(super) fn push_string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a Vec takes every write and a str is always JSON");
}
