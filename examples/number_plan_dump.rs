//! Reads one number a line and writes what the number plan says of it, as NDJSON.

use std::io::{BufRead, BufWriter, Write};

fn main() -> std::io::Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        serde_json::to_writer(&mut out, &pumpwatch::number_plan::describe(&line?))?;
        out.write_all(b"\n")?;
    }
    out.flush()
}
