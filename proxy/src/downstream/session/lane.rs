//! A session's reaction to changes of its lane.

use std::sync::Arc;

use super::{Session, Stage, Turn};
use crate::downstream::close::CloseReason;
use crate::downstream::session::rules::Rules;
use crate::upstream::LaneView;
use crate::wire::reply;

/// The sessions of a lost upstream leave over so long, so that the devices do not all
/// come back in the same instant.
const LEAVE_JITTER_MS: u64 = 5_000;

impl Session {
    /// The lane's view was replaced.
    pub(crate) fn on_view(
        &mut self,
        view: Arc<LaneView>,
        turn: &mut Turn<'_>,
    ) -> Result<(), CloseReason> {
        let Some(seat) = self.place.seat_mut() else {
            return Ok(());
        };
        if !view.up {
            seat.grant.view = view;
            self.jobs.prune();
            if let Stage::Handshake(_) = self.stage {
                return Err(CloseReason::NoWork);
            }
            // The jobs are dead, so shares are stale; the device is kept for a moment.
            self.down_since_ms.get_or_insert(turn.now.ms());
            return Ok(());
        }
        self.down_since_ms = None;
        if view.generation != seat.grant.generation {
            return self.on_generation(turn);
        }
        seat.grant.view = view;
        self.tell_mask(turn);
        self.tell_job(false, turn);
        Ok(())
    }

    /// The lane ended for good.
    pub(crate) fn on_lane_gone(&self) -> CloseReason {
        CloseReason::UpstreamLost
    }

    /// The upstream's extranonce1 changed, and with it the session's.
    fn on_generation(&mut self, turn: &mut Turn<'_>) -> Result<(), CloseReason> {
        if self.place.subscribed().is_some() && !self.can_take_extranonce() {
            return Err(CloseReason::ExtranonceChanged);
        }
        let grant = turn
            .seats
            .renew()
            .map_err(|_| CloseReason::ExtranonceChanged)?;
        if let Some(seat) = self.place.seat_mut() {
            seat.replace(grant, turn.now.ms());
        }
        if let Some(seat) = self.place.subscribed() {
            let grant = &seat.grant;
            reply::set_extranonce(
                turn.out,
                grant.extranonce1.as_bytes(),
                grant.extranonce2_size(),
            );
            self.doubles_begin(turn.now.ms());
            self.tell_mask(turn);
            self.tell_job(true, turn);
        }
        Ok(())
    }

    fn can_take_extranonce(&self) -> bool {
        // Between subscribe and authorize the reply with the old one may be on its way.
        self.takes_extranonce && matches!(self.stage, Stage::Authorized(_))
    }

    /// When a session whose upstream is lost leaves.
    pub(super) fn lost_at_ms(&self, rules: &Rules) -> Option<u64> {
        let jitter_ms = self.authorized().map_or(0, |authorized| {
            // Spread by the session's number: Fibonacci hashing, without a random source.
            let spread = authorized
                .session
                .to_u64()
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                >> 32;
            spread % LEAVE_JITTER_MS.min(rules.upstream_grace_ms.max(1))
        });
        Some(
            self.down_since_ms?
                .saturating_add(rules.upstream_grace_ms)
                .saturating_add(jitter_ms),
        )
    }
}
