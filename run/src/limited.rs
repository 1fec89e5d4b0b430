//! Reading text files up to a limit: a path may name a device or a pipe that never ends.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// The largest size of a text file that is read, in bytes; settings and this program's small files are
/// shorter.
pub const LONGEST_TEXT: u64 = 1 << 20;

/// Reads a text file.
///
/// # Errors
/// If it cannot be read, has more bytes than [`LONGEST_TEXT`], or is not UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    let bytes = read_bytes(File::open(path)?, LONGEST_TEXT)?;
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

/// Reads a source to its end, if that comes within the limit.
///
/// # Errors
/// If it cannot be read, or holds more bytes.
pub fn read_bytes(source: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let message = format!("it has more than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_end_is_refused_at_the_limit() {
        let error = read_text(Path::new("/dev/zero")).expect_err("endless").to_string();
        assert_eq!(error, "it has more than 1048576 bytes");
        assert_eq!(read_bytes(io::repeat(1).take(8), 8).expect("within the limit"), [1; 8]);
        read_bytes(io::repeat(1).take(9), 8).expect_err("a byte too many");
    }

    #[test]
    fn what_is_no_text_is_said_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        std::fs::write(&path, [0xff, 0xfe]).expect("written");
        assert_eq!(read_text(&path).expect_err("not UTF-8").to_string(), "it is not UTF-8");
    }
}
