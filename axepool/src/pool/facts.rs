//! What the public listener tells of the pool.

use serde_json::{Value, json};

use super::View;
use crate::web::Facts;

impl Facts for View {
    fn index(&self) -> Value {
        json!({
            "name": self.name,
            "network": self.network,
            "version": env!("CARGO_PKG_VERSION"),
            "mint": self.minting.public_url().as_str(),
            "mint_info": "/v1/info",
            "solvency": "/api/solvency",
        })
    }

    fn solvency(&self) -> Value {
        self.paying.solvency()
    }
}
