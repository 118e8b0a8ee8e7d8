//! A pool is set up by somebody who sees nothing of this machine but a page: the answers are
//! checked, the chain source is asked, and the config and the seed words are written.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use payout::{ChainSource, Seed, payout_address};

use super::checked::put_all;
use super::earlier::has_not_run;
use super::{Answers, Draft, base_of, can_be_set_up, write_config, write_node};
use crate::config::{Config, Loaded, Problem, Sources};
use crate::{chain_source, data_dir};

/// The key that a chain source's problem is told of.
const CHAIN: &str = "chain.url";

/// A chain source's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Its answer.
    pub answer: Option<String>,
    /// Oddities of a source that can be used.
    pub warnings: Vec<String>,
}

/// Answers that were checked, good or not.
#[derive(Debug)]
pub struct Checked {
    draft: Draft,
    told: Option<super::Told>,
    sources: Option<Sources>,
    /// The chain source's answer.
    pub heard: Heard,
    /// Everything that does not do, by its key.
    pub problems: Vec<Problem>,
}

/// A pool that is set up.
#[derive(Debug)]
pub struct Written {
    /// The config, as the pool will read it.
    pub config: Config,
    /// The words to be copied.
    pub words: Vec<Words>,
    /// Warnings about settings that are allowed.
    pub warnings: Vec<String>,
}

/// Seed words, and the file that they are in.
pub struct Words {
    /// What they are of.
    pub title: &'static str,
    /// Their file.
    pub file: PathBuf,
    /// One by one; none when they are not shown.
    pub words: Vec<String>,
}

/// No word is shown by accident.
impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Words").field(&self.file).finish()
    }
}

/// Checks `answers` for a config at `path`, and asks the chain source. Nothing is written.
pub async fn check(mut draft: Draft, answers: Answers, path: &Path) -> Checked {
    let base = base_of(path);
    let (told, mut problems) = match put_all(&mut draft, answers, base) {
        Ok(told) => (Some(told), Vec::new()),
        Err(problems) => (None, problems),
    };
    let mut heard = Heard::default();
    let sources = match draft.read_sources(base) {
        Ok(sources) => Some(sources),
        Err(list) => {
            let known = |problem: &Problem| problems.iter().any(|other| other.key == problem.key);
            let new: Vec<_> = list.into_iter().filter(|new| !known(new)).collect();
            problems.extend(new);
            None
        }
    };
    if let Some(sources) = &sources
        && let Some(chain) = &sources.chain
    {
        match ask(chain, sources).await {
            Ok(answer) => heard = answer,
            Err(problem) => problems.push(problem),
        }
    }
    Checked {
        draft,
        told,
        sources,
        heard,
        problems,
    }
}

async fn ask(chain: &ChainSource, sources: &Sources) -> Result<Heard, Problem> {
    let problem = |why: String, fix: &str| Problem {
        key: CHAIN.to_owned(),
        value: None,
        why,
        fix: fix.to_owned(),
    };
    let told = chain_source::answer_of(chain).await;
    let told = told.map_err(|why| {
        problem(
            format!("{chain}: {why}"),
            "correct it and try again, or choose another source",
        )
    })?;
    if let Some(why) = told.other_network(sources.network) {
        return Err(problem(why, "choose the network and the source to match"));
    }
    Ok(Heard {
        answer: Some(format!("{chain}: {}", told.words())),
        warnings: chain_source::about(sources.network, &told),
    })
}

