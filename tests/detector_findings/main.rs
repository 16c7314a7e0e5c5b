//! What is said of an attack from its first record to its last, and what people may
//! answer: modes, safe-lists, verdicts, totals.

mod chance;
mod joins;
mod money;
mod moves;
mod people;
mod totals;
mod void;
mod world;
