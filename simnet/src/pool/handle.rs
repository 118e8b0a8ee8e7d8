//! The strings by which a simulated pool is pulled.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::DropGuard;

use super::shared::{Command, Shared};
use super::{Books, Faults};
use crate::stratum::Target;
use crate::watched::WaitTimeout;

/// Who is told of another extranonce1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtranonceAudience {
    /// Who asked for it with `mining.extranonce.subscribe`.
    Subscribers,
    /// Everyone.
    All,
}

/// A running pool. It stops when the last handle is dropped.
#[derive(Clone)]
pub struct SimPoolHandle {
    shared: Arc<Shared>,
    address: SocketAddr,
    _stop: Arc<DropGuard>,
}

impl fmt::Debug for SimPoolHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimPoolHandle")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl SimPoolHandle {
    pub(crate) fn new(shared: Arc<Shared>, address: SocketAddr) -> SimPoolHandle {
        let stop = Arc::new(shared.cancel.clone().drop_guard());
        SimPoolHandle {
            shared,
            address,
            _stop: stop,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A copy of the books.
    pub fn books(&self) -> Books {
        self.read_books(Books::clone)
    }

    /// Looks at the books without copying them.
    pub fn read_books<R>(&self, look: impl FnOnce(&Books) -> R) -> R {
        self.shared.books.read(look)
    }

    /// Waits until the books satisfy `condition`.
    ///
    /// # Errors
    /// [`WaitTimeout`] if they do not within `timeout`.
    pub async fn wait_for(
        &self,
        condition: impl Fn(&Books) -> bool,
        timeout: Duration,
    ) -> Result<(), WaitTimeout> {
        let look = |books: &Books| condition(books).then_some(());
        self.shared.books.wait_for(timeout, look, summary).await
    }

    /// The faults in force.
    pub fn faults(&self) -> Faults {
        self.shared.faults()
    }

    /// Changes the faults; they last until they are taken back.
    pub fn set_faults(&self, change: impl FnOnce(&mut Faults)) {
        self.shared.change_faults(change);
    }

    /// Rejects every n-th share that would have been accepted; 0 rejects none.
    pub fn reject_every(&self, n: u64) {
        self.set_faults(|faults| faults.reject_every = NonZeroU64::new(n));
    }

    /// Gives everyone a new job and returns its id.
    pub fn new_job(&self, clean: bool) -> String {
        self.shared.new_job(clean).id.clone()
    }

    /// Somebody else found a block: a clean job without transactions, one higher.
    pub fn network_block(&self) {
        self.shared.network_block();
    }

    /// The id of the job that a new connection would be given.
    pub fn current_job(&self) -> String {
        self.shared.state().job.id.clone()
    }

    /// Changes everyone's difficulty, newcomers' too. It is in force from the next job
    /// on, which comes at once if `with_job` says so (its clean_jobs).
    ///
    /// # Panics
    /// If the difficulty is not a finite number above 0.
    pub fn set_difficulty(&self, difficulty: f64, with_job: Option<bool>) {
        assert!(
            Target::of_difficulty(difficulty).is_some(),
            "no difficulty: {difficulty}"
        );
        let command = Command::Difficulty(difficulty);
        self.shared
            .command_with_job(command, |state| state.difficulty = difficulty, with_job);
    }

    /// Gives the audience another extranonce1 each, and everyone a clean job. As the
    /// standard has it, the change counts from that job on.
    ///
    /// # Panics
    /// If the size is not 2 to 16.
    pub fn set_extranonce(&self, extranonce2_size: usize, audience: ExtranonceAudience) {
        assert!(
            (2..=16).contains(&extranonce2_size),
            "no extranonce2: {extranonce2_size} bytes"
        );
        let command = Command::Extranonce {
            to_all: audience == ExtranonceAudience::All,
        };
        let change = |state: &mut super::shared::State| state.extranonce2_size = extranonce2_size;
        self.shared.command_with_job(command, change, Some(true));
    }

    /// Gives everyone who was granted a mask another one; newcomers get what they ask
    /// for of it.
    pub fn set_version_mask(&self, mask: u32) {
        let command = Command::VersionMask(mask);
        self.shared
            .command_with_job(command, |state| state.version_mask = mask, None);
    }

    /// Sends `client.reconnect` to everyone: to the same place, or to another host and
    /// port after so many seconds.
    pub fn reconnect(&self, elsewhere: Option<(&str, u16, u64)>) {
        let params = match elsewhere {
            Some((host, port, wait_secs)) => json!([host, port, wait_secs]),
            None => json!([]),
        };
        self.send_line(
            &json!({ "id": null, "method": "client.reconnect", "params": params }).to_string(),
        );
    }

    /// Sends `client.show_message` to everyone.
    pub fn show_message(&self, text: &str) {
        let message = json!({ "id": null, "method": "client.show_message", "params": [text] });
        self.send_line(&message.to_string());
    }

    /// Sends everyone a line, whatever it is.
    pub fn send_line(&self, line: &str) {
        self.send_raw(format!("{line}\n").as_bytes());
    }

    /// Sends everyone bytes that are no line of the protocol.
    pub fn garbage_line(&self) {
        self.send_raw(b"\x00\xff{\"id\":[[[\x80,}\n");
    }

    /// Sends everyone bytes as they are; without a line's end the next message is
    /// spoilt too.
    pub fn send_raw(&self, bytes: &[u8]) {
        self.shared
            .command_with_job(Command::Raw(bytes.to_vec()), |_| (), None);
    }

    /// Closes every connection. New ones are accepted.
    pub fn drop_connections(&self) {
        self.shared.state().kill_all();
    }

    /// Refuses new connections; the open ones stay. Returns when it does.
    pub async fn stop_accepting(&self) {
        self.listen(false).await;
    }

    /// Accepts connections again, on the same port. Returns when it does.
    pub async fn resume_accepting(&self) {
        self.listen(true).await;
    }

    async fn listen(&self, want: bool) {
        self.shared.listen.send_replace(want);
        let mut listening = self.shared.listening.subscribe();
        tokio::select! {
            // It fails only if the pool is gone, and then nothing is left to wait for.
            _ = listening.wait_for(|is| *is == want) => {}
            () = self.shared.cancel.cancelled() => {}
        }
    }

    /// Closes everything, though other handles live, and returns when nobody is
    /// connected any more.
    ///
    /// # Errors
    /// [`WaitTimeout`] if a connection is not gone after ten seconds.
    pub async fn stop(&self) -> Result<(), WaitTimeout> {
        self.shared.cancel.cancel();
        self.wait_for(|books| books.open_connections == 0, Duration::from_secs(10))
            .await
    }
}

fn summary(books: &Books) -> String {
    format!(
        "{} accepted and {} rejected shares, {} of {} connections open, {} jobs, {} blocks, {} bad lines, users {:?}",
        books.accepted(),
        books.rejected(),
        books.open_connections,
        books.connections,
        books.jobs,
        books.blocks.len(),
        books.bad_lines,
        books.users,
    )
}
