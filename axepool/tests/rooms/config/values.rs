//! Values that do not do.

use crate::config::{case, minimal};

#[test]
fn values_that_do_not_do_are_told_with_what_to_do() {
    case(
        &minimal("[stratum]\nlisten = \"3333\""),
        "stratum.listen",
        "0.0.0.0:3333",
    );
    case(
        &minimal("[stratum]\nlisten = []"),
        "stratum.listen",
        "no address to listen on",
    );
    case(
        &minimal("[stratum]\nmin_difficulty = 0"),
        "stratum.min_difficulty",
        "above 0",
    );
    case(
        &minimal("[stratum]\nmin_difficulty = nan"),
        "stratum.min_difficulty",
        "above 0",
    );
    case(
        &minimal("[stratum]\nmin_difficulty = \"256\""),
        "stratum.min_difficulty",
        "string is no number",
    );
    case(
        &minimal("[stratum]\nstart_difficulty = 1"),
        "stratum.start_difficulty",
        "below min_difficulty, 256",
    );
    case(
        &minimal("[stratum]\ntarget_shares_per_minute = inf"),
        "stratum.target_shares_per_minute",
        "0.1 to 1000000",
    );
    case(
        &minimal("[stratum]\nmax_connections = 0"),
        "stratum.max_connections",
        "from 1 to 1000000",
    );
    case(
        &minimal("[stratum]\nmax_connections = -1"),
        "stratum.max_connections",
        "out of range",
    );
    case(
        &minimal("[stratum]\nmax_line_bytes = 12"),
        "stratum.max_line_bytes",
        "below the least, 1024",
    );
    case(
        &minimal("[stratum]\nproxy_protocol_from = [\"10.0.0.0/33\"]"),
        "stratum.proxy_protocol_from",
        "prefix length",
    );
    case(
        &minimal("[stratum]\nproxy_protocol_from = \"::1/x\""),
        "stratum.proxy_protocol_from",
        "prefix length",
    );
    case(
        &minimal("[payout]\nfee_bps = 10001"),
        "payout.fee_bps",
        "above the most, 10000",
    );
    case(
        &minimal("[payout]\nsplit = \"pplns\""),
        "payout.split",
        "\"epoch\" or \"tides\"",
    );
    case(
        &minimal("[mint]\nquote_min_work = -5"),
        "mint.quote_min_work",
        "not negative",
    );
    case(
        &minimal("[pool]\nnetwork = \"main\""),
        "pool.network",
        "choose \"mainnet\" or",
    );
    case(
        &minimal("[pool]\nname = \"\""),
        "pool.name",
        "1 to 64 characters",
    );
    case(
        &minimal("worker = \"a b\""),
        "upstream.worker",
        "letters, digits",
    );
    case(
        &minimal("urls = []"),
        "upstream.urls",
        "no upstream to mine at",
    );
    case(
        &minimal("urls = [\"mine.ocean.xyz:3334\"]"),
        "upstream.urls",
        "does not begin with stratum+tcp",
    );
    case(
        &minimal("urls = [\"http://mine.ocean.xyz:3334\"]"),
        "upstream.urls",
        "does not begin",
    );
    case(
        &minimal("urls = [\"stratum+tcp://mine.ocean.xyz\"]"),
        "upstream.urls",
        "no valid port",
    );
    case(
        &minimal("urls = [\"stratum+tcp://user:x@host:1\"]"),
        "upstream.urls",
        "no user or password",
    );
    case(
        &minimal("urls = [\"stratum+tcp://host:0\"]"),
        "upstream.urls",
        "no valid port",
    );
    case(
        &minimal("urls = [\"stratum+tcp://::1:33\"]"),
        "upstream.urls",
        "no valid host",
    );
}
