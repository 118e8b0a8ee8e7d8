//! From the Debian package to a running pool, by the commands of the operator's guide.
//!
//! The package is unpacked beside the system instead of into it, so the guide's places
//! are others here; nothing else of its commands is changed.

mod installed;
mod operator;
mod systemd;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::package::installed::{Installed, done};

#[test]
fn the_package_has_all_that_the_guide_speaks_of() {
    let installed = Installed::new();
    for path in [
        "usr/lib/systemd/system/axepool.service",
        "usr/lib/systemd/system/axepool-stratum.socket",
        "usr/lib/systemd/system/axepool-http.socket",
        "usr/lib/systemd/system/axepool-backup.service",
        "usr/lib/systemd/system/axepool-backup.timer",
        "usr/share/axepool/axepool.example.toml",
        "usr/share/axepool/ldk-node-config/mainnet.toml",
        "usr/share/axepool/grafana/prometheus/prometheus.yml",
        "usr/share/axepool/grafana/dashboards/pool.json",
        "usr/share/doc/axepool/operator.md",
        "usr/share/doc/axepool/copyright",
    ] {
        assert!(installed.root(path).exists(), "{path}");
    }
    for program in ["usr/bin/axepool", "usr/bin/axepool-demo"] {
        let binary = fs::metadata(installed.root(program)).expect("the binary");
        assert_eq!(binary.permissions().mode() & 0o7777, 0o755);
    }
    for script in ["postinst", "prerm", "postrm"] {
        let script = installed.path().join("control").join(script);
        done(Command::new("sh").arg("-n").arg(script));
    }
}
