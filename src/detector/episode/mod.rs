//! What follows an accusation: blocks that live, are renewed, go half-open and
//! lapse; findings that open, change and close; safe-lists and verdicts.

mod blocks;
mod episodes;
mod safelist;

pub(crate) use blocks::{BlockEvent, Blocks, Cover, Phase, StandingBlock, Wanted};
pub(crate) use episodes::{Accused, Episode, EpisodeId, Episodes, Opening};
pub(crate) use safelist::{Safelist, protects};
