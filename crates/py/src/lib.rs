//! Python bindings: one export list, no logic of its own. What crosses here is product, counts and errors; never a packet.
#![allow(missing_docs, reason = "the Python documentation is in _core.pyi")]

mod errors;
mod run;

use mandat_core::{Config, Point, Time};
use pyo3::prelude::*;

use errors::Failure;

/// Whether a point so configured would admit this bundle at this moment; raises the refusal if not.
#[pyfunction]
fn check_admission(config: &[u8], bundle: &[u8], now_ns: i64) -> Result<(), Failure> {
    Ok(Point::new(Config::parse(config)?).check(bundle, Time(now_ns))?)
}

/// The normal form of a number or URI under the site's numbering plan.
#[pyfunction]
fn normalise(config: &[u8], uri: &str) -> Result<Option<String>, Failure> {
    Ok(Config::parse(config)?.normalise(uri))
}

/// The token under which sealed call records of `identity` are found.
#[pyfunction]
fn identity_token(period_key: [u8; 32], identity: &str) -> [u8; mandat_sink::TOKEN] {
    mandat_sink::identity_token(&period_key, identity)
}

/// Opens the body of one sealed call record; `None` when a part is not what was sealed.
#[pyfunction]
fn unseal(
    period_key: [u8; 32],
    segment: [u8; mandat_sink::SEGMENT],
    index: u64,
    caller_token: [u8; mandat_sink::TOKEN],
    callee_token: [u8; mandat_sink::TOKEN],
    sealed: &[u8],
) -> Option<Vec<u8>> {
    mandat_sink::unseal(&period_key, &segment, index, &caller_token, &callee_token, sealed)
}

/// Names of the roles, by their numbers in the body of a call record.
#[pyfunction]
fn roles() -> Vec<&'static str> {
    mandat_sink::roles().collect()
}

#[pymodule]
mod _core {
    #[pymodule_export]
    use super::{check_admission, errors::CoreError, identity_token, normalise, roles, run::Run, unseal};
}
