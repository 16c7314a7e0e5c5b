//! The source formats that an input may name: those that `decode` has registered.

use crate::decode::Format;

/// The format of an input that names none.
pub const DEFAULT_FORMAT: &str = "canonical";

/// Checks a format's name.
///
/// # Errors
/// A sentence without its subject, to go on after "`inputs[0].format`: ".
pub fn check_format(name: &str) -> Result<(), String> {
    Format::parse(name).map(|_| ()).map_err(|error| error.to_string())
}
