//! The laboratory: a seeded world of honest traffic and attacks that drives the
//! same detector as production, without a broker.

pub mod fold;
pub mod simulate;
