//! The facts about the pool for the public listener.

use pool::run::View;
use serde_json::Value;

use super::routes::Facts;

impl Facts for View {
    fn solvency(&self) -> Value {
        View::solvency(self)
    }

    fn can_go_on(&self) -> bool {
        self.broken().is_none()
    }

    fn is_ready(&self) -> bool {
        self.not_ready().is_empty()
    }

    async fn wind_down(&self) -> Option<Value> {
        let status = self.wind_down_status().await;
        let status = status.and_then(|status| Ok(serde_json::to_value(status)?));
        status
            .inspect_err(|error| {
                tracing::error!(
                    error = format_args!("{error:#}"),
                    "what is left cannot be told"
                );
            })
            .ok()
    }
}
