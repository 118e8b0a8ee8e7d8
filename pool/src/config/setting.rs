//! The types that a value of the config can have, and how each is read.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use accounting::{QuotePer, Split, Work};
use bitcoin::Network;
use proxy::Difficulty;
use proxy::config::{IpNetwork, UpstreamUrl, UpstreamUrlError};
use toml::Value;

/// Why a value does not do, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) why: String,
    pub(super) fix: String,
    /// It is not even of the key's type.
    pub(super) is_wrong_type: bool,
    /// What the file says is not shown: this value may hold a password.
    pub(super) hides_value: bool,
}

impl Refusal {
    pub(super) fn new(why: impl Into<String>, fix: impl Into<String>) -> Self {
        Refusal {
            why: why.into(),
            fix: fix.into(),
            is_wrong_type: false,
            hides_value: false,
        }
    }

    fn wrong_type(value: &Value, wanted: &str) -> Self {
        Refusal {
            why: format!("{} is no {wanted}", value.type_str()),
            fix: format!("give a {wanted}"),
            is_wrong_type: true,
            hides_value: false,
        }
    }
}

/// A type that a key can have.
pub(super) trait Setting: Sized {
    /// What the file says is not shown when it does not do: a password may be in it.
    const IS_SECRET: bool = false;
    /// From what the file says.
    fn read(value: &Value) -> Result<Self, Refusal>;
    /// As the file would say it.
    fn show(&self) -> Value;
}

/// A list; one value alone is a list of one.
impl<T: Setting> Setting for Vec<T> {
    fn read(value: &Value) -> Result<Self, Refusal> {
        let list = match value {
            Value::Array(values) => values.iter().map(T::read).collect::<Result<Vec<_>, _>>()?,
            one => vec![T::read(one)?],
        };
        Ok(list)
    }

    fn show(&self) -> Value {
        Value::Array(self.iter().map(Setting::show).collect())
    }
}

impl Setting for String {
    fn read(value: &Value) -> Result<Self, Refusal> {
        text(value).map(str::to_owned)
    }

    fn show(&self) -> Value {
        Value::String(self.clone())
    }
}

impl Setting for bool {
    fn read(value: &Value) -> Result<Self, Refusal> {
        value
            .as_bool()
            .ok_or_else(|| Refusal::wrong_type(value, "true or false without quotes"))
    }

    fn show(&self) -> Value {
        Value::Boolean(*self)
    }
}

macro_rules! whole_numbers {
    ($($number:ty),*) => {$(
        impl Setting for $number {
            fn read(value: &Value) -> Result<Self, Refusal> {
                let number = value.as_integer().ok_or_else(|| Refusal::wrong_type(value, "whole number"))?;
                <$number>::try_from(number).map_err(|_| {
                    Refusal::new("out of range", format!("give a number from {} to {}", <$number>::MIN, <$number>::MAX))
                })
            }

            fn show(&self) -> Value {
                // What does not fit came from no file: defaults are small.
                Value::Integer(i64::try_from(*self).unwrap_or(i64::MAX))
            }
        }
    )*};
}
whole_numbers!(u16, u32, u64, usize);

impl Setting for f64 {
    fn read(value: &Value) -> Result<Self, Refusal> {
        match value {
            Value::Float(number) => Ok(*number),
            // Exact below 2^53, and no setting is a larger whole number.
            Value::Integer(number) => Ok(*number as f64),
            other => Err(Refusal::wrong_type(other, "number")),
        }
    }

    fn show(&self) -> Value {
        Value::Float(*self)
    }
}

impl Setting for Difficulty {
    fn read(value: &Value) -> Result<Self, Refusal> {
        let number = f64::read(value)?;
        Difficulty::new(number).map_err(|_| {
            Refusal::new(
                "a difficulty is above 0",
                "give a number above 0, such as 1000; below 1 is fine",
            )
        })
    }

    fn show(&self) -> Value {
        Value::Float(self.get())
    }
}

impl Setting for Work {
    fn read(value: &Value) -> Result<Self, Refusal> {
        let fix = "give a number of hashes, such as 2000000000000000, or 0";
        match value {
            Value::Integer(hashes) => u128::try_from(*hashes)
                .map(Work::from_hashes)
                .map_err(|_| Refusal::new("work is not negative", fix)),
            // A whole number beyond 2^63 fits no TOML integer.
            Value::String(hashes) => hashes
                .parse()
                .map_err(|_| Refusal::new("not a number of hashes", fix)),
            other => Err(Refusal::wrong_type(other, "whole number")),
        }
    }

    fn show(&self) -> Value {
        match i64::try_from(self.hashes()) {
            Ok(hashes) => Value::Integer(hashes),
            Err(_) => Value::String(self.to_string()),
        }
    }
}

