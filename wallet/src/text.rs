//! A stranger's text, shown to a person.

/// Letters of a stranger's text that are shown at most.
const MAX_SHOWN: usize = 300;

/// A stranger's text as one line that can do nothing to a terminal, and not too long.
pub fn plain(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_SHOWN)
        .collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_text_does_nothing_to_the_terminal() {
        assert_eq!(plain("a\x1b[2Jb\r\nc\u{9b}d"), "a [2Jb  c d");
        assert_eq!(plain(&"é".repeat(MAX_SHOWN)), "é".repeat(MAX_SHOWN));
        assert_eq!(
            plain(&"é".repeat(MAX_SHOWN + 1)),
            format!("{}...", "é".repeat(MAX_SHOWN))
        );
    }
}
