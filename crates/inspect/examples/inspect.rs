//! Prints every decoded session of a capture as JSON lines: `cargo run --release --example inspect -- FILE`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use mandat_core::inspect::Inspector;

fn main() -> ExitCode {
    let mut files: Vec<_> = std::env::args().skip(1).collect();
    let keylog = files.iter().position(|word| word == "--keylog").and_then(|at| {
        files.remove(at);
        (at < files.len()).then(|| files.remove(at))
    });
    if files.is_empty() {
        eprintln!("usage: inspect [--keylog FILE] FILE…");
        return ExitCode::from(2);
    }
    match print(&files, keylog.as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("inspect: {reason}");
            ExitCode::from(3)
        }
    }
}

fn print(files: &[String], keylog: Option<&str>) -> Result<(), Box<dyn std::error::Error>> {
    let mut source = mandat_source::open(files)?;
    let mut inspector = Inspector::default();
    if let Some(path) = keylog {
        inspector.learn_keys(&std::fs::read_to_string(path)?);
    }
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
