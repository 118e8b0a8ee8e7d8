//! `[operator]`: the operator's page, for who runs the pool and nobody else.

use std::net::SocketAddr;

use super::reader::Section;
use super::setting::Setting as _;

/// The operator's page. It is looked at and changes nothing.
#[derive(Clone, Debug)]
pub struct OperatorConfig {
    /// Where it listens; empty when switched off.
    pub listen: Vec<SocketAddr>,
}

pub(super) fn read(section: &mut Section<'_>) -> OperatorConfig {
    let default = vec![SocketAddr::from(([127, 0, 0, 1], 8081))];
    let listen: Vec<SocketAddr> = section.get("listen", default);
    let allowed = section.get("allow_remote", false);
    let remote = listen.iter().find(|address| !address.ip().is_loopback());
    if let Some(remote) = remote.filter(|_| !allowed) {
        section.problem(
            "listen",
            Some(&remote.show()),
            "other machines reach it there, and what its page shows is the operator's alone",
            "give an address such as \"127.0.0.1:8081\" and come by ssh -L, or set allow_remote \
             = true for a network of your own",
        );
    }
    OperatorConfig { listen }
}
