//! QR codes on a terminal.

use qrcodegen::{QrCode, QrCodeEcc};

/// Light modules around the code that a scanner needs (ISO/IEC 18004 says four; two
/// are enough for phones, and keep the code on a small screen).
const QUIET: i32 = 2;

/// `text` as a QR code: two rows of it are one line of half blocks. With `colour` it
/// brings its own black and white (ANSI), so that it is no negative on a light terminal.
/// `None` when the text is too long for a code.
pub fn terminal_qr(text: &str, colour: bool) -> Option<String> {
    let code = QrCode::encode_text(text, QrCodeEcc::Low).ok()?;
    let side = code.size();
    let light = |x: i32, y: i32| !code.get_module(x, y);
    let mut drawn = String::new();
    for y in (-QUIET..side + QUIET).step_by(2) {
        if colour {
            drawn.push_str("\x1b[97;40m");
        }
        for x in -QUIET..side + QUIET {
            // Below the last row of an odd number there is nothing: dark like the screen.
            let lower = y + 1 < side + QUIET && light(x, y + 1);
            drawn.push(match (light(x, y), lower) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        if colour {
            drawn.push_str("\x1b[0m");
        }
        drawn.push('\n');
    }
    Some(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The modules that a drawing shows: true is light.
    fn read(drawn: &str) -> Vec<Vec<bool>> {
        let mut rows = Vec::new();
        for line in drawn.lines() {
            let upper = line.chars().map(|c| matches!(c, '█' | '▀')).collect();
            let lower = line.chars().map(|c| matches!(c, '█' | '▄')).collect();
            rows.extend([upper, lower]);
        }
        rows
    }

    #[test]
    fn the_drawing_is_the_code() {
        let text = "npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg";
        let code = QrCode::encode_text(text, QrCodeEcc::Low).unwrap();
        let rows = read(&terminal_qr(text, false).unwrap());
        let (side, quiet) = (code.size(), QUIET);
        for y in -quiet..side + quiet {
            for x in -quiet..side + quiet {
                let shown =
                    rows[usize::try_from(y + quiet).unwrap()][usize::try_from(x + quiet).unwrap()];
                assert_eq!(shown, !code.get_module(x, y), "{x}, {y}");
            }
        }
    }

    #[test]
    fn a_screen_of_80_columns_holds_a_key() {
        let drawn = terminal_qr(&"n".repeat(66), false).unwrap();
        let widest = drawn.lines().map(|line| line.chars().count()).max();
        assert!(
            widest.unwrap() <= 80 && drawn.lines().count() <= 24,
            "{drawn}"
        );
    }

    #[test]
    fn a_text_too_long_for_a_code_is_none() {
        assert_eq!(terminal_qr(&"x".repeat(4000), true), None);
    }
}
