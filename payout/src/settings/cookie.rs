//! bitcoind's cookie: user and password in a file, which bitcoind writes anew at each of its
//! starts and removes when it ends.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use bitcoin::Network;
use thiserror::Error;

/// What such a file may have at most: bitcoind writes 75 bytes.
const MAX_BYTES: u64 = 4096;

/// Where bitcoind's cookie is. It is read each time that it is needed, never kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// The first of them that is there is taken.
    places: Vec<PathBuf>,
}

/// Why there is no user and password in the cookie.
#[derive(Debug, Error)]
pub enum CookieError {
    /// bitcoind does not run, or has its data elsewhere.
    #[error(
        "there is no cookie in {0}: bitcoind is not running, has a user and password of its own, \
         or keeps its data elsewhere (set chain.cookie)"
    )]
    Missing(String),
    /// Mostly because the file is for bitcoind's user alone.
    #[error(
        "the cookie {path} cannot be read: {error} (rpccookieperms=group in bitcoin.conf, and the \
         pool's user in that group)"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Another file.
    #[error("{0} is no cookie of bitcoind: that is one line, user:password")]
    Malformed(PathBuf),
}

/// What bitcoind wants to see. It has no `Debug`: nothing may print it.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: String,
}

impl Cookie {
    /// The cookie in `file`.
    pub fn at(file: PathBuf) -> Cookie {
        Cookie { places: vec![file] }
    }

    /// Where a bitcoind of this machine puts it by default: the home of this user, or the
    /// data directory of the distributions' service.
    pub(super) fn of_this_machine(network: Network) -> Cookie {
        let below = match network {
            Network::Testnet => "testnet3",
            Network::Testnet4 => "testnet4",
            Network::Signet => "signet",
            Network::Regtest => "regtest",
            _ => "",
        };
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
        let home = home.map(|home| PathBuf::from(home).join(".bitcoin"));
        let service = PathBuf::from("/var/lib/bitcoind");
        let dirs = home.into_iter().chain([service]);
        Cookie {
            places: dirs.map(|dir| dir.join(below).join(".cookie")).collect(),
        }
    }

    pub(super) fn under(self, base: &Path) -> Cookie {
        let places = self.places.into_iter().map(|place| base.join(place));
        Cookie {
            places: places.collect(),
        }
    }

    /// True when there is a file in one of its places.
    pub fn is_there(&self) -> bool {
        self.places.iter().any(|place| place.is_file())
    }

    /// Where it is looked for, in words.
    pub(crate) fn words(&self) -> String {
        let places = self.places.iter().map(|place| place.display().to_string());
        places.collect::<Vec<_>>().join(" or ")
    }

    /// What it says now.
    pub(crate) fn read(&self) -> Result<Login, CookieError> {
        for path in &self.places {
            match std::fs::metadata(path) {
                Ok(about) if about.is_file() => return login(path),
                // To open a pipe would be to wait for somebody to write.
                Ok(_) => return Err(CookieError::Malformed(path.clone())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let path = path.clone();
                    return Err(CookieError::Unreadable { path, error });
                }
            }
        }
        Err(CookieError::Missing(self.words()))
    }
}

fn login(path: &Path) -> Result<Login, CookieError> {
    let unreadable = |error| CookieError::Unreadable {
        path: path.to_owned(),
        error,
    };
    let malformed = || CookieError::Malformed(path.to_owned());
    let file = File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    let read = file.take(MAX_BYTES + 1).read_to_string(&mut text);
    match read {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(malformed()),
        Err(error) => return Err(unreadable(error)),
        Ok(_) => {}
    }
    let line = text.trim_end_matches(['\r', '\n']);
    let is_short = u64::try_from(text.len()).is_ok_and(|bytes| bytes <= MAX_BYTES);
    let is_fit = is_short && !line.contains(char::is_control);
    let (user, password) = line
        .split_once(':')
        .filter(|_| is_fit)
        .ok_or_else(malformed)?;
    Ok(Login {
        user: user.to_owned(),
        password: password.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_read_anew_each_time_and_never_more_than_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| dir.path().join(name));
        let cookie = Cookie {
            places: vec![first.clone(), second.clone()],
        };
        let read = || cookie.read().map(|login| (login.user, login.password));
        let missing = read().unwrap_err().to_string();
        assert!(missing.contains("first or "), "{missing}");
        for (file, text) in [
            (&second, "__cookie__:12\n"),
            (&second, "__cookie__:34"),
            (&first, "me:a:/b@c"),
        ] {
            std::fs::write(file, text).unwrap();
            let (user, password) = read().unwrap();
            assert_eq!(format!("{user}:{password}"), text.trim_end());
        }
        for wrong in ["", "secret", "a:secret\nb:c", &"a:".repeat(2049)] {
            std::fs::write(&first, wrong).unwrap();
            let error = read().unwrap_err();
            assert!(matches!(error, CookieError::Malformed(_)), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        std::fs::write(&first, [0xff, b':']).unwrap();
        assert!(matches!(read(), Err(CookieError::Malformed(_))));
        std::fs::remove_file(&first).unwrap();
        std::fs::create_dir(&first).unwrap();
        assert!(read().is_err());
    }
}
