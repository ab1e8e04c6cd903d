//! One run: sources through a point to the sinks, in steps that Python asks for.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mandat_core::{Config, Kind, Point, Product, Resume, TaskId, Time};
use mandat_sink::{RecordSealer, Sink, SinkError};
use mandat_source::{Next, Source};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::errors::Failure;

/// The sinks look at their clocks this often.
const ADVANCE_PACKETS: u64 = 1024;

/// Different store errors that one run reports; a full disk gives the same one over and over.
const MAX_STORE_ERRORS: usize = 16;

#[pyclass(module = "mandat._core")]
pub(crate) struct Run {
    point: Point,
    /// Never contended; the lock only tells Python's threads apart from each other.
    source: Mutex<Source>,
    outlet: Outlet,
    packets: u64,
    now: Time,
    finished: bool,
}

/// Where product goes.
struct Outlet {
    sink: Sink,
    /// One a retention task: each order has keys of its own.
    sealers: BTreeMap<TaskId, (String, RecordSealer)>,
    suspended: Vec<TaskId>,
    store_errors: Vec<SinkError>,
}

#[pymethods]
impl Run {
    #[new]
    #[pyo3(signature = (config, sources, product_dir, run_id, controllers = Vec::new()))]
    #[allow(clippy::needless_pass_by_value, reason = "Python lends nothing")]
    fn new(
        config: &[u8],
        sources: Vec<String>,
        product_dir: PathBuf,
        run_id: String,
        controllers: Vec<IpAddr>,
    ) -> Result<Self, Failure> {
        let point = Point::new(Config::parse(config)?);
        let source = Source::open(&sources, &controllers)?;
        let sink = Sink::new(product_dir, run_id)?;
        Ok(Self {
            point,
            source: Mutex::new(source),
            outlet: Outlet {
                sink,
                sealers: BTreeMap::new(),
                suspended: Vec::new(),
                store_errors: Vec::new(),
            },
            packets: 0,
            now: Time::default(),
            finished: false,
        })
    }

    fn admit(
        &mut self,
        bundle: &[u8],
        now_ns: i64,
        first_cin: u32,
        first_sequence: u32,
        already: u64,
    ) -> Result<String, Failure> {
        let resume = Resume { first_cin, first_sequence, already };
        let task = self.point.admit(bundle, Time(now_ns), resume)?;
        let (id, liid) = (task.id, task.liid.to_owned());
        if let Err(error) = self.outlet.sink.add_task(id, &liid, task.recipients) {
            // A task whose product nobody could read selects nothing.
            self.point.withdraw(&liid);
            return Err(error.into());
        }
        if task.kind == Kind::Retention {
            self.outlet.sealers.insert(id, (liid.clone(), RecordSealer::default()));
        }
        Ok(liid)
    }

    /// Takes TLS secrets that the operator's own servers logged.
    fn learn_keys(&mut self, log: &str) -> usize {
        self.point.learn_keys(log)
    }

    /// Ends a task whose warrant was revoked while the run goes on.
    fn withdraw(&mut self, liid: &str) -> bool {
        self.point.withdraw(liid)
    }

    /// Takes up to `packets` packets; false once all sources are at their end.
    fn step(&mut self, py: Python<'_>, packets: u64) -> Result<bool, Failure> {
        if self.finished {
            return Err(Failure::Finished);
        }
        py.detach(|| self.advance(packets))
    }

