//! A config that is being written: by `axepool init` at a terminal, and by the first-run page
//! in a browser. Each answer is checked by the reader of the config itself.

mod checked;
mod draft;
mod earlier;
pub mod set_up;
mod write;

pub use checked::{Answers, MAINNET, NodeFile, Told, no_node, put_checked, put_network, put_split};
pub use draft::Draft;
pub use earlier::can_be_set_up;
pub use write::{write_config, write_node};

use std::path::Path;

/// Where relative paths of a config begin.
fn base_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}
