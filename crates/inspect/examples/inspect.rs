//! Prints every decoded session of a capture as JSON lines: `cargo run --release --example inspect -- FILE`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use mandat_core::inspect::Inspector;

fn main() -> ExitCode {
    let files: Vec<_> = std::env::args().skip(1).collect();
    if files.is_empty() {
        eprintln!("usage: inspect FILE…");
        return ExitCode::from(2);
    }
    match print(&files) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("inspect: {reason}");
            ExitCode::from(3)
        }
    }
}

fn print(files: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let mut source = mandat_source::open(files)?;
    let mut inspector = Inspector::default();
    let mut out = BufWriter::new(std::io::stdout().lock());
    while let Some(packet) = source.next()? {
        inspector.handle(&packet);
        while let Some(record) = inspector.poll() {
            writeln!(out, "{record}")?;
        }
    }
    inspector.finish();
    while let Some(record) = inspector.poll() {
        writeln!(out, "{record}")?;
    }
    for record in inspector.counters() {
        writeln!(out, "{record}")?;
    }
    for warning in source.warnings() {
        eprintln!("inspect: {warning}");
    }
    Ok(())
}
