//! Work that the screen asked for and that goes on in the background: it runs in an engine of its own, and ends
//! with the screen.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use anyhow::{Context as _, Error, Result, anyhow, ensure};
use relativenas_core::{genotype::GenotypeFormat, loss::Loss};
use relativenas_ui::messages::{Evaluated, Message, WorkKind, WorkState};
use serde_json::Value;

use super::outlet::Outlet;
use crate::{
    engine::program::{EngineProgram, end_with_this_process},
    folder::RunFolder,
};

/// Work in the background. It ends with the thread that started it.
pub struct RunningWork {
    folder: RunFolder,
    kind: WorkKind,
    child: Arc<Mutex<Child>>,
    /// The work was ended on request, so its end is no failure.
    unwanted: Arc<AtomicBool>,
}

impl RunningWork {
    /// Starts work on a run, and tells the screen how it goes.
    ///
    /// # Errors
    /// If the engine cannot be started, or the run is not one for such work.
    pub fn start(
        program: &EngineProgram,
        folder: &RunFolder,
        kind: WorkKind,
        outlet: Outlet,
    ) -> Result<Self> {
        let mut command = program.command();
        match kind {
            WorkKind::Probe => {
                command.arg("probe").arg(folder.path()).arg("--watched");
            }
            WorkKind::Evaluation => evaluation(&mut command, folder)?,
        }
        end_with_this_process(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().with_context(|| format!("{}: cannot be started", program.path().display()))?;
        let (said, printed) = (child.stderr.take(), child.stdout.take());
        let child = Arc::new(Mutex::new(child));
        let unwanted = Arc::new(AtomicBool::new(false));
        let work =
            Self { folder: folder.clone(), kind, child: Arc::clone(&child), unwanted: Arc::clone(&unwanted) };
        let folder = folder.clone();
        thread::spawn(move || {
            let tell = |word| outlet.send(Message::Work { folder: folder.path().to_owned(), kind, word });
            let mut last = String::new();
            for line in said.into_iter().flat_map(|said| BufReader::new(said).lines().map_while(Result::ok)) {
                if line.starts_with("probing") {
                    tell(WorkState::UnderWay(line.clone()));
                }
                last = line;
            }
            // What is printed is shorter than what a pipe holds, so that it can be read at the end.
            let mut text = String::new();
            let read = printed.map_or(Ok(0), |mut printed| printed.read_to_string(&mut text));
            let ended = child.lock().unwrap_or_else(PoisonError::into_inner).wait();
            let found = ended.context("it cannot be told how it ended").and_then(|status| {
                ensure!(status.success(), complaint(status, &last));
                read.context("what it printed cannot be read")?;
                finding(kind, &folder, &text)
            });
            let name = kind.name();
            match found {
                Ok(word) => {
                    tell(word);
                    outlet.send(Message::Done(format!("{} is {}", folder.name(), kind.done())));
                }
                Err(why) => {
                    tell(WorkState::Ended);
                    if unwanted.load(Ordering::Relaxed) {
                        outlet.send(Message::Done(format!("the {name} was ended; nothing was kept of it")));
                    } else {
                        outlet.send(Message::Failed(format!("the {name} failed: {why:#}")));
                    }
                }
            }
        });
        Ok(work)
    }

    /// Ends the work; the screen gets a message about that.
    pub fn end(&self) {
        self.unwanted.store(true, Ordering::Relaxed);
        // If the process has ended already, there is nothing to do.
        let _ = self.child.lock().unwrap_or_else(PoisonError::into_inner).kill();
    }

    /// Checks that this work is not under way on a run, whose folder must not be moved meanwhile.
    ///
    /// # Errors
    /// If it is.
    pub fn check_not_on(&self, folder: &RunFolder) -> Result<()> {
        let is_on = self.folder.path() == folder.path() && self.is_under_way();
        ensure!(!is_on, "{} is being {}; end that first", folder.name(), self.kind.done());
        Ok(())
    }

    pub fn is_under_way(&self) -> bool {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(child.try_wait(), Ok(None))
    }
}

/// The arguments with which the best weights of a training are judged on the test images of its data.
///
/// # Errors
/// If the run is no training, or no epoch of it is done.
fn evaluation(command: &mut Command, folder: &RunFolder) -> Result<()> {
    let config = folder.manifest()?.config;
    let training = folder.view()?.training.context("a search has no weights to judge; a training has")?;
    let weights = folder.best_weights();
    ensure!(weights.is_file(), "{}: there are no weights yet", weights.display());
    let network = training.network;
    command.arg("evaluate").arg("--json").arg("--weights").arg(weights);
    command.arg("--arch").arg(training.genotype.format(GenotypeFormat::Darts));
    command.args(["--kind", network.kind.name()]);
    let numbers =
        [("--channels", network.channels), ("--cells", network.cells), ("--classes", network.classes)];
    for (flag, number) in numbers {
        command.arg(flag).arg(number.to_string());
    }
    if !config.retrain.auxiliary {
        command.arg("--no-auxiliary");
    }
    if !config.data.path.is_empty() {
        command.arg("--data").arg(&config.data.path);
    }
    let devices = config.device.kind.to_string();
    command.arg("--device").arg(devices.split(',').next().unwrap_or_default());
    Ok(())
}

/// Why a process failed: the error that it wrote last, if there is one, or else its exit status and the last line
/// that it wrote.
fn complaint(status: ExitStatus, last: &str) -> Error {
    match (last.strip_prefix("relativenas-engine: "), last.trim()) {
        (Some(why), _) => anyhow!("{why}"),
        (None, "") => anyhow!("its process ended with {status}"),
        (None, last) => anyhow!("its process ended with {status} after `{last}`"),
    }
}

/// The result of work that has succeeded. A probe has written it to the run's folder, an evaluation has printed it.
fn finding(kind: WorkKind, folder: &RunFolder, printed: &str) -> Result<WorkState> {
    match kind {
        WorkKind::Probe => Ok(WorkState::Probed(folder.probe()?.context("no probe was written")?)),
        WorkKind::Evaluation => {
            let found: Value = serde_json::from_str(printed)
                .with_context(|| format!("what it printed is no result: `{}`", printed.trim()))?;
            // JSON has no word for it but `null`.
            ensure!(!found["loss"].is_null(), "the loss on the test images is not a number");
            let figure = |name: &str| found[name].as_f64();
            let images = found["images"].as_u64().and_then(|images| usize::try_from(images).ok());
            let figures = figure("loss").zip(figure("top1")).zip(figure("top5")).zip(images);
            let (((loss, top1), top5), images) =
                figures.ok_or_else(|| anyhow!("a figure is missing in {printed}"))?;
            Ok(WorkState::Evaluated(Evaluated { loss: Loss(loss), top1, top5, images }))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;
    use crate::fixture;

    #[test]
    fn a_search_is_not_evaluated() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        let error = evaluation(&mut Command::new("engine"), &folder).expect_err("no training").to_string();
        assert_eq!(error, "a search has no weights to judge; a training has");
    }

    #[test]
    fn the_figures_of_an_evaluation_are_read_from_what_it_prints() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        let read =
            |text: &str| finding(WorkKind::Evaluation, &folder, text).map_err(|error| error.to_string());
        let line = r#"{"loss":0.5,"top1":81.25,"top5":99.0,"images":400,"images_per_second":1e3}"#;
        let found = Evaluated { loss: Loss(0.5), top1: 81.25, top5: 99.0, images: 400 };
        assert_eq!(read(line), Ok(WorkState::Evaluated(found)));
        let refused = |text: &str, why: &str| assert_eq!(read(text), Err(why.to_owned()));
        let lost = r#"{"loss":null,"top1":81.25,"top5":99.0,"images":400}"#;
        refused(lost, "the loss on the test images is not a number");
        refused(r#"{"loss":0.5}"#, r#"a figure is missing in {"loss":0.5}"#);
        refused("", "what it printed is no result: ``");
    }

    #[test]
    fn a_failure_is_told_with_its_reason_or_with_the_end_of_its_process() {
        let said = |status, last: &str| complaint(ExitStatus::from_raw(status), last).to_string();
        assert_eq!(said(256, "relativenas-engine: there is no data"), "there is no data");
        assert_eq!(
            said(9, "probing: 37 %"),
            "its process ended with signal: 9 (SIGKILL) after `probing: 37 %`"
        );
        assert_eq!(said(256, ""), "its process ended with exit status: 1");
    }

    #[test]
    fn a_run_is_not_touched_while_work_goes_on_on_it() {
        let runs = tempfile::tempdir().expect("a folder");
        let (folder, other) = (fixture::run(runs.path(), "r"), fixture::run(runs.path(), "other"));
        // It lives until its input is closed.
        let child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("started");
        let work = RunningWork {
            folder: folder.clone(),
            kind: WorkKind::Evaluation,
            child: Arc::new(Mutex::new(child)),
            unwanted: Arc::default(),
        };
        let refused = work.check_not_on(&folder).expect_err("under way").to_string();
        assert_eq!(refused, "r is being evaluated; end that first");
        work.check_not_on(&other).expect("nothing goes on there");
        work.end();
        work.child.lock().expect("whole").wait().expect("waited for");
        work.check_not_on(&folder).expect("it is over");
    }
}
