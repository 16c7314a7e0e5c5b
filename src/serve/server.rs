//! The socket: bounded in connections, sizes and times, and closed in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::telemetry::Metrics;
use crate::telemetry::events::{HttpConnectionFailed, HttpListening};

use super::routes::{App, router};

/// What a client may take up. Every bound is per connection except the first.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; further ones wait in the system's queue.
    pub connections_max: usize,
    /// Time to send the head of a request, and time a kept-alive connection may idle.
    pub header_timeout: Duration,
    /// Time to answer a request.
    pub request_timeout: Duration,
    /// Bytes of a request's head, at least 8 KiB.
    pub header_bytes_max: usize,
    /// Header lines of a request.
    pub headers_max: usize,
    /// Bytes of a request's body.
    pub body_bytes_max: usize,
    /// Time that open connections get when the server stops.
    pub shutdown_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 256,
            header_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(10),
            header_bytes_max: 16 * 1024,
            headers_max: 64,
            body_bytes_max: 64 * 1024,
            shutdown_timeout: Duration::from_secs(5),
        }
    }
}

/// Why the server could not start.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {listen}: {reason}; choose another address with `http.listen`")]
    Bind {
        /// Where it should have listened.
        listen: SocketAddr,
        /// What the system says.
        reason: String,
    },
}

/// A socket that listens and is not served yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    limits: Limits,
}

impl Server {
    /// Opens the socket; port 0 takes a free one.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn bind(listen: SocketAddr, limits: Limits) -> Result<Self, ServeError> {
        let bind_error = |error: std::io::Error| ServeError::Bind {
            listen,
            reason: error.to_string(),
        };
        let listener = TcpListener::bind(listen).await.map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        Ok(Self {
            listener,
            address,
            limits,
        })
    }

    /// Where it listens, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is done, then lets requests under way finish, for at
    /// most [`Limits::shutdown_timeout`].
    pub async fn run(self, app: App, stop: impl Future<Output = ()>) {
        let limits = self.limits;
        let places = Arc::new(Semaphore::new(limits.connections_max));
        let (closing, closed) = watch::channel(false);
        let metrics = Arc::clone(&app.metrics);
        let routes = router(app, limits.request_timeout, limits.body_bytes_max);
        HttpListening { address: self.address }.emit(&metrics);
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = accept(&self.listener, &places, &metrics) => accepted,
            };
            let Some((stream, place)) = accepted else { continue };
            let (routes, closed, metrics) = (routes.clone(), closed.clone(), Arc::clone(&metrics));
            tokio::spawn(async move {
                if let Err(error) = serve_connection(stream, routes, limits, closed).await {
                    HttpConnectionFailed {
                        error: &error.to_string(),
                    }
                    .emit(&metrics);
                }
                drop(place);
            });
        }
        drop(self.listener);
        closing.send_replace(true);
        let all_places = u32::try_from(limits.connections_max).unwrap_or(u32::MAX);
        let all_closed = places.acquire_many(all_places);
        // What is still open then is cut when the process ends.
        let _ = tokio::time::timeout(limits.shutdown_timeout, all_closed).await;
    }
}

/// A place first, then a connection: beyond the bound nothing is accepted.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    metrics: &Metrics,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            // Out of file descriptors, or the peer has gone: wait rather than spin.
            HttpConnectionFailed {
                error: &error.to_string(),
            }
            .emit(metrics);
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

async fn serve_connection(
    stream: TcpStream,
    routes: Router,
    limits: Limits,
    mut closed: watch::Receiver<bool>,
) -> hyper::Result<()> {
    let service = TowerToHyperService::new(routes);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.header_bytes_max)
        .max_headers(limits.headers_max)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        result = &mut connection => result,
        () = told_to_close(&mut closed) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    }
}

/// Also done when the server itself has gone.
async fn told_to_close(closed: &mut watch::Receiver<bool>) {
    let _ = closed.wait_for(|closed| *closed).await;
}
