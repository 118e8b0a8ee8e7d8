//! A command in the background, as a person starts it in another terminal.

use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::PATIENCE;

/// A command in the background, ended with Ctrl-C.
pub struct Background {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
}

impl Background {
    /// Starts it.
    pub fn start(args: &[&str], directory: &Path) -> Background {
        let mut child = Command::new(env!("CARGO_BIN_EXE_axepool-demo"))
            .args(args)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("axepool-demo starts");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        Background { child, out }
    }

    /// Waits for the next line that it writes; it must not end before.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("a line");
        assert!(!line.is_empty(), "it ended by itself");
        line
    }

    /// Presses Ctrl-C; what it wrote since, and its exit code.
    pub fn interrupt(mut self) -> (String, Option<i32>) {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .expect("a pid");
        kill_process(pid, Signal::INT).expect("SIGINT");
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).expect("its output");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("wait") {
                return (rest, status.code());
            }
            assert!(Instant::now() < deadline, "still running after Ctrl-C");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
