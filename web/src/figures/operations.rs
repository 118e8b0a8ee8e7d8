//! The description of each operation of the figures. The types that are named here are those
//! that the handlers read and write.

use openapi::{ANSWER, MINER_KEY, NO_KEY, NO_QUERY, Operation};

use super::balances::Balances;
use super::routes::PageAfter;
use super::widget::Widget;
use super::{MinerFigures, PoolFigures};

pub(super) fn pool() -> Operation {
    Operation::new("pool", "The pool as a whole").json::<PoolFigures>(ANSWER)
}

pub(super) fn widget() -> Operation {
    Operation::new(
        "umbrelWidget",
        "Four figures of the pool, as umbrelOS shows them on its desktop",
    )
    .json::<Widget>(ANSWER)
}

pub(super) fn balances() -> Operation {
    Operation::new(
        "balances",
        "While the pool winds down, what it still owes to each miner, page by page; nothing \
         before",
    )
    .query::<PageAfter>()
    .json::<Balances>(ANSWER)
    .refuses(400, NO_QUERY)
}

pub(super) fn miner() -> Operation {
    Operation::new("miner", "A miner: hashrate, devices, earnings")
        .path::<String>("key", MINER_KEY)
        .json::<MinerFigures>("All zero for a key that never mined here.")
        .refuses(400, NO_KEY)
}

pub(super) fn events() -> Operation {
    Operation::new("minerEvents", "News of a miner, as they come")
        .path::<String>("key", MINER_KEY)
        .text(
            "text/event-stream",
            "Server-sent events named miner, each with what GET /api/miners/{key} answers, when \
             something changed.",
        )
        .refuses(400, NO_KEY)
        .refuses(
            404,
            "No share of this key was counted yet: its news begin with the first.",
        )
}
