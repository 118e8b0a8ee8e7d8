//! Tells the service manager how the process is: sd_notify(3), a datagram of lines to the
//! socket that it names.

use std::env;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The service manager, if one listens.
#[derive(Debug)]
pub struct Manager {
    ear: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Manager {
    /// Whoever the environment names.
    pub fn of_process() -> Manager {
        let ear = ear()
            .inspect_err(|error| tracing::warn!(%error, "NOTIFY_SOCKET cannot be used"))
            .ok()
            .flatten();
        Manager {
            watchdog: ear.is_some().then(watchdog).flatten(),
            ear,
        }
    }

    /// Miners can connect now.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// It ends, as it was told to.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// It can go on.
    pub fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    /// How often the manager is to hear [`alive`](Self::alive), if it wants to: half the
    /// time after which it would end the process.
    pub fn alive_every(&self) -> Option<Duration> {
        self.watchdog.map(|time| time / 2)
    }

    fn tell(&self, state: &str) {
        let Some((socket, address)) = &self.ear else {
            return;
        };
        // It goes on without: a manager that hears nothing acts by itself.
        if let Err(error) = socket.send_to_addr(state.as_bytes(), address) {
            tracing::warn!(%error, state, "the service manager cannot be notified");
        }
    }
}

fn ear() -> io::Result<Option<(UnixDatagram, SocketAddr)>> {
    let Some(path) = env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    let address = match path.as_bytes() {
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => {
            use std::os::linux::net::SocketAddrExt as _;
            SocketAddr::from_abstract_name(name)?
        }
        _ => SocketAddr::from_pathname(&path)?,
    };
    let socket = UnixDatagram::unbound()?;
    // It is told from runtimes that may not wait.
    socket.set_nonblocking(true)?;
    Ok(Some((socket, address)))
}

/// The time without a word after which the manager ends this process.
fn watchdog() -> Option<Duration> {
    let number = |name: &str| env::var(name).ok()?.parse::<u64>().ok();
    let is_meant = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    let time = number("WATCHDOG_USEC").filter(|time| *time > 0 && is_meant)?;
    Some(Duration::from_micros(time))
}