    fn progress<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        dict.set_item("octets_read", self.source().octets_read())?;
        dict.set_item("octets_total", self.source().octets_total())?;
        dict.set_item("packets", self.packets)?;
        dict.set_item("capture_ns", self.now.0)?;
        Ok(dict)
    }

    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (name, value) in self.point.counters().iter() {
            dict.set_item(name, value)?;
        }
        for (name, value) in self.source().counters() {
            dict.set_item(name, value)?;
        }
        Ok(dict)
    }

    fn tasks<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        self.point
            .tasks()
            .map(|t| {
                let dict = PyDict::new(py);
                dict.set_item("liid", &*t.liid.0)?;
                dict.set_item("sessions", t.sessions)?;
                dict.set_item("iri", t.iri)?;
                dict.set_item("cc", t.cc)?;
                dict.set_item("call_records", t.call_records)?;
                dict.set_item("suspended", t.suspended)?;
                dict.set_item("withdrawn", t.withdrawn)?;
                dict.set_item("next_cin", t.next_cin)?;
                dict.set_item("next_sequence", t.next_sequence)?;
                Ok(dict)
            })
            .collect()
    }

    /// Retention orders and periods of which records wait for a key.
    fn periods_wanted(&self) -> Vec<(String, String)> {
        let wanted = |(liid, sealer): &(String, RecordSealer)| {
            let liid = liid.clone();
            sealer.periods_wanted().into_iter().map(move |period| (liid.clone(), period)).collect::<Vec<_>>()
        };
        self.outlet.sealers.values().flat_map(wanted).collect()
    }

    fn put_period_key(&mut self, liid: &str, period: &str, key: [u8; 32]) {
        for (_, sealer) in self.outlet.sealers.values_mut().filter(|(l, _)| l == liid) {
            sealer.put_period_key(period.to_owned(), key);
        }
    }

    /// Sealed call records: order, period, Arrow IPC stream. Full batches only, unless `everything`.
    fn take_records<'py>(
        &mut self,
        py: Python<'py>,
        everything: bool,
    ) -> Result<Vec<(String, String, Bound<'py, PyBytes>)>, Failure> {
        let batches = py.detach(|| {
            let mut batches = Vec::new();
            for (liid, sealer) in self.outlet.sealers.values_mut() {
                for (_, period, stream) in sealer.take(everything)? {
                    batches.push((liid.clone(), period, stream));
                }
            }
            Ok::<_, SinkError>(batches)
        })?;
        Ok(batches.into_iter().map(|(liid, period, s)| (liid, period, PyBytes::new(py, &s))).collect())
    }

    /// Closes sessions and product files. Raises the first error of the store, after everything that can be closed is.
    fn finish(&mut self, py: Python<'_>) -> Result<(), Failure> {
        if self.finished {
            return Ok(());
        }
        self.finished = true;
        py.detach(|| {
            self.drain_source();
            self.point.finish();
            self.outlet.drain(&mut self.point);
            let result = self.outlet.sink.finish();
            self.outlet.note(result);
        });
        match self.outlet.store_errors.first() {
            Some(error) => Err(error.clone().into()),
            None => Ok(()),
        }
    }

    fn warnings(&self) -> Vec<String> {
        let source = self.source();
        let sources = source.warnings().iter().map(ToString::to_string);
        sources.chain(self.outlet.store_errors.iter().map(ToString::to_string)).collect()
    }

    /// LIIDs of tasks that passed their ceiling in this run.
    fn suspended(&self) -> Vec<String> {
        let name = |id: &TaskId| self.point.tasks().nth(id.0 as usize).map(|t| t.liid.0.to_string());
        self.outlet.suspended.iter().filter_map(name).collect()
    }

    /// What the recorder wrote for a task: recordings, segments, octets.
    fn written(&self, liid: &str) -> Option<(u64, u64, u64)> {
        let at = self.point.tasks().position(|t| &*t.liid.0 == liid)?;
        let totals = self.outlet.sink.totals(TaskId(at as u32))?;
        Some((totals.recordings, totals.segments, totals.octets))
    }
}

impl Run {
    fn source(&self) -> MutexGuard<'_, Source> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a live source has received before it was stopped is still somebody's evidence.
    fn drain_source(&mut self) {
        let source = self.source.get_mut().unwrap_or_else(PoisonError::into_inner);
        if source.close() {
            while let Ok(Next::Packet(packet)) = source.next() {
                self.now = self.now.max(packet.ts);
                self.packets += 1;
                self.point.handle(&packet);
                self.outlet.drain(&mut self.point);
            }
        }
    }

    fn advance(&mut self, packets: u64) -> Result<bool, Failure> {
        let source = self.source.get_mut().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..packets {
            let packet = match source.next()? {
                Next::Packet(packet) => packet,
                Next::Idle => return Ok(true),
                Next::End => return Ok(false),
            };
            self.now = self.now.max(packet.ts);
            self.packets += 1;
            self.point.handle(&packet);
            self.outlet.drain(&mut self.point);
            if self.packets.is_multiple_of(ADVANCE_PACKETS) {
                let result = self.outlet.sink.advance(self.now);
                self.outlet.note(result);
            }
        }
        Ok(true)
    }
}

impl Outlet {
    fn drain(&mut self, point: &mut Point) {
        while let Some(product) = point.poll() {
            let result = match product {
                Product::CallRecord(record) => match self.sealers.get_mut(&record.task) {
                    Some((_, sealer)) => sealer.accept(*record),
                    None => Err(SinkError::UnknownTask(record.task)),
                },
                Product::Suspended(task, _) => {
                    self.suspended.push(task);
                    Ok(())
                }
                other => self.sink.accept(other),
            };
            self.note(result);
        }
    }

    fn note(&mut self, result: Result<(), SinkError>) {
        if let Err(error) = result
            && self.store_errors.len() < MAX_STORE_ERRORS
            && !self.store_errors.contains(&error)
        {
            self.store_errors.push(error);
        }
    }
}
