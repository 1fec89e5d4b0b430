//! Requests of the screen to rename or remove runs and studies on which no engine works.

use std::{
    path::{Path, PathBuf},
    thread,
};

use anyhow::Result;
use relativenas_run::aside::Aside;
use relativenas_ui::messages::Message;

use super::Server;
use crate::{app::feed::EngineSender, folder::RunFolder, operations::tidy, study::Study};

impl Server {
    /// Gives a run another name. If it is the one that is shown, it is read again from where it lies now.
    pub(super) fn rename(&mut self, folder: &Path, name: &str) -> Result<()> {
        let before = self.at(folder)?;
        self.check_no_work(&before)?;
        let is_shown = self.is_shown(&before);
        let renamed = self.context.called(tidy::rename(&before, name)?, &self.context.runs()?);
        let to = renamed.path().to_owned();
        self.listing.change(Some(Message::Renamed { from: folder.to_owned(), to: to.clone() }));
        if is_shown {
            self.shown = Some(renamed.clone());
            self.open(renamed, None);
        } else if self.followers.forget(folder) {
            self.follow_again(vec![to]);
        }
        self.list();
        Ok(())
    }

    /// Removes runs one after the other until one cannot be removed. Their folders are deleted on a thread of
    /// its own, because large ones take a while; they are not found any more by then.
    pub(super) fn remove(&mut self, folders: &[PathBuf]) -> Result<()> {
        // All are looked up before the first is touched.
        let folders = folders.iter().map(|folder| self.at(folder)).collect::<Result<Vec<_>>>()?;
        folders.iter().try_for_each(|folder| self.check_no_work(folder))?;
        let (mut removed, mut to_delete, mut outcome) = (Vec::new(), Vec::new(), Ok(()));
        for folder in folders {
            match tidy::set_aside(&folder) {
                Ok(aside) => to_delete.push(aside),
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
            removed.push(folder.path().to_owned());
        }
        self.tell_removed(removed, to_delete);
        outcome
    }

    /// Removes a study with all its runs; its folder is deleted on a thread of its own too.
    pub(super) fn remove_study(&mut self, folder: &Path) -> Result<()> {
        let study = Study::at(folder.to_owned())?;
        study.begun().iter().try_for_each(|run| self.check_no_work(run))?;
        let aside = tidy::set_study_aside(&study)?;
        self.tell_removed(vec![folder.to_owned()], vec![aside]);
        Ok(())
    }

    /// Tells the screen which folders were removed, and deletes those that were set aside.
    fn tell_removed(&mut self, removed: Vec<PathBuf>, to_delete: Vec<Aside>) {
        let is_gone = |shown: &RunFolder| removed.iter().any(|gone| shown.path().starts_with(gone));
        if self.shown.as_ref().is_some_and(is_gone) {
            // Messages of the thread that follows it must no longer reach the screen.
            (self.shown, self.turn, self.wire) = (None, None, EngineSender::default());
            drop(self.outlet.next_run());
        }
        removed.iter().for_each(|gone| self.followers.forget_below(gone));
        if !removed.is_empty() {
            self.listing.change(Some(Message::Removed(removed)));
        }
        self.list();
        let outlet = self.outlet.clone();
        thread::spawn(move || {
            for error in to_delete.into_iter().filter_map(|aside| aside.delete().err()) {
                outlet.send(Message::Failed(format!("{:#}", anyhow::Error::from(error))));
            }
        });
    }

    /// Refuses to touch a run on which work goes on in the background.
    fn check_no_work(&self, folder: &RunFolder) -> Result<()> {
        self.work.as_ref().map_or(Ok(()), |work| work.check_not_on(folder))
    }
}