impl Checked {
    /// Writes the config and makes the words of mint and node. `made` are the files whose
    /// words this process made.
    ///
    /// # Errors
    /// The problems of the whole config, a file that cannot be written, or a pool that ran
    /// before.
    pub fn write(self, path: &Path, made: &mut Made) -> Result<Written, Vec<Problem>> {
        let Checked {
            mut draft,
            told,
            sources,
            problems,
            heard,
        } = self;
        let (Some(told), Some(sources), []) = (told, sources, problems.as_slice()) else {
            return Err(problems);
        };
        let base = base_of(path);
        // A backup may have been restored since the start.
        can_be_set_up(path, &draft).map_err(in_general)?;
        data_dir::prepare(&sources.data_dir).map_err(|error| in_general(error.into()))?;
        if let Some(node) = &told.node {
            write_node(path, node).map_err(in_general)?;
            node.put(&mut draft);
            if told.lacks_address {
                let sources = draft.read_sources(base)?;
                let address = own_address(&sources, made).map_err(in_general)?;
                draft.put_text("upstream", "address", &address);
            }
        }
        let Loaded {
            config, warnings, ..
        } = draft.read(base)?;
        let node_dir = config.income.node.as_ref();
        let node_dir = node_dir.map(|node| node.settings.storage_dir.as_path());
        has_not_run(path, &config.data_dir, node_dir).map_err(in_general)?;
        let words = words_of(&config, made).map_err(in_general)?;
        write_config(path, &draft).map_err(in_general)?;
        tracing::info!(config = %path.display(), "the pool is set up");
        let warnings = warnings
            .iter()
            .map(|warning| format!("{}: {}; {}", warning.key, warning.why, warning.fix));
        Ok(Written {
            words,
            warnings: heard.warnings.into_iter().chain(warnings).collect(),
            config,
        })
    }
}

/// The first address of the node's wallet, as `axepool address` shows it.
fn own_address(sources: &Sources, made: &mut Made) -> Result<String> {
    let node = sources.node.as_ref().context("there is no node")?;
    let settings = &node.settings;
    made.makes(&settings.mnemonic_file);
    let seed = Seed::open(&settings.mnemonic_file, &settings.storage_dir)?;
    Ok(payout_address(&seed, settings.network)?.to_string())
}

/// The words of mint and node; made now, so that they are copied before there is money.
fn words_of(config: &Config, made: &mut Made) -> Result<Vec<Words>> {
    let mut words = Vec::new();
    if config.mint.enabled {
        let file = &config.mint.mnemonic_file;
        made.makes(file);
        mint::make_words(file, &data_dir::mint(&config.data_dir))?;
        words.push(made.words("Words of the mint", file)?);
    }
    if let Some(node) = &config.income.node {
        let settings = &node.settings;
        made.makes(&settings.mnemonic_file);
        Seed::open(&settings.mnemonic_file, &settings.storage_dir)?;
        words.push(made.words("Words of the lightning node", &settings.mnemonic_file)?);
    }
    Ok(words)
}

/// The files whose words this process made. Words that were there before may have money, and
/// whoever uses the page need not be their owner: they are never shown.
#[derive(Debug, Default)]
pub struct Made(BTreeSet<PathBuf>);

impl Made {
    /// Words are made in `file` now, unless it has some.
    fn makes(&mut self, file: &Path) {
        // A link to nothing is there, too.
        if fs::symlink_metadata(file).is_err() {
            self.0.insert(file.to_owned());
        }
    }

    fn words(&self, title: &'static str, file: &Path) -> Result<Words> {
        let mut words = Vec::new();
        if self.0.contains(file) {
            let text = fs::read_to_string(file);
            let text = text.with_context(|| format!("{} cannot be read", file.display()))?;
            words.extend(text.split_whitespace().map(str::to_owned));
        }
        Ok(Words {
            title,
            file: file.to_owned(),
            words,
        })
    }
}

impl Written {
    /// From now on the words are told of by their files alone.
    pub fn forget_words(&mut self) {
        for of in &mut self.words {
            of.words.clear();
        }
    }
}

/// A problem of no key.
fn in_general(error: anyhow::Error) -> Vec<Problem> {
    vec![Problem {
        key: String::new(),
        value: None,
        why: format!("{error:#}"),
        fix: "see to it on this machine and send the form again".to_owned(),
    }]
}
