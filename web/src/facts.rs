//! The facts about the pool for the public listener.

use pool::run::{SolvencyReport, View};
use pool::wind_down::WindDownStatus;

use super::routes::Facts;

impl Facts for View {
    fn solvency(&self) -> SolvencyReport {
        View::solvency(self)
    }

    fn can_go_on(&self) -> bool {
        self.broken().is_none()
    }

    fn is_ready(&self) -> bool {
        self.not_ready().is_empty()
    }

    async fn wind_down(&self) -> Option<WindDownStatus> {
        let status = self.wind_down_status().await;
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
