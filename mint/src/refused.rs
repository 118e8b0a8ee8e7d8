//! The reason of a refusal, carried past cdk to whoever asked. cdk answers one text for every
//! trouble of a store or a payment method; the wallet shall read which trouble it is.

use std::cell::RefCell;

tokio::task_local! {
    static REFUSED: RefCell<Option<String>>;
}

/// Remembers why. Outside of a request there is nobody to tell.
pub(crate) fn tell(why: String) {
    let _ = REFUSED.try_with(|told| told.replace(Some(why)));
}

/// The output of `request`, and the reason that was told last while it ran.
pub(crate) async fn listen<T>(request: impl Future<Output = T>) -> (T, Option<String>) {
    REFUSED
        .scope(RefCell::new(None), async {
            let output = request.await;
            (output, REFUSED.with(RefCell::take))
        })
        .await
}
