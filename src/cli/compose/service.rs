//! The HTTP server and the signals beside the stream's threads.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::config::Secret;
use crate::serve::{App, Limits, Server};
use crate::stream::Shutdown;
use crate::telemetry::events::ShutdownBegun;
use crate::telemetry::{Health, Metrics};

use super::super::error::{CliError, Exit};

/// The asynchronous side of a running process: HTTP and signals on one thread.
pub(in crate::cli) struct Service {
    runtime: tokio::runtime::Runtime,
    stop: Option<oneshot::Sender<()>>,
    server: tokio::task::JoinHandle<()>,
    /// Where it listens.
    pub(in crate::cli) address: SocketAddr,
}

impl Service {
    /// Binds and serves from now on.
    pub(in crate::cli) fn start(
        listen: SocketAddr,
        tokens: &[Secret],
        health: &Health,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, CliError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("service")
            .enable_all()
            .build()
            .map_err(|error| CliError::new(Exit::Internal, format!("a thread could not be started: {error}")))?;
        let server = runtime.block_on(Server::bind(listen, Limits::default()))?;
        let address = server.address();
        let (stop, stopped) = oneshot::channel();
        let app = App::new(health.clone(), Arc::clone(metrics), tokens);
        let server = runtime.spawn(server.run(app, async {
            let _ = stopped.await;
        }));
        Ok(Self {
            runtime,
            stop: Some(stop),
            server,
            address,
        })
    }

    /// Asks the stream to drain at the first SIGTERM or Ctrl-C; a second one ends
    /// the process at once.
    pub(in crate::cli) fn watch_signals(&self, shutdown: &Shutdown, metrics: &Arc<Metrics>, drain: Duration) {
        let (shutdown, metrics) = (shutdown.clone(), Arc::clone(metrics));
        self.runtime.spawn(on_signals(move |cause, times| {
            if times > 1 {
                std::process::exit(Exit::Internal as i32);
            }
            ShutdownBegun { cause, deadline: drain }.emit(&metrics);
            shutdown.request();
        }));
    }

    /// Lets requests under way finish.
    pub(in crate::cli) fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        let _ = self.runtime.block_on(self.server);
    }
}

/// Calls `heard` at every SIGTERM and Ctrl-C, with how many came so far.
async fn on_signals(heard: impl Fn(&'static str, u32)) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    let mut times = 0;
    loop {
        let cause = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        times += 1;
        heard(cause, times);
    }
}
