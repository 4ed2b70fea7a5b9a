//! A small server for the routes, for nodes without another HTTP server.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::axum_0_8::router;
use super::json::Wrong;
use super::limits::{CONNECTION_LIFE, HEAD_TIMEOUT, MAX_CONNECTIONS, MAX_HEAD_BYTES, MAX_HEADERS};
use crate::node::telemetry::Telemetry;

/// Serves all routes of [`http`](crate::http), within the limits of
/// [`limits`](crate::node::http::limits), until it is dropped.
///
/// There is no log-in and no encryption. Listen on a loopback address, or restrict access to the
/// port to clients that may read pattern ids. A server on a loopback address answers only requests
/// whose host is an IP address or `localhost`, so that a web site cannot point its own name at the
/// node and read the answers (DNS rebinding).
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    accepting: AbortHandle,
}

/// The server cannot listen. Nothing is left running.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot serve HTTP on {address}: {source}; use an address of this machine with a free port, or \
     port 0"
)]
pub struct ServerError {
    /// The address.
    pub address: SocketAddr,
    /// The error of the operating system.
    pub source: io::Error,
}

impl Server {
    /// Listens on `address`, and starts to answer requests.
    ///
    /// # Errors
    /// [`ServerError`] if the address cannot be used.
    pub async fn start(address: SocketAddr, telemetry: &Telemetry) -> Result<Self, ServerError> {
        Ok(Listening::on(address).await?.serve(telemetry))
    }

    /// Returns the address that the server listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

/// A bound address. Connections to it wait until [`serve`](Self::serve) is called.
#[derive(Debug)]
pub struct Listening {
    address: SocketAddr,
    listener: TcpListener,
}

impl Listening {
    /// Listens on `address`, so that a program detects a port in use before it starts its node.
    ///
    /// # Errors
    /// [`ServerError`] if the address cannot be used.
    pub async fn on(address: SocketAddr) -> Result<Self, ServerError> {
        let failed = |source| ServerError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        Ok(Self { address: listener.local_addr().map_err(failed)?, listener })
    }

    /// Starts to answer requests. Must be called on a tokio runtime.
    #[must_use]
    pub fn serve(self, telemetry: &Telemetry) -> Server {
        let Self { address, listener } = self;
        let page = Redirect::temporary("/cluster/consolidation/page");
        let routes = router(telemetry).route("/", get(page));
        let routes = routes.fallback(no_such_path).method_not_allowed_fallback(no_such_method);
        let routes = match address.ip().is_loopback() {
            true => routes.layer(from_fn(refuse_foreign_names)),
            false => routes,
        };
        let accepting = tokio::spawn(accept(listener, routes)).abort_handle();
        Server { address, accepting }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Accepts and serves connections. The connections end when this task ends.
async fn accept(listener: TcpListener, routes: Router) {
    let mut connections = Connections::default();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.make_room().await;
                connections.serve(stream, routes.clone());
            }
            // Too many files are open, or the client has left: both are temporary.
            Err(_) => sleep(HEAD_TIMEOUT / 100).await,
        }
    }
}

/// The open connections.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    /// The served connections, the oldest first.
    served: VecDeque<Served>,
}

struct Served {
    task: AbortHandle,
    /// Requests in progress: 0 or 1.
    requests: Arc<AtomicUsize>,
}

impl Connections {
    /// Makes room for one more connection. At [`MAX_CONNECTIONS`], closes the oldest one without a
    /// request in progress; if all have a request in progress, waits until a connection ends.
    async fn make_room(&mut self) {
        loop {
            while self.tasks.try_join_next().is_some() {}
            self.served.retain(|served| !served.task.is_finished());
            if self.served.len() < MAX_CONNECTIONS {
                return;
            }
            let idle = |served: &Served| served.requests.load(Ordering::Relaxed) == 0;
            match self.served.iter().position(idle) {
                Some(oldest) => {
                    let ended = self.served.remove(oldest).expect("the position was found above");
                    return ended.task.abort();
                }
                None => _ = self.tasks.join_next().await,
            }
        }
    }

    fn serve(&mut self, stream: TcpStream, routes: Router) {
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        let count = from_fn(move |request: Request, next: Next| {
            let answering = Answering::begin(&counted);
            async move {
                let response = next.run(request).await;
                drop(answering);
                response
            }
        });
        let task = self.tasks.spawn(serve(stream, routes.layer(count)));
        self.served.push_back(Served { task, requests });
    }
}

/// A request in progress.
struct Answering(Arc<AtomicUsize>);

impl Answering {
    fn begin(requests: &Arc<AtomicUsize>) -> Self {
        requests.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(requests))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves one connection; ignores its errors, which concern only the client.
async fn serve(stream: TcpStream, routes: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let mut connection = std::pin::pin!(connection);
    if timeout(CONNECTION_LIFE, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        _ = timeout(HEAD_TIMEOUT, connection).await;
    }
}

async fn no_such_path() -> Wrong {
    let error = "there is no such path; see /cluster/consolidation/page";
    Wrong(StatusCode::NOT_FOUND, error.to_owned())
}

async fn no_such_method() -> Wrong {
    Wrong(StatusCode::METHOD_NOT_ALLOWED, "everything is read-only; use GET".to_owned())
}

/// Answers only requests whose host is an IP address or `localhost`.
async fn refuse_foreign_names(request: Request, next: Next) -> Response {
    if names_this_machine(request.headers()) {
        return next.run(request).await;
    }
    let error =
        "the host is neither an IP address nor localhost; use the address that the node printed";
    Wrong(StatusCode::MISDIRECTED_REQUEST, error.to_owned()).into_response()
}

fn names_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host.is_some_and(|host| {
        let name = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
        let name = name.map_or(host, |(name, _)| name);
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_addresses_and_localhost_are_local_hosts() {
        let named = |host: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            names_this_machine(&headers)
        };
        for host in ["127.0.0.1:80", "127.0.0.1", "[::1]:8080", "[::1]", "localhost:1", "LocalHost"]
        {
            assert!(named(host), "{host}");
        }
        for host in ["evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", ""] {
            assert!(!named(host), "{host}");
        }
        assert!(!names_this_machine(&HeaderMap::new()), "no host at all");
    }
}
