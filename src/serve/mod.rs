//! HTTP: health, metrics, and the read view behind the API.
//!
//! Health and metrics are open; everything else asks for a token where tokens
//! are configured. Connections, header sizes, bodies and times are all bounded.

mod auth;
pub mod openapi;
mod routes;
mod server;
mod view;

pub use routes::App;
pub use server::{Limits, ServeError, Server};
pub use view::{BlockEntry, View};
