//! The mint's NUT-06 info at this moment: pauses, closures and notices stand in the message
//! of the day.

use cdk_common::nuts::MintInfo;

use crate::handle::Mint;
use crate::pause::words;

/// The parts of the info that change while the mint runs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told<'a> {
    /// The reason for which melts are paused.
    pub(crate) paused: Option<&'a str>,
    /// The reason for which nothing is issued, swapped or melted.
    pub(crate) closed: Option<&'a str>,
    /// The operator's notice to owners.
    pub(crate) notice: Option<&'a str>,
}

impl Told<'_> {
    /// `info` with these parts in it.
    pub(crate) fn of(&self, info: &MintInfo) -> MintInfo {
        let mut info = info.clone();
        let is_closed = self.closed.is_some();
        info.nuts.nut04.disabled |= is_closed;
        info.nuts.nut05.disabled |= is_closed || self.paused.is_some();
        let hindered = self.closed.map(str::to_owned).or(self.paused.map(words));
        let said = hindered.into_iter().chain(self.notice.map(str::to_owned));
        let said = said.chain(info.motd.take());
        info.motd = said.reduce(|said, more| format!("{said}. {more}"));
        info
    }
}

impl Mint {
    /// Tells owners `notice` beside everything else, in the message of the day of
    /// `/v1/info`; `None`: nothing more. Not kept.
    ///
    /// # Errors
    /// The store's: it is told at the next change.
    pub async fn set_notice(&self, notice: Option<String>) -> Result<(), cdk::Error> {
        let info = self.info().lock().await;
        self.keep_notice(notice);
        let paused = self.pause().why();
        self.tell(&info, paused.as_deref()).await
    }

    /// Stores the info of this moment, which `/v1/info` answers.
    pub(crate) async fn tell(
        &self,
        info: &MintInfo,
        paused: Option<&str>,
    ) -> Result<(), cdk::Error> {
        let notice = self.notice();
        let closed = self.door().closed();
        let told = Told {
            paused,
            closed: closed.as_deref(),
            notice: notice.as_deref(),
        };
        self.cdk().set_mint_info(told.of(info)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_told_beside_what_is_told_anyhow() {
        let info = MintInfo {
            motd: Some("be kind".into()),
            ..MintInfo::default()
        };
        assert_eq!(Told::default().of(&info), info);
        let paused = Told {
            paused: Some("it owes more than it has"),
            ..Told::default()
        };
        let said = paused.of(&info);
        assert!(said.nuts.nut05.disabled && !said.nuts.nut04.disabled);
        let motd = said.motd.unwrap();
        assert_eq!(motd, "melts are paused: it owes more than it has. be kind");
        let closed = Told {
            closed: Some("closed"),
            notice: Some("it ends"),
            ..paused
        };
        let said = closed.of(&info);
        assert!(said.nuts.nut05.disabled && said.nuts.nut04.disabled);
        assert_eq!(said.motd.as_deref(), Some("closed. it ends. be kind"));
    }
}
