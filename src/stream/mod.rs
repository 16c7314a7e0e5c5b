//! stream
pub mod ingest;
