//! What a connection still has to say, and how the faults bend it. Pure: the time is
//! handed in, and what comes out are writes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Faults;

/// How long messages wait for others to share a segment with.
const COALESCE_HOLD: Duration = Duration::from_millis(30);
/// How long answers wait for others to be overtaken by.
const REVERSE_HOLD: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Answer,
    Push,
}

#[derive(Debug)]
struct Message {
    due: Instant,
    kind: Kind,
    bytes: Vec<u8>,
}

/// The messages in the order in which they were said.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    messages: VecDeque<Message>,
}

impl Outgoing {
    pub(crate) fn push(&mut self, kind: Kind, bytes: Vec<u8>, faults: &Faults, now: Instant) {
        let mut wait = Duration::ZERO;
        if kind == Kind::Answer {
            wait += faults.answer_delay;
            if faults.answers_reversed {
                wait += REVERSE_HOLD;
            }
        }
        if faults.coalesce {
            wait += COALESCE_HOLD;
        }
        self.messages.push_back(Message {
            due: now + wait,
            kind,
            bytes,
        });
    }

    /// When something is to be written next.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.messages.iter().map(|message| message.due).min()
    }

    /// Takes what is to be written now, write by write.
    pub(crate) fn take_due(&mut self, faults: &Faults, now: Instant) -> Vec<Vec<u8>> {
        if self.next_due().is_none_or(|due| due > now) {
            return Vec::new();
        }
        let all = faults.coalesce || faults.answers_reversed;
        let (mut taken, kept): (Vec<Message>, Vec<Message>) = self
            .messages
            .drain(..)
            .partition(|message| all || message.due <= now);
        self.messages = kept.into();
        if faults.answers_reversed {
            reverse_answers(&mut taken);
        }
        let writes = taken.into_iter().map(|message| message.bytes);
        let writes: Vec<_> = if faults.coalesce {
            vec![writes.flatten().collect()]
        } else {
            writes.collect()
        };
        if faults.byte_by_byte {
            return writes
                .into_iter()
                .flatten()
                .map(|byte| vec![byte])
                .collect();
        }
        writes
    }
}

/// Reverses the answers among themselves; everything else keeps its place.
fn reverse_answers(messages: &mut [Message]) {
    let places: Vec<usize> = messages
        .iter()
        .enumerate()
        .filter(|(_, message)| message.kind == Kind::Answer)
        .map(|(place, _)| place)
        .collect();
    for (&front, &back) in places.iter().zip(places.iter().rev()) {
        if front < back {
            messages.swap(front, back);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: [(Kind, &str); 4] = [
        (Kind::Answer, "a"),
        (Kind::Push, "p"),
        (Kind::Answer, "b"),
        (Kind::Answer, "c"),
    ];

    #[track_caller]
    fn case(faults: Faults, after: Duration, expected: &[&str]) {
        let start = Instant::now();
        let mut outgoing = Outgoing::default();
        for (kind, text) in MESSAGES {
            outgoing.push(kind, text.into(), &faults, start);
        }
        let writes = outgoing.take_due(&faults, start + after);
        let writes: Vec<_> = writes
            .iter()
            .map(|w| std::str::from_utf8(w).unwrap())
            .collect();
        assert_eq!(writes, expected);
    }

    #[test]
    fn faults_bend_the_writes() {
        let now = Duration::ZERO;
        let late = Duration::from_secs(1);
        let none = Faults::default();
        case(none, now, &["a", "p", "b", "c"]);
        case(
            Faults {
                answer_delay: late,
                ..none
            },
            now,
            &["p"],
        );
        case(
            Faults {
                answer_delay: late,
                ..none
            },
            late,
            &["a", "p", "b", "c"],
        );
        case(
            Faults {
                answers_reversed: true,
                ..none
            },
            late,
            &["c", "p", "b", "a"],
        );
        case(
            Faults {
                coalesce: true,
                ..none
            },
            now,
            &[],
        );
        case(
            Faults {
                coalesce: true,
                ..none
            },
            late,
            &["apbc"],
        );
        let both = Faults {
            coalesce: true,
            byte_by_byte: true,
            ..none
        };
        case(both, late, &["a", "p", "b", "c"]);
    }
}
