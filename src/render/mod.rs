//! render
pub mod canonical;
