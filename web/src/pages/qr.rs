//! QR codes as pages carry them: drawn here when they stand still, told to the script
//! frame by frame when they move.

use std::fmt::Write as _;

use qrcodegen::{QrCode, QrCodeEcc};

/// Light modules around a code (ISO/IEC 18004).
const QUIET: i32 = 4;

/// A code of more modules a side is hard to read from a screen.
pub(super) const DENSE: i32 = 105;

/// A code as an SVG's view box and path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Qr {
    /// Modules a side with the quiet zone.
    pub(super) side: i32,
    /// The dark modules.
    pub(super) path: String,
    /// It is hard to read from a screen.
    pub(super) dense: bool,
}

impl Qr {
    /// Of a text; `None` when it is too long for any code.
    pub(super) fn of(text: &str) -> Option<Self> {
        let code = QrCode::encode_text(text, QrCodeEcc::Low).ok()?;
        Some(Qr {
            side: code.size() + 2 * QUIET,
            path: path(&code),
            dense: code.size() > DENSE,
        })
    }
}

/// The dark modules, row by row in runs.
fn path(code: &QrCode) -> String {
    let mut path = String::new();
    for y in 0..code.size() {
        let mut x = 0;
        while x < code.size() {
            let start = x;
            while x < code.size() && code.get_module(x, y) {
                x += 1;
            }
            if x > start {
                let run = x - start;
                // Writing to a String cannot fail.
                let _ = write!(path, "M{} {}h{run}v1h-{run}z", start + QUIET, y + QUIET);
            }
            x += 1;
        }
    }
    path
}

/// The frames of a moving code: the paths, one a line, all of codes of one size. `None`
/// when one is too long.
pub(super) fn moving(frames: &[String]) -> Option<(i32, String)> {
    let codes: Option<Vec<QrCode>> = frames
        .iter()
        .map(|frame| QrCode::encode_text(frame, QrCodeEcc::Low).ok())
        .collect();
    let codes = codes?;
    let side = codes.iter().map(QrCode::size).max()?;
    let paths: Vec<String> = codes.iter().map(path).collect();
    Some((side + 2 * QUIET, paths.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The modules that a path makes dark.
    fn dark(path: &str) -> Vec<(i32, i32)> {
        let mut modules = Vec::new();
        for run in path.split('M').skip(1) {
            let (at, rest) = run.split_once('h').expect("a run");
            let (x, y) = at.split_once(' ').expect("a place");
            let (x, y): (i32, i32) = (x.parse().expect("x"), y.parse().expect("y"));
            let length: i32 = rest
                .split('v')
                .next()
                .and_then(|n| n.parse().ok())
                .expect("length");
            modules.extend((0..length).map(|n| (x + n - QUIET, y - QUIET)));
        }
        modules
    }

    #[test]
    fn the_path_is_the_code() {
        let text = "cashuB".repeat(30);
        let code = QrCode::encode_text(&text, QrCodeEcc::Low).expect("a code");
        let qr = Qr::of(&text).expect("a code");
        let all = (0..code.size()).flat_map(|y| (0..code.size()).map(move |x| (x, y)));
        let expected: Vec<(i32, i32)> = all.filter(|(x, y)| code.get_module(*x, *y)).collect();
        assert_eq!(dark(&qr.path), expected);
        assert_eq!(qr.side, code.size() + 8);
        assert!(!qr.dense);
        assert!(Qr::of(&"x".repeat(1200)).expect("a code").dense);
        assert_eq!(Qr::of(&"x".repeat(4000)), None);
    }

    #[test]
    fn frames_are_told_one_a_line() {
        let frames = ["ur:bytes/1-2/ab".to_owned(), "ur:bytes/2-2/cd".to_owned()];
        let (side, lines) = moving(&frames).expect("fits");
        assert_eq!(lines.lines().count(), 2);
        assert_eq!(
            lines.lines().next(),
            Qr::of(&frames[0]).map(|qr| qr.path).as_deref()
        );
        assert_eq!(side, 29);
    }
}
