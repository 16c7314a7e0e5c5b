//! A broken invariant ends the process, whichever thread it was found on.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::Location;

use super::error::Exit;

/// From here on a panic prints one sentence and exits with code 70. Going on
/// with half a process would be worse: a detector that reads and never publishes.
pub(super) fn install_hook() {
    std::panic::set_hook(Box::new(|panic| {
        use std::io::Write;
        // It is caught there and becomes a sentence about the file.
        if crate::lab::source::is_guarded() {
            return;
        }
        let mut stderr = std::io::stderr().lock();
        let _ = writeln!(stderr, "pumpwatch: {}", sentence(panic.payload(), panic.location()));
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            let _ = writeln!(stderr, "{backtrace}");
        }
        std::process::exit(Exit::Internal as i32);
    }));
}

fn sentence(payload: &(dyn Any + Send), location: Option<&Location<'_>>) -> String {
    let what = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message");
    let place = location
        .map(|at| format!(" at {}:{}", at.file(), at.line()))
        .unwrap_or_default();
    format!("internal error{place}: {what}; this is a defect of Pumpwatch, please report it with this line")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_names_message_and_place() {
        let here = Location::caller();
        let said = sentence(&"index out of bounds", Some(here));
        assert!(said.starts_with(&format!("internal error at {}:", file!())), "{said}");
        assert!(said.contains("index out of bounds"));
        assert!(sentence(&String::from("formatted"), None).contains("formatted"));
        assert!(sentence(&7_u8, None).contains("without a message"));
    }
}
