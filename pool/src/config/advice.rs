//! What to do about a key, a section or a variable that does not exist: the nearest name.

use super::effective::Effective;
use super::environment;
use super::expert;

/// The advice for a variable that stands for no key; `key` is what it seems to mean,
/// `section.key`.
pub(super) fn for_variable(all: &[Effective], key: &str) -> String {
    let named = |known: &Effective| format!("{}.{}", known.section, known.key);
    let names: Vec<_> = all.iter().map(named).collect();
    let near = nearest(key, names.iter().map(String::as_str));
    match near.and_then(|near| all.iter().find(|known| named(known) == near)) {
        Some(known) => format!(
            "did you mean {}?",
            environment::name(known.section, known.key)
        ),
        None => format!(
            "unset it; a variable is a section and a key, such as {}",
            environment::name("stratum", "listen")
        ),
    }
}

/// The advice for an unknown key: the nearest name in its section, or the section that has
/// a key of this name.
pub(super) fn for_key(all: &[Effective], section: &str, key: &str) -> String {
    let here = || all.iter().filter(|known| known.section == section);
    if let Some(near) = nearest_of(key, here()) {
        return did_you_mean(near);
    }
    if let Some(known) = all.iter().find(|known| known.key == key) {
        return format!("it belongs to [{}]", known.table());
    }
    if let Some(near) = nearest_of(key, all.iter()) {
        return did_you_mean(near);
    }
    remove(section, here().filter(|known| !known.is_expert))
}

/// The advice for an unknown key of `[expert.SECTION]`.
pub(super) fn for_expert_key(all: &[Effective], section: &str, key: &str) -> String {
    let of_section = || all.iter().filter(|known| known.section == section);
    let experts = || of_section().filter(|known| known.is_expert);
    if of_section().any(|known| !known.is_expert && known.key == key) {
        return format!("it belongs to [{section}]");
    }
    match nearest_of(key, experts()) {
        Some(near) => format!("did you mean {}?", near.key),
        None => remove(&expert::table(section), experts()),
    }
}

/// The advice for an unknown section.
pub(super) fn for_section(sections: &[&'static str], name: &str) -> String {
    match nearest(name, sections.iter().copied()) {
        Some(near) => format!("did you mean [{near}]?"),
        None => format!(
            "remove it; the sections of this version are {}",
            sections.join(", ")
        ),
    }
}

fn did_you_mean(known: &Effective) -> String {
    if known.is_expert {
        format!("did you mean {}, below [{}]?", known.key, known.table())
    } else {
        format!("did you mean {}?", known.key)
    }
}

fn remove<'a>(table: &str, known: impl Iterator<Item = &'a Effective>) -> String {
    let names: Vec<_> = known.map(|known| known.key).collect();
    match names.as_slice() {
        [] => "remove it".to_owned(),
        names => format!("remove it; [{table}] has {}", names.join(", ")),
    }
}

fn nearest_of<'a>(
    key: &str,
    known: impl Iterator<Item = &'a Effective> + Clone,
) -> Option<&'a Effective> {
    let near = nearest(key, known.clone().map(|known| known.key))?;
    let mut known = known;
    known.find(|known| known.key == near)
}

/// The most similar name, if any is similar enough to be meant.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const SIMILAR: f64 = 0.82;
    known
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
