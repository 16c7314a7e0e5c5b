//! What is answered under which path.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_TYPE as CONTENT_TYPE_HEADER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Json, Router};
use schemars::JsonSchema;
use serde::Serialize;

use crate::config::Secret;
use crate::telemetry::{CONTENT_TYPE, Health, Metrics, Report};

use super::auth::Tokens;
use super::openapi;

/// Paths that ask for no token: probes and scrapers have none.
const OPEN_PATHS: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// What the server shows.
#[derive(Clone, Debug)]
pub struct App {
    /// Heartbeats and conditions.
    pub health: Health,
    /// The page of metrics.
    pub metrics: Arc<Metrics>,
    tokens: Tokens,
}

impl App {
    /// With the tokens of the configuration; none means that none is asked for.
    pub fn new(health: Health, metrics: Arc<Metrics>, tokens: &[Secret]) -> Self {
        Self {
            health,
            metrics,
            tokens: Tokens::new(tokens),
        }
    }
}

/// Every path; `openapi` describes them.
fn routes() -> [(&'static str, MethodRouter<App>); 4] {
    [
        ("/livez", get(livez)),
        ("/readyz", get(readyz)),
        ("/metrics", get(metrics)),
        ("/api/openapi.json", get(openapi_json)),
    ]
}

/// All routes with their guards.
pub(super) fn router(app: App, request_timeout: Duration, body_bytes_max: usize) -> Router {
    routes()
        .into_iter()
        .fold(Router::new(), |router, (path, answer)| router.route(path, answer))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(body_bytes_max))
        .layer(from_fn_with_state(app.clone(), guard))
        .layer(from_fn_with_state(request_timeout, bound_time))
        .with_state(app)
}

/// Asks for a token, and marks every answer as not to be stored or guessed at.
async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let open = OPEN_PATHS.contains(&request.uri().path());
    let mut response = if open || app.tokens.admit(request.headers()) {
        next.run(request).await
    } else {
        let mut refusal = problem(
            StatusCode::UNAUTHORIZED,
            "this path needs a token; send it as `Authorization: Bearer TOKEN`",
        );
        refusal
            .headers_mut()
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        refusal
    };
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn bound_time(State(timeout): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => problem(StatusCode::SERVICE_UNAVAILABLE, "the answer took too long; try again"),
    }
}

async fn livez(State(app): State<App>) -> Response {
    report(&app.health.live())
}

async fn readyz(State(app): State<App>) -> Response {
    report(&app.health.ready())
}

fn report(report: &Report) -> Response {
    let status = if report.ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(report)).into_response()
}

async fn metrics(State(app): State<App>) -> Response {
    ([(CONTENT_TYPE_HEADER, CONTENT_TYPE)], app.metrics.encode()).into_response()
}

async fn openapi_json() -> Response {
    ([(CONTENT_TYPE_HEADER, "application/json")], openapi::text()).into_response()
}

async fn not_found() -> Response {
    problem(
        StatusCode::NOT_FOUND,
        "there is nothing under this path; there are /livez, /readyz, /metrics and /api/openapi.json",
    )
}

async fn method_not_allowed() -> Response {
    problem(StatusCode::METHOD_NOT_ALLOWED, "this path can only be read; use GET")
}

/// Why a request was not answered.
#[derive(Serialize, JsonSchema)]
pub(super) struct Problem {
    /// The status of the answer.
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    /// What to change, in a sentence.
    error: &'static str,
}

fn problem(status: StatusCode, error: &'static str) -> Response {
    let problem = Problem {
        status: status.as_u16(),
        error,
    };
    (status, Json(problem)).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_document_describes_what_is_routed_and_what_is_open() {
        let document = openapi::document();
        let paths = document["paths"].as_object().unwrap();
        let routed: BTreeSet<_> = routes().iter().map(|(path, _)| *path).collect();
        assert_eq!(paths.keys().map(String::as_str).collect::<BTreeSet<_>>(), routed);
        for (path, item) in paths {
            let open = item["get"]["security"].as_array().unwrap().is_empty();
            assert_eq!(open, OPEN_PATHS.contains(&path.as_str()), "{path}");
        }
    }
}
