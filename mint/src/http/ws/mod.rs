//! `GET /v1/ws`: news of quotes and proofs (NUT-17). cdk has a handler of its own; it
//! takes messages of 64 MiB, lets silent sockets live for ever and logs an error for each
//! message that it cannot read, so that anybody could fill the memory and the log.

mod session;
mod state;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use cdk_common::subscription::SubId;
use cdk_common::ws::{WsErrorBody, WsResponseResult};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use crate::handle::Mint;
#[cfg(fuzzing)]
pub use session::run_messages;
use session::{Session, Step};
use state::{First, News};

/// The longest message and the longest frame: a thousand filters of 69 bytes.
const MAX_MESSAGE_BYTES: usize = 100 << 10;

/// The read buffer and the write buffer of a socket.
const BUFFER_BYTES: usize = 8 << 10;

/// The most that may wait to be written: the longest notification is some kilobytes.
const MAX_UNWRITTEN_BYTES: usize = 256 << 10;

/// The interval of pings to the other side.
const PING_EVERY: Duration = Duration::from_secs(30);

/// The idle timeout: a peer that sends nothing for so long, not even a pong, is gone.
const IDLE: Duration = Duration::from_secs(75);

/// Notifications on their way to a socket; more wait in their subscriptions.
const NEWS: usize = 100;

/// Answers in the place of cdk's handler.
pub(super) async fn instead(State(mint): State<Mint>, request: Request, next: Next) -> Response {
    if request.uri().path() != "/v1/ws" || request.method() != Method::GET {
        return next.run(request).await;
    }
    let (mut head, _) = request.into_parts();
    match WebSocketUpgrade::from_request_parts(&mut head, &()).await {
        Ok(upgrade) => upgrade
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(BUFFER_BYTES)
            .max_write_buffer_size(MAX_UNWRITTEN_BYTES)
            .max_message_size(MAX_MESSAGE_BYTES)
            .max_frame_size(MAX_MESSAGE_BYTES)
            .on_upgrade(move |socket| Talk::new(mint).run(socket)),
        Err(no_upgrade) => no_upgrade.into_response(),
    }
}

/// A socket's subscriptions.
struct Talk {
    mint: Mint,
    session: Session,
    tasks: HashMap<Arc<SubId>, AbortOnDropHandle<()>>,
    tell: mpsc::Sender<News>,
    news: mpsc::Receiver<News>,
    begun: Instant,
}

/// The close code and the reason with which this side closes a socket.
struct Close(u16, &'static str);

impl Talk {
    fn new(mint: Mint) -> Self {
        let (tell, news) = mpsc::channel(NEWS);
        Talk {
            mint,
            session: Session::default(),
            tasks: HashMap::new(),
            tell,
            news,
            begun: Instant::now(),
        }
    }

    async fn run(mut self, mut socket: WebSocket) {
        let mut heard = Instant::now();
        let mut ping = interval(PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping.reset();
        loop {
            let step = tokio::select! {
                Some(news) = self.news.recv() => self.told(news),
                _ = ping.tick() => Ok(Some(Message::Ping(Default::default()))),
                heard_now = timeout_at(heard + IDLE, socket.recv()) => match heard_now {
                    Err(_) => Err(Close(close_code::AWAY, "nothing was heard")),
                    Ok(None) => return,
                    Ok(Some(Err(error))) => {
                        tracing::debug!(%error, "a websocket ended");
                        return;
                    }
                    Ok(Some(Ok(message))) => {
                        heard = Instant::now();
                        self.heard(message)
                    }
                },
            };
            let sent = match step {
                Ok(None) => Ok(()),
                Ok(Some(message)) => socket.send(message).await,
                Err(Close(code, why)) => {
                    let reason = why.into();
                    let close = Message::Close(Some(CloseFrame { code, reason }));
                    // It is gone either way.
                    let _ = socket.send(close).await;
                    return;
                }
            };
            if sent.is_err() {
                return;
            }
        }
    }

    fn told(&self, news: News) -> Result<Option<Message>, Close> {
        // It may have been on its way when its subscription ended.
        if !self.tasks.contains_key(&news.0) {
            return Ok(None);
        }
        let message = state::message(news);
        let message =
            message.inspect_err(|error| tracing::error!(%error, "no message for a websocket"));
        Ok(message.ok().as_ref().and_then(text))
    }

    fn heard(&mut self, message: Message) -> Result<Option<Message>, Close> {
        let now_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let step = match &message {
            Message::Text(text) => self.session.take(text.as_bytes(), now_ms),
            Message::Binary(bytes) => self.session.take(bytes, now_ms),
            // The library answers pings and the end by itself. They cost as messages do.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => self.session.sign(now_ms),
        };
        match step {
            Step::Nothing => Ok(None),
            Step::TooFast => Err(Close(close_code::POLICY, "too many messages")),
            Step::Refused { id, code, why } => Ok(text(&answer(id, Err((code, why))))),
            Step::Subscribe { id, params } => {
                let (sub_id, first) = (Arc::clone(&params.id), First::of(&params));
                let subscribed = self.mint.cdk().pubsub_manager().subscribe(params);
                let Ok(mut subscription) = subscribed else {
                    self.session.ended(&sub_id);
                    return Ok(text(&answer(id, Err((-32700, "Parse error")))));
                };
                let (tell, of) = (self.tell.clone(), Arc::clone(&sub_id));
                let mint = self.mint.clone();
                let task = tokio::spawn(async move {
                    for payload in first.read(&mint).await {
                        if tell.send((Arc::clone(&of), payload)).await.is_err() {
                            return;
                        }
                    }
                    while let Some(news) = subscription.recv().await {
                        let news = (Arc::clone(&of), news.into_inner());
                        if tell.send(news).await.is_err() {
                            return;
                        }
                    }
                });
                let task = AbortOnDropHandle::new(task);
                self.tasks.insert(Arc::clone(&sub_id), task);
                Ok(text(&answer(id, Ok(sub_id))))
            }
            Step::Unsubscribe { id, sub_id } => {
                self.tasks.remove(&sub_id);
                Ok(text(&answer(id, Ok(sub_id))))
            }
        }
    }
}

fn answer(id: usize, result: Result<Arc<SubId>, (i32, &'static str)>) -> Value {
    let result = result
        .map(|sub_id| WsResponseResult {
            status: "OK".to_owned(),
            sub_id,
        })
        .map_err(|(code, message)| WsErrorBody {
            code,
            message: message.to_owned(),
        });
    let answer: cdk_common::ws::WsMessageOrResponse = (id, result).into();
    serde_json::to_value(answer).unwrap_or_default()
}

fn text(value: &impl serde::Serialize) -> Option<Message> {
    let text = serde_json::to_string(value);
    let text = text.inspect_err(|error| tracing::error!(%error, "no message for a websocket"));
    text.ok().map(|text| Message::Text(text.into()))
}
