//! Runs that are laid over the curves of the one that is shown: read once, and followed while they grow.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::Result;
use relativenas_core::view::{Phase, RunView};
use relativenas_ui::messages::Message;

use super::outlet::{Closed, RunOutlet};
use crate::{
    engine::stream::{RunStream, Said},
    folder::RunFolder,
};

/// How long to wait before a log is read again.
const PATIENCE: Duration = Duration::from_secs(2);

/// The newest follower of each run. A run that is compared again gets a new follower, and the old one ends.
#[derive(Clone, Default)]
pub struct Followers {
    newest: Arc<Mutex<BTreeMap<PathBuf, u64>>>,
}

impl Followers {
    /// Reads a run from its beginning. An older follower of the same run ends at its next look.
    ///
    /// # Errors
    /// If the run's log is damaged.
    pub fn follow(&self, folder: RunFolder) -> Result<Followed> {
        let mut newest = self.lock();
        let number = newest.entry(folder.path().to_owned()).or_default();
        *number += 1;
        let number = *number;
        drop(newest);
        let mut followed = Followed {
            stream: RunStream::of_log(&folder),
            view: RunView::default(),
            followers: self.clone(),
            number,
            folder,
        };
        followed.read()?;
        Ok(followed)
    }

    /// Ends the follower of the run in this folder; returns whether there was one.
    pub fn forget(&self, folder: &Path) -> bool {
        self.lock().remove(folder).is_some()
    }

    /// Ends the followers of all runs in this folder, which may be that of a run itself.
    pub fn forget_below(&self, folder: &Path) {
        self.lock().retain(|run, _| !run.starts_with(folder));
    }

    /// Ends all followers; returns the folders of the runs that they followed.
    pub fn take(&mut self) -> Vec<PathBuf> {
        // The followers so far keep the former list, in which none of them is left.
        let former = std::mem::take(self);
        let followed = std::mem::take(&mut *former.lock());
        followed.into_keys().collect()
    }

    fn is_newest(&self, run: &Path, number: u64) -> bool {
        self.lock().get(run) == Some(&number)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PathBuf, u64>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run, as far as its log was read.
pub struct Followed {
    folder: RunFolder,
    stream: RunStream,
    view: RunView,
    followers: Followers,
    number: u64,
}

impl Followed {
    /// The message that carries the present view of the run.
    pub fn compared(&self) -> Message {
        Message::Compared { folder: self.folder.path().to_owned(), view: Box::new(self.view.clone()) }
    }

    /// The same for a run that is compared already.
    pub fn grown(&self) -> Message {
        Message::Grown { folder: self.folder.path().to_owned(), view: Box::new(self.view.clone()) }
    }

    /// Whether no architecture was injected into the run. After an injection it no longer represents its
    /// searcher.
    pub fn was_left_alone(&self) -> bool {
        self.view.search.as_ref().is_none_or(|search| search.injections.is_empty())
    }

    fn goes_on(&self) -> bool {
        self.view.phase() != Phase::Finished && self.followers.is_newest(self.folder.path(), self.number)
    }

    /// Reads what was written since the last time.
    fn read(&mut self) -> Result<()> {
        loop {
            match self.stream.hear()? {
                Said::Lines(lines) => lines.iter().try_for_each(|line| self.view.apply(line))?,
                Said::Anew => self.view = RunView::default(),
                _ => return Ok(()), // All that is written is read.
            }
        }
    }

    /// Reads what was written since the last time; returns whether there was anything.
    fn grew(&mut self) -> Result<bool> {
        let state = |view: &RunView| (view.events, view.changed_at);
        let before = state(&self.view);
        self.read()?;
        Ok(state(&self.view) != before)
    }
}

/// Sends runs again whenever they have grown, until another run is shown.
pub fn keep_following(mut runs: Vec<Followed>, turn: &RunOutlet) {
    let mut read_all = || -> Result<usize, Closed> {
        runs.retain(Followed::goes_on);
        let mut damaged = Vec::new();
        for run in &mut runs {
            match run.grew() {
                Ok(true) => turn.send(run.grown())?,
                Ok(false) => {}
                Err(_) => damaged.push(run.folder.clone()),
            }
        }
        runs.retain(|run| !damaged.contains(&run.folder));
        Ok(runs.len())
    };
    while read_all().is_ok_and(|left| left > 0) && turn.is_open() {
        thread::sleep(PATIENCE);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::{app::outlet::Outlet, fixture};

    #[test]
    fn a_run_that_grows_is_sent_again_until_it_ends() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        let log = fixture::log(3);
        fixture::write_log(&folder, &log[..4]);
        let followers = Followers::default();
        let followed = followers.follow(folder.clone()).expect("readable");
        assert!(matches!(followed.compared(), Message::Compared { view, .. } if view.events == 4));
        fixture::write_log(&folder, &log);
        let (sender, screen) = channel();
        keep_following(vec![followed], &Outlet::new(sender).next_run());
        let last = screen.try_iter().last();
        assert!(
            matches!(last, Some(Message::Grown { folder: of, view }) if of == folder.path() && view.phase() == Phase::Finished)
        );
    }

    #[test]
    fn nobody_follows_a_run_that_another_follows_or_when_another_run_is_shown() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        fixture::write_log(&folder, &fixture::log(1));
        let followers = Followers::default();
        let first = followers.follow(folder.clone()).expect("readable");
        let second = followers.follow(folder).expect("readable");
        let (sender, _screen) = channel();
        let outlet = Outlet::new(sender);
        keep_following(vec![first], &outlet.next_run());
        let closed = outlet.next_run();
        outlet.next_run();
        keep_following(vec![second], &closed);
    }

    #[test]
    fn runs_that_were_removed_are_not_followed_any_more() {
        let runs = tempfile::tempdir().expect("a folder");
        let followers = Followers::default();
        let followed = ["study/runs/a", "other"].map(|name| {
            let parent = runs.path().join(name).parent().expect("a parent").to_owned();
            std::fs::create_dir_all(&parent).expect("made");
            let folder = fixture::run(&parent, name.rsplit('/').next().expect("a name"));
            fixture::write_log(&folder, &fixture::log(1));
            followers.follow(folder).expect("readable")
        });
        followers.forget_below(&runs.path().join("study"));
        assert_eq!(followed.map(|run| run.goes_on()), [false, true]);
    }
}
