//! Answers the requests of the screen.

mod tidying;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::Receiver,
    },
    thread,
};

use anyhow::{Context as _, Result, bail};
use relativenas_core::protocol::{Answer, Command};
use relativenas_run::disk::Disk;
use relativenas_ui::messages::{Architecture, Message, Request, WorkKind, WorkState};

use super::{
    First,
    comparison::{Followers, keep_following},
    export,
    feed::{EngineSender, Feed, steer},
    listing::Listing,
    outlet::{Outlet, RunOutlet},
    plan::{self, Planned},
    resume::StandingCommands,
    studies,
    theme::remember,
    work::RunningWork,
};
use crate::{
    branch::branch,
    compare::check_comparable,
    context::Context,
    engine::{
        program::EngineProgram,
        start::{StartOptions, StartedEngine, start},
    },
    folder::RunFolder,
    operations::{begin::IN_A_FORM, reading, resume::check_resumable, search, tidy, train},
    places::absolute,
    runs,
    study::Study,
};

/// The largest number of runs that are compared at once; the newest are taken.
const MOST_COMPARED: usize = 60;

/// The server that answers the screen's requests, with its state.
pub struct Server {
    context: Context,
    outlet: Outlet,
    wire: EngineSender,
    /// The run that is shown, or that is to be shown first.
    shown: Option<RunFolder>,
    /// The run that is shown is only watched; no commands are sent to its engine.
    only_watched: bool,
    /// The followers of the runs that are compared with it.
    followers: Followers,
    listing: Listing,
    /// The number of the newest [`Request::Plan`]; older ones need no answer.
    planned: Arc<AtomicU64>,
    /// The sender for messages about the run that is shown.
    turn: Option<RunOutlet>,
    /// The work in the background, or the last that there was.
    work: Option<RunningWork>,
}

impl Server {
    pub fn new(context: Context, outlet: Outlet, first: First) -> Self {
        let (shown, only_watched) = match first {
            First::Runs => (None, false),
            First::Run(folder) => (Some(folder), false),
            First::Watch(folder) | First::Replay(folder, _) => (Some(folder), true),
        };
        Self {
            context,
            listing: Listing::new(outlet.clone()),
            outlet,
            wire: EngineSender::default(),
            shown,
            only_watched,
            followers: Followers::default(),
            planned: Arc::default(),
            turn: None,
            work: None,
        }
    }

    /// Answers requests until the screen is gone.
    pub fn serve(mut self, requests: &Receiver<Request>) {
        if let Ok(runs) = self.context.runs() {
            thread::spawn(move || tidy::finish_removals(&runs));
        }
        for request in requests {
            if let Err(error) = self.answer(request) {
                self.outlet.send(Message::Failed(format!("{error:#}")));
            }
        }
    }

