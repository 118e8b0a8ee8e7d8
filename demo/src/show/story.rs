//! What is told while it goes on: a line for each step, and beneath them, on a screen,
//! what is seen at the moment.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use basics::output;
use pool::run::Pool;

use super::screen::Now;
use super::world::World;

/// How often a screen is drawn anew.
const FRAME: Duration = Duration::from_secs(1);

/// How often a line is written where there is no screen.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// The story so far.
pub(super) struct Story {
    began: Instant,
    told: Vec<String>,
    is_screen: bool,
}

/// How a wait ended.
pub(super) enum Waited<T> {
    /// What was waited for is there.
    Done(T),
    /// Somebody pressed Ctrl-C.
    Interrupted,
}

impl Story {
    /// Begins it.
    pub(super) fn begin() -> Result<Story> {
        let is_screen = output::is_screen();
        if is_screen {
            output::redraw("")?;
        }
        let mut story = Story {
            began: Instant::now(),
            told: Vec::new(),
            is_screen,
        };
        story.tell("a chain, a simulated OCEAN and the pool are started")?;
        Ok(story)
    }

    /// One more step.
    pub(super) fn tell(&mut self, line: impl AsRef<str>) -> Result<()> {
        let line = format!(
            "{:>5.1} s  {}",
            self.began.elapsed().as_secs_f64(),
            line.as_ref()
        );
        if self.is_screen {
            self.told.push(line);
            output::redraw(self.told.join("\n"))?;
        } else {
            output::line(line)?;
        }
        Ok(())
    }

    /// Shows what goes on while `task` is under way, which may take as long as `patience`.
    ///
    /// # Errors
    /// What `task` failed of; that it took too long, with `what` it is; that the pool
    /// broke; Ctrl-C.
    pub(super) async fn during<T>(
        &mut self,
        (pool, world): (&Pool, &World),
        what: &str,
        patience: Duration,
        task: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        match self.watch((pool, world), what, patience, task).await? {
            Waited::Done(done) => Ok(done),
            Waited::Interrupted => bail!("ended before the books were compared: {what}"),
        }
    }

    /// The same where Ctrl-C is no failure.
    pub(super) async fn watch<T>(
        &mut self,
        (pool, world): (&Pool, &World),
        what: &str,
        patience: Duration,
        task: impl Future<Output = Result<T>>,
    ) -> Result<Waited<T>> {
        let every = if self.is_screen { FRAME } else { LINE_EVERY };
        let mut every = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
        let late = tokio::time::sleep(patience);
        tokio::pin!(late, task);
        loop {
            tokio::select! {
                biased;
                done = &mut task => return done.map(Waited::Done),
                _ = pool.stop_signal() => return Ok(Waited::Interrupted),
                failure = pool.failed() => return Err(failure),
                () = &mut late => bail!("still not after {} s: {what}", patience.as_secs()),
                _ = every.tick() => {
                    let now = Now::look(world, pool.view())?;
                    if self.is_screen {
                        let told = self.told.join("\n");
                        output::redraw(format!("{told}\n         ... {what}\n\n{}", now.frame(world)))?;
                    } else {
                        output::line(format!("           {what}: {}", now.line()))?;
                    }
                }
            }
        }
    }
}
