//! The upstream against pools that are scripted, on real sockets.
