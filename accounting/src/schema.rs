//! Forms that texts have in JSON, for the schemas of what is published
//! (`#[schemars(with = "...")]`). No value has any of these types.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

macro_rules! texts {
    ($($(#[doc = $doc:literal])+ $name:ident = $pattern:literal;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug)]
        pub enum $name {}

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "pattern": $pattern,
                    "description": concat!($($doc, "\n"),+).trim(),
                })
            }
        }
    )+};
}

texts! {
    /// A hash or preimage of 32 bytes in hex. Block hashes and transaction ids as explorers
    /// show them.
    Hash = "^[0-9a-f]{64}$";
    /// A public key of secp256k1, its x coordinate alone (BIP340), in hex.
    XOnlyKey = "^[0-9a-f]{64}$";
    /// A BIP340 signature in hex.
    Signature = "^[0-9a-f]{128}$";
    /// An amount in millisatoshis that may pass 2^53: a decimal string.
    BigMsat = "^[0-9]+$";
    /// An output of a transaction: its id and the number of the output.
    OutPoint = "^[0-9a-f]{64}:[0-9]+$";
    /// A path on this server.
    UrlPath = "^/";
}
