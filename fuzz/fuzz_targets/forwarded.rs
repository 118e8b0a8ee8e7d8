//! `X-Forwarded-For` as strangers write it, behind a proxy that is trusted and adds the
//! last word. Whatever stands to the left of that must not matter.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use libfuzzer_sys::fuzz_target;
use proxy::config::IpNetwork;
use proxy::forwarded::client;

fuzz_target!(|input: &[u8]| {
    let proxy = IpAddr::from([127, 0, 0, 1]);
    let trusted = [IpNetwork { address: proxy, prefix_len: 8 }];
    let written: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();

    // Nobody else's header is read.
    let stranger = IpAddr::from([192, 0, 2, 1]);
    let named = client(stranger, written.iter().copied(), &trusted);
    assert_eq!((named.address, named.is_readable), (stranger, true));

    // It is the proxy, or whom the header names.
    let named = client(proxy, written.iter().copied(), &trusted);
    assert!(named.is_readable || named.address.is_loopback());

    // The proxy has the last word, in a line of its own or at the end of the last one.
    let last = Ipv4Addr::new(198, 51, 100, 7);
    let expected = (IpAddr::V4(last), true);
    let word = last.to_string();
    let named = client(proxy, written.iter().copied().chain([word.as_bytes()]).collect::<Vec<_>>().into_iter(), &trusted);
    assert_eq!((named.address, named.is_readable), expected);
    let line = [input, b", ", word.as_bytes()].concat();
    let named = client(proxy, [line.as_slice()].into_iter(), &trusted);
    assert_eq!((named.address, named.is_readable), expected);
});
