//! Claims: which process works on what, on a file system that several machines share and whose locks may not work.
//!
//! What can be claimed is a folder of numbered entries, `000001`, `000002`, …, of which the highest is in
//! force: it says that the claim was taken, or given back. An entry is written completely under another name
//! and then linked to the number after the highest. link(2) fails if that name exists, and on NFS the server
//! decides, so of several processes that try at once exactly one wins, and none replaces the entry of
//! another. For the same reason entries are never removed or written again.
//!
//! The holder of a claim has a lease, which it renews by setting the time of its entry. A lease that was not
//! renewed for its length has lapsed, and another process may take the next number. All times are those of
//! the file system, compared with the time of a file that was just made beside; the clocks of the machines do
//! not matter.
//!
//! A holder may be stopped for longer than its lease and wake up again. So whatever writes under a claim
//! asks a [`Watch`] before each write whether there is a next entry.

mod entry;
mod watch;

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

pub use entry::{ClaimAction, Holder};
use entry::{ClaimEntry, Draft, touch};
pub use watch::{VARIABLE, Watch};

/// The lease that is assumed for an entry that cannot be read, for example because its machine crashed and
/// left it empty.
const UNREADABLE: Duration = Duration::from_secs(120);
/// A lease is renewed so many times in its length.
const RENEWALS: u32 = 6;

/// Something that can be claimed: a folder of entries, which need not exist yet.
#[derive(Clone, Debug)]
pub struct Claims {
    folder: PathBuf,
}

/// The state of something that can be claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimState {
    /// It was never taken, or was given back.
    Free,
    /// The last holder gave it back after a failure, at this time of the file system.
    Failed(SystemTime),
    Held(Held),
}

/// The holder of a claim, and the state of its lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// `None` if the entry cannot be read.
    pub holder: Option<Holder>,
    /// When it was taken, by the holder's clock, in milliseconds since 1970 UTC; 0 if that is unknown.
    pub since: i64,
    /// How long ago the lease was renewed.
    pub age: Duration,
    /// The lease was not renewed for its length, so another process may take the claim.
    pub lapsed: bool,
}

/// Something that this process has claimed. Dropped without [`Claim::give_back`], it lapses.
#[derive(Debug)]
pub struct Claim {
    claims: Claims,
    number: u64,
    /// Kept open: its time can be set even after the claim was lost, without touching the entry of the next
    /// holder.
    file: File,
    holder: Holder,
    lease: Duration,
    renewed: Instant,
}

/// The present time by the clock of a folder's file system, which is the time of a file that is made for this
/// purpose.
///
/// # Errors
/// If no file can be made there.
pub fn now_in(folder: &Path) -> io::Result<SystemTime> {
    Draft::new(folder, b"")?.file.metadata()?.modified()
}

impl Claims {
    /// What is claimed by the entries in this folder.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The state at the time `now`, by the clock of the file system (see [`now_in`]). If `now` lies in the past, a
    /// lease that has lapsed may be taken for a valid one, never the other way round.
    ///
    /// # Errors
    /// If the entries cannot be read.
    pub fn state(&self, now: SystemTime) -> io::Result<ClaimState> {
        match self.newest()? {
            0 => Ok(ClaimState::Free),
            number => self.state_of(number, now),
        }
    }

    /// Takes the claim if it is free or its lease has lapsed; `None` if another process holds it or was
    /// faster.
    ///
    /// # Errors
    /// If the folder cannot be made, read or written.
    pub fn take(&self, holder: &Holder, lease: Duration) -> io::Result<Option<Claim>> {
        let begun = Instant::now();
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let draft = Draft::new(&self.folder, &ClaimEntry::new(ClaimAction::Took, holder, lease).format()?)?;
        let newest = self.newest()?;
        if newest > 0
            && let ClaimState::Held(Held { lapsed: false, .. }) =
                self.state_of(newest, draft.file.metadata()?.modified()?)?
        {
            return Ok(None);
        }
        let number = newest + 1;
        let file = draft.place(&self.entry(number))?;
        let holder = holder.clone();
        Ok(file.map(|file| Claim { claims: self.clone(), number, file, holder, lease, renewed: begun }))
    }

    fn entry(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:06}"))
    }

    /// The number of the entry in force; 0 if there is none.
    fn newest(&self) -> io::Result<u64> {
        let listed = match fs::read_dir(&self.folder) {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(error),
        };
        let mut newest = 0;
        for entry in listed {
            let number = entry?.file_name().to_str().and_then(|name| name.parse().ok());
            newest = newest.max(number.unwrap_or(0));
        }
        // An NFS client may show an old list.
        while exists(&self.entry(newest + 1))? {
            newest += 1;
        }
        Ok(newest)
    }

    fn state_of(&self, number: u64, now: SystemTime) -> io::Result<ClaimState> {
        // The file is opened, because that makes an NFS client ask the server for its time.
        let file = File::open(self.entry(number))?;
        let written = file.metadata()?.modified()?;
        let entry = ClaimEntry::read(file)?;
        Ok(match &entry {
            Some(ClaimEntry { action: ClaimAction::GaveBack, .. }) => ClaimState::Free,
            Some(ClaimEntry { action: ClaimAction::Failed, .. }) => ClaimState::Failed(written),
            Some(ClaimEntry { action: ClaimAction::Took, .. }) | None => {
                let age = now.duration_since(written).unwrap_or(Duration::ZERO);
                let lapsed = age > entry.as_ref().map_or(UNREADABLE, ClaimEntry::lease);
                let since = entry.as_ref().map_or(0, |entry| entry.time);
                ClaimState::Held(Held { holder: entry.map(|entry| entry.holder), since, age, lapsed })
            }
        })
    }
}

impl Claim {
    /// The path of the claim's entry, from which [`Watch`] derives the name of the entry that would end the
    /// claim.
    pub fn path(&self) -> PathBuf {
        self.claims.entry(self.number)
    }

    /// Whether it is time to renew the lease.
    pub fn due(&self) -> bool {
        self.renewed.elapsed() >= self.lease / RENEWALS
    }

    /// How long ago the lease was renewed.
    pub fn age(&self) -> Duration {
        self.renewed.elapsed()
    }

    /// Renews the lease; returns whether this process still holds the claim.
    ///
    /// # Errors
    /// If the file system refuses; the lease is as before then.
    pub fn renew(&mut self) -> io::Result<bool> {
        let begun = Instant::now();
        touch(&self.file)?;
        // An NFS client reads a folder anew after it has changed something in it.
        drop(Draft::new(&self.claims.folder, b"")?);
        let mine = !exists(&self.claims.entry(self.number + 1))?;
        if mine {
            self.renewed = begun;
        }
        Ok(mine)
    }

    /// Gives the claim back, so that other processes can take it; `action` says whether after a failure. If another
    /// process has taken it already, nothing changes.
    ///
    /// # Errors
    /// If the file system refuses; the claim lapses then.
    pub fn give_back(self, action: ClaimAction) -> io::Result<()> {
        let entry = ClaimEntry::new(action, &self.holder, self.lease).format()?;
        Draft::new(&self.claims.folder, &entry)?.place(&self.claims.entry(self.number + 1))?;
        Ok(())
    }
}

fn exists(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// How many names (hard links) a file has now.
fn names(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.nlink())
}

#[cfg(test)]
mod tests;
