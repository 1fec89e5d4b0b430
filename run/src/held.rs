//! A run's folder while the one engine that works on it holds it: lock, manifest, address, sessions.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use relativenas_core::{
    latency::LatencyTable,
    manifest::{EngineAddress, EngineFacts, Manifest, ManifestError, files},
};

use crate::{
    RunError,
    address::address,
    claim::Watch,
    disk::{Disk, remove_parts},
    folder::RunFolder,
    lock::{self, Lock},
    sessions::{Did, note},
};

/// A run's folder that this process holds, so that no other engine works on it.
pub struct HeldRun {
    pub folder: RunFolder,
    pub manifest: Manifest,
    device_and_inode: (u64, u64),
    /// The claim under which this process works on the run, if it was started by a worker.
    watch: Option<Watch>,
    _lock: Option<Lock>,
}

/// Why a folder cannot be held.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    #[error("{path}: {reason}", path = .path.display())]
    Read { path: PathBuf, reason: io::Error },
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(
        "another engine ({holder}) works on this run already; `relativenas attach {run}` connects to it, \
         `relativenas stop {run}` ends it"
    )]
    Held { run: String, holder: String },
    #[error(
        "{path}: this file system has no locks ({reason}); if no other engine is on this run, start with --force",
        path = .path.display()
    )]
    NoLocks { path: PathBuf, reason: io::Error },
}

