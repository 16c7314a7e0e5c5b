//! The laboratory: drives the very same detector as production, without a broker.
//!
//! | Part | What it does |
//! |---|---|
//! | `fold` | events in, effects out |
//! | `replay` | a file of canonical events through the fold, into files |
//! | `explain` | looks on, and keeps what answers one question |
//! | `simulate` | a seeded world of honest traffic and attacks |
//! | `evaluate` | every scenario, every judge, one report |
//! | `ledger` | what blocks would have done to traffic that has been |
//! | `backtest` | two configurations side by side on the same events |
//! | `own_data` | a report on a user's own traffic |
//! | `lines` | lines of bounded length |
//! | `source` | where events come from: lines of any format, rows of a table |

pub mod backtest;
pub mod evaluate;
pub mod explain;
pub mod fold;
pub mod ledger;
pub mod lines;
pub mod own_data;
pub mod replay;
pub mod simulate;
pub mod source;
