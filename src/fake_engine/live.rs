//! A run that a fake engine works on.

use std::process::ExitCode;

use super::start_on;
use crate::{context::Context, engine::start::StartedEngine, fixture, folder::RunFolder};

/// A run with an engine on it, which is killed in the end.
pub struct LiveRun {
    pub context: Context,
    pub folder: RunFolder,
    pub engine: Option<StartedEngine>,
    _home: tempfile::TempDir,
}

impl LiveRun {
    pub fn new(paused: bool) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let context = Context::in_folder(home.path());
        fixture::run(&context.runs().expect("settings"), "r");
        let folder = context.find("r").expect("just made");
        let engine = Some(start_on(&folder, paused));
        Self { context, folder, engine, _home: home }
    }

    /// Waits until the engine listens.
    pub fn listening(mut self) -> Self {
        self.engine.as_mut().expect("started").connect().expect("it listens");
        self
    }

    /// What a command prints, or its error.
    pub fn text(&self, command: impl FnOnce(&Context, &mut Vec<u8>) -> anyhow::Result<ExitCode>) -> String {
        let mut out = Vec::new();
        match command(&self.context, &mut out) {
            Ok(_) => String::from_utf8(out).expect("UTF-8"),
            Err(error) => format!("{error:#}"),
        }
    }
}

impl Drop for LiveRun {
    fn drop(&mut self) {
        if let Some(engine) = &mut self.engine {
            let _ = engine.child.kill();
            let _ = engine.child.wait();
        }
    }
}
