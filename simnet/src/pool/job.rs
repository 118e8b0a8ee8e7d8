//! A job of the pool.

use std::time::Instant;

use bitcoin::hex::DisplayHex as _;
use serde_json::json;

use super::coinbase::{self, CutCoinbase};
use super::{SimPoolOptions, Template};
use crate::stratum::{Hash, swap_words};

/// What one `mining.notify` says to every connection.
#[derive(Debug)]
pub(crate) struct Job {
    /// Counts the pool's jobs; its hex is the job id on the wire.
    pub(crate) sequence: u64,
    pub(crate) id: String,
    pub(crate) template: Template,
    pub(crate) cut: CutCoinbase,
    pub(crate) branches: Vec<Hash>,
    pub(crate) ntime: u32,
    pub(crate) clean: bool,
    pub(crate) extranonce2_size: usize,
    pub(crate) made: Instant,
}

impl Job {
    pub(crate) fn new(
        sequence: u64,
        template: Template,
        options: &SimPoolOptions,
        extranonce2_size: usize,
        now_secs: u32,
        clean: bool,
    ) -> Job {
        let room = options.extranonce1_size + extranonce2_size;
        Job {
            sequence,
            id: format!("{sequence:x}"),
            cut: coinbase::build(&template, &options.tag, &options.payouts, room),
            branches: coinbase::branches(&template.txids),
            ntime: now_secs.max(template.min_time),
            template,
            clean,
            extranonce2_size,
            made: Instant::now(),
        }
    }

    /// The line that tells of it, with its end, perhaps with two params more than others
    /// have before the last.
    pub(crate) fn notify_line(&self, clean: bool, more_params: bool) -> String {
        let branches: Vec<String> = self
            .branches
            .iter()
            .map(|branch| branch.to_lower_hex_string())
            .collect();
        let mut params = vec![
            json!(self.id),
            json!(swap_words(&self.template.prev_hash).to_lower_hex_string()),
            json!(self.cut.coinb1.to_lower_hex_string()),
            json!(self.cut.coinb2.to_lower_hex_string()),
            json!(branches),
            json!(format!("{:08x}", self.template.version)),
            json!(format!("{:08x}", self.template.bits)),
            json!(format!("{:08x}", self.ntime)),
        ];
        if more_params {
            params.extend([json!(self.template.height), json!("more")]);
        }
        params.push(json!(clean));
        let message = json!({ "id": null, "method": "mining.notify", "params": params });
        format!("{message}\n")
    }
}
