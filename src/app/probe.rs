//! A probe that the screen asked for: it runs in an engine of its own, and its progress is sent to the
//! screen.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use anyhow::{Context as _, Result};
use relativenas_ui::messages::{Message, ProbeState};

use super::outlet::Outlet;
use crate::{
    engine::program::{EngineProgram, end_with_this_process},
    folder::RunFolder,
};

/// A probe under way. It ends with the thread that started it.
pub struct RunningProbe {
    child: Arc<Mutex<Child>>,
    /// The probe was ended on request, so its end is no failure.
    unwanted: Arc<AtomicBool>,
}

impl RunningProbe {
    /// Starts to probe a run, and tells the screen how it goes.
    ///
    /// # Errors
    /// If the engine cannot be started.
    pub fn start(program: &EngineProgram, folder: &RunFolder, outlet: Outlet) -> Result<Self> {
        let mut command = program.command();
        command.arg("probe").arg(folder.path()).arg("--watched");
        end_with_this_process(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child =
            command.spawn().with_context(|| format!("{}: cannot be started", program.path().display()))?;
        let said = child.stderr.take();
        let child = Arc::new(Mutex::new(child));
        let unwanted = Arc::new(AtomicBool::new(false));
        let probe = Self { child: Arc::clone(&child), unwanted: Arc::clone(&unwanted) };
        let folder = folder.clone();
        thread::spawn(move || {
            let tell = |word| outlet.send(Message::Probe { run: folder.name(), word });
            let mut last = String::new();
            for line in said.into_iter().flat_map(|said| BufReader::new(said).lines().map_while(Result::ok)) {
                if line.starts_with("probing") {
                    tell(ProbeState::UnderWay(line.clone()));
                }
                last = line;
            }
            let ended = child.lock().unwrap_or_else(PoisonError::into_inner).wait();
            let found = ended.is_ok_and(|status| status.success()).then(|| folder.probe());
            match found {
                Some(Ok(Some(probe))) => {
                    tell(ProbeState::Found(probe));
                    outlet.send(Message::Done(format!("{} is probed", folder.name())));
                }
                _ => {
                    tell(ProbeState::Ended);
                    if unwanted.load(Ordering::Relaxed) {
                        outlet.send(Message::Done("the probe was ended; nothing was kept of it".to_owned()));
                    } else {
                        let why = last.trim_start_matches("relativenas-engine: ");
                        outlet.send(Message::Failed(format!("the probe failed: {why}")));
                    }
                }
            }
        });
        Ok(probe)
    }

    /// Ends the probe; the screen gets a message about that.
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
