//! What is served, as an OpenAPI 3.1 document. A test of `routes` holds the paths
//! against those that are routed.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::routes::Problem;
use crate::render::schema::components;
use crate::telemetry::{CONTENT_TYPE, Report};

/// The version of the specification.
pub const OPENAPI_VERSION: &str = "3.1.0";

/// The document.
pub fn document() -> Value {
    let mut schemas = components(SchemaSettings::draft2020_12().for_serialize());
    let report = schemas.subschema_for::<Report>().to_value();
    let problem = schemas.subschema_for::<Problem>().to_value();
    let slow = json_answer("The answer took too long.", &problem);
    let health = |id: &str, summary: &str, no: &str| {
        let not_well = json!({"anyOf": [report, problem]});
        get(
            id,
            summary,
            &json!({
                "200": json_answer("Yes.", &report),
                "503": json_answer(&format!("{no}, or the answer took too long."), &not_well),
            }),
        )
    };
    let mut this_document = get(
        "openapi",
        "This document",
        &json!({
            "200": json_answer("The document.", &json!({"type": "object"})),
            "401": json_answer("A token is missing or wrong.", &problem),
            "503": slow,
        }),
    );
    this_document["get"]["security"] = json!([{"token": []}]);
    json!({
        "openapi": OPENAPI_VERSION,
        "info": {
            "title": "Pumpwatch",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Health, readiness and metrics of a running Pumpwatch. Any other path answers 404, any other method 405, both with a problem as their JSON.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": {
            "/livez": health("livez", "Whether every loop of the process still beats", "A loop has stopped"),
            "/readyz": health("readyz", "Whether the process is ready", "Not yet, or no longer"),
            "/metrics": get(
                "metrics",
                "Metrics as OpenMetrics text",
                &json!({
                    "200": answer("The metrics.", CONTENT_TYPE, &json!({"type": "string"})),
                    "503": slow,
                }),
            ),
            "/api/openapi.json": this_document,
        },
        "components": {
            "schemas": schemas.take_definitions(true),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "One of the tokens of `http.tokens`. Where none is configured none is asked for.",
                },
            },
        },
    })
}

/// The document as it is served.
pub(super) fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| document().to_string());
    &TEXT
}

fn get(id: &str, summary: &str, responses: &Value) -> Value {
    json!({"get": {"operationId": id, "summary": summary, "responses": responses, "security": []}})
}

fn json_answer(description: &str, schema: &Value) -> Value {
    answer(description, "application/json", schema)
}

fn answer(description: &str, media_type: &str, schema: &Value) -> Value {
    json!({"description": description, "content": {media_type: {"schema": schema}}})
}
