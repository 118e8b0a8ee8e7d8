//! The part of a downstream `mining.notify` that is the same for every session.

use super::client::NewJob;

/// The params from prevhash up to and with nbits, as JSON:
/// `"<prevhash>","<coinb1>","<coinb2>",["<branch>",..],"<version>","<nbits>"`.
pub(super) fn notify_middle(job: &NewJob) -> String {
    let bytes = 64 + 2 * (job.coinb1.len() + job.coinb2.len()) + 67 * job.merkle_branch.len() + 40;
    let mut text = String::with_capacity(bytes);
    text.push('"');
    // On the wire the eight words of the hash are each byte-reversed.
    for word in job.prev_hash.chunks_exact(4) {
        word.iter().rev().for_each(|&byte| push_hex(&mut text, byte));
    }
    text.push_str("\",\"");
    job.coinb1.iter().for_each(|&byte| push_hex(&mut text, byte));
    text.push_str("\",\"");
    job.coinb2.iter().for_each(|&byte| push_hex(&mut text, byte));
    text.push_str("\",[");
    for (at, branch) in job.merkle_branch.iter().enumerate() {
        text.push_str(if at == 0 { "\"" } else { ",\"" });
        branch.iter().for_each(|&byte| push_hex(&mut text, byte));
        text.push('"');
    }
    text.push_str("],\"");
    job.version.to_be_bytes().iter().for_each(|&byte| push_hex(&mut text, byte));
    text.push_str("\",\"");
    job.nbits.to_be_bytes().iter().for_each(|&byte| push_hex(&mut text, byte));
    text.push('"');
    text
}

fn push_hex(text: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.push(char::from(DIGITS[usize::from(byte >> 4)]));
    text.push(char::from(DIGITS[usize::from(byte & 15)]));
}
