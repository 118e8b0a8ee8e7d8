//! The reason of a refusal, carried past cdk to whoever asked. cdk answers one text for every
//! trouble of a store or a payment method; the wallet shall read which trouble it is.

use std::cell::RefCell;

use cdk_common::error::ErrorCode;

/// The code of what the NUTs have no code for, as cdk uses it. cdk's wallet shows the mint's
/// own words with this one alone: for each code that it knows it has a sentence of its own.
pub(crate) const OTHER: ErrorCode = ErrorCode::Unknown(50000);

/// A refusal, as NUT-00 has it.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) why: String,
}

tokio::task_local! {
    static REFUSED: RefCell<Option<Refusal>>;
}

/// Remembers why, where the NUTs have no code for it.
pub(crate) fn tell(why: String) {
    tell_as(OTHER, why);
}

/// Remembers why. Outside of a request there is nobody to tell.
pub(crate) fn tell_as(code: ErrorCode, why: String) {
    let _ = REFUSED.try_with(|told| told.replace(Some(Refusal { code, why })));
}

/// The output of `request`, and the reason that was told last while it ran.
pub(crate) async fn listen<T>(request: impl Future<Output = T>) -> (T, Option<Refusal>) {
    REFUSED
        .scope(RefCell::new(None), async {
            let output = request.await;
            (output, REFUSED.with(RefCell::take))
        })
        .await
}
