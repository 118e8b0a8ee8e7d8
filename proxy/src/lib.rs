//! The Stratum V1 proxy: many miners downstream, one miner upstream.

