//! Errors over HTTP, in the shape of NUT-00: `{"code", "detail"}`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cdk_common::error::{ErrorCode, ErrorResponse};
use serde_json::json;

use crate::claim::ClaimError;
use crate::lookup::LookupRefusal;
use crate::refused::OTHER;

/// An error to be answered.
pub(super) struct HttpError(StatusCode, ErrorResponse);

impl HttpError {
    pub(super) fn bad_request(detail: impl ToString) -> Self {
        HttpError(
            StatusCode::BAD_REQUEST,
            ErrorResponse::new(OTHER, detail.to_string()),
        )
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}

/// An answer from outside of the routes that answer web wallets: it says itself that any
/// origin may read it.
pub(super) fn refusal(status: StatusCode, code: ErrorCode, detail: &str) -> Response {
    let error = HttpError(status, ErrorResponse::new(code, detail.to_owned()));
    for_web_wallets(error.into_response())
}

/// Any origin may read `response`.
pub(super) fn for_web_wallets(mut response: Response) -> Response {
    response.headers_mut().insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    response
}

/// The answer to a request that was not looked at, and may be sent again (503).
///
/// It has no `code`: a code is the mint's decision about a request. cdk's wallet reads a code
/// that it does not know as a refusal for good, and a 503 without one as the mint's trouble,
/// after which it keeps the ecash of the request until it has asked what became of it. 429
/// would have it give the ecash back at once, which is wrong where the request is the
/// repetition of one whose answer was lost. cashu-ts sends what gets 503 again by itself, and
/// what gets 429 not; Nutshell shows the words.
pub(super) fn try_again(detail: &str) -> Response {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let answer = (status, Json(json!({ "detail": detail })));
    let mut response = for_web_wallets(answer.into_response());
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

impl From<LookupRefusal> for HttpError {
    fn from(refusal: LookupRefusal) -> Self {
        let code = match refusal {
            LookupRefusal::Signature(_) => ErrorCode::WitnessMissingOrInvalid,
            LookupRefusal::Keys(_) | LookupRefusal::Lengths { .. } | LookupRefusal::Key(_) => OTHER,
        };
        HttpError(
            StatusCode::BAD_REQUEST,
            ErrorResponse::new(code, refusal.to_string()),
        )
    }
}

impl From<ClaimError> for HttpError {
    fn from(error: ClaimError) -> Self {
        let (status, code) = match &error {
            ClaimError::SweepOnly { .. } | ClaimError::NoTokens { .. } => {
                (StatusCode::FORBIDDEN, OTHER)
            }
            ClaimError::Signed(_) => (StatusCode::BAD_REQUEST, ErrorCode::WitnessMissingOrInvalid),
            ClaimError::NoReissue { .. } => (StatusCode::CONFLICT, OTHER),
            ClaimError::Busy { .. } => (StatusCode::SERVICE_UNAVAILABLE, OTHER),
            ClaimError::Mint(_) => return internal(&error),
        };
        HttpError(status, ErrorResponse::new(code, error.to_string()))
    }
}

impl From<cdk_common::database::Error> for HttpError {
    fn from(error: cdk_common::database::Error) -> Self {
        internal(&error)
    }
}

/// The log gets the internal error, and the caller a sentence.
fn internal(error: &dyn std::error::Error) -> HttpError {
    tracing::error!(%error, "a request failed");
    let detail = "the mint failed; nothing was issued. Try again later".to_owned();
    HttpError(
        StatusCode::INTERNAL_SERVER_ERROR,
        ErrorResponse::new(OTHER, detail),
    )
}
