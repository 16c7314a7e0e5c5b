//! A bar for long work, on standard error, and only where that is a terminal.

use std::borrow::Cow;
use std::io::Read;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows how far work has got; gone when dropped. Clones show the same work.
#[derive(Clone, Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Work of a known number of bytes.
    pub fn bytes(total: u64) -> Self {
        Self::with_template(
            total,
            "{bar:32} {percent:>3} %  {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left",
        )
    }

    /// Work of a known number of things, e.g. `records`.
    pub fn items(total: u64, what: impl Into<Cow<'static, str>>) -> Self {
        let progress = Self::with_template(
            total,
            "{bar:32} {percent:>3} %  {human_pos} of {human_len} {msg}  {per_sec}  {eta} left",
        );
        progress.0.set_message(what);
        progress
    }

    fn with_template(total: u64, template: &str) -> Self {
        // Off a terminal this target draws nothing. Four times a second is enough to see.
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(4));
        let style = ProgressStyle::with_template(template).expect("the templates are constant and valid");
        bar.set_style(style);
        Self(bar)
    }

    /// So many are done, of so many after all.
    pub fn reach(&self, done: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(done);
    }

    /// So many more are done.
    pub fn advance(&self, by: u64) {
        self.0.inc(by);
    }

    /// A reader that advances the bar by what is read, and removes it at the end.
    pub fn watching<R: Read>(self, reader: R) -> WatchedReader<R> {
        WatchedReader { reader, progress: self }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}

/// See [`Progress::watching`].
#[derive(Debug)]
pub struct WatchedReader<R> {
    reader: R,
    progress: Progress,
}

impl<R: Read> Read for WatchedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.reader.read(buffer)?;
        if read == 0 && !buffer.is_empty() {
            self.progress.finish();
        } else {
            self.progress.advance(read as u64);
        }
        Ok(read)
    }
}

impl<R> Drop for WatchedReader<R> {
    fn drop(&mut self) {
        self.progress.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_counted() {
        let progress = Progress::bytes(10);
        let mut reader = progress.clone().watching(&b"0123456789"[..]);
        reader.read_exact(&mut [0; 4]).unwrap();
        assert_eq!(progress.0.position(), 4);
        assert!(!progress.0.is_finished());
        reader.read_to_end(&mut Vec::new()).unwrap();
        assert!(progress.0.is_finished());
    }
}
