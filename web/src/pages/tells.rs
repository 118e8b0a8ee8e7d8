//! How an owner can be told of a miner, on its page.

use notices::Policy;

/// What the page says of it.
#[derive(Clone, Debug)]
pub(super) struct Tells {
    /// The pool's address on the web, for a command.
    pub(super) pool: String,
    /// The server of ntfy that the command names; `None` where the pool sends to none.
    pub(super) ntfy: Option<String>,
}

impl Tells {
    pub(super) fn new(pool: &str, policy: &Policy) -> Self {
        Tells {
            pool: pool.to_owned(),
            ntfy: policy.ntfy_servers.first().cloned(),
        }
    }
}
