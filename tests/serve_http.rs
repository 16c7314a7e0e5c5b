//! The HTTP server over a real loopback socket.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pumpwatch::config::Secret;
use pumpwatch::serve::{App, Limits, Server};
use pumpwatch::telemetry::{Health, Metrics};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const TOKEN: &str = "0123456789abcdef";

struct Running {
    address: SocketAddr,
    health: Health,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

async fn start(limits: Limits, tokens: &[Secret]) -> Running {
    let health = Health::new();
    let app = App::new(health.clone(), Arc::new(Metrics::new()), tokens);
    let server = Server::bind(([127, 0, 0, 1], 0).into(), limits).await.unwrap();
    let address = server.address();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(server.run(app, async move {
        let _ = stopped.await;
    }));
    Running {
        address,
        health,
        stop,
        server,
    }
}

/// Runs a blocking client beside the server.
async fn client<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream
}

/// Status, head and body of one request on a connection of its own. What the
/// server has answered counts, also where it closes before all is written.
async fn ask(address: SocketAddr, request: &str) -> (u16, String, String) {
    let request = request.to_owned();
    client(move || {
        let mut stream = connect(address);
        let _ = stream.write_all(request.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or(0);
        (status, head.to_lowercase(), body.to_owned())
    })
    .await
}

async fn get(address: SocketAddr, path: &str) -> (u16, String, String) {
    ask(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    )
    .await
}

fn json(body: &str) -> Value {
    serde_json::from_str(body).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_told_with_reasons() {
    let running = start(Limits::default(), &[]).await;
    let (status, _, body) = get(running.address, "/readyz").await;
    assert_eq!(status, 503);
    assert_eq!(json(&body)["checks"][0]["reason"], "nothing has started yet");

    let assigned = running.health.condition("router assigned", "no partitions yet");
    let (status, _, body) = get(running.address, "/readyz").await;
    assert_eq!(
        (status, json(&body)),
        (
            503,
            serde_json::json!({"ok": false, "checks": [{"name": "router assigned", "ok": false, "reason": "no partitions yet"}]})
        )
    );
    assigned.holds();
    assert_eq!(get(running.address, "/readyz").await.0, 200);

    let heartbeat = running.health.watch("router poll", Duration::from_millis(100));
    assert_eq!(get(running.address, "/livez").await.0, 200);
    tokio::time::sleep(Duration::from_millis(150)).await;
    let (status, _, body) = get(running.address, "/livez").await;
    assert_eq!(status, 503);
    assert_eq!(json(&body)["checks"][0]["name"], "router poll");
    heartbeat.beat();
    assert_eq!(get(running.address, "/livez").await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_openmetrics() {
    let running = start(Limits::default(), &[]).await;
    let (status, head, body) = get(running.address, "/metrics").await;
    assert_eq!(status, 200);
    assert!(
        head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"),
        "{head}"
    );
    assert!(head.contains("cache-control: no-store") && head.contains("x-content-type-options: nosniff"));
    assert!(body.contains("pumpwatch_records_total{outcome=\"usable\"} 0"));
    assert!(body.ends_with("# EOF\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_said_in_json() {
    let running = start(Limits::default(), &[]).await;
    let (status, _, body) = get(running.address, "/nothing").await;
    assert_eq!((status, &json(&body)["status"]), (404, &Value::from(404)));
    let (status, _, body) = ask(
        running.address,
        "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!((status, &json(&body)["status"]), (405, &Value::from(405)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_guard_everything_but_health_and_metrics() {
    let running = start(Limits::default(), &[Secret::new(TOKEN)]).await;
    for open in ["/livez", "/metrics", "/readyz"] {
        assert_ne!(get(running.address, open).await.0, 401, "{open}");
    }
    let (status, head, body) = get(running.address, "/api/v1/findings").await;
    assert_eq!(status, 401);
    assert!(head.contains("www-authenticate: bearer"), "{head}");
    assert!(json(&body)["error"].as_str().unwrap().contains("Authorization"));
    // Ways around the list of open paths stay closed.
    for path in ["//metrics", "/metrics/", "/Metrics", "/livez/../api"] {
        assert_eq!(get(running.address, path).await.0, 401, "{path}");
    }
    let with = |token: &str| {
        format!("GET /x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n")
    };
    assert_eq!(ask(running.address, &with(TOKEN)).await.0, 404);
    assert_eq!(ask(running.address, &with("0123456789abcdeX")).await.0, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_interface_describes_itself_and_answers_as_described() {
    let running = start(Limits::default(), &[Secret::new(TOKEN)]).await;
    let ask_with = |path: String| async move {
        let head = format!("Host: x\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close");
        ask(running.address, &format!("GET {path} HTTP/1.1\r\n{head}\r\n\r\n")).await
    };
    assert_eq!(get(running.address, "/api/openapi.json").await.0, 401);
    let (status, _, body) = ask_with("/api/openapi.json".into()).await;
    let document = json(&body);
    assert_eq!(status, 200);
    assert_eq!(document, pumpwatch::serve::openapi::document());
    for (path, item) in document["paths"].as_object().unwrap() {
        let (status, head, _) = ask_with(path.clone()).await;
        let described = &item["get"]["responses"][status.to_string()]["content"];
        let media_types: Vec<_> = described.as_object().unwrap().keys().collect();
        assert_eq!(media_types.len(), 1, "{path}");
        assert!(
            head.contains(&format!("content-type: {}", media_types[0])),
            "{path}: {head}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_are_bounded_in_size_and_time() {
    let limits = Limits {
        header_timeout: Duration::from_millis(300),
        ..Limits::default()
    };
    let running = start(limits, &[]).await;
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(40_000));
    let (status, head, _) = ask(running.address, &long).await;
    assert!(status == 0 || status >= 400, "{head}");

    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(100));
    assert_eq!(ask(running.address, &many).await.0, 431);

    // Half a head, then an idle kept-alive connection: both are cut.
    for request in ["GET /livez HT", "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let begun = Instant::now();
        ask(running.address, request).await;
        assert!(begun.elapsed() < Duration::from_secs(5), "{request:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_beyond_the_bound_wait() {
    let limits = Limits {
        connections_max: 1,
        ..Limits::default()
    };
    let running = start(limits, &[]).await;
    let first = connect(running.address);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let waiting = tokio::time::timeout(Duration::from_millis(200), get(running.address, "/livez")).await;
    assert!(waiting.is_err(), "the only place is taken");
    drop(first);
    let served = tokio::time::timeout(Duration::from_secs(5), get(running.address, "/livez")).await;
    assert_eq!(served.unwrap().0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_closes_idle_connections_and_the_socket() {
    let running = start(Limits::default(), &[]).await;
    let address = running.address;
    let idle = client(move || {
        let mut idle = connect(address);
        idle.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        idle.read_exact(&mut [0; 16]).unwrap();
        idle
    })
    .await;
    running.stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(2), running.server)
        .await
        .expect("an idle connection does not hold the server up")
        .unwrap();
    assert!(client(move || TcpStream::connect(address)).await.is_err());
    drop(idle);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_address_is_a_sentence() {
    let running = start(Limits::default(), &[]).await;
    let error = Server::bind(running.address, Limits::default())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("cannot listen on 127.0.0.1:") && error.contains("http.listen"),
        "{error}"
    );
}