impl Setting for SocketAddr {
    fn read(value: &Value) -> Result<Self, Refusal> {
        text(value)?.parse().map_err(|_| {
            Refusal::new(
                "not an address to listen on",
                "give an IP address and a port, such as \"0.0.0.0:3333\" or \"[::]:3333\"",
            )
        })
    }

    fn show(&self) -> Value {
        Value::String(self.to_string())
    }
}

impl Setting for PathBuf {
    fn read(value: &Value) -> Result<Self, Refusal> {
        match text(value)? {
            "" => Err(Refusal::new("an empty path", "name a file or a directory")),
            path => Ok(path.into()),
        }
    }

    fn show(&self) -> Value {
        Value::String(self.display().to_string())
    }
}

/// A secret is never in the config itself, only the name of its file:
/// `{ file = "mint.mnemonic" }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SecretFile(pub(super) PathBuf);

impl Setting for SecretFile {
    fn read(value: &Value) -> Result<Self, Refusal> {
        let refusal = || {
            Refusal::new(
                "not the name of a file",
                "write { file = \"...\" }: a secret has no place in this file",
            )
        };
        let table = value.as_table().ok_or_else(refusal)?;
        match table.get("file") {
            Some(file) if table.len() == 1 => Ok(SecretFile(PathBuf::read(file)?)),
            _ => Err(refusal()),
        }
    }

    fn show(&self) -> Value {
        Value::Table([("file".to_owned(), self.0.show())].into_iter().collect())
    }
}

impl Setting for IpNetwork {
    fn read(value: &Value) -> Result<Self, Refusal> {
        let refusal = |why: &str| {
            Refusal::new(
                why,
                "give an address or a network, such as \"10.0.0.0/8\" or \"::1\"",
            )
        };
        let (address, prefix_len) = match text(value)?.split_once('/') {
            Some((address, prefix_len)) => (address, Some(prefix_len)),
            None => (text(value)?, None),
        };
        let address: IpAddr = address.parse().map_err(|_| refusal("not an IP address"))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix_len = match prefix_len {
            None => most,
            Some(bits) => bits
                .parse()
                .ok()
                .filter(|bits| *bits <= most)
                .ok_or_else(|| refusal("not a prefix length"))?,
        };
        Ok(IpNetwork {
            address,
            prefix_len,
        })
    }

    fn show(&self) -> Value {
        Value::String(format!("{}/{}", self.address, self.prefix_len))
    }
}

impl Setting for UpstreamUrl {
    fn read(value: &Value) -> Result<Self, Refusal> {
        text(value)?.parse().map_err(|error: UpstreamUrlError| {
            Refusal::new(
                error.to_string(),
                "give a URL such as \"stratum+tcp://mine.ocean.xyz:3334\"",
            )
        })
    }

    fn show(&self) -> Value {
        Value::String(self.to_string())
    }
}

/// Reads one of a fixed set of names.
fn one_of<T: Copy>(value: &Value, names: &[(&str, T)]) -> Result<T, Refusal> {
    let given = text(value)?;
    names
        .iter()
        .find(|(name, _)| *name == given)
        .map(|(_, choice)| *choice)
        .ok_or_else(|| {
            let list: Vec<_> = names
                .iter()
                .map(|(name, _)| format!("\"{name}\""))
                .collect();
            Refusal::new(
                "not one of the choices",
                format!("choose {}", list.join(" or ")),
            )
        })
}

/// The name of a choice; each choice has one in `names`.
fn name_of<T: PartialEq>(choice: &T, names: &[(&str, T)]) -> Value {
    let name = names
        .iter()
        .find(|(_, known)| known == choice)
        .map_or("", |(name, _)| name);
    Value::String(name.to_owned())
}

const NETWORKS: [(&str, Network); 5] = [
    ("mainnet", Network::Bitcoin),
    ("testnet", Network::Testnet),
    ("testnet4", Network::Testnet4),
    ("signet", Network::Signet),
    ("regtest", Network::Regtest),
];

impl Setting for Network {
    fn read(value: &Value) -> Result<Self, Refusal> {
        one_of(value, &NETWORKS)
    }

    fn show(&self) -> Value {
        name_of(self, &NETWORKS)
    }
}

impl Setting for Split {
    fn read(value: &Value) -> Result<Self, Refusal> {
        one_of(value, &Split::ALL.map(|split| (split.name(), split)))
    }

    fn show(&self) -> Value {
        Value::String(self.to_string())
    }
}

impl Setting for QuotePer {
    fn read(value: &Value) -> Result<Self, Refusal> {
        one_of(value, &QuotePer::ALL.map(|per| (per.name(), per)))
    }

    fn show(&self) -> Value {
        Value::String(self.to_string())
    }
}

fn text(value: &Value) -> Result<&str, Refusal> {
    value
        .as_str()
        .ok_or_else(|| Refusal::wrong_type(value, "text in quotes"))
}
