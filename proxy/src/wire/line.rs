//! Lines out of segments.
#![cfg_attr(
    not(test),
    deny(
        clippy::float_arithmetic,
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing
    )
)]

use thiserror::Error;

/// A peer sent more bytes without an end of line than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("line longer than {limit} bytes")]
pub struct LineTooLong {
    /// The most bytes of a line, its end not counted.
    pub limit: usize,
}

/// Cuts what a socket gives into lines.
///
/// A line that lies in one segment is borrowed from it. Only the beginning of a line
/// whose end has not come is kept, and an idle decoder holds no memory.
#[derive(Debug)]
pub struct LineDecoder {
    partial: Vec<u8>,
    limit: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// `partial` is the beginning of a line, or nothing.
    Collecting,
    /// `partial` is a line that was handed out by the last call.
    HandedOut,
    /// In a line that is too long, up to its end.
    Skipping,
}

impl LineDecoder {
    /// A decoder for lines of up to `limit` bytes, the newline not counted.
    pub fn new(limit: usize) -> Self {
        LineDecoder {
            partial: Vec::new(),
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
            state: State::Collecting,
        }
    }

    /// Takes the next line from the front of `segment`; `None` when no whole line is
    /// left, and all of the segment is taken then. Call it until it gives `None`.
    ///
    /// Ends with `\n` or `\r\n`; lines that are empty or blank are passed over. A line beyond the limit
    /// is an error once, as soon as it is known to be, and is skipped to its end: a
    /// caller may go on after it.
    pub fn next_line<'a, 's: 'a>(
        &'a mut self,
        segment: &mut &'s [u8],
    ) -> Result<Option<&'a [u8]>, LineTooLong> {
        if self.state == State::HandedOut {
            self.partial = Vec::new();
            self.state = State::Collecting;
        }
        loop {
            let Some((head, rest)) = split_line(segment) else {
                let tail = std::mem::take(segment);
                return self.keep(tail).map(|()| None);
            };
            *segment = rest;
            if self.state == State::Skipping {
                self.state = State::Collecting;
                continue;
            }
            if self.partial.len().saturating_add(head.len()) > self.limit() {
                self.partial = Vec::new();
                return Err(self.too_long());
            }
            if self.partial.is_empty() {
                match trim(head) {
                    [] => continue,
                    line => return Ok(Some(line)),
                }
            }
            self.partial.extend_from_slice(head);
            if trim(&self.partial).is_empty() {
                self.partial = Vec::new();
                continue;
            }
            self.state = State::HandedOut;
            return Ok(Some(trim(&self.partial)));
        }
    }

    /// True while the beginning of a line is kept.
    pub fn has_partial(&self) -> bool {
        self.state == State::Collecting && !self.partial.is_empty()
    }

    fn keep(&mut self, tail: &[u8]) -> Result<(), LineTooLong> {
        if self.state == State::Skipping || tail.is_empty() {
            return Ok(());
        }
        if self.partial.len().saturating_add(tail.len()) > self.limit() {
            self.partial = Vec::new();
            self.state = State::Skipping;
            return Err(self.too_long());
        }
        self.partial.extend_from_slice(tail);
        Ok(())
    }

    fn limit(&self) -> usize {
        usize::try_from(self.limit).unwrap_or(usize::MAX)
    }

    fn too_long(&self) -> LineTooLong {
        LineTooLong {
            limit: self.limit(),
        }
    }
}

fn split_line(segment: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(b'\n', segment)?;
    let (line, rest) = segment.split_at_checked(at)?;
    Some((line, rest.split_first()?.1))
}

