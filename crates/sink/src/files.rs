//! Files that appear whole or not at all: age streams for content, plain JSON for what names nobody.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use age::x25519::Recipient;
use sha2::{Digest, Sha256};

use crate::error::SinkError;

/// Longest LIID (TS 102 232-1, 5.2.2) and longest run name (`20260601T120000Z` and some room).
pub(crate) const MAX_LIID: usize = 25;
pub(crate) const MAX_RUN: usize = 64;

/// Refuses what could climb out of its directory, hide, or clash with temporary names (which begin with a dot).
pub(crate) fn check_name(what: &'static str, name: &str, limit: usize) -> Result<(), SinkError> {
    let fits = (1..=limit).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if fits { Ok(()) } else { Err(SinkError::Name { what, limit }) }
}

/// To whom a task's content is encrypted. Public keys: whoever takes the machine can read nothing with them.
pub(crate) struct Recipients(Vec<Recipient>);

impl Recipients {
    pub(crate) fn parse(liid: &str, keys: &[String]) -> Result<Self, SinkError> {
        let parse = |(index, key): (usize, &String)| {
            key.parse().map_err(|_| SinkError::Recipient { liid: liid.to_owned(), index })
        };
        keys.iter().enumerate().map(parse).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A finished file.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// SHA-256 of the encrypted octets, hex: a copy can be checked without a key.
    pub(crate) sha256: String,
    /// Length of the encrypted file.
    pub(crate) octets: u64,
}

/// A file that counts and hashes what passes.
struct Tally {
    file: File,
    hash: Sha256,
    octets: u64,
}

impl Write for Tally {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let n = self.file.write(data)?;
        self.hash.update(&data[..n]);
        self.octets += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The hidden name under which a file grows. Whatever bears such a name was never finished.
fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.part"))
}

/// Makes `dir`, for our own eyes: names of files and times of calls are nobody else's business.
fn make_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// A new file at `hidden`. What a crash has left there goes first; then a link that somebody has put there since makes
/// this fail instead of being followed.
fn create(hidden: &Path) -> io::Result<File> {
    match fs::remove_file(hidden) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(hidden)
}

/// Runs `fill` on a new file beside `path`, then syncs it, gives it its name and, with `sync`, syncs the name as well:
/// after a loss of power a file that was counted as written must be there. On failure nothing stays.
fn appear<T>(
    path: &Path,
    sync: bool,
    fill: impl FnOnce(File) -> io::Result<(File, T)>,
) -> Result<T, SinkError> {
    let hidden = temporary(path);
    let attempt = || {
        let parent = path.parent().unwrap_or(Path::new("."));
        make_dir(parent)?;
        let (file, out) = fill(create(&hidden)?)?;
        if sync {
            file.sync_data()?;
        }
        drop(file);
        fs::rename(&hidden, path)?;
        if sync {
            File::open(parent)?.sync_all()?;
        }
        Ok(out)
    };
    attempt().map_err(|error| {
        // Frees the space of the half-written file. If even that fails, its hidden name marks it as unfinished.
        let _ = fs::remove_file(&hidden);
        SinkError::write(path, &error)
    })
}

/// Encrypts what `fill` writes to `recipients`, straight into a new file. The clear octets stay in memory.
///
/// An existing file is never replaced: it is evidence, and the caller has counted wrongly or reuses a run's name.
pub(crate) fn write_sealed(
    path: &Path,
    recipients: &Recipients,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<Written, SinkError> {
    // Not `exists`: a link to nowhere is something too.
    if fs::symlink_metadata(path).is_ok() {
        return Err(SinkError::write(path, &io::Error::from(io::ErrorKind::AlreadyExists)));
    }
    let encryptor = age::Encryptor::with_recipients(recipients.0.iter().map(|r| r as &dyn age::Recipient))
        .map_err(|_| SinkError::Internal("age"))?;
    appear(path, true, |file| {
        let tally = Tally { file, hash: Sha256::new(), octets: 0 };
        let mut stream = encryptor.wrap_output(tally)?;
        fill(&mut stream)?;
        let tally = stream.finish()?;
        let written = Written { sha256: hex(&tally.hash.finalize()), octets: tally.octets };
        Ok((tally.file, written))
    })
}

/// Replaces `path` by `value` as JSON. A reader sees the old file or the new one.
///
/// `durable` also survives a loss of power. Not asked for at each rotation: the segments beside it are synced
/// themselves, and the list can be made again from them.
pub(crate) fn write_json(path: &Path, value: &impl serde::Serialize, durable: bool) -> Result<(), SinkError> {
    let mut text = serde_json::to_vec(value).map_err(|_| SinkError::Internal("JSON"))?;
    text.push(b'\n');
    appear(path, durable, |mut file| file.write_all(&text).map(|()| (file, ())))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(octets: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    octets
        .iter()
        .flat_map(|o| [DIGITS[usize::from(o >> 4)], DIGITS[usize::from(o & 15)]])
        .map(char::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Key, open};

    #[test]
    fn names_that_climb_or_hide_are_refused() {
        for name in ["", ".", "..", ".x", "a/b", "a\\b", "a\0", "a b", "é", &"x".repeat(26)] {
            assert!(check_name("LIID", name, MAX_LIID).is_err(), "{name:?}");
        }
        check_name("LIID", "LI-0001_a.b", MAX_LIID).unwrap();
    }

    #[test]
    fn what_is_written_opens_with_the_key_and_shows_nothing_without() {
        let (dir, key) = (tempfile::tempdir().unwrap(), Key::new());
        let path = dir.path().join("a/b/000000.x.age");
        let clear = vec![b'Q'; 200_000];
        let written = write_sealed(&path, &key.recipients(), |w| w.write_all(&clear)).unwrap();
        let sealed = fs::read(&path).unwrap();
        assert_eq!(written.octets, sealed.len() as u64);
        assert_eq!(written.sha256, hex(&Sha256::digest(&sealed)));
        assert_eq!(open(&path, &key), clear);
        assert!(!sealed.windows(8).any(|w| w == b"QQQQQQQQ"));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn evidence_is_never_replaced() {
        let (dir, key) = (tempfile::tempdir().unwrap(), Key::new());
        let path = dir.path().join("x.age");
        write_sealed(&path, &key.recipients(), |w| w.write_all(b"first")).unwrap();
        let error = write_sealed(&path, &key.recipients(), |w| w.write_all(b"second")).unwrap_err();
        assert_eq!(error.code(), "io_error");
        assert_eq!(open(&path, &key), b"first");
    }

    #[test]
    fn a_link_in_the_way_is_not_followed_and_nobody_else_may_read() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let (dir, key) = (tempfile::tempdir().unwrap(), Key::new());
        let (victim, path) = (dir.path().join("victim"), dir.path().join("LI-1/iri/x.age"));
        fs::write(&victim, b"untouched").unwrap();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(&victim, temporary(&path)).unwrap();
        write_sealed(&path, &key.recipients(), |w| w.write_all(b"new")).unwrap();
        assert_eq!((fs::read(&victim).unwrap(), open(&path, &key)), (b"untouched".to_vec(), b"new".to_vec()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let dangling = dir.path().join("y.age");
        symlink(dir.path().join("nowhere"), &dangling).unwrap();
        write_sealed(&dangling, &key.recipients(), |w| w.write_all(b"new")).unwrap_err();
    }

    #[test]
    fn a_failure_leaves_nothing_behind() {
        let (dir, key) = (tempfile::tempdir().unwrap(), Key::new());
        let path = dir.path().join("x.age");
        let full = io::Error::from_raw_os_error(28);
        let error = write_sealed(&path, &key.recipients(), |_| Err(full)).unwrap_err();
        assert_eq!(error.code(), "disk_full");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_wrong_recipient_is_refused_by_its_place() {
        let keys = [Key::new().public(), "age1nonsense".to_owned()];
        assert_eq!(
            Recipients::parse("LI-1", &keys).err(),
            Some(SinkError::Recipient { liid: "LI-1".to_owned(), index: 1 })
        );
    }
}
