//! Writing output where the user wants it: to a file, through a link, into a pipe or a device, or to standard output.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use crate::atomic;

/// Writes to where `--output` says; without it, or with `-`, to standard output.
///
/// A file is replaced as a whole, also where a link leads to it. A pipe or a device stays what it is and is
/// written into.
///
/// # Errors
/// If it cannot be written; a file that was there before then stays as it was.
pub fn write(path: Option<&Path>, content: &[u8], out: &mut dyn Write) -> Result<()> {
    let Some(path) = path.filter(|path| path.as_os_str() != "-") else {
        return Ok(out.write_all(content)?);
    };
    let shown = path.display();
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => bail!("{shown}: a folder; name a file in it"),
        Ok(found) if found.is_file() => {
            let target = fs::canonicalize(path).with_context(|| format!("{shown}: cannot be found again"))?;
            atomic::write(&target, content)
        }
        Ok(_) => {
            let opened = OpenOptions::new().write(true).open(path);
            opened
                .and_then(|mut file| file.write_all(content))
                .with_context(|| format!("{shown}: cannot be written"))
        }
        // The file does not exist yet, but the path may be a link to where it will be.
        Err(_) => atomic::write(&behind_links(path)?, content),
    }
}

/// The largest number of links in a row that are followed, as in the system.
const MOST_LINKS: usize = 40;

/// The path that a link leads to, through further links.
fn behind_links(path: &Path) -> Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            Err(e) if [io::ErrorKind::NotFound, io::ErrorKind::InvalidInput].contains(&e.kind()) => {
                return Ok(path);
            }
            Err(e) => return Err(e).with_context(|| format!("{}: cannot be followed", path.display())),
        }
    }
    bail!("{}: too many links that lead to each other", path.display())
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::symlink, thread};

    use super::*;

    fn written(path: &Path) -> Vec<u8> {
        let mut out = Vec::new();
        write(Some(path), b"new", &mut out).expect("written");
        out
    }

    #[test]
    fn a_link_stays_a_link_and_its_file_is_replaced_or_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "old").expect("written");
        symlink("file", at("link")).expect("a link");
        symlink("later", at("dangling")).expect("a link");
        for (link, file) in [("link", "file"), ("dangling", "later")] {
            assert!(written(&at(link)).is_empty(), "nothing on standard output");
            assert!(fs::symlink_metadata(at(link)).expect("there").is_symlink(), "{link} is a link still");
            assert_eq!(fs::read(at(file)).expect("there"), b"new", "{file}");
        }
        symlink("round", at("round")).expect("a link");
        write(Some(&at("round")), b"new", &mut Vec::new()).expect_err("leads to itself");
        let refused = write(Some(folder.path()), b"new", &mut Vec::new()).expect_err("a folder").to_string();
        assert!(refused.ends_with(": a folder; name a file in it"), "{refused}");
    }

    #[test]
    fn a_pipe_is_written_into_and_a_dash_is_standard_output() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).expect("a pipe");
        let reader = thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe)
        });
        assert!(written(&pipe).is_empty(), "nothing on standard output");
        assert_eq!(reader.join().expect("no panic").expect("read"), b"new");
        assert!(!pipe.is_file(), "it is a pipe still");
        assert_eq!(written(Path::new("-")), b"new");
    }
}