/// A line without its end; nothing where it is blank.
fn trim(line: &[u8]) -> &[u8] {
    if line.trim_ascii().is_empty() {
        return &[];
    }
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::cases;

    const LIMIT: usize = 8;

    /// What a splitter gives that has all of it at once.
    fn naive(bytes: &[u8]) -> Vec<Result<Vec<u8>, LineTooLong>> {
        let mut pieces: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
        let unfinished = pieces.pop().unwrap_or_default();
        let mut lines: Vec<_> = pieces
            .into_iter()
            .filter_map(|piece| match piece.len() {
                too_long if too_long > LIMIT => Some(Err(LineTooLong { limit: LIMIT })),
                _ => Some(piece.strip_suffix(b"\r").unwrap_or(piece))
                    .filter(|line| !line.trim_ascii().is_empty())
                    .map(|l| Ok(l.to_vec())),
            })
            .collect();
        if unfinished.len() > LIMIT {
            lines.push(Err(LineTooLong { limit: LIMIT }));
        }
        lines
    }

    fn decode(segments: &[&[u8]]) -> (Vec<Result<Vec<u8>, LineTooLong>>, LineDecoder) {
        let mut decoder = LineDecoder::new(LIMIT);
        let mut lines = Vec::new();
        for segment in segments {
            let mut rest = *segment;
            loop {
                match decoder.next_line(&mut rest) {
                    Ok(Some(line)) => lines.push(Ok(line.to_vec())),
                    Ok(None) => break,
                    Err(error) => lines.push(Err(error)),
                }
            }
        }
        (lines, decoder)
    }

    #[test]
    fn a_line_in_one_segment_is_borrowed_from_it() {
        let segment = b"one\r\ntwo\n".to_vec();
        let mut decoder = LineDecoder::new(LIMIT);
        let mut rest = &segment[..];
        let line = decoder
            .next_line(&mut rest)
            .expect("short")
            .expect("a line");
        assert_eq!((line, line.as_ptr()), (&b"one"[..], segment.as_ptr()));
        assert_eq!(decoder.next_line(&mut rest), Ok(Some(&b"two"[..])));
        assert_eq!(decoder.next_line(&mut rest), Ok(None));
        assert_eq!(decoder.partial.capacity(), 0);
    }

    #[test]
    fn blank_lines_are_passed_over() {
        let (lines, decoder) = decode(&[b"  \n\t\n \t\r\none\n", b" ", b" \n\r\ntwo\n"]);
        assert_eq!(lines, [Ok(b"one".to_vec()), Ok(b"two".to_vec())]);
        assert_eq!(decoder.partial.capacity(), 0);
    }

    #[test]
    fn nothing_is_kept_once_a_split_line_is_done() {
        let (lines, decoder) = decode(&[b"on", b"e\ntw", b"o\n"]);
        assert_eq!(lines, [Ok(b"one".to_vec()), Ok(b"two".to_vec())]);
        assert!(!decoder.has_partial());
        assert_eq!(decoder.partial.capacity(), 0);
    }

    #[test]
    fn a_line_that_is_too_long_is_told_once_and_skipped() {
        let (lines, decoder) = decode(&[b"12345678", b"9", b"0123456789", b"x\nafter\n"]);
        assert_eq!(
            lines,
            [Err(LineTooLong { limit: LIMIT }), Ok(b"after".to_vec())]
        );
        assert_eq!(decoder.partial.capacity(), 0);
        assert!(size_of::<LineDecoder>() <= 32);
    }

    proptest! {
        #![proptest_config(cases(2_000))]

        #[test]
        fn any_segmentation_gives_the_lines_of_the_whole(
            bytes in prop::collection::vec(prop_oneof![3 => Just(b'\n'), 2 => Just(b'\r'), 2 => Just(b' '), 2 => Just(b'\t'), 9 => Just(b'a'), 9 => any::<u8>()], 0..200),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let mut segments = Vec::new();
            let mut from = 0;
            for cut in cuts.into_iter().chain([bytes.len()]) {
                segments.push(&bytes[from..cut]);
                from = cut;
            }
            let (lines, decoder) = decode(&segments);
            prop_assert_eq!(lines, naive(&bytes));
            prop_assert!(decoder.partial.len() <= LIMIT);
        }
    }
}
