//! Pumpwatch finds SMS pumping (artificially inflated traffic, ATT&CK T1496.003)
//! in a company's own stream of SMS sends and verifications.
//!
//! The modules follow the way of the data, and each may name only those before it:
//! [`model`] → [`number_plan`] → [`decode`] → [`detector`] → [`render`] →
//! [`telemetry`] → [`config`] → [`stream`] → [`serve`] → [`lab`] → [`cli`].
//! `ARCHITECTURE.md` is the map.

pub mod cli;
pub mod config;
pub mod decode;
pub mod detector;
pub mod lab;
pub mod model;
pub mod number_plan;
pub mod render;
pub mod serve;
pub mod stream;
pub mod telemetry;
