//! What is known of the lightning node's directory, which the node itself compares before
//! each of its starts.

use std::io;

use accounting::StoreMark;
use payout::marks::{Known, MarkKeeper, Part};

use super::Stores;
use super::file::KeptNode;

impl Stores {
    /// Keeps what `change` makes of it; as it was, where that cannot be written.
    fn keep_node(&self, change: impl FnOnce(&mut KeptNode)) -> io::Result<()> {
        let mut inner = self.inner();
        let before = inner.kept.node;
        change(&mut inner.kept.node);
        let written = inner.write();
        if written.is_err() {
            inner.kept.node = before;
        }
        written
    }
}

impl MarkKeeper for Stores {
    fn known(&self) -> Known {
        let node = self.inner().kept.node;
        Known {
            channels: node.channels,
            payments: node.payments,
            is_vouched: !node.is_doubted,
        }
    }

    fn keep(&self, part: Part, mark: StoreMark) -> io::Result<()> {
        self.keep_node(|node| {
            let known = match part {
                Part::Channels => &mut node.channels,
                Part::Payments => &mut node.payments,
            };
            *known = Some(mark);
        })
    }

    fn settle(&self, channels: Option<StoreMark>, payments: Option<StoreMark>) -> io::Result<()> {
        self.keep_node(|node| {
            *node = KeptNode {
                channels,
                payments,
                is_doubted: false,
            };
        })
    }
}
