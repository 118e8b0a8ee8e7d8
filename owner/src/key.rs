//! `key`: the key to mine with.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use basics::output;
use clap::Subcommand;
use wallet::{KeyFile, KeyFileError, OwnerKey, WordKey, terminal_qr};

use crate::place::{Place, default_place};
use crate::program;
use crate::runtime::block_on;

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
/// The key follows from the twelve words of your wallet, which is made if there is none: copy
/// the words to paper, and they bring back both the key and the wallet's ecash. Each `key new`
/// gives the next key of the words, beginning with number 0. Only you can read the file (mode
/// 0600), and it is never overwritten. Anybody with the secret key, or with the words, can
/// take the miner's earnings.
#[derive(Debug, clap::Args)]
struct NewArgs {
    #[command(flatten)]
    show: ShowArgs,
    /// Write this key of the words again: 0 is the first one that was made from them
    #[arg(long, value_name = "N", conflicts_with_all = ["random", "from"])]
    number: Option<u32>,
    /// Make a key that follows from no words: without a copy of its file it is lost with the
    /// disk
    #[arg(long, conflicts_with = "from")]
    random: bool,
    /// Import an existing secret key instead: `--from nsec` reads it from stdin, as an nsec
    /// or as 64 hex digits
    #[arg(long, value_name = "nsec")]
    from: Option<String>,
}

/// Show a key: where it comes from, the username for AxeOS, and the secret for a wallet
#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The key's file [default: ~/.axepool/key]
    #[arg(long, value_name = "FILE", env = "AXEPOOL_KEY")]
    key: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
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
            let file = read_file(&path)?;
            let dir = show.place.dir()?;
            let found = WordKey::find(&dir, &file.key, file.number)?;
            output::line(origin(&file, found.as_ref(), &dir, &path))?;
            tell(&file.key, found.as_ref(), &path, &show)
        }
    }
}

/// The key in the file that is named, or else in the one that is meant then.
///
/// # Errors
/// There is none, and what makes one; or the file has no key that may be used.
pub(crate) fn read_key(named: Option<&Path>) -> Result<OwnerKey> {
    Ok(read_file(&key_path(named)?)?.key)
}

fn read_file(path: &Path) -> Result<KeyFile> {
    KeyFile::read(path).map_err(|error| match error {
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
    let path = key_path(new.show.key.as_deref())?;
    // No number of the words is used up for a file that cannot be written.
    if path.exists() {
        bail!(
            "{}: it is there already, and not overwritten",
            path.display()
        );
    }
    let from_words = match new.from.is_none() && !new.random {
        true => Some(from_words(&new.show.place, new.number)?),
        false => None,
    };
    let key = match (&from_words, new.from.as_deref()) {
        (Some(found), _) => found.key.clone(),
        (None, None) => OwnerKey::generate(),
        (None, Some("nsec")) => from_stdin()?,
        (None, Some(given)) => {
            output::remark(
                "the secret is now in your shell's history: `--from nsec` reads it from stdin instead",
            );
            given.parse()?
        }
    };
    if new.show.key.is_none() {
        make_private_parent(&path)?;
    }
    let number = from_words.as_ref().map(|found| found.number);
    let file = KeyFile { key, number };
    file.write(&path)?;
    output::remark(match number {
        Some(number) => format!(
            "the key is in {}, and is number {number} of the words in {}: on paper the words bring \
             it back",
            path.display(),
            new.show.place.dir()?.display()
        ),
        None => format!(
            "the key is in {}: keep a copy of that file elsewhere, no words bring it back",
            path.display()
        ),
    });
    tell(&file.key, from_words.as_ref(), &path, &new.show)
}

fn from_words(place: &Place, number: Option<u32>) -> Result<WordKey> {
    let home = place.open()?;
    block_on(async {
        Ok(match number {
            Some(number) => home.numbered_key(number).await?,
            None => home.next_key().await?,
        })
    })
}

/// Which kind of key is in a file. What the wallet's words say counts for more than the file.
fn origin(file: &KeyFile, found: Option<&WordKey>, dir: &Path, path: &Path) -> String {
    match (found, file.number) {
        (Some(found), _) => format!(
            "from words: number {} of the words of the wallet in {}, which bring it back",
            found.number,
            dir.display()
        ),
        (None, Some(number)) => format!(
            "from words: {} says number {number}, but not of the words of a wallet in {}. Keep a \
             copy of the file, or name the wallet with --wallet",
            path.display(),
            dir.display()
        ),
        (None, None) => format!(
            "random or imported: the words of the wallet in {} do not bring it back. Keep a copy of {}",
            dir.display(),
            path.display()
        ),
    }
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

fn tell(
    key: &OwnerKey,
    from_words: Option<&WordKey>,
    path: &Path,
    show: &ShowArgs,
) -> Result<ExitCode> {
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
    if let Some(words) = from_words.filter(|words| words.public_hex != key.public_hex()) {
        output::line(format!(
            "another wallet with the same words shows this key as\n  {}\n",
            words.public_hex
        ))?;
    }
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
