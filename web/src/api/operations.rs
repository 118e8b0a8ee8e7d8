//! The description of each operation of the books. The types that are named here are those
//! that the handlers read and write.

use accounting::EpochId;
use accounting::settle::AuditFile;
use openapi::{ANSWER, MINER_KEY, NO_KEY, NO_QUERY, Operation};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use signed::{Receipt, Wish};

use super::answer::Newest;
use super::{audit, epochs, index, notices, payouts, receipt, split};

const NO_EPOCH: &str = "There is no such epoch.";
const EPOCH: &str = "The epoch's number.";

/// The name of an audit file.
struct FileName;

impl JsonSchema for FileName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FileName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^[0-9]+\.(json|csv)$" })
    }
}

pub(super) fn index() -> Operation {
    Operation::new("index", "Overview of the API").json::<index::Index>(ANSWER)
}

pub(super) fn epochs() -> Operation {
    Operation::new("epochs", "The epochs")
        .query::<epochs::Asked>()
        .json::<epochs::List>(ANSWER)
        .refuses(400, NO_QUERY)
}

pub(super) fn epoch() -> Operation {
    Operation::new("epoch", "An epoch with its payouts and miners")
        .path::<EpochId>("id", EPOCH)
        .json::<epochs::Whole>(ANSWER)
        .refuses(404, NO_EPOCH)
}

pub(super) fn split() -> Operation {
    Operation::new(
        "split",
        "An epoch's miners page by page, with what one payout did to each",
    )
    .path::<EpochId>("id", EPOCH)
    .query::<split::Asked>()
    .json::<split::Page>(ANSWER)
    .refuses(400, NO_QUERY)
    .refuses(
        404,
        "There is no such epoch, no such page, or the payout does not concern it.",
    )
}

pub(super) fn payouts() -> Operation {
    Operation::new("payouts", "The payments")
        .query::<Newest>()
        .json::<payouts::List>(ANSWER)
        .refuses(400, NO_QUERY)
}

pub(super) fn audit() -> Operation {
    Operation::new("audit", "The audit files")
        .query::<Newest>()
        .json::<audit::List>(ANSWER)
        .refuses(400, NO_QUERY)
}

pub(super) fn audit_file() -> Operation {
    let file = "The file: {n}.json are the exact bytes whose SHA256 is its hash, {n}.csv is a \
                table of them. Never changes.";
    Operation::new("auditFile", "An audit file")
        .path::<FileName>(
            "file",
            "The number of the file and its form: 1.json, 1.csv.",
        )
        .json::<AuditFile>(file)
        .text("text/csv; charset=utf-8", file)
        .empty(304, "The client already has it (If-None-Match).")
        .refuses(404, "There is no such file.")
        .refuses(500, "The file is not what it was, or cannot be made.")
}

pub(super) fn receipt() -> Operation {
    Operation::new("receipt", "A miner's work so far, signed")
        .path::<String>("key", MINER_KEY)
        .query::<receipt::Asked>()
        .json::<Receipt>(ANSWER)
        .refuses(400, "This is no public key, or the query does not do.")
        .refuses(404, "No share of this key is counted in that epoch.")
}

pub(super) fn notices() -> Operation {
    Operation::new("notices", "A miner's notices, and the ways to subscribe")
        .path::<String>("key", MINER_KEY)
        .json::<notices::Shown<'static>>(ANSWER)
        .refuses(400, NO_KEY)
}

pub(super) fn set_notices() -> Operation {
    Operation::new("setNotices", "Set or end the subscription for notices")
        .path::<String>("key", MINER_KEY)
        .body::<Wish>(true)
        .json::<notices::Shown<'static>>("As it is now.")
        .refuses(400, "This is no public key, or the wish does not do.")
        .refuses(404, "No share of this key was counted yet.")
}
