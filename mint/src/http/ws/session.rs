//! The state machine of one WebSocket's subscriptions, with its rate limit. Pure: the caller
//! gives the time.

use std::collections::HashMap;
use std::sync::Arc;

use cdk_common::subscription::{Params, SubId};
use cdk_common::ws::{WsMethodRequest, WsRequest};
use serde_json::Value;

/// Subscriptions of one socket, as cdk bounds them.
const MAX_SUBSCRIPTIONS: usize = 100;

/// Filters of all its subscriptions together.
const MAX_FILTERS: usize = 1000;

/// Messages a second, sustained.
const PER_SECOND: u64 = 5;

/// A subscription has the mint look at its store for each filter: so many filters count as
/// one message more.
const FILTERS_PER_MESSAGE: usize = 100;

/// Messages at once.
const AT_ONCE: u64 = 50;

/// "Invalid params" of JSON-RPC.
const INVALID_PARAMS: i32 = -32602;

/// A socket's requests so far.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// The number of filters of each subscription.
    filters: HashMap<Arc<SubId>, usize>,
    /// When the messages so far are paid for.
    paid_ms: u64,
}

/// The step that a message calls for.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// It was no request.
    Nothing,
    /// Too many messages: the socket is to be closed.
    TooFast,
    /// The request cannot be met.
    Refused {
        id: usize,
        code: i32,
        why: &'static str,
    },
    Subscribe {
        id: usize,
        params: Params,
    },
    Unsubscribe {
        id: usize,
        sub_id: Arc<SubId>,
    },
}

impl Session {
    /// A message with a request.
    pub(super) fn take(&mut self, message: &[u8], now_ms: u64) -> Step {
        if !self.pays(now_ms) {
            return Step::TooFast;
        }
        let Ok(value) = serde_json::from_slice::<Value>(message) else {
            return Step::Nothing;
        };
        let id = value.get("id").and_then(Value::as_u64);
        let id = id.and_then(|id| usize::try_from(id).ok());
        match (serde_json::from_value::<WsRequest>(value), id) {
            (Ok(request), _) => self.request(request, now_ms),
            (Err(_), Some(id)) => refused(id),
            (Err(_), None) => Step::Nothing,
        }
    }

    /// A message without a request: a sign of life.
    pub(super) fn sign(&mut self, now_ms: u64) -> Step {
        match self.pays(now_ms) {
            true => Step::Nothing,
            false => Step::TooFast,
        }
    }

    /// The subscription is no more.
    pub(super) fn ended(&mut self, sub_id: &SubId) -> bool {
        self.filters.remove(sub_id).is_some()
    }

    fn request(&mut self, request: WsRequest, now_ms: u64) -> Step {
        let id = request.id;
        match request.method {
            WsMethodRequest::Subscribe(params) => {
                let used: usize = self.filters.values().sum();
                let filters = params.filters.len();
                if self.filters.contains_key(&params.id)
                    || self.filters.len() >= MAX_SUBSCRIPTIONS
                    || used.saturating_add(filters) > MAX_FILTERS
                {
                    return refused(id);
                }
                for _ in 0..filters / FILTERS_PER_MESSAGE {
                    if !self.pays(now_ms) {
                        return Step::TooFast;
                    }
                }
                self.filters.insert(Arc::clone(&params.id), filters);
                Step::Subscribe { id, params }
            }
            WsMethodRequest::Unsubscribe(request) => match self.ended(&request.sub_id) {
                true => Step::Unsubscribe {
                    id,
                    sub_id: request.sub_id,
                },
                false => refused(id),
            },
        }
    }

    fn pays(&mut self, now_ms: u64) -> bool {
        let paid_ms = self.paid_ms.max(now_ms).saturating_add(1000 / PER_SECOND);
        let is_paid = paid_ms <= now_ms.saturating_add(AT_ONCE * 1000 / PER_SECOND);
        if is_paid {
            self.paid_ms = paid_ms;
        }
        is_paid
    }
}

fn refused(id: usize) -> Step {
    Step::Refused {
        id,
        code: INVALID_PARAMS,
        why: "Invalid params",
    }
}

