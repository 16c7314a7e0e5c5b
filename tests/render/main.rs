//! Everything that is published: its looks, its schemas, and OCSF's rules.

mod documents;
mod fixtures;
mod ocsf;
mod properties;
mod schemas;
mod snapshots;
