//! Software that follows another chain than the network.

/// Bitcoin Knots of this date and later enforces rules of its own since August 2026.
const KNOTS_APART_FROM: u32 = 20_260_508;

/// Where the two chains part.
const PART_AT: u32 = 961_632;

/// Why a bitcoind that calls itself `software` (its subversion, such as
/// `/Satoshi:29.3.0/Knots:20260508/`) is no witness of the chain that OCEAN mines on;
/// `None` for any other.
pub fn follows_another_chain(software: &str) -> Option<String> {
    let lower = software.to_ascii_lowercase();
    let date = lower.split("knots").skip(1).find_map(|rest| {
        let rest = rest.strip_prefix(':').unwrap_or(rest);
        let date = rest.get(..8)?;
        let is_date = date.bytes().all(|byte| byte.is_ascii_digit());
        is_date.then(|| date.parse::<u32>().ok()).flatten()
    })?;
    (date >= KNOTS_APART_FROM).then(|| {
        format!(
            "the chain source is {software}: Bitcoin Knots from 29.3.knots20260508 on follows another \
             chain than the miners do, from block {PART_AT} on, unless it was set up not to. Use \
             Bitcoin Core, an older Knots, or an Esplora server"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(software: &str, is_apart: bool) {
        let why = follows_another_chain(software);
        assert_eq!(why.is_some(), is_apart, "{software}: {why:?}");
    }

    #[test]
    fn the_knots_of_another_chain_is_known_by_its_date() {
        case("/Satoshi:29.3.0/Knots:20260508/", true);
        case("/Satoshi:29.4.3/Knots:20260911/", true);
        case("/Satoshi:29.3.0(axepool)/Knots:20260508/", true);
        case("29.3.knots20260508", true);
        case("/Satoshi:29.2.0/Knots:20251110/", false);
        case("/Satoshi:29.3.0/Knots:20260507/", false);
        case("/Satoshi:30.2.0/", false);
        case("/Satoshi:31.0.0(Knots:)/", false);
        case("/Knots:ab/Knots:2026/Knots:é0260508", false);
        case("", false);
    }
}