/// Takes the messages of one socket, each so many milliseconds after the one before, and
/// holds the bounds after each.
///
/// # Panics
/// When a bound is exceeded.
#[cfg(fuzzing)]
pub fn run_messages<'a>(messages: impl IntoIterator<Item = (u64, &'a [u8])>) {
    let (mut session, mut now_ms, mut taken) = (Session::default(), 0_u64, 0_u64);
    for (later_ms, message) in messages {
        now_ms += later_ms;
        taken += u64::from(session.take(message, now_ms) != Step::TooFast);
        assert!(session.filters.len() <= MAX_SUBSCRIPTIONS);
        assert!(session.filters.values().sum::<usize>() <= MAX_FILTERS);
        assert!(taken <= AT_ONCE + now_ms * PER_SECOND / 1000 + 1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;
    use serde_json::json;

    use super::*;

    fn subscribe(sub_id: &str, filters: usize) -> Vec<u8> {
        let filters: Vec<String> = (0..filters).map(|n| n.to_string()).collect();
        let request = json!({ "jsonrpc": "2.0", "id": 7, "method": "subscribe", "params": {
            "kind": "bolt11_mint_quote", "filters": filters, "subId": sub_id } });
        request.to_string().into_bytes()
    }

    fn unsubscribe(sub_id: &str) -> Vec<u8> {
        let request = json!({ "jsonrpc": "2.0", "id": 8, "method": "unsubscribe",
            "params": { "subId": sub_id } });
        request.to_string().into_bytes()
    }

    #[track_caller]
    fn takes(session: &mut Session, message: &[u8], now_ms: u64) {
        let step = session.take(message, now_ms);
        let takes = matches!(step, Step::Subscribe { .. } | Step::Unsubscribe { .. });
        assert!(takes, "{step:?}");
    }

    #[test]
    fn subscriptions_are_taken_and_ended() {
        let mut session = Session::default();
        takes(&mut session, &subscribe("a", 2), 0);
        assert_eq!(session.take(&subscribe("a", 2), 0), refused(7), "twice");
        takes(&mut session, &unsubscribe("a"), 0);
        assert_eq!(session.take(&unsubscribe("a"), 0), refused(8), "twice");
        takes(&mut session, &subscribe("a", 2), 0);
    }

    #[test]
    fn filters_and_subscriptions_are_bounded_over_the_socket() {
        let mut session = Session::default();
        takes(&mut session, &subscribe("a", MAX_FILTERS - 1), 0);
        assert_eq!(session.take(&subscribe("b", 2), 0), refused(7));
        takes(&mut session, &subscribe("c", 1), 0);
        takes(&mut session, &unsubscribe("a"), 0);
        for number in 1..MAX_SUBSCRIPTIONS {
            let at = u64::try_from(number).expect("small") * 1000;
            takes(&mut session, &subscribe(&number.to_string(), 1), at);
        }
        assert_eq!(session.take(&subscribe("d", 1), 200_000), refused(7));
    }

    #[test]
    fn what_is_no_request_is_nothing() {
        let mut session = Session::default();
        let texts: [&[u8]; 5] = [b"", b"{", b"[]", b"{\"id\":-1}", b"\xff"];
        for text in texts {
            assert_eq!(session.take(text, 0), Step::Nothing, "{text:?}");
        }
        assert_eq!(session.take(b"{\"id\":3,\"method\":\"x\"}", 0), refused(3));
    }

    /// What a stranger sends: requests, requests with a byte changed or cut off, and bytes.
    fn message() -> impl Strategy<Value = Vec<u8>> {
        let request = (0..130_u8, 0..400_usize, any::<bool>()).prop_map(|(name, filters, ends)| {
            let name = name.to_string();
            if ends {
                unsubscribe(&name)
            } else {
                subscribe(&name, filters)
            }
        });
        let spoilt = (
            subscribe_or_not(),
            any::<Index>(),
            any::<u8>(),
            any::<bool>(),
        );
        let spoilt = spoilt.prop_map(|(mut request, at, byte, is_cut)| {
            let at = at.index(request.len());
            if is_cut {
                request.truncate(at);
            } else {
                request[at] = byte;
            }
            request
        });
        prop_oneof![6 => request, 2 => spoilt, 1 => vec(any::<u8>(), 0..64)]
    }

    fn subscribe_or_not() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![Just(subscribe("a", 3)), Just(unsubscribe("a"))]
    }

    proptest! {
        #[test]
        fn no_messages_exceed_the_bounds_of_a_socket(
            messages in vec((message(), 0..1000_u64), 0..300),
        ) {
            let (mut session, mut now_ms, mut taken) = (Session::default(), 0, 0_u64);
            for (message, later_ms) in messages {
                now_ms += later_ms;
                match session.take(&message, now_ms) {
                    Step::TooFast => {}
                    step => {
                        taken += 1;
                        if let Step::Subscribe { params, .. } = step {
                            prop_assert_eq!(session.filters.get(&params.id), Some(&params.filters.len()));
                        }
                    }
                }
                prop_assert!(session.filters.len() <= MAX_SUBSCRIPTIONS);
                prop_assert!(session.filters.values().sum::<usize>() <= MAX_FILTERS);
                prop_assert!(taken <= AT_ONCE + now_ms * PER_SECOND / 1000 + 1);
            }
        }
    }

    #[test]
    fn long_subscriptions_cost_more() {
        let mut session = Session::default();
        // Eleven messages each, and one for their ends: four fit into what may come at once.
        for number in 0..4 {
            let name = number.to_string();
            takes(&mut session, &subscribe(&name, MAX_FILTERS), 0);
            takes(&mut session, &unsubscribe(&name), 0);
        }
        assert_eq!(session.take(&subscribe("x", MAX_FILTERS), 0), Step::TooFast);
        takes(&mut session, &subscribe("x", MAX_FILTERS), 3000);
    }

    #[test]
    fn messages_have_a_rate() {
        let mut session = Session::default();
        for _ in 0..AT_ONCE {
            assert_eq!(session.sign(0), Step::Nothing);
        }
        assert_eq!(session.take(&subscribe("a", 1), 0), Step::TooFast);
        assert_eq!(session.sign(199), Step::TooFast);
        assert_eq!(session.sign(200), Step::Nothing);
        assert_eq!(session.sign(u64::MAX), Step::Nothing);
    }
}
