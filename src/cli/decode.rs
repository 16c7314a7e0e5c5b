//! `pumpwatch decode`: what each record of a source becomes.

use std::io::{BufRead, Read, Write};
use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde::Serialize;
use serde_json::Value;

use crate::config::check_format;

use super::error::{CliError, Exit};
use super::input::open_input;
use super::lines::{BoundedLines, Line};
use super::output::Output;
use super::wire;

#[derive(Debug, Args)]
pub(super) struct DecodeArgs {
    /// How the records are written, as in `inputs` of the configuration
    #[arg(long, value_name = "NAME", value_parser = format_name)]
    format: String,

    /// The whole file is one record (otherwise one record a line)
    #[arg(long)]
    whole: bool,

    /// The records, plain, .gz or .zst; `-` is standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
}

fn format_name(name: &str) -> Result<String, String> {
    check_format(name).map(|()| name.to_owned())
}

/// What a record became.
#[derive(Debug)]
pub(super) enum Decoded {
    /// At least one canonical event.
    Usable(Vec<Value>),
    /// Known, and no SMS event; why.
    Ignored(String),
    /// Of no use; why, by the decoders' fixed names.
    DeadLetter(String),
}

/// A record's bytes to what it becomes.
pub(super) type Decoder = Box<dyn Fn(&[u8]) -> Decoded>;

/// One line of the output.
#[derive(Serialize)]
struct Shown {
    record: u64,
    result: &'static str,
    reason: Option<String>,
    events: Vec<Value>,
}

impl Shown {
    fn new(record: u64, decoded: Decoded) -> Self {
        let (result, reason, events) = match decoded {
            Decoded::Usable(events) => ("usable", None, events),
            Decoded::Ignored(reason) => ("ignored", Some(reason), Vec::new()),
            Decoded::DeadLetter(reason) => ("dead_letter", Some(reason), Vec::new()),
        };
        Self {
            record,
            result,
            reason,
            events,
        }
    }
}

pub(super) fn execute(args: &DecodeArgs) -> Result<(), CliError> {
    let decoder = wire::decoder(&args.format)?;
    let input = open_input(&args.file, false).map_err(|error| CliError::input(&error))?;
    let mut output = Output::new();
    let records = if args.whole {
        decode_whole(&decoder, input, &mut output)
    } else {
        decode_lines(&decoder, input, &mut output)
    }?;
    output.flush()?;
    if records == 0 {
        return Err(CliError::new(
            Exit::Input,
            format!("{} is empty; there is no record to decode", args.file.display()),
        ));
    }
    Ok(())
}

fn decode_lines(decoder: &Decoder, input: impl BufRead, output: &mut Output<impl Write>) -> Result<u64, CliError> {
    let mut lines = BoundedLines::new(input, wire::RECORD_BYTES_MAX);
    let mut records = 0;
    while let Some(line) = lines.next_line().map_err(|error| CliError::input(&error))? {
        records += 1;
        let decoded = match line {
            Line::Whole(bytes) => decoder(bytes),
            Line::TooLong { .. } => too_large(),
        };
        output.json_line(&Shown::new(records, decoded))?;
    }
    Ok(records)
}

fn decode_whole(decoder: &Decoder, input: impl BufRead, output: &mut Output<impl Write>) -> Result<u64, CliError> {
    let mut bytes = Vec::new();
    input
        .take(wire::RECORD_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| CliError::input(&error))?;
    if bytes.is_empty() {
        return Ok(0);
    }
    let decoded = if bytes.len() > wire::RECORD_BYTES_MAX {
        too_large()
    } else {
        decoder(&bytes)
    };
    output.json_line(&Shown::new(1, decoded))?;
    Ok(1)
}

/// The decoders' own name for a record above their bound.
fn too_large() -> Decoded {
    Decoded::DeadLetter("too_large".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `u`, ignores `i`, refuses the rest.
    fn decoder() -> Decoder {
        Box::new(|bytes| match bytes {
            b"u" => Decoded::Usable(vec![serde_json::json!({"type": "sms.send"})]),
            b"i" => Decoded::Ignored("inbound".into()),
            _ => Decoded::DeadLetter("not_json".into()),
        })
    }

    fn lines(input: &[u8]) -> (u64, String) {
        let mut written = Vec::new();
        let mut output = Output::over(&mut written);
        let records = decode_lines(&decoder(), input, &mut output).unwrap();
        output.flush().unwrap();
        drop(output);
        (records, String::from_utf8(written).unwrap())
    }

    #[test]
    fn every_line_becomes_one_line() {
        let mut input = b"u\r\ni\n\n\xff\n".to_vec();
        input.extend(std::iter::repeat_n(b'x', wire::RECORD_BYTES_MAX + 1));
        input.extend(b"\nu");
        let (records, written) = lines(&input);
        assert_eq!(records, 6);
        insta::assert_snapshot!(written);
        assert_eq!(lines(b""), (0, String::new()));
    }

    #[test]
    fn a_whole_file_is_one_record_of_bounded_size() {
        let whole = |input: &[u8]| {
            let mut written = Vec::new();
            let mut output = Output::over(&mut written);
            let records = decode_whole(&decoder(), input, &mut output).unwrap();
            output.flush().unwrap();
            drop(output);
            (records, String::from_utf8(written).unwrap())
        };
        assert!(whole(b"u").1.contains("\"usable\""));
        assert!(whole(b"u\ni").1.contains("not_json"));
        assert!(whole(&vec![b'x'; wire::RECORD_BYTES_MAX + 1]).1.contains("too_large"));
        assert_eq!(whole(b"").0, 0);
    }
}
