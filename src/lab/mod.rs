//! The laboratory: drives the very same detector as production, without a broker.
//!
//! | Part | What it does |
//! |---|---|
//! | `fold` | events in, effects out |
//! | `replay` | a file of canonical events through the fold, into files |
//! | `explain` | looks on, and keeps what answers one question |
//! | `simulate` | a seeded world of honest traffic and attacks |
//! | `evaluate` | every scenario, every judge, one report |
//! | `lines` | lines of bounded length |

pub mod evaluate;
pub mod explain;
pub mod fold;
pub mod lines;
pub mod replay;
pub mod simulate;
