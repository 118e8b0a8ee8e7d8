//! A config that is being written: by `axepool init` at a terminal, and by the first-run page
//! in a browser. Each answer is checked by the reader of the config itself.

mod checked;
mod draft;
mod earlier;
mod write;

pub use checked::{
    Answers, MAINNET, NodeFile, Told, no_node, put_all, put_checked, put_network, put_split,
};
pub use draft::Draft;
pub use earlier::{can_be_set_up, has_not_run};
pub use write::{write_config, write_node};
