//! The results on their way to the ledger.

use accounting::UpstreamResult;
use ledger::ShareSender;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Shares forwarded whose result the ledger does not have yet. A share takes its place
/// here before it is sent, so that a result never waits for room; when the ledger
/// stalls and it is full, forwarding waits (but for a found block) and jobs go on.
const RESULTS_CAPACITY: usize = 4096;

pub(super) type Slot = mpsc::OwnedPermit<UpstreamResult>;

pub(super) fn channel() -> (mpsc::Sender<UpstreamResult>, mpsc::Receiver<UpstreamResult>) {
    mpsc::channel(RESULTS_CAPACITY)
}

/// Hands results to the ledger. After `cancel` it takes no new shares' results, and ends
/// when those under way are decided.
pub(super) async fn drain(
    mut results: mpsc::Receiver<UpstreamResult>,
    ledger: ShareSender,
    cancel: CancellationToken,
) {
    loop {
        let result = tokio::select! {
            result = results.recv() => result,
            () = cancel.cancelled(), if !results.is_closed() => {
                results.close();
                continue;
            }
        };
        let Some(result) = result else { return };
        if ledger.upstream_result(result).await.is_err() {
            tracing::debug!("the ledger is closed; upstream results go no further");
            return;
        }
    }
}
