//! `--admin`: `/metrics` for Prometheus and `/health` for whoever watches the service, over HTTP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::watch;

use crate::generation::Common;
use crate::server::ShutdownStage;

/// The form in which Prometheus reads metrics.
const METRICS_FORM: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Where, and for whom.
#[derive(Clone, Debug)]
pub struct AdminSettings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// What `Authorization: Bearer` has to say. Without one only this machine is served.
    pub token: Option<AdminToken>,
}

/// A token; it cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken(Arc<str>);

impl AdminToken {
    /// This text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    fn is(&self, given: &[u8]) -> bool {
        let own = self.0.as_bytes();
        own.len() == given.len() && own.iter().zip(given).fold(0, |all, (a, b)| all | (a ^ b)) == 0
    }
}

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminToken(…)")
    }
}

/// Why it cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Others than this machine could reach it.
    #[error(
        "metrics and health on {0} could be read by everybody: listen on 127.0.0.1 or [::1], or set `admin.token_file`"
    )]
    Open(SocketAddr),
    /// It cannot listen.
    #[error("cannot listen on {address} for metrics and health: {source}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// Listens, and does not answer yet.
#[derive(Debug)]
pub(crate) struct AdminListener {
    socket: tokio::net::TcpListener,
    address: SocketAddr,
    token: Option<AdminToken>,
}

/// What the answers are made of.
#[derive(Clone)]
struct Told {
    common: Arc<Common>,
    stage: watch::Receiver<ShutdownStage>,
    token: Option<AdminToken>,
}

impl AdminListener {
    pub(crate) fn bind(settings: &AdminSettings) -> Result<Self, AdminError> {
        let AdminSettings { listen, token } = settings;
        if token.is_none() && !listen.ip().is_loopback() {
            return Err(AdminError::Open(*listen));
        }
        let failed = |source| AdminError::Bind { address: *listen, source };
        let socket = std::net::TcpListener::bind(listen).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let socket = tokio::net::TcpListener::from_std(socket).map_err(failed)?;
        Ok(Self { socket, address, token: token.clone() })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) async fn serve(self, common: Arc<Common>, stage: watch::Receiver<ShutdownStage>) {
        let told = Told { common, stage, token: self.token };
        let router = Router::new()
            .route("/metrics", get(metrics))
            .route("/health", get(health))
            .layer(from_fn_with_state(told.clone(), guard))
            .with_state(told);
        if let Err(error) = axum::serve(self.socket, router).await {
            tracing::error!(%error, "metrics and health are told no more");
        }
    }
}

/// 401 without the token, where one is set.
async fn guard(State(told): State<Told>, request: Request, next: Next) -> Response {
    if let Some(token) = &told.token {
        let given = request.headers().get(header::AUTHORIZATION).map(axum::http::HeaderValue::as_bytes);
        if !given.and_then(|given| given.strip_prefix(b"Bearer ")).is_some_and(|given| token.is(given)) {
            return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response();
        }
    }
    next.run(request).await
}

async fn metrics(State(told): State<Told>) -> Response {
    ([(header::CONTENT_TYPE, METRICS_FORM)], told.common.metrics.rendered(&told.common)).into_response()
}

/// 200 while sessions are taken, 503 from the first SIGTERM on, so that a balancer sends nobody any more.
async fn health(State(told): State<Told>) -> Response {
    let is_running = *told.stage.borrow() == ShutdownStage::Running;
    let (status, word) =
        if is_running { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, "draining") };
    let sessions = told.common.occupancy.total();
    let body = format!("{{\"status\":\"{word}\",\"sessions\":{sessions}}}\n");
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
