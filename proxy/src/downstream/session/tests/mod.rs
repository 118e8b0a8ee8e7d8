//! The session against a world made of plain values.

mod difficulty;
mod handshake;
mod hostile;
mod lane;
mod scripts;
mod shares;

use std::sync::Arc;

use serde_json::Value;

use super::world::*;
use super::{Outgoing, Session};
use crate::Difficulty;
use crate::downstream::close::CloseReason;
use crate::job::Assigned;
use crate::upstream::Unavailable;

#[test]
fn a_session_is_small() {
    let bytes = size_of::<Session>();
    assert!(bytes <= 640, "{bytes} bytes");
}
