//! What follows an accusation: blocks that live, are renewed, go half-open and
//! lapse; findings that open, change and close; safe-lists and verdicts.

mod blocks;
mod episodes;
mod registry;
mod safelist;
mod sketch;

pub(crate) use blocks::{BlockEvent, Blocks, Cover, Phase, StandingBlock, Wanted};
pub(crate) use episodes::{Accused, Episode, EpisodeId, Opening, Tally};
pub(crate) use registry::Episodes;
pub(crate) use safelist::{Safelist, protects};
pub(crate) use sketch::Sketch;
