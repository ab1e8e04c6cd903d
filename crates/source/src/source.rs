//! Where packets come from: files, or controllers that send them.

use std::net::IpAddr;

use mandat_core::Packet;

use crate::error::{Reason, SourceError, Warning};
use crate::merge::{Merged, open};
use crate::siprec::{SCHEME, Siprec};

/// What a source gives.
#[derive(Debug)]
pub enum Next<'a> {
    /// A packet; it lives until the next call.
    Packet(Packet<'a>),
    /// Nothing for now.
    Idle,
    /// Nothing more.
    End,
}

/// Files merged by time, or a live source.
#[derive(Debug)]
pub enum Source {
    /// Capture files and standard input.
    Files(Merged),
    /// A recording server (RFC 7866).
    Siprec(Box<Siprec>),
}

impl Source {
    /// Opens files, or one `siprec:HOST:PORT` alone. `controllers` may send to it, and nobody else.
    pub fn open(names: &[String], controllers: &[IpAddr]) -> Result<Self, SourceError> {
        match names.iter().find(|name| name.starts_with(SCHEME)) {
            None => open(names).map(Self::Files),
            // Files are merged by their packets' times, and those of a live source never end.
            Some(name) if names.len() > 1 => Err(SourceError::new(name, 0, Reason::SiprecAlone)),
            Some(name) => Ok(Self::Siprec(Box::new(Siprec::open(name, controllers)?))),
        }
    }

    /// What comes next.
    #[inline]
    #[allow(
        clippy::should_implement_trait,
        reason = "the packet borrows the source: `Iterator` can't say that"
    )]
    pub fn next(&mut self) -> Result<Next<'_>, SourceError> {
        Ok(match self {
            Self::Files(files) => files.next()?.map_or(Next::End, Next::Packet),
            Self::Siprec(server) => match server.next() {
                Ok(Some(packet)) => Next::Packet(packet),
                Ok(None) => Next::Idle,
                Err(_) => Next::End,
            },
        })
    }

    /// Takes nothing more from the network; what was taken can still be read, up to [`Next::End`]. Files are left.
    pub fn close(&mut self) -> bool {
        if let Self::Siprec(server) = self {
            server.close();
        }
        matches!(self, Self::Siprec(_))
    }

    /// Octets read so far.
    pub fn octets_read(&self) -> u64 {
        match self {
            Self::Files(files) => files.octets_read(),
            Self::Siprec(server) => server.octets_read(),
        }
    }

    /// Octets of all sources; `None` when one has no end.
    pub fn octets_total(&self) -> Option<u64> {
        match self {
            Self::Files(files) => files.octets_total(),
            Self::Siprec(_) => None,
        }
    }

    /// What the sources did wrong so far.
    pub fn warnings(&self) -> &[Warning] {
        match self {
            Self::Files(files) => files.warnings(),
            Self::Siprec(_) => &[],
        }
    }

    /// What a live source counted.
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        match self {
            Self::Files(_) => Vec::new(),
            Self::Siprec(server) => server.counters().collect(),
        }
    }
}
