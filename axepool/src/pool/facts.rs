//! What the public listener tells of the pool.

use serde_json::Value;

use super::View;
use crate::web::Facts;

impl Facts for View {
    fn solvency(&self) -> Value {
        self.paying.solvency()
    }
}
