//! Modules of a room do not import each other in a circle. A module is a direct child of
//! the room's `src/`; what is below it may be as close as it likes. Tests do not count.
//!
//! Read as text: `crate::name`, `crate::{name, ...}`, and `super::name` in a module's own
//! file. An item that `lib.rs` re-exports counts as its module.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The circles that are left, to be taken apart: a room and the modules of one circle. A
/// circle that is gone must leave this list.
const LEFT: &[(&str, &[&str])] = &[];

type Edges = BTreeMap<String, BTreeSet<String>>;

/// `text` without comments and without what follows the first `mod` that is for tests.
fn code(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or(""));
    let code = lines.collect::<Vec<_>>().join("\n");
    let end = code.match_indices("#[cfg(test)]").find(|(at, mark)| {
        let rest = code[at + mark.len()..].trim_start();
        rest.starts_with("mod ")
            && rest
                .split(';')
                .next()
                .is_some_and(|head| head.contains('{'))
    });
    end.map_or(code.clone(), |(at, _)| code[..at].to_owned())
}

fn word(text: &str) -> String {
    let is_of_word = |c: &char| c.is_alphanumeric() || *c == '_';
    text.trim_start().chars().take_while(is_of_word).collect()
}

/// The first names of all paths that begin with `root`, such as `crate::`.
fn named<'a>(code: &'a str, root: &'a str) -> impl Iterator<Item = String> + 'a {
    code.match_indices(root).flat_map(move |(at, _)| {
        let rest = &code[at + root.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            return vec![word(rest)];
        };
        let (mut depth, mut begins, mut names) = (1, 0, Vec::new());
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 || (c == ',' && depth == 1) {
                names.push(word(&group[begins..at]));
                begins = at + 1;
            }
            if depth == 0 {
                break;
            }
        }
        names
    })
}

/// What `lib.rs` re-exports: an item and its module.
fn re_exports(lib: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for line in lib.split(';') {
        let Some(at) = line.find("use ").filter(|at| line[..*at].contains("pub")) else {
            continue;
        };
        let path = &line[at + "use ".len()..];
        let Some((module, items)) = path.split_once("::") else {
            continue;
        };
        for item in items.split([',', '{', '}']) {
            let name = item.rsplit("::").next().map(word).unwrap_or_default();
            // After a list's last comma there is none.
            if !name.is_empty() {
                found.insert(name, module.trim().to_owned());
            }
        }
    }
    found
}

fn sources(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("");
        if matches!(
            name,
            "tests" | "tests.rs" | "testing" | "testing.rs" | "props.rs"
        ) {
            continue;
        }
        if path.is_dir() {
            sources(&path, into);
        } else if name.ends_with(".rs") {
            into.push(path);
        }
    }
}

/// Which module of the room at `src` imports which.
fn edges(src: &Path) -> Edges {
    let mut files = Vec::new();
    sources(src, &mut files);
    let texts: BTreeMap<PathBuf, String> = files
        .into_iter()
        .map(|path| {
            let text = code(&fs::read_to_string(&path).expect("text"));
            let inside = path.strip_prefix(src).expect("inside").to_owned();
            (inside, text)
        })
        .collect();
    of_texts(&texts)
}

fn of_texts(texts: &BTreeMap<PathBuf, String>) -> Edges {
    let module = |path: &Path| {
        let first = path.iter().next().and_then(|part| part.to_str());
        first.unwrap_or("").trim_end_matches(".rs").to_owned()
    };
    let modules: BTreeSet<String> = texts.keys().map(|path| module(path)).collect();
    let lib = texts.get(Path::new("lib.rs")).map(String::as_str);
    let re_exported = re_exports(lib.unwrap_or(""));
    let mut edges = Edges::new();
    for (path, text) in texts {
        let from = module(path);
        if matches!(from.as_str(), "lib" | "main") {
            continue;
        }
        let is_top = path.iter().count() == 1;
        let of_super = named(text, "super::").filter(|_| is_top);
        for name in named(text, "crate::").chain(of_super) {
            let to = re_exported.get(&name).unwrap_or(&name);
            if modules.contains(to) && *to != from {
                edges.entry(from.clone()).or_default().insert(to.clone());
            }
        }
    }
    edges
}

fn reached(edges: &Edges, from: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut next = vec![from.to_owned()];
    while let Some(module) = next.pop() {
        for to in edges.get(&module).into_iter().flatten() {
            if found.insert(to.clone()) {
                next.push(to.clone());
            }
        }
    }
    found
}

/// Modules that reach each other, in groups.
fn circles(edges: &Edges) -> BTreeSet<Vec<String>> {
    let all: BTreeMap<&String, _> = edges
        .keys()
        .map(|from| (from, reached(edges, from)))
        .collect();
    let reaches = |from: &String, to: &String| all.get(from).is_some_and(|set| set.contains(to));
    let group = |module: &&String| {
        let back = edges
            .keys()
            .filter(|other| reaches(module, other) && reaches(other, module));
        back.cloned().collect::<Vec<_>>()
    };
    let groups = all.keys().map(group);
    groups.filter(|group| group.len() > 1).collect()
}

#[test]
fn no_room_has_a_circle_of_modules() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace");
    let mut found = BTreeSet::new();
    let mut rooms = 0;
    for entry in fs::read_dir(top).expect("the workspace") {
        let room = entry.expect("an entry").path();
        if !room.join("Cargo.toml").is_file() || !room.join("src/lib.rs").is_file() {
            continue;
        }
        rooms += 1;
        let name = room
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        for circle in circles(&edges(&room.join("src"))) {
            found.insert((name.to_owned(), circle));
        }
    }
    assert!(rooms >= 7, "{rooms} rooms were found");
    let left = LEFT.iter().map(|(room, circle)| {
        let circle = circle.iter().map(|module| (*module).to_owned()).collect();
        ((*room).to_owned(), circle)
    });
    assert_eq!(found, left.collect());
}

#[track_caller]
fn case(files: &[(&str, &str)], expected: &[&[&str]]) {
    let texts = files
        .iter()
        .map(|(path, text)| (PathBuf::from(path), code(text)));
    let found = circles(&of_texts(&texts.collect()));
    let expected = expected
        .iter()
        .map(|circle| circle.iter().map(|module| (*module).to_owned()).collect());
    assert_eq!(found, expected.collect::<BTreeSet<Vec<String>>>());
}

#[test]
fn circles_are_found() {
    case(
        &[
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "use crate::{c, d::{E, f}};"),
            ("d.rs", "use super::a;"),
        ],
        &[&["a", "b", "d"]],
    );
    // Through an item of lib.rs, and from a file inside of a module.
    case(
        &[
            (
                "lib.rs",
                "pub use b::{B, C as D};\npub(crate) use a::deep::A;",
            ),
            ("a/deep.rs", "fn f() -> crate::B {}"),
            ("b.rs", "use crate::A;"),
        ],
        &[&["a", "b"]],
    );
    // One way, a comment, a test, and neighbours inside of one module.
    case(
        &[
            ("a.rs", "use crate::b;"),
            (
                "b.rs",
                "// crate::a\n#[cfg(test)]\nmod tests { use crate::a; }",
            ),
            ("c/one.rs", "use super::two;"),
            ("c/two.rs", "use super::one;"),
        ],
        &[],
    );
}
