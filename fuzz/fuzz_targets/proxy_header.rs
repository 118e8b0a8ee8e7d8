//! The header of a load balancer. It must not matter in which pieces it comes, and what
//! follows it must be left where it is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proxy::fuzzing::read_proxy_header;

/// Version 2's fixed part and the most that it may carry.
const LONGEST: usize = 16 + 2048;

fuzz_target!(|input: &[u8]| {
    let Some((&piece, bytes)) = input.split_first() else { return };
    let whole = read_proxy_header(bytes, usize::MAX);
    assert_eq!(whole, read_proxy_header(bytes, piece.into()));
    if let Some((_, rest)) = whole {
        assert!(bytes.ends_with(rest));
        let header = &bytes[..bytes.len() - rest.len()];
        assert!(header.len() <= LONGEST);
        assert_eq!(read_proxy_header(header, 7), whole.map(|(source, _)| (source, &[][..])));
    }
});
