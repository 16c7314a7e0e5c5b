//! A user's own past traffic, which nobody has labelled: what would have been
//! flagged, when and where, what those messages cost, what blocks would have
//! saved, and how many verified people would have been inside them.
//!
//! | Part | What it does |
//! |---|---|
//! | `run` | the same events under several settings and two rules of others, side by side |
//! | `traffic` | what the traffic is: how much, where to, and what it does not tell |
//! | `report` | the figures, put together |
//! | `sentences` | the figures in words, for Markdown and HTML alike |
//! | `markdown`, `html`, `timeline` | the report for people |
//!
//! The blocks were not in force, so how an attacker would have reacted is not in
//! the figures.

mod html;
mod markdown;
mod report;
mod run;
mod sentences;
mod timeline;
mod traffic;

pub use html::html;
pub use markdown::markdown;
pub use report::{Judged, OwnReport};
pub use run::{Options, examine};
pub use traffic::{Country, Lacks, Traffic};
