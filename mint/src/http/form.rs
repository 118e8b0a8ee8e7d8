//! The form of the answers. axum's extractors and its router refuse in plain text, or in none,
//! and wallets read NUT-00's `{"code", "detail"}`. cdk says of a quote without an end that it
//! expires at 0, which cashu-ts up to 4.2 reads as 1970.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use cdk_common::error::ErrorCode;
use serde_json::Value;

use super::error::refusal;
use crate::refused::OTHER;

/// The most of a refusal's text that is passed on. A stranger's own text may be in it.
const SHOWN_CHARS: usize = 300;

/// Gives answers their form.
pub(super) async fn of_the_nuts(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    let status = response.status();
    if (status.is_client_error() || status.is_server_error()) && !is_json(&response) {
        in_nut_00(&method, response).await
    } else if status.is_success() && is_quote(&path) {
        without_an_end(response).await
    } else {
        response
    }
}

/// True where cdk answers one quote or more. Those of a look-up are ours, and right.
fn is_quote(path: &str) -> bool {
    path.strip_prefix("/v1/mint/quote/")
        .and_then(|rest| rest.split_once('/'))
        .is_some_and(|(_, which)| which != "pubkey")
}

fn is_json(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/json"))
}

/// A refusal in plain text, or without words. What cannot be read is a bad request in NUT-00,
/// whichever part of it that was.
async fn in_nut_00(method: &Method, response: Response) -> Response {
    let (head, body) = response.into_parts();
    let said = match to_bytes(body, usize::MAX).await {
        Ok(said) => String::from_utf8_lossy(&said)
            .chars()
            .take(SHOWN_CHARS)
            .collect(),
        Err(error) => error.to_string(),
    };
    let status = match head.status {
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            StatusCode::BAD_REQUEST
        }
        status => status,
    };
    let said = match status {
        _ if !said.is_empty() => said,
        StatusCode::METHOD_NOT_ALLOWED => format!("there is nothing to {method} here"),
        StatusCode::REQUEST_TIMEOUT => {
            "this takes longer than a minute: ask for the state of your ecash before you try again"
                .to_owned()
        }
        status => status.to_string().to_lowercase(),
    };
    let code = match status {
        // A wallet that is told so sends less at once.
        StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::MaxInputsExceeded,
        _ => OTHER,
    };
    let mut refused = refusal(status, code, &said);
    // What was allowed instead, and the like.
    for (name, value) in &head.headers {
        if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
            refused.headers_mut().insert(name, value.clone());
        }
    }
    refused
}

/// The quotes of an answer, with `null` where cdk's expiry is 0.
async fn without_an_end(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    // It is in memory already.
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        let why = "the mint's answer cannot be read: try again";
        return refusal(StatusCode::INTERNAL_SERVER_ERROR, OTHER, why);
    };
    let Ok(mut quotes) = serde_json::from_slice::<Value>(&body) else {
        return Response::from_parts(head, Body::from(body));
    };
    match &mut quotes {
        Value::Array(quotes) => quotes.iter_mut().for_each(no_expiry),
        quote => no_expiry(quote),
    }
    let body = quotes.to_string();
    head.headers
        .insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    Response::from_parts(head, Body::from(body))
}

/// An expiry of 0 becomes `null`.
pub(super) fn no_expiry(quote: &mut Value) {
    if let Some(expiry) = quote.get_mut("expiry")
        && *expiry == 0
    {
        *expiry = Value::Null;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_end_of_a_quote_that_has_none_is_changed() {
        for (mut quote, expected) in [
            (json!({"expiry": 0}), json!({"expiry": null})),
            (json!({"expiry": 7}), json!({"expiry": 7})),
            (json!({"expiry": "0"}), json!({"expiry": "0"})),
            (json!({"amount": 0}), json!({"amount": 0})),
            (json!([0]), json!([0])),
        ] {
            no_expiry(&mut quote);
            assert_eq!(quote, expected);
        }
    }

    #[test]
    fn only_quotes_are_looked_at() {
        for (path, expected) in [
            ("/v1/mint/quote/axepool/00ff", true),
            ("/v1/mint/quote/axepool/check", true),
            ("/v1/mint/quote/axepool/pubkey", false),
            ("/v1/mint/quote/axepool", false),
            ("/v1/mint/axepool", false),
            ("/v1/melt/quote/bolt11/00ff", false),
        ] {
            assert_eq!(is_quote(path), expected, "{path}");
        }
    }
}
