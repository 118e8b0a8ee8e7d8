//! The part of a downstream `mining.notify` that is the same for every session.

use crate::hex;
use crate::wire::upstream::Notify;

/// The params from prevhash up to and with nbits, as JSON:
/// `"<prevhash>","<coinb1>","<coinb2>",["<branch>",..],"<version>","<nbits>"`.
pub(super) fn notify_middle(notify: &Notify) -> String {
    let bytes = notify.coinb1.len() + notify.coinb2.len();
    let mut text = Vec::with_capacity(2 * bytes + 67 * notify.merkle_branch.len() + 128);
    text.push(b'"');
    // On the wire each group of four bytes of the hash is reversed.
    for [a, b, c, d] in notify.prev_hash.as_chunks::<4>().0 {
        hex::push(&mut text, &[*d, *c, *b, *a]);
    }
    text.extend_from_slice(b"\",\"");
    hex::push(&mut text, &notify.coinb1);
    text.extend_from_slice(b"\",\"");
    hex::push(&mut text, &notify.coinb2);
    text.extend_from_slice(b"\",[");
    for (at, branch) in notify.merkle_branch.iter().enumerate() {
        text.extend_from_slice(if at == 0 { b"\"".as_slice() } else { b",\"" });
        hex::push(&mut text, branch);
        text.push(b'"');
    }
    text.extend_from_slice(b"],\"");
    hex::push_u32(&mut text, notify.version);
    text.extend_from_slice(b"\",\"");
    hex::push_u32(&mut text, notify.nbits);
    text.push(b'"');
    String::from_utf8(text).expect("hex digits and JSON's punctuation are ASCII")
}
