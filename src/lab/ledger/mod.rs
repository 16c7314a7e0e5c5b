//! What blocks would have done to traffic that has been: messages and money that
//! they would have stopped, and verified people inside them.
//!
//! | Part | What it does |
//! |---|---|
//! | `seen` | what of an event matters here, worked out once for every ledger |
//! | `money` | sums of messages with and without a price |
//! | `episode` | findings put together, one entry an episode |
//! | `shown` | an episode with its account, for reports |
//! | `account` | the ledger: sends and approvals against standing blocks |
//!
//! A message counts as stopped when a block that stands when it arrives covers its
//! number. Blocks of shadow mode count like others: it is asked what they would
//! have done. Messages that were stopped or failed before cost nothing.

mod account;
mod episode;
mod money;
mod seen;
mod shown;

pub use account::{Account, Ledger};
pub use episode::{Accused, Episode};
pub use money::{Amount, Prices, Sum};
pub use seen::{Seen, SeenWhat};
pub use shown::Shown;
