//! The commands with which anybody splits a payout again.

use super::super::super::api::audit::Row;

/// For one payout.
#[derive(Debug)]
pub(super) struct Check {
    /// What to paste into a shell.
    pub(super) commands: String,
    /// The number of the file.
    pub(super) number: u64,
}

impl Check {
    /// With the pool at `url`. OCEAN is asked where it knows the pool: by `address`.
    pub(super) fn new(row: &Row, url: &str, address: Option<&str>) -> Check {
        let number = row.number;
        let mut lines = vec![format!("curl -fsSO {url}{}", row.json)];
        let mut audit = format!("axepool-wallet audit {number}.json");
        if let Some(before) = number.checked_sub(1).filter(|before| *before > 0) {
            lines.push(format!("curl -fsSO {url}/api/audit/{before}.json"));
            audit.push_str(&format!(" --previous {before}.json"));
        }
        if let Some(address) = address {
            audit.push_str(&format!(" --ocean {address}"));
        }
        lines.push(format!(
            "echo \"{}  {number}.json\" | sha256sum -c",
            row.hash
        ));
        lines.push(audit);
        Check {
            commands: lines.join("\n"),
            number,
        }
    }
}

#[cfg(test)]
mod tests {
    use accounting::Msat;
    use accounting::settle::FileHash;

    use super::super::super::super::api::audit::Proof;
    use super::*;

    fn row(number: u64) -> Row {
        let hash = FileHash::of(&number.to_be_bytes());
        Row {
            number,
            payout: "11".repeat(32).parse().expect("a key"),
            hash,
            previous: None,
            amount_msat: Msat::new(1),
            fee_msat: Msat::ZERO,
            received_ms: 0,
            proof: Proof::Lightning {
                payment_hash: "11".repeat(32).parse().expect("a hash"),
                preimage: None,
            },
            parts: Vec::new(),
            epochs: Vec::new(),
            split_over: Vec::new(),
            json: format!("/api/audit/{number}.json"),
            csv: format!("/api/audit/{number}.csv"),
        }
    }

    #[test]
    fn the_commands_fetch_what_they_check() {
        let first = Check::new(&row(1), "https://pool.example", None).commands;
        let hash = row(1).hash;
        assert_eq!(
            first,
            format!(
                "curl -fsSO https://pool.example/api/audit/1.json\n\
                 echo \"{hash}  1.json\" | sha256sum -c\n\
                 axepool-wallet audit 1.json"
            )
        );
        let third = Check::new(&row(3), "http://[::1]:80/x", Some("bc1q")).commands;
        let lines: Vec<&str> = third.lines().collect();
        assert_eq!(lines[1], "curl -fsSO http://[::1]:80/x/api/audit/2.json");
        assert_eq!(
            lines[3],
            "axepool-wallet audit 3.json --previous 2.json --ocean bc1q"
        );
    }
}
