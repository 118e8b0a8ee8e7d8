//! A record as an Atom feed (RFC 4287).

use std::fmt::Write as _;

use accounting::{Incarnation, MinerId};
use basics::humane;

use super::record::Record;

/// What of the pool stands in a feed.
#[derive(Clone, Debug)]
pub struct About {
    /// The pool's name.
    pub name: String,
    /// Its URL, without a slash at the end.
    pub public_url: String,
    /// Its ledger: two pools never have the same ids.
    pub ledger: Incarnation,
}

impl About {
    /// The page of a miner.
    pub fn page(&self, miner: &MinerId) -> String {
        format!("{}/miners/{miner}", self.public_url)
    }

    /// The feed of a miner.
    pub fn feed_url(&self, miner: &MinerId) -> String {
        format!("{}/feed.atom", self.page(miner))
    }
}

/// The feed, the newest entry first.
pub(crate) fn atom(record: &Record, about: &About) -> String {
    let newest = record.entries.back();
    let updated = newest.map_or(record.since_ms, |entry| entry.time_ms);
    let page = escaped(&about.page(&record.miner));
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
    // Writing to a String cannot fail.
    let _ = write!(
        xml,
        "<feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"en\">\n  \
           <id>{id}</id>\n  \
           <title>{name}: {miner}</title>\n  \
           <updated>{updated}</updated>\n  \
           <author><name>{name}</name></author>\n  \
           <link rel=\"self\" type=\"application/atom+xml\" href=\"{own}\"/>\n  \
           <link rel=\"alternate\" type=\"text/html\" href=\"{page}\"/>\n  \
           <generator version=\"{version}\">Axepool</generator>\n",
        id = record.feed_id(about.ledger),
        name = escaped(&about.name),
        miner = humane::short_key(&record.miner.npub()),
        updated = rfc3339(updated),
        own = escaped(&about.feed_url(&record.miner)),
        version = env!("CARGO_PKG_VERSION"),
    );
    for entry in record.entries.iter().rev() {
        let _ = write!(
            xml,
            "  <entry>\n    \
                 <id>{id}</id>\n    \
                 <title>{title}</title>\n    \
                 <updated>{time}</updated>\n    \
                 <published>{time}</published>\n    \
                 <link rel=\"alternate\" type=\"text/html\" href=\"{page}\"/>\n    \
                 <content type=\"text\">{text}</content>\n  \
               </entry>\n",
            id = record.entry_id(about.ledger, entry),
            title = escaped(&entry.news.headline()),
            time = rfc3339(entry.time_ms),
            text = escaped(&entry.news.text(entry.time_ms)),
        );
    }
    xml.push_str("</feed>\n");
    xml
}

/// A date and time as Atom has it (RFC 3339).
fn rfc3339(ms: u64) -> String {
    format!("{}Z", humane::utc(ms).replace(' ', "T"))
}

/// Text within XML 1.0; characters that cannot stand in it are left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use accounting::Sat;

    use super::super::news::News;
    use super::*;
    use crate::testing::pair;

    fn about(name: &str) -> About {
        About {
            name: name.to_owned(),
            public_url: "https://pool.example".to_owned(),
            ledger: Incarnation::from_bytes([7; 16]),
        }
    }

    #[test]
    fn a_feed_is_whole() {
        let mut record = Record::new(pair(1).1, 1_795_247_612_000);
        let empty = atom(&record, &about("Mine"));
        assert!(
            empty.contains("<updated>2026-11-21T07:53:32Z</updated>"),
            "{empty}"
        );
        assert!(!empty.contains("<entry>"), "{empty}");

        record.note(News::Ready { sat: Sat::new(5) }, 1_795_247_672_000);
        record.note(News::Begun, 1_795_247_732_000);
        let xml = atom(&record, &about("Tom & <Jerry>\u{1}"));
        let title = "<title>Tom &amp; &lt;Jerry&gt;: npub1";
        for part in [
            title,
            "<updated>2026-11-21T07:55:32Z</updated>",
            "<title>5 sat ready</title>",
            "href=\"https://pool.example/miners/02",
            "/feed.atom\"",
        ] {
            assert!(xml.contains(part), "{part}: {xml}");
        }
        let (begun, ready) = (xml.find("Notices are on"), xml.find("5 sat ready"));
        assert!(begun < ready, "the newest first: {xml}");
        // What was told once is the same for ever.
        assert!(xml.contains(&entry_of(&record, 0)) && xml.contains(&entry_of(&record, 1)));
    }

    fn entry_of(record: &Record, index: usize) -> String {
        record.entry_id(about("").ledger, &record.entries[index])
    }
}
