//! Work that the screen asked for and that goes on in the background: it runs in an engine of its own, and ends
//! with the screen.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use relativenas_core::{genotype::GenotypeFormat, manifest::files, network::NetworkKind};
use relativenas_ui::messages::{Evaluated, Message, WorkKind, WorkState};
use serde_json::Value;

use super::outlet::Outlet;
use crate::{
    engine::program::{EngineProgram, end_with_this_process},
    folder::RunFolder,
};

/// Work under way. It ends with the thread that started it.
pub struct RunningWork {
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
        let work = Self { child: Arc::clone(&child), unwanted: Arc::clone(&unwanted) };
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
            let read = printed.map(|mut printed| printed.read_to_string(&mut text));
            let ended = child.lock().unwrap_or_else(PoisonError::into_inner).wait();
            let succeeded =
                ended.is_ok_and(|status| status.success()) && read.is_none_or(|read| read.is_ok());
            let found = succeeded.then(|| finding(kind, &folder, &text).ok()).flatten();
            let name = kind.name();
            match found {
                Some(word) => {
                    tell(word);
                    let done = match kind {
                        WorkKind::Probe => "probed",
                        WorkKind::Evaluation => "evaluated",
                    };
                    outlet.send(Message::Done(format!("{} is {done}", folder.name())));
                }
                None => {
                    tell(WorkState::Ended);
                    if unwanted.load(Ordering::Relaxed) {
                        outlet.send(Message::Done(format!("the {name} was ended; nothing was kept of it")));
                    } else {
                        let why = last.trim_start_matches("relativenas-engine: ");
                        outlet.send(Message::Failed(format!("the {name} failed: {why}")));
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
    let weights = folder.file(files::WEIGHTS).join("best.safetensors");
    ensure!(weights.is_file(), "{}: there are no weights yet", weights.display());
    let network = training.network;
    command.arg("evaluate").arg("--json").arg("--weights").arg(weights);
    command.arg("--arch").arg(training.genotype.format(GenotypeFormat::Darts));
    let kind = match network.kind {
        NetworkKind::Cifar => "cifar",
        NetworkKind::Imagenet => "imagenet",
    };
    command.args(["--kind", kind]);
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

/// What was found by work that has ended well; an evaluation has printed it.
fn finding(kind: WorkKind, folder: &RunFolder, printed: &str) -> Result<WorkState> {
    match kind {
        WorkKind::Probe => Ok(WorkState::Probed(folder.probe()?.context("no probe was written")?)),
        WorkKind::Evaluation => {
            let found: Value = serde_json::from_str(printed)?;
            let figure = |name: &str| found[name].as_f64();
            let images = found["images"].as_u64().and_then(|images| usize::try_from(images).ok());
            let figures = figure("loss").zip(figure("top1")).zip(figure("top5")).zip(images);
            let (((loss, top1), top5), images) =
                figures.ok_or_else(|| anyhow!("a figure is missing in {printed}"))?;
            Ok(WorkState::Evaluated(Evaluated { loss, top1, top5, images }))
        }
    }
}

#[cfg(test)]
mod tests {
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
        let read = |text: &str| finding(WorkKind::Evaluation, &folder, text).ok();
        let line = r#"{"loss":0.5,"top1":81.25,"top5":99.0,"images":400,"images_per_second":1e3}"#;
        let found = Evaluated { loss: 0.5, top1: 81.25, top5: 99.0, images: 400 };
        assert_eq!(read(line), Some(WorkState::Evaluated(found)));
        assert_eq!(read(r#"{"loss":null,"top1":81.25,"top5":99.0,"images":400}"#), None);
        assert_eq!(read(""), None);
    }
}
