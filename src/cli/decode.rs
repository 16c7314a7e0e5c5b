//! `pumpwatch decode`: what each record of a source becomes.

use std::io::{BufRead, Read, Write};
use std::path::PathBuf;

use crate::config::check_format;
use crate::decode::{Format, RECORD_BYTES_MAX, RecordMeta};
use crate::render::canonical::{DecodeReport, decode_report};
use clap::{Args, ValueHint};

use super::error::{CliError, Exit};
use super::input::open_input;
use super::output::Output;
use crate::lab::lines::{BoundedLines, Line};

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

pub(super) fn execute(args: &DecodeArgs) -> Result<(), CliError> {
    let format = Format::parse(&args.format).map_err(|e| CliError::new(Exit::Usage, e.to_string()))?;
    let input = open_input(&args.file, false).map_err(|error| CliError::input(&error))?;
    let mut output = Output::new();
    let records = if args.whole {
        decode_whole(format, input, &mut output)
    } else {
        decode_lines(format, input, &mut output)
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

fn decode_lines(format: Format, input: impl BufRead, output: &mut Output<impl Write>) -> Result<u64, CliError> {
    let mut lines = BoundedLines::new(input, RECORD_BYTES_MAX);
    let mut records = 0;
    while let Some(line) = lines.next_line().map_err(|error| CliError::input(&error))? {
        records += 1;
        let report = match line {
            Line::Whole(bytes) => report(format, records, bytes),
            Line::TooLong { .. } => report(format, records, &too_large()),
        };
        output.json_line(&report)?;
    }
    Ok(records)
}

fn decode_whole(format: Format, input: impl BufRead, output: &mut Output<impl Write>) -> Result<u64, CliError> {
    let mut bytes = Vec::new();
    input
        .take(RECORD_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| CliError::input(&error))?;
    if bytes.is_empty() {
        return Ok(0);
    }
    output.json_line(&report(format, 1, &bytes))?;
    Ok(1)
}

/// A record of a file has no broker's time of its own: it arrives now.
fn report(format: Format, record: u64, bytes: &[u8]) -> DecodeReport {
    let meta = RecordMeta {
        record_time: super::wall_clock(),
        default_tenant: None,
        default_app: None,
    };
    decode_report(format, &meta, record, bytes)
}

/// Stands for a record above the decoders' bound, which refuse it by its length.
fn too_large() -> Vec<u8> {
    vec![b' '; RECORD_BYTES_MAX + 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEND: &str = r#"{"type":"sms.send","id":"1","time":"2026-11-22T07:48:10Z","to":"+998901234567"}"#;

    fn lines(input: &[u8]) -> (u64, String) {
        let mut written = Vec::new();
        let mut output = Output::over(&mut written);
        let records = decode_lines(Format::CANONICAL, input, &mut output).unwrap();
        output.flush().unwrap();
        drop(output);
        (records, String::from_utf8(written).unwrap())
    }

    #[test]
    fn every_line_becomes_one_line() {
        let mut input = format!("{SEND}\r\n{{\"type\":\"sms.other\"}}\n\n").into_bytes();
        input.extend(b"\xff\n");
        input.extend(std::iter::repeat_n(b'x', RECORD_BYTES_MAX + 1));
        input.extend(b"\n");
        input.extend(SEND.as_bytes());
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
            let records = decode_whole(Format::CANONICAL, input, &mut output).unwrap();
            output.flush().unwrap();
            drop(output);
            (records, String::from_utf8(written).unwrap())
        };
        assert!(whole(SEND.as_bytes()).1.contains("\"usable\""));
        assert!(whole(b"{}\n{}").1.contains("not_json"));
        assert!(whole(&vec![b'x'; RECORD_BYTES_MAX + 1]).1.contains("too_large"));
        assert_eq!(whole(b"").0, 0);
    }
}