impl HeldRun {
    /// Reads the manifest and takes the lock (unless `force`d past a file system without locks).
    ///
    /// # Errors
    /// If there is no run of this version in the folder, or another engine holds it.
    pub fn hold(path: &Path, force: bool) -> Result<Self, HoldError> {
        let path =
            fs::canonicalize(path).map_err(|reason| HoldError::Read { path: path.to_owned(), reason })?;
        let metadata =
            fs::metadata(&path).map_err(|reason| HoldError::Read { path: path.clone(), reason })?;
        let manifest_path = path.join(files::MANIFEST);
        let folder = RunFolder::at(&path).ok_or_else(|| HoldError::Read {
            path: manifest_path.clone(),
            reason: io::ErrorKind::NotFound.into(),
        })?;
        let manifest = match folder.manifest() {
            Ok(manifest) => manifest,
            Err(RunError::Manifest(error)) => return Err(error.into()),
            Err(RunError::Read { path, source }) => return Err(HoldError::Read { path, reason: source }),
            Err(other) => {
                return Err(HoldError::Read { path: manifest_path, reason: io::Error::other(other) });
            }
        };
        let read = |reason| HoldError::Read { path: path.clone(), reason };
        let watch = Watch::of_environment().map_err(read)?;
        Disk::under(watch.clone()).permit().map_err(read)?;
        let lock = match lock::hold(&folder) {
            Ok(Some(lock)) => Some(lock),
            Ok(None) => {
                return Err(HoldError::Held { run: folder.reference().to_owned(), holder: holder(&folder) });
            }
            // A process with a claim does not need locks.
            Err(_) if force || watch.is_some() => None,
            Err(reason) => return Err(HoldError::NoLocks { path, reason }),
        };
        if lock.is_some() {
            remove_parts(&path);
            remove_parts(&path.join(files::WEIGHTS));
        }
        Ok(Self { folder, manifest, device_and_inode: (metadata.dev(), metadata.ino()), watch, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Whether the folder is still where it was.
    pub fn exists(&self) -> bool {
        fs::metadata(self.path()).is_ok_and(|m| (m.dev(), m.ino()) == self.device_and_inode)
    }

    /// A disk that refuses to write once the claim of this process, if it has one, is lost.
    pub fn disk(&self) -> Disk {
        Disk::under(self.watch.clone())
    }

    /// Adds the engine's facts and a table of latencies to the manifest; what is there already stays. A copy of
    /// the manifest, as the first engine found it, is kept beside it.
    ///
    /// # Errors
    /// If the disk refuses; the manifest is as before then.
    pub fn complete(
        &mut self,
        disk: &Disk,
        facts: EngineFacts,
        latency: Option<Arc<LatencyTable>>,
    ) -> io::Result<()> {
        let begun_with = self.folder.file(files::BEGUN_WITH);
        if !begun_with.exists() {
            disk.replace(&begun_with, self.manifest.format().as_bytes())?;
        }
        let mut completed = self.manifest.clone();
        completed.engine.get_or_insert(facts);
        completed.latency = completed.latency.or(latency);
        if completed == self.manifest {
            return Ok(());
        }
        disk.replace(&self.folder.file(files::MANIFEST), completed.format().as_bytes())?;
        self.manifest = completed;
        Ok(())
    }

    /// Tells others where the engine can be reached.
    ///
    /// # Errors
    /// If the disk refuses; the address is as before then.
    pub fn publish_address(&self, disk: &Disk, address: &EngineAddress) -> io::Result<()> {
        disk.replace(&self.folder.file(files::ENGINE), &serde_json::to_vec(address)?)
    }

    /// Appends to `sessions.jsonl` what this process did.
    ///
    /// # Errors
    /// If it cannot be written. The run does not depend on this file.
    pub fn note(&self, disk: &Disk, did: Did) -> io::Result<()> {
        note(disk, &self.folder, did)
    }
}

/// The process that wrote `engine.json`, in words.
fn holder(folder: &RunFolder) -> String {
    address(folder)
        .map_or_else(|| "an unknown process".to_owned(), |a| format!("process {} on {}", a.pid, a.host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{disk::WriteStep, fixture};

    fn facts() -> EngineFacts {
        EngineFacts {
            build: "1".to_owned(),
            libtorch: "2".to_owned(),
            device: "cpu".to_owned(),
            threads: 1,
            validation_batch: 8,
            data: "made up".to_owned(),
            data_fingerprint: "0".to_owned(),
            split_fingerprint: "1".to_owned(),
            protocol_hash: "2".to_owned(),
        }
    }

    fn latencies(device: &str) -> Arc<LatencyTable> {
        let device = device.to_owned();
        LatencyTable { device, batch: 1, remainder: 0, calibration: Vec::new(), operations: Vec::new() }
            .into()
    }

    #[test]
    fn a_manifest_and_an_address_are_whole_whatever_step_of_writing_fails() {
        for failing in [WriteStep::Write, WriteStep::Sync, WriteStep::Rename] {
            let runs = tempfile::tempdir().expect("a folder");
            let folder = fixture::run(runs.path(), "r");
            let mut held = HeldRun::hold(folder.path(), false).expect("no other engine holds it");
            let disk =
                Disk::failing(
                    move |step| {
                        if step == failing { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
                    },
                );
            let at = |socket: &str| EngineAddress {
                pid: 1,
                host: "here".to_owned(),
                socket: socket.to_owned(),
                build: String::new(),
                token: String::new(),
            };
            held.complete(&disk, facts(), None).expect_err("the disk is full");
            assert_eq!(folder.manifest().expect("readable"), fixture::manifest(), "{failing:?}");
            held.complete(&Disk::default(), facts(), None).expect("there is room again");
            assert_eq!(folder.manifest().expect("readable").engine, Some(facts()), "{failing:?}");
            let before = folder.manifest().expect("readable");
            held.complete(&Disk::default(), facts(), Some(latencies("first"))).expect("written");
            held.complete(&Disk::default(), facts(), Some(latencies("second"))).expect("nothing to write");
            let completed = folder.manifest().expect("readable");
            assert_eq!(completed, Manifest { latency: Some(latencies("first")), ..before });
            held.publish_address(&Disk::default(), &at("first")).expect("written");
            held.publish_address(&disk, &at("second")).expect_err("the disk is full");
            assert_eq!(address(&folder), Some(at("first")), "{failing:?}");
        }
    }

    #[test]
    fn what_is_no_run_or_of_another_format_is_named() {
        let runs = tempfile::tempdir().expect("a folder");
        let error = HeldRun::hold(runs.path(), false).err().expect("no run").to_string();
        assert!(error.contains("run.toml: "), "{error}");
        let folder = fixture::run(runs.path(), "r");
        fs::write(folder.file(files::MANIFEST), "format = 9").expect("written");
        let error = HeldRun::hold(folder.path(), false).err().expect("refused").to_string();
        assert!(error.contains("the run has format 9"), "{error}");
    }
}
