//! Reads capture files merged by time and prints how many packets and octets they hold: the cost of the entrance
//! alone. `cargo run --release -p mandat-source --example count -- FILE…`

use std::time::Instant;

#[allow(clippy::print_stdout, reason = "a tool that prints")]
fn main() -> Result<(), mandat_source::SourceError> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let begun = Instant::now();
    let mut source = mandat_source::open(&names)?;
    let (mut packets, mut octets) = (0_u64, 0_u64);
    while let Some(packet) = source.next()? {
        packets += 1;
        octets += packet.data.len() as u64;
    }
    println!("{packets} packets\t{octets} octets\t{:.3} s", begun.elapsed().as_secs_f64());
    for warning in source.warnings() {
        println!("{}\t{warning}", warning.first.code());
    }
    Ok(())
}
