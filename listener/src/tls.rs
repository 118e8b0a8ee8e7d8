//! The certificate of a listener. One that cannot be used keeps its pages from being
//! served, and nothing else: it is tried again until it can.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use proxy::Certificate;
use proxy::config::TlsConfig;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How long it waits before it tries to load the files again.
const RETRY: Duration = Duration::from_secs(5);

/// A certificate, usable or not yet.
#[derive(Debug)]
pub struct Tls {
    config: TlsConfig,
    state: RwLock<State>,
}

enum State {
    Usable(Arc<Certificate>, TlsAcceptor),
    /// Why not.
    Unusable(String),
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            State::Usable(..) => f.write_str("Usable"),
            State::Unusable(why) => f.debug_tuple("Unusable").field(why).finish(),
        }
    }
}

impl Tls {
    /// Loads the files, if they can be used now.
    pub fn new(config: TlsConfig) -> Arc<Self> {
        let state = load(&config);
        if let State::Unusable(why) = &state {
            tracing::error!(
                why,
                "http.certificate cannot be used: no page is served until it can; mining goes on"
            );
        }
        Arc::new(Tls {
            config,
            state: RwLock::new(state),
        })
    }

    /// What takes TLS handshakes; `None` while there is no usable certificate.
    pub(super) fn acceptor(&self) -> Option<TlsAcceptor> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Usable(_, acceptor) => Some(acceptor.clone()),
            State::Unusable(_) => None,
        }
    }

    /// Why there is no usable certificate, if so.
    pub fn trouble(&self) -> Option<String> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Usable(..) => None,
            State::Unusable(why) => Some(why.clone()),
        }
    }

    /// Loads the files until they can be used, and then again whenever they change, until
    /// `cancel`.
    pub async fn keep_fresh(self: Arc<Self>, cancel: CancellationToken) {
        while self.trouble().is_some() {
            let waits = tokio::time::sleep(RETRY);
            if cancel.run_until_cancelled(waits).await.is_none() {
                return;
            }
            let state = load(&self.config);
            if matches!(state, State::Usable(..)) {
                tracing::info!("http.certificate can be used now");
            }
            *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
        }
        let certificate = match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Usable(certificate, _) => Arc::clone(certificate),
            State::Unusable(_) => return,
        };
        certificate.keep_fresh(cancel).await;
    }
}

fn load(config: &TlsConfig) -> State {
    let loaded = Certificate::load(config.clone())
        .and_then(|certificate| Ok((certificate.acceptor()?, certificate)));
    match loaded {
        Ok((acceptor, certificate)) => State::Usable(certificate, acceptor),
        Err(error) => State::Unusable(error.to_string()),
    }
}
