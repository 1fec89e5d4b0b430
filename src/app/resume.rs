//! The state in which a run was left: paused, within a step, with scheduled pauses. A run that is resumed on
//! the screen goes on in the same state.

use relativenas_core::{
    event::{Event, Line},
    protocol::{Command, StepUnit},
};
use relativenas_run::{
    RunError,
    sessions::{Did, Session, sessions},
};

use crate::folder::RunFolder;

/// The commands to an engine that still held when it ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StandingCommands {
    paused: bool,
    /// The rest of a step that was not finished.
    step: Option<(StepUnit, u32)>,
    pause_at: Option<u32>,
    pause_on_nan: bool,
}

impl StandingCommands {
    /// How the last engine of a run was left.
    ///
    /// # Errors
    /// If the run's log is damaged.
    pub fn of(folder: &RunFolder) -> Result<Self, RunError> {
        let mut log = folder.log();
        let mut lines = Vec::new();
        loop {
            let batch = log.batch()?;
            if batch.is_empty() {
                return Ok(Self::told(&sessions(folder), &lines));
            }
            lines.extend(batch);
        }
    }

    /// Goes through commands and events in the order of time.
    fn told(sessions: &[Session], lines: &[Line]) -> Self {
        let mut left = Self::default();
        let mut lines = lines.iter().peekable();
        for session in sessions {
            while let Some(line) = lines.next_if(|line| line.time <= session.time) {
                left.happened(&line.event);
            }
            match &session.did {
                Did::Started => left = Self::default(),
                Did::Steered(command) => left.asked(command),
                _ => {}
            }
        }
        lines.for_each(|line| left.happened(&line.event));
        left
    }

    fn asked(&mut self, command: &Command) {
        match command {
            Command::Pause => (self.paused, self.step) = (true, None),
            Command::Continue => (self.paused, self.step) = (false, None),
            Command::Step { unit, count } => (self.paused, self.step) = (false, Some((*unit, *count))),
            Command::PauseAt { generation } => self.pause_at = *generation,
            Command::PauseOnNan { on } => self.pause_on_nan = *on,
            Command::Stop | Command::Inject { .. } => {}
        }
    }

    /// Applies an event, after which the engine may have paused.
    fn happened(&mut self, event: &Event) {
        match event {
            Event::PairCompared { learners, .. } => {
                self.count(|unit| unit == StepUnit::Pair);
                let lost = learners.iter().any(|learner| !learner.estimate.loss.is_finite());
                self.paused |= lost && self.pause_on_nan;
            }
            Event::WeightsWarmed { trained, .. } => {
                self.count(|unit| unit == StepUnit::Pair);
                let lost = trained.iter().any(|trainee| !trainee.train_loss.is_finite());
                self.paused |= lost && self.pause_on_nan;
            }
            Event::GenerationFinished { generation, .. } => {
                self.count(|unit| unit == StepUnit::Generation);
                self.reached(generation.saturating_add(1));
            }
            Event::EpochFinished { epoch, train_loss, .. } => {
                self.count(|_| true); // Older programs said "pair" for an epoch.
                self.reached(epoch.saturating_add(1));
                self.paused |= !train_loss.is_finite() && self.pause_on_nan;
            }
            _ => {}
        }
    }

    /// Counts one step if its unit is done.
    fn count(&mut self, is_done: impl Fn(StepUnit) -> bool) {
        if let Some((unit, left)) = self.step
            && is_done(unit)
        {
            self.step = (left > 1).then(|| (unit, left - 1));
            self.paused |= left <= 1;
        }
    }

    fn reached(&mut self, next: u32) {
        if self.pause_at == Some(next) {
            self.pause_at = None;
            self.paused = true;
        }
    }

    /// The same state with its scheduled pauses, but paused instead of running or stepping.
    pub fn but_paused(self) -> Self {
        Self { paused: true, step: None, ..self }
    }

    /// Whether an engine that is started on the run has to wait for its first commands.
    pub fn begins_paused(&self) -> bool {
        *self != Self::default()
    }