    fn answer(&mut self, request: Request) -> Result<()> {
        match request {
            Request::Steer { id, command } => {
                if let Err(why) = steer(&self.wire, id, command) {
                    self.outlet.send(Message::Answer(Answer { id, refused: Some(why) }));
                }
            }
            Request::ListRuns => self.list(),
            Request::Open { folder } => {
                let folder = self.at(&folder)?;
                self.open(folder, None);
            }
            Request::Plan { id, architecture, preset, settings, path } => {
                let asked = Planned { architecture, preset, settings, path };
                self.plan(id, asked);
            }
            Request::Start { architecture, preset, settings, name, paused } => {
                let layers = plan::layers(&self.context, preset.as_deref(), &settings)?;
                let name = name.as_deref();
                let prepared = match architecture {
                    None => search::prepare(&self.context, layers, preset.as_deref(), name, &IN_A_FORM)?,
                    Some(Architecture { genotype, name: called, origin }) => {
                        let prepared =
                            train::prepare(&self.context, layers, genotype, &called, name, &IN_A_FORM)?;
                        // The training does not depend on its note.
                        let _ = prepared.folder.annotate(&Disk::default(), &origin);
                        prepared
                    }
                };
                let options = StartOptions { new_run: true, paused, ..StartOptions::default() };
                let engine = start(&prepared.program, &prepared.folder, options)?;
                self.open(prepared.folder, Some(engine));
            }
            Request::Resume { folder, paused } => {
                let folder = self.at(&folder)?;
                check_resumable(&folder, false)?;
                let left = StandingCommands::of(&folder)?;
                let left = if paused { left.but_paused() } else { left };
                let options = StartOptions { paused: left.begins_paused(), ..StartOptions::default() };
                let engine = start(&EngineProgram::find()?, &folder, options)?;
                self.open_and_tell(folder, Some(engine), left.commands());
            }
            Request::Branch { generation } => self.branch(generation)?,
            Request::Export { what, format } => {
                let done = export::export(self.shown()?, &what, format)?;
                self.outlet.send(Message::Done(done));
            }
            Request::ReadGenotype { from } => self.read_genotype(&from)?,
            Request::Compare { folder } => {
                let other = self.at(&folder)?;
                check_comparable(self.shown()?, &other)?;
                let turn = self.turn.clone().context("no run is shown")?;
                let followed = self.followers.follow(other)?;
                self.outlet.send(followed.compared());
                thread::spawn(move || keep_following(vec![followed], &turn));
            }
            Request::CompareAll => self.compare_all()?,
            Request::Probe => self.work(WorkKind::Probe)?,
            Request::Evaluate => self.work(WorkKind::Evaluation)?,
            Request::EndWork => self.work.iter().for_each(RunningWork::end),
            Request::Rename { folder, name } => self.rename(&folder, &name)?,
            Request::Annotate { folder, note } => {
                self.at(&folder)?.annotate(&Disk::default(), &note)?;
                self.listing.change(None);
                self.list();
            }
            Request::Remove { folders } => self.remove(&folders)?,
            Request::RemoveStudy { folder } => self.remove_study(&folder)?,
            Request::RememberTheme { theme } => {
                let done = remember(&self.context.places.config_file, theme)?;
                self.outlet.send(Message::Done(done));
            }
        }
        Ok(())
    }

    /// Starts a new run from the beginning of a generation of the run that is shown. The new run is paused,
    /// because without a change it would only repeat the other run.
    fn branch(&mut self, generation: u32) -> Result<()> {
        let program = EngineProgram::find()?;
        let runs = self.context.runs()?;
        let folder = self.context.called(branch(&runs, self.shown()?, generation)?, &runs);
        let options = StartOptions { paused: true, ..StartOptions::default() };
        let engine = start(&program, &folder, options)?;
        let name = folder.name();
        self.open(folder, Some(engine));
        self.outlet.send(Message::Done(format!("{name} waits at the beginning of generation {generation}")));
        Ok(())
    }

    /// Starts work in the background on the run that is shown.
    fn work(&mut self, kind: WorkKind) -> Result<()> {
        let started = self.start_work(kind);
        if started.is_err() {
            let folder = self.shown()?.path().to_owned();
            self.outlet.send(Message::Work { folder, kind, word: WorkState::Ended });
        }
        started
    }

    fn start_work(&mut self, kind: WorkKind) -> Result<()> {
        if self.work.as_ref().is_some_and(RunningWork::is_under_way) {
            bail!("another run is being probed or evaluated; one at a time");
        }
        let folder = self.shown()?;
        self.work = Some(RunningWork::start(&EngineProgram::find()?, folder, kind, self.outlet.clone())?);
        Ok(())
    }

    /// Sends every run whose losses may be compared, except for branches and runs with injected
    /// architectures. It uses a thread of its own, because there may be many runs.
    fn compare_all(&self) -> Result<()> {
        let (shown, context, followers) =
            (self.shown()?.clone(), self.context.clone(), self.followers.clone());
        let turn = self.turn.clone().context("no run is shown")?;
        thread::spawn(move || {
            let is_branch =
                |folder: &RunFolder| folder.manifest().is_ok_and(|manifest| manifest.branched_from.is_some());
            let comparable =
                |folder: &RunFolder| *folder != shown && check_comparable(&shown, folder).is_ok();
            let all = context.all().unwrap_or_default();
            let mut followed = Vec::new();
            let mut left_out = 0;
            for folder in all.into_iter().filter(comparable).take(MOST_COMPARED) {
                let branched = is_branch(&folder);
                let Ok(run) = followers.follow(folder) else { continue };
                if branched || !run.was_left_alone() {
                    left_out += 1;
                    continue;
                }
                if turn.send(run.compared()).is_err() {
                    return;
                }
                followed.push(run);
            }
            let sent = turn.send(match followed.len() {
                0 if left_out > 0 => Message::Failed(format!(
                    "runs that were branched or injected into are not averaged with others ({left_out} here); `c` in \
                     the list of runs lays one of them over the curves"
                )),
                0 => Message::Failed(
                    "no other run has the same data, network and training; `relativenas search --seed 2` makes one"
                        .to_owned(),
                ),
                1 => Message::Done("one more run lies over the curves".to_owned()),
                count => Message::Done(format!("{count} more runs lie over the curves")),
            });
            if sent.is_ok() {
                keep_following(followed, &turn);
            }
        });
        Ok(())
    }

