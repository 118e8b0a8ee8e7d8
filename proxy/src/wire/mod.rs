//! Stratum V1 on the wire: bytes in, typed messages out, and back. Nothing past this
//! module sees JSON or hex.

mod id;
mod job_id;
mod line;
mod params;
pub mod reply;
mod request;
pub mod upstream;

pub use id::{Id, OwnedId};
pub use job_id::JobId;
pub use line::{LineDecoder, LineTooLong};
pub(crate) use request::method_labels;
pub use request::{
    Authorize, Configure, Malformed, Method, Request, Submit, Subscribe, Username, VersionRolling,
    WireError, parse,
};
