//! Frames of a WebSocket, with the mint's bounds on them, and what their messages ask for.
#![no_main]

use std::io::{Cursor, Read, Write};

use libfuzzer_sys::fuzz_target;
use tungstenite::Message;
use tungstenite::protocol::{Role, WebSocket, WebSocketConfig};

/// What `mint/src/http/ws` sets.
const MAX_MESSAGE_BYTES: usize = 100 << 10;

/// The client's bytes; the answers go nowhere.
struct Wire<'a>(Cursor<&'a [u8]>);

impl Read for Wire<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(into)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fuzz_target!(|input: &[u8]| {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let wire = Wire(Cursor::new(input));
    let mut socket = WebSocket::from_raw_socket(wire, Role::Server, Some(config));
    let mut messages = Vec::new();
    while let Ok(message) = socket.read() {
        match message {
            Message::Text(text) => messages.push(text.as_bytes().to_vec()),
            Message::Binary(bytes) => messages.push(bytes.to_vec()),
            Message::Close(_) => break,
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
        assert!(messages.last().is_none_or(|last| last.len() <= MAX_MESSAGE_BYTES));
    }
    // Messages as frames bring them, and the input's lines as if each were a message.
    let taken = messages.iter().map(|message| (7, message.as_slice()));
    let lines = input.split(|byte| *byte == b'\n').map(|line| (u64::from(line.len() as u32), line));
    mint::fuzzing::run_messages(taken.chain(lines));
});
