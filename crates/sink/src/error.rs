//! Why something could not be written, and what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use mandat_core::TaskId;

/// Why the disk did not take what it was given.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cause {
    /// No space, or no quota, is left.
    DiskFull,
    /// Any other refusal by the file system.
    Io,
}

impl Cause {
    /// Every cause, in the order of the drop counts.
    pub const ALL: [Self; 2] = [Self::DiskFull, Self::Io];

    /// Stable name for records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DiskFull => "disk_full",
            Self::Io => "io_error",
        }
    }

    pub(crate) fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::Io,
        }
    }
}

/// A refusal. It names a LIID, a number or a path, never an identity and never content.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SinkError {
    /// A LIID or run name that can't be a file name.
    #[error(
        "{what} can't be used as a file name: 1 to {limit} characters of A-Z a-z 0-9 . _ - are allowed, first not '.'"
    )]
    Name {
        /// `LIID` or `run`.
        what: &'static str,
        /// Longest allowed.
        limit: usize,
    },
    /// A recipient that is no age X25519 public key.
    #[error(
        "recipient {index} of {liid} is not an age X25519 public key (age1…): correct the warrant's recipients"
    )]
    Recipient {
        /// The task's label.
        liid: String,
        /// Which recipient, from 0.
        index: usize,
    },
    /// The task number or the LIID is in use.
    #[error("{liid} was added before: each task is added once, under its own LIID")]
    Duplicate {
        /// The task's label.
        liid: String,
    },
    /// Product of a task that was never added.
    #[error("product of task {} that was never added: call add_task before accept", .0.0)]
    UnknownTask(TaskId),
    /// Content of a task without recipients, which nobody could ever read.
    #[error("{liid} has no recipient, so nothing of it can be written: only retention tasks may go without")]
    NoRecipient {
        /// The task's label.
        liid: String,
    },
    /// The disk did not take a file.
    #[error("{}: {cause}: {detail}; {}", path.display(), cause.advice())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why, in one word.
        cause: Cause,
        /// Why, in the operating system's words.
        detail: String,
    },
    /// Too many call records wait for the key of their period.
    #[error(
        "{limit} call records wait for the key of their period and no more are held: give the keys, then take the records"
    )]
    RecordsWaiting {
        /// The limit.
        limit: usize,
    },
    /// A bug, or a library that broke its word: the named step failed on memory alone.
    #[error("{0} failed in memory; report this")]
    Internal(&'static str),
}

impl SinkError {
    pub(crate) fn write(path: &Path, error: &io::Error) -> Self {
        Self::Write { path: path.to_owned(), cause: Cause::of(error), detail: error.to_string() }
    }

    /// Stable code for scripts.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Name { .. } => "name",
            Self::Recipient { .. } => "recipient",
            Self::Duplicate { .. } => "duplicate",
            Self::UnknownTask(_) => "unknown_task",
            Self::NoRecipient { .. } => "no_recipient",
            Self::Write { cause, .. } => cause.name(),
            Self::RecordsWaiting { .. } => "records_waiting",
            Self::Internal(_) => "internal",
        }
    }

    /// Why the disk refused; [`Cause::Io`] for what isn't the disk's fault.
    pub(crate) const fn cause(&self) -> Cause {
        match self {
            Self::Write { cause, .. } => *cause,
            _ => Cause::Io,
        }
    }
}

impl Cause {
    const fn advice(self) -> &'static str {
        match self {
            Self::DiskFull => {
                "free space or enlarge the volume; finished files are intact and writing resumes by itself"
            }
            Self::Io => {
                "check the volume and its permissions; finished files are intact and writing resumes by itself"
            }
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_where_why_and_what_to_do() {
        let error = SinkError::write(Path::new("/p/x.age"), &io::Error::from_raw_os_error(28));
        assert_eq!(error.code(), "disk_full");
        let text = error.to_string();
        assert!(text.starts_with("/p/x.age: disk_full: ") && text.contains("free space"), "{text}");
    }

    #[test]
    fn other_errors_are_not_called_disk_full() {
        assert_eq!(SinkError::write(Path::new("x"), &io::Error::from_raw_os_error(5)).code(), "io_error");
    }
}
