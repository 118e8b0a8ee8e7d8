//! A session's [`Seats`], out of the upstream's leases.

use super::session::{Grant, Seats};
use crate::extranonce::Extranonce1;
use crate::upstream::{Lease, Unavailable, Upstream};

/// A generation can change between a look at the view and the renewal: once is rare,
/// this often does not happen.
const MAX_RENEWALS: usize = 4;

/// The lease of one connection.
pub(crate) struct LeaseSeats<'a> {
    /// Where leases come from.
    pub(crate) upstream: &'a Upstream,
    /// The one that is held.
    pub(crate) lease: &'a mut Option<Lease>,
}

impl Seats for LeaseSeats<'_> {
    fn take(&mut self) -> Result<Grant, Unavailable> {
        let lease = match self.lease {
            Some(lease) => lease,
            None => self.lease.insert(self.upstream.lease()?),
        };
        grant(lease)
    }

    fn renew(&mut self) -> Result<Grant, Unavailable> {
        let lease = self.lease.as_mut().ok_or(Unavailable::NoWork)?;
        lease.renew()?;
        grant(lease)
    }
}

fn grant(lease: &mut Lease) -> Result<Grant, Unavailable> {
    for _ in 0..MAX_RENEWALS {
        let view = lease.view().borrow().clone();
        if !view.up {
            return Err(Unavailable::NoWork);
        }
        if view.generation == lease.generation() {
            let extranonce1 = Extranonce1::new(&view.extranonce1, lease.prefix());
            let extranonce1 = extranonce1.ok_or(Unavailable::NoWork)?;
            return Ok(Grant {
                generation: view.generation,
                extranonce1,
                view,
            });
        }
        lease.renew()?;
    }
    Err(Unavailable::NoWork)
}
