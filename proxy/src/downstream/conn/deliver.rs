//! Handing shares on, in order: first upstream, then to the ledger.

use std::collections::VecDeque;

use super::super::close::CloseReason;
use super::super::session::{Outgoing, Session};
use super::super::shared::Shared;
use crate::upstream::Lease;

/// Hands the first of `outgoing` on and takes it out. Dropped half-way nothing was
/// handed on and it is still there.
pub(super) async fn deliver(
    outgoing: &mut VecDeque<Outgoing>,
    session: &Session,
    lease: Option<&Lease>,
    shared: &Shared,
) -> Result<(), CloseReason> {
    match outgoing.front() {
        None => Ok(()),
        Some(Outgoing::Forward(submit)) => {
            let done = match lease {
                Some(lease) => lease.forward(submit.clone()).await.is_ok(),
                None => false,
            };
            // The lane's end costs the pool a share, not the miner: it is credited.
            if !done {
                shared.metrics.not_forwarded.inc();
            }
            outgoing.pop_front();
            Ok(())
        }
        Some(Outgoing::Record(_)) => {
            let permit = shared
                .shares
                .reserve()
                .await
                .map_err(|_| CloseReason::LedgerClosed)?;
            let (Some(Outgoing::Record(record)), Some(authorized)) =
                (outgoing.pop_front(), session.authorized())
            else {
                return Ok(());
            };
            permit.send(record, authorized.ack.clone());
            Ok(())
        }
    }
}
