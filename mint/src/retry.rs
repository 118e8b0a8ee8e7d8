//! A second try for parked rows.

use cdk_common::database::Error;

use crate::handle::Mint;
use crate::index;
use crate::parked::parked_key;

impl Mint {
    /// Tries the parked rows again, and gives how many are done now. The operator's
    /// command.
    pub async fn retry_parked(&self) -> Result<usize, Error> {
        let mut done = 0;
        for parked in self.parked().await? {
            let key = parked_key(&parked.row.order)?;
            match self.apply(std::slice::from_ref(&parked.row)).await {
                Ok(()) => {}
                Err(Error::Duplicate) => continue,
                Err(error) => return Err(error),
            }
            if self.is_done(&parked.row.order).await? {
                let mut tx = self.store().begin_transaction().await?;
                tx.kv_remove(index::AXEPOOL, index::PARKED, &key).await?;
                tx.commit().await?;
                done += 1;
            }
        }
        Ok(done)
    }
}
