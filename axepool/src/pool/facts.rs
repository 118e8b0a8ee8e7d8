//! What the public listener tells of the pool.

use serde_json::Value;

use super::View;
use crate::http::Health as _;
use crate::web::Facts;

impl Facts for View {
    fn solvency(&self) -> Value {
        self.paying.solvency()
    }

    fn can_go_on(&self) -> bool {
        self.broken().is_none()
    }

    fn is_ready(&self) -> bool {
        self.not_ready().is_empty()
    }
}
