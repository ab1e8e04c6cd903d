//! Errors of the core as one Python exception: `CoreError(kind, code, message, where, advice)`.

use mandat_core::Refusal;
use mandat_sink::SinkError;
use mandat_source::SourceError;
use pyo3::exceptions::PyException;
use pyo3::{PyErr, create_exception};

create_exception!(mandat._core, CoreError, PyException, "kind, code, message, where, advice");

/// Anything that the core refuses or fails at.
pub(crate) enum Failure {
    Refusal(Refusal),
    Source(SourceError),
    Sink(SinkError),
    Finished,
}

impl From<Refusal> for Failure {
    fn from(value: Refusal) -> Self {
        Self::Refusal(value)
    }
}

impl From<SourceError> for Failure {
    fn from(value: SourceError) -> Self {
        Self::Source(value)
    }
}

impl From<SinkError> for Failure {
    fn from(value: SinkError) -> Self {
        Self::Sink(value)
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        let (kind, code, message, place, advice) = match failure {
            Failure::Refusal(Refusal::Config(reason)) => {
                let r = Refusal::Config(reason);
                ("config", r.code(), r.to_string(), String::new(), r.advice().to_owned())
            }
            Failure::Refusal(r) => ("refusal", r.code(), r.to_string(), String::new(), r.advice().to_owned()),
            Failure::Source(e) => {
                let place = format!("{}: octet {}", e.file, e.place);
                ("source", e.code(), e.reason.to_string(), place, e.advice().to_owned())
            }
            Failure::Sink(e) => ("store", e.code(), e.to_string(), String::new(), String::new()),
            Failure::Finished => (
                "usage",
                "run_finished",
                "this run is finished".to_owned(),
                String::new(),
                "start a new run".to_owned(),
            ),
        };
        CoreError::new_err((kind, code, message, place, advice))
    }
}
