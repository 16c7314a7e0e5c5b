//! The laboratory: drives the very same detector as production, without a broker.
//!
//! | Part | What it does |
//! |---|---|
//! | `fold` | events in, effects out |
//! | `replay` | a file of canonical events through the fold, into files |
//! | `simulate` | a seeded world of honest traffic and attacks |
//! | `evaluate` | every scenario, every judge, one report |
//! | `lines` | lines of bounded length |
//! | `source` | where events come from: lines of any format, rows of a table |

pub mod evaluate;
pub mod fold;
pub mod lines;
pub mod replay;
pub mod simulate;
pub mod source;
