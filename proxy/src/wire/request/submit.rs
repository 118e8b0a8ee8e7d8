//! `mining.submit`: the hot path.

use super::{Malformed, Username};
use crate::extranonce::Extranonce;
use crate::hex;
use crate::wire::JobId;
use crate::wire::params::{Params, Scalar};

/// A solution for a job, as the miner tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submit<'a> {
    /// As given; the session knows whom it credits.
    pub username: Username<'a>,
    /// The job; `None` for a name that we never give: job not found.
    pub job: Option<JobId>,
    /// The miner's part of the extranonce2.
    pub extranonce2: Extranonce,
    /// The header's time.
    pub ntime: u32,
    /// The header's nonce.
    pub nonce: u32,
    /// The sixth param (BIP310), from devices that roll the version.
    pub version_bits: Option<u32>,
}

pub(super) fn read(params: Params<'_>) -> Result<Submit<'_>, Malformed> {
    let [username, job, extranonce2, ntime, nonce, version_bits] = params.0;
    let wrong = |param, expected| Malformed::Param {
        method: "mining.submit",
        param,
        expected,
    };
    let number = |param: &Scalar<'_>, name| {
        let digits = param.text().and_then(|text| hex::decode_u32(text).ok());
        digits.ok_or(wrong(name, "a string of 1 to 8 hex digits"))
    };
    let username = username.into_text().ok_or(wrong("username", "a string"))?;
    let job = job.text().ok_or(wrong("job id", "a string"))?.parse().ok();
    let extranonce2 = extranonce2
        .text()
        .and_then(|text| Extranonce::from_hex(text).ok())
        .ok_or(wrong("extranonce2", "a string of up to 32 bytes in hex"))?;
    Ok(Submit {
        username: Username(username),
        job,
        extranonce2,
        ntime: number(&ntime, "ntime")?,
        nonce: number(&nonce, "nonce")?,
        version_bits: match version_bits {
            Scalar::Null => None,
            // What some rigs send that do not roll.
            Scalar::Text(text) if text.trim().is_empty() => None,
            bits => Some(number(&bits, "version bits")?),
        },
    })
}
