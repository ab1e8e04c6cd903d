//! The plain harness: mutates octets of the demo capture into every target, without libFuzzer and on any compiler.
//!
//!     cargo run --release --manifest-path fuzz/Cargo.toml -- [--write-corpus] [TARGET…]
//!
//! `FUZZ_SECONDS` is the time each target gets. An input that panics, takes more than 100 ms or makes the process
//! grow by more than 64 MiB is written to `fuzz/artifacts/` and fails the run. It knows nothing of coverage: with a
//! nightly compiler, `cargo fuzz run TARGET` looks deeper, from the corpus that `--write-corpus` writes.
#![forbid(unsafe_code)]

mod mutate;
mod seeds;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs, io, process, thread};

use mandat_core::fuzz;

type Target = (&'static str, fn(&[u8]));

const TARGETS: &[Target] = &[
    ("capture", mandat_source::fuzz::capture),
    ("pcap", mandat_source::fuzz::pcap),
    ("pcapng", mandat_source::fuzz::pcapng),
    ("netmon", mandat_source::fuzz::netmon),
    ("link", fuzz::link),
    ("ip", fuzz::ip),
    ("transport", fuzz::transport),
    ("fragments", fuzz::fragments),
    ("tcp", fuzz::tcp),
    ("sip", fuzz::sip),
    ("sip_frame", fuzz::sip_frame),
    ("rs_metadata", fuzz::rs_metadata),
    ("sdp", fuzz::sdp),
    ("rtp", fuzz::rtp),
    ("tunnel", fuzz::tunnel),
    ("rtcp", fuzz::rtcp),
    ("srtp", fuzz::srtp),
    ("red", fuzz::red),
    ("dtmf", fuzz::dtmf),
    ("sms", fuzz::sms),
    ("sctp", fuzz::sctp),
    ("isup", fuzz::isup),
    ("map", fuzz::map),
    ("gsm7", fuzz::gsm7),
    ("mime", fuzz::mime),
    ("smpp", fuzz::smpp),
    ("dns", fuzz::dns),
    ("hep", fuzz::hep),
    ("websocket", fuzz::websocket),
    ("tls", fuzz::tls),
    ("quic", fuzz::quic),
    ("http", fuzz::http),
    ("gquic", fuzz::gquic),
    ("dtls", fuzz::dtls),
    ("hpack", fuzz::hpack),
    ("http2", fuzz::http2),
    ("unseen", fuzz::unseen),
    ("web", fuzz::web),
    ("mail", fuzz::mail),
    ("mail_session", fuzz::mail_session),
    ("identity", fuzz::identity),
    ("radius", fuzz::radius),
    ("dhcp", fuzz::dhcp),
    ("gtpc", fuzz::gtpc),
    ("diameter", fuzz::diameter),
    ("keyword", fuzz::keyword),
    ("sessions", fuzz::sessions),
    ("point", fuzz::point),
];

/// A decoder that takes longer for some kilobytes is open to denial of service. Measured twice, because the machine
/// may have been busy elsewhere.
const SLOW: Duration = Duration::from_millis(100);
/// After this an input counts as a loop without end.
const HANG: Duration = Duration::from_secs(10);
/// Octets by which one target may make this process grow, at any moment of any run.
const GROWTH: u64 = 64 << 20;
/// To touch so many octets takes longer than this: only then, and now and then, is growth looked at.
const GROWN: Duration = Duration::from_millis(1);
const DEFAULT_SECONDS: u64 = 5;

/// The input that runs now and since when, for the watchdog.
type Running = Arc<Mutex<Option<(&'static str, Instant, Vec<u8>)>>>;

fn main() -> ExitCode {
    let (options, names): (Vec<String>, Vec<String>) =
        env::args().skip(1).partition(|arg| arg.starts_with('-'));
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let seeds = match seeds::of(&here.join("../captures/demo.pcap")) {
        Ok(seeds) => seeds,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    if let Some(unknown) = names.iter().find(|name| !TARGETS.iter().any(|target| target.0 == **name)) {
        eprintln!(
            "no target {unknown}; there are {}",
            TARGETS.iter().map(|target| target.0).collect::<Vec<_>>().join(", ")
        );
        return ExitCode::FAILURE;
    }
    let seconds = env::var("FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(DEFAULT_SECONDS);
    let running = watchdog(here.join("artifacts"));
    let mut failed = false;
    for target in
        TARGETS.iter().filter(|target| names.is_empty() || names.iter().any(|name| name == target.0))
    {
        let seeds = seeds.get(target.0).map_or(&[][..], Vec::as_slice);
        let done = if options.iter().any(|option| option == "--write-corpus") {
            write_corpus(&here.join("corpus").join(target.0), seeds)
        } else {
            run(*target, seeds, Duration::from_secs(seconds), &running, &here.join("artifacts"))
        };
        failed |= done.unwrap_or_else(|error| {
            eprintln!("{}: {error}", target.0);
            true
        });
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Gives a target its time; says whether it failed.
fn run(
    target: Target,
    seeds: &[Vec<u8>],
    time: Duration,
    running: &Running,
    artifacts: &Path,
) -> io::Result<bool> {
    let (name, body) = target;
    let (begun, mut count, mut source) = (Instant::now(), 0_u64, mutate::Source::new(name));
    // Linux takes a 5 as the wish to forget the peak so far; where it doesn't, earlier targets' peaks hide small growth.
    _ = fs::write("/proc/self/clear_refs", "5");
    let (before, mut slowest) = (peak(), Duration::ZERO);
    while begun.elapsed() < time {
        let input = match seeds.get(count as usize) {
            Some(seed) => seed.clone(),
            None => source.mutated(seeds),
        };
        *running.lock().unwrap_or_else(PoisonError::into_inner) = Some((name, Instant::now(), input.clone()));
        let timed = || {
            let begun = Instant::now();
            catch_unwind(AssertUnwindSafe(|| body(&input))).map(|()| begun.elapsed())
        };
        let fault = match timed() {
            Err(_) => Some("panics"),
            Ok(took) if took > SLOW && timed().is_ok_and(|again| again > SLOW) => Some("is slow"),
            Ok(took) => {
                slowest = slowest.max(took.min(SLOW));
                let look = took > GROWN || count.is_multiple_of(1024);
                (look && peak().saturating_sub(before) > GROWTH).then_some("takes too much memory")
            }
        };
        *running.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if let Some(fault) = fault {
            println!("{name}: {fault}: {}", keep(artifacts, name, &input)?.display());
            return Ok(true);
        }
        count += 1;
    }
    let grown = peak().saturating_sub(before) >> 10;
    println!(
        "{name}: {count} inputs from {} seeds, slowest {slowest:.1?}, grew by {grown} KiB, no finding",
        seeds.len()
    );
    Ok(false)
}

fn write_corpus(directory: &Path, seeds: &[Vec<u8>]) -> io::Result<bool> {
    fs::create_dir_all(directory)?;
    for (n, seed) in seeds.iter().enumerate() {
        fs::write(directory.join(format!("seed-{n:04}")), seed)?;
    }
    Ok(false)
}

fn keep(artifacts: &Path, name: &str, input: &[u8]) -> io::Result<PathBuf> {
    fs::create_dir_all(artifacts)?;
    let path = artifacts.join(format!("{name}-{}", process::id()));
    fs::write(&path, input)?;
    Ok(path)
}

/// Ends the process when one input never ends.
fn watchdog(artifacts: PathBuf) -> Running {
    let running = Running::default();
    let watched = Arc::clone(&running);
    thread::spawn(move || {
        loop {
            thread::sleep(Duration::from_secs(1));
            if let Some((name, since, input)) = &*watched.lock().unwrap_or_else(PoisonError::into_inner)
                && since.elapsed() > HANG
            {
                match keep(&artifacts, name, input) {
                    Ok(path) => println!("{name}: never ends: {}", path.display()),
                    Err(error) => println!("{name}: never ends; {error}"),
                }
                process::exit(1);
            }
        }
    });
    running
}

/// The most octets that this process has ever had resident; 0 where `/proc` doesn't say.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim_end_matches("kB").trim().parse::<u64>().ok()).unwrap_or(0) << 10
}