    /// Sends the plan of a run from a thread of its own, unless another plan is asked for meanwhile.
    fn plan(&self, id: u64, asked: Planned) {
        let (context, outlet, planned) =
            (self.context.clone(), self.outlet.clone(), Arc::clone(&self.planned));
        planned.store(id, Ordering::Release);
        thread::spawn(move || {
            let plan = plan::plan(&context, &asked);
            if planned.load(Ordering::Acquire) == id {
                outlet.send(Message::Planned { id, plan });
            }
        });
    }

    fn list(&self) {
        let context = self.context.clone();
        self.listing.list(move || list_of_runs(&context));
    }

    fn open(&mut self, folder: RunFolder, engine: Option<StartedEngine>) {
        self.open_and_tell(folder, engine, Vec::new());
    }

    /// Opens a run, and tells its engine something as soon as it listens.
    fn open_and_tell(&mut self, folder: RunFolder, engine: Option<StartedEngine>, first: Vec<Command>) {
        let again = self.is_shown(&folder);
        let followed = self.followers.take();
        let only_watched = self.only_watched && again && engine.is_none();
        self.only_watched = only_watched;
        self.shown = Some(folder.clone());
        let wire = EngineSender::default();
        self.wire = Arc::clone(&wire);
        let turn = self.outlet.next_run();
        self.turn = Some(turn.clone());
        let feed = Feed { folder, turn, wire, engine, only_watched, first };
        thread::spawn(move || feed.run());
        if again {
            // Runs that are compared with it stay compared. Their followers have ended with its former turn.
            self.follow_again(followed);
        }
    }

    /// Follows compared runs anew, and sends what they are now.
    fn follow_again(&self, folders: Vec<PathBuf>) {
        let Some(turn) = self.turn.clone() else { return };
        let followers = self.followers.clone();
        thread::spawn(move || {
            let follow = |folder: PathBuf| followers.follow(RunFolder::at(folder)?).ok();
            let followed: Vec<_> = folders.into_iter().filter_map(follow).collect();
            if followed.iter().try_for_each(|run| turn.send(run.grown())).is_ok() {
                keep_following(followed, &turn);
            }
        });
    }

    /// The run in this folder. The name of its folder would not do: the run that is shown may lie anywhere,
    /// and a study's runs have the same names as those of others.
    fn at(&self, folder: &Path) -> Result<RunFolder> {
        let found = RunFolder::at(folder);
        let found = found.with_context(|| format!("{}: there is no run any more", folder.display()))?;
        Ok(self.context.called(found, &self.context.runs()?))
    }

    /// Whether this is the run that is shown, whatever it is called on a command line.
    fn is_shown(&self, folder: &RunFolder) -> bool {
        self.shown.as_ref().is_some_and(|shown| shown.path() == folder.path())
    }

    fn shown(&self) -> Result<&RunFolder> {
        self.shown.as_ref().context("no run is shown")
    }

    fn read_genotype(&self, from: &str) -> Result<()> {
        let name = from.trim();
        if name == "-" {
            bail!("standard input belongs to the screen; name a file, or a published genotype");
        }
        // A shell would have replaced the tilde.
        let path =
            if name.starts_with("~/") { absolute(name)?.display().to_string() } else { name.to_owned() };
        let genotype = reading::read_quietly(&path)?;
        self.outlet.send(Message::Genotype { name: name.to_owned(), genotype });
        Ok(())
    }
}

/// All runs and studies.
fn list_of_runs(context: &Context) -> Message {
    match context.all() {
        Ok(folders) => {
            let studies = context.runs().and_then(|runs| Ok(Study::all(&runs)?)).unwrap_or_default();
            let mut lines: Vec<_> = studies.iter().map(studies::summary).collect();
            lines.extend(folders.iter().map(runs::summary));
            lines.sort_by_key(|line| line.study.is_some() && line.state.is_finished());
            Message::Runs(lines)
        }
        Err(error) => Message::Failed(format!("{error:#}")),
    }
}

#[cfg(test)]
mod tests;
