//! Questions and answers, a line each.

use std::io::{BufRead, Read as _};

use anyhow::{Result, bail};
use basics::output;

/// The longest answer.
const MAX_ANSWER_BYTES: u64 = 4_096;

/// Whoever answers: a person at the terminal, lines of a pipe, or nobody.
#[derive(Debug)]
pub(crate) struct Dialogue<R> {
    /// `None`: nobody is asked, and every answer is the default.
    input: Option<R>,
}

impl<R: BufRead> Dialogue<R> {
    pub(crate) fn new(input: Option<R>) -> Self {
        Dialogue { input }
    }

    /// True when somebody can be asked again.
    pub(crate) fn can_ask(&self) -> bool {
        self.input.is_some()
    }

    /// Asks, and gives the answer without the spaces around it; empty when nobody is asked.
    pub(crate) fn ask(&mut self, question: &str) -> Result<String> {
        let Some(input) = &mut self.input else {
            return Ok(String::new());
        };
        output::remark(question);
        let mut line = Vec::new();
        input.take(MAX_ANSWER_BYTES).read_until(b'\n', &mut line)?;
        if line.pop_if(|last| *last == b'\n').is_none() {
            bail!(
                "the answers ended at this question; nothing was written. Without a terminal \
                 give what is needed as options, and --yes: see axepool init --help"
            );
        }
        Ok(String::from_utf8_lossy(&line).trim().to_owned())
    }

    /// Asks until the answer is yes or no; `default` when it is empty.
    pub(crate) fn yes_or_no(&mut self, question: &str, default: bool) -> Result<bool> {
        let hint = if default { "[Y/n]" } else { "[y/N]" };
        loop {
            let answer = self.ask(&format!("{question} {hint}"))?;
            match answer.to_ascii_lowercase().as_str() {
                "" => return Ok(default),
                "y" | "yes" => return Ok(true),
                "n" | "no" => return Ok(false),
                _ => output::remark("  yes or no?"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_lines() {
        let mut person = Dialogue::new(Some(&b"  one \n\nmaybe\nYES\nhalf"[..]));
        assert_eq!(person.ask("?").unwrap(), "one");
        assert!(!person.yes_or_no("?", false).unwrap());
        assert!(person.yes_or_no("?", false).unwrap());
        // The end of the input is no answer.
        assert!(person.ask("?").is_err());
        let long = vec![b'x'; 10_000];
        assert!(Dialogue::new(Some(&long[..])).ask("?").is_err());
        let mut nobody = Dialogue::new(None::<&[u8]>);
        assert_eq!(nobody.ask("?").unwrap(), "");
        assert!(nobody.yes_or_no("?", true).unwrap());
    }
}
