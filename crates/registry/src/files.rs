//! Reads files that somebody else may have put there: regular files only, and never more than a stated size.

use std::fs::{File, FileType, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// Largest config file, in bytes.
pub const CONFIG_BYTES_MAX: u64 = 1_048_576;
/// Largest file that holds a secret, in bytes.
pub const SECRET_BYTES_MAX: u64 = 65_536;
/// Largest file of certificate authorities, in bytes. Those that a system trusts take a quarter of it.
pub const AUTHORITIES_BYTES_MAX: u64 = 1_048_576;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A directory, a pipe, a device: reading it may never end.
    #[error("it is {0}, not a regular file")]
    NotRegular(&'static str),
    /// More than the given number of bytes.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    /// Not text.
    #[error("it is not UTF-8 text")]
    NotText,
    /// What the system says.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads a regular file of at most `bytes_max` bytes as text.
///
/// # Errors
/// See [`FileError`].
pub fn read_text(path: &Path, bytes_max: u64) -> Result<String, FileError> {
    String::from_utf8(read(path, bytes_max)?).map_err(|_| FileError::NotText)
}

/// Reads a regular file of at most `bytes_max` bytes.
///
/// # Errors
/// See [`FileError`].
pub fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, FileError> {
    // Opening a pipe waits for a writer, so that it is looked at first; the open file is looked at again, since
    // another one may have taken its name.
    check(&path.metadata()?, bytes_max)?;
    let file = File::open(path)?;
    check(&file.metadata()?, bytes_max)?;
    let mut bytes = Vec::new();
    // A file may grow while it is read, and some report no size at all.
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(FileError::TooLarge(bytes_max));
    }
    Ok(bytes)
}

fn check(file: &Metadata, bytes_max: u64) -> Result<(), FileError> {
    if !file.is_file() {
        return Err(FileError::NotRegular(kind_of(file.file_type())));
    }
    if file.len() > bytes_max {
        return Err(FileError::TooLarge(bytes_max));
    }
    Ok(())
}

fn kind_of(file: FileType) -> &'static str {
    match file {
        it if it.is_dir() => "a directory",
        it if it.is_fifo() => "a pipe",
        it if it.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_a_size_whatever_size_it_reports() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("file");
        std::fs::write(&path, "12345").expect("a file");
        assert_eq!(read_text(&path, 5).expect("it fits"), "12345");
        // The system's own files report that they are empty.
        for longer in [&*path, Path::new("/proc/self/status")] {
            let error = read_text(longer, 4).expect_err("too large");
            assert!(matches!(error, FileError::TooLarge(4)), "{error}");
        }
        let error = read_text(dir.path(), 5).expect_err("no file");
        assert_eq!(error.to_string(), "it is a directory, not a regular file");
    }
}