    /// The commands by which a waiting engine gets into the same state.
    pub fn commands(&self) -> Vec<Command> {
        let at = self.pause_at.map(|generation| Command::PauseAt { generation: Some(generation) });
        let on_nan = self.pause_on_nan.then_some(Command::PauseOnNan { on: true });
        let goes_on = match self.step {
            _ if self.paused || !self.begins_paused() => None,
            Some((unit, count)) => Some(Command::Step { unit, count }),
            None => Some(Command::Continue),
        };
        at.into_iter().chain(on_nan).chain(goes_on).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    /// When the log's event of this number was written.
    fn at(event: i64) -> i64 {
        1_700_000_000_000 + 1000 * event
    }

    /// How a run was left after these commands, each with its time.
    fn left(commands: Vec<(i64, Command)>, lines: &[Line]) -> StandingCommands {
        let started = Session { time: at(0) - 1, pid: 1, did: Did::Started };
        let steered =
            commands.into_iter().map(|(time, command)| Session { time, pid: 1, did: Did::Steered(command) });
        let all: Vec<_> = [started].into_iter().chain(steered).collect();
        StandingCommands::told(&all, lines)
    }

    fn check(commands: Vec<(i64, Command)>, waits: bool, told: &[Command]) {
        let left = left(commands, &fixture::log(1));
        assert_eq!((left.begins_paused(), left.commands()), (waits, told.to_vec()), "{left:?}");
    }

    #[test]
    fn a_run_is_resumed_as_it_was_left() {
        let pairs = |count| Command::Step { unit: StepUnit::Pair, count };
        let pause_at = |generation| Command::PauseAt { generation: Some(generation) };
        let nan = Command::PauseOnNan { on: true };
        check(vec![], false, &[]);
        check(vec![(at(1), Command::Pause)], true, &[]);
        check(vec![(at(1), Command::Pause), (at(2), Command::Continue)], false, &[]);
        check(
            vec![(at(1), nan.clone()), (at(1), pause_at(9))],
            true,
            &[pause_at(9), nan.clone(), Command::Continue],
        );
        check(vec![(at(1), nan.clone()), (at(2), Command::Pause)], true, &[nan]);
        // Of the five pairs of the step, the two pairs of the only generation are done.
        check(vec![(at(1), pairs(5))], true, &[pairs(3)]);
        check(vec![(at(1), pairs(2))], true, &[]);
    }

    #[test]
    fn a_run_that_is_resumed_paused_keeps_its_guards() {
        let commands = |all: Vec<(i64, Command)>| {
            let left = left(all, &fixture::log(1)).but_paused();
            (left.begins_paused(), left.commands())
        };
        let (nan, step) =
            (Command::PauseOnNan { on: true }, Command::Step { unit: StepUnit::Pair, count: 9 });
        assert_eq!(commands(vec![]), (true, vec![]));
        assert_eq!(commands(vec![(at(1), nan.clone()), (at(1), step)]), (true, vec![nan]));
    }

    #[test]
    fn a_pause_that_was_reached_holds_unless_somebody_went_on() {
        let lines = fixture::log(1);
        let finished = lines.iter().position(|line| matches!(line.event, Event::GenerationFinished { .. }));
        let finished = at(finished.expect("a generation is done") as i64);
        let pause_at = (at(1), Command::PauseAt { generation: Some(1) });
        check(vec![pause_at.clone()], true, &[]);
        check(vec![pause_at, (finished + 1, Command::Continue)], false, &[]);
    }

    #[test]
    fn what_was_asked_of_an_engine_before_the_last_does_not_hold() {
        let session = |time, did| Session { time, pid: 1, did };
        let all = [
            session(at(0), Did::Started),
            session(at(1), Did::Steered(Command::Pause)),
            session(at(2), Did::Stopped),
            session(at(3), Did::Started),
        ];
        assert_eq!(StandingCommands::told(&all, &fixture::log(1)), StandingCommands::default());
    }
}
