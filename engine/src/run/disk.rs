//! Writing that leaves the old or the new file, never half of one.
//!
//! Everything a run must not lose goes through [`Disk`], so that tests can make any write, fsync or
//! rename fail.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

/// A step of writing that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Write,
    Sync,
    Rename,
}

/// The disk, or a disk that fails on purpose.
#[derive(Default)]
pub struct Disk {
    fault: Option<Box<dyn Fn(Step) -> io::Result<()> + Send + Sync>>,
}

impl Disk {
    /// A disk whose steps fail where `fault` says so.
    #[cfg(test)]
    pub fn failing(fault: impl Fn(Step) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self { fault: Some(Box::new(fault)) }
    }

    pub fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.check(Step::Write) {
            // A full disk takes some of the bytes before it refuses the rest.
            file.write_all(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        file.write_all(bytes)
    }

    pub fn sync(&self, file: &File) -> io::Result<()> {
        self.check(Step::Sync)?;
        file.sync_all()
    }

    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check(Step::Rename)?;
        fs::rename(from, to)
    }

    /// Replaces a file by a new one: temporary sibling, fsync, rename, fsync of the folder.
    pub fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let temporary = path.with_extension("part");
        let mut file = File::create(&temporary)?;
        let written = self
            .write(&mut file, bytes)
            .and_then(|()| self.sync(&file))
            .and_then(|()| self.rename(&temporary, path))
            .and_then(|()| self.sync_folder(path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary); // It holds nothing that is needed.
        }
        written
    }

    /// Makes a rename within the folder of `path` durable.
    pub fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        self.sync(&File::open(folder)?)
    }

    fn check(&self, step: Step) -> io::Result<()> {
        self.fault.as_ref().map_or(Ok(()), |fault| fault(step))
    }
}
