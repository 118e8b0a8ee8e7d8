//! `key`: the key to mine with.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use basics::output;
use clap::Subcommand;
use wallet::{KeyFileError, OwnerKey, terminal_qr, write_key_file};

use crate::place::default_place;
use crate::program;

/// Make a key to mine with, or show one
///
/// A miner is a key: its public half is the username of a Bitaxe, and its secret half is
/// needed to fetch the ecash. No account is made anywhere.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    New(NewArgs),
    Show(ShowArgs),
}

/// Make a key and keep it in a file
///
/// Only you can read the file (mode 0600), and it is never overwritten. Anybody with the
/// secret key can take the miner's earnings, and without it nobody can fetch them: keep a
/// copy elsewhere. The wallet that `sweep` fills has seed words of its own, which
/// do not follow from this key.
#[derive(Debug, clap::Args)]
struct NewArgs {
    #[command(flatten)]
    show: ShowArgs,
    /// Import an existing secret key instead: `--from nsec` reads it from stdin, as an nsec
    /// or as 64 hex digits
    #[arg(long, value_name = "nsec")]
    from: Option<String>,
}

/// Show a key: the username for AxeOS, and the secret for a wallet
#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The key's file [default: ~/.axepool/key]
    #[arg(long, value_name = "FILE", env = "AXEPOOL_KEY")]
    key: Option<PathBuf>,
    /// Show the secret even when the output goes into a file or a pipe
    #[arg(long)]
    secret: bool,
    /// Do not print QR codes
    #[arg(long)]
    no_qr: bool,
}

pub(crate) fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        KeyCommand::New(new) => make(&new),
        KeyCommand::Show(show) => {
            let path = key_path(show.key.as_deref())?;
            tell(&read_key_at(&path)?, &path, &show)
        }
    }
}

/// The key in the file that is named, or else in the one that is meant then.
///
/// # Errors
/// There is none, and what makes one; or the file has no key that may be used.
pub(crate) fn read_key(named: Option<&Path>) -> Result<OwnerKey> {
    read_key_at(&key_path(named)?)
}

fn read_key_at(path: &Path) -> Result<OwnerKey> {
    wallet::read_key_file(path).map_err(|error| match error {
        KeyFileError::Missing(_) => {
            anyhow!("{error}; `{}` makes a key", program::command("key new"))
        }
        error => error.into(),
    })
}

/// The key file that is meant when none is named.
fn key_path(named: Option<&Path>) -> Result<PathBuf> {
    match named {
        Some(path) => Ok(path.to_owned()),
        None => default_place("key"),
    }
}

fn make(new: &NewArgs) -> Result<ExitCode> {
    let key = match new.from.as_deref() {
        None => OwnerKey::generate(),
        Some("nsec") => from_stdin()?,
        Some(given) => {
            output::remark(
                "the secret is now in your shell's history: `--from nsec` reads it from stdin instead",
            );
            given.parse()?
        }
    };
    let path = key_path(new.show.key.as_deref())?;
    if new.show.key.is_none() {
        make_private_parent(&path)?;
    }
    write_key_file(&path, &key)?;
    output::remark(format!(
        "the key is in {}: keep a copy of that file elsewhere",
        path.display()
    ));
    tell(&key, &path, &new.show)
}

fn from_stdin() -> Result<OwnerKey> {
    if std::io::stdin().is_terminal() {
        output::remark("paste the secret (nsec1... or 64 hex digits), then Enter and Ctrl-D");
    }
    let mut text = String::new();
    // A secret is short; whatever is longer is none.
    std::io::stdin()
        .take(1024)
        .read_to_string(&mut text)
        .context("cannot read the secret from stdin")?;
    Ok(text.parse()?)
}

fn make_private_parent(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(parent)
        .with_context(|| format!("cannot make {}", parent.display()))
}

fn tell(key: &OwnerKey, path: &Path, show: &ShowArgs) -> Result<ExitCode> {
    let screen = output::is_screen();
    let qr = |text: &str| match show.no_qr {
        true => String::new(),
        false => terminal_qr(text, screen).unwrap_or_default(),
    };
    let npub = key.npub();
    output::line(format!(
        "for AxeOS, as the stratum user (either form; `.name` behind it names the device)\n  \
         npub        {npub}\n  public key  {}\n{}",
        key.public_hex(),
        qr(&npub),
    ))?;
    if !screen && !show.secret {
        output::remark(format!(
            "the secret is in {}, and not shown here: --secret shows it",
            path.display()
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let nsec = key.nsec();
    output::line(format!(
        "for your wallet, and for nobody else: whoever sees it can take the money\n  \
         nsec        {nsec}\n  secret      {}\n{}",
        key.secret_hex(),
        qr(&nsec),
    ))?;
    Ok(ExitCode::SUCCESS)
}
