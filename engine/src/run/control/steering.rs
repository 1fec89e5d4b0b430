//! What was asked of a run, and what follows from it, without locks, clocks or threads.

use relativenas_core::{
    population::IndividualId,
    protocol::{Command, Mode, StepUnit},
    space::Space,
};

/// The bounds against which the values of a command are checked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds {
    /// The space and the size of the population; `None` for a training, which has no individuals to replace.
    pub population: Option<(Space, usize)>,
    /// The number of generations; in a training, the number of epochs.
    pub generations: u32,
}

/// An architecture vector that is to replace an individual's.
#[derive(Clone, Debug, PartialEq)]
pub struct Injection {
    pub individual: IndividualId,
    pub position: Vec<f64>,
}

/// The work that was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Pairs that were estimated together.
    Pairs(usize),
    /// An estimation of pairs that will be estimated again, which does not count as a step.
    Estimation,
    /// The last pairs of a generation.
    Generation { generation: u32, pairs: usize },
    /// Trainings of finals that ran at the same time.
    Trainings,
    /// The last trainings of a round of finals, which count as a step like a generation of the search.
    Round,
    /// An epoch of a training. Clients of older programs step through epochs with "pairs".
    Epoch(u32),
}

impl Done {
    /// How many steps of this unit it is.
    fn steps(self, unit: StepUnit) -> u32 {
        match (self, unit) {
            (Self::Estimation, _) => 0,
            // Pairs that are estimated at once cannot be divided, and each counts.
            (Self::Pairs(pairs) | Self::Generation { pairs, .. }, StepUnit::Pair) => {
                u32::try_from(pairs).unwrap_or(u32::MAX)
            }
            (Self::Trainings, StepUnit::Pair) => 1,
            (Self::Pairs(_) | Self::Trainings, StepUnit::Generation | StepUnit::Epoch) => 0,
            (Self::Generation { .. } | Self::Round | Self::Epoch(_), _) => 1,
        }
    }
}

/// What the thread that does the work does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Go on with the next estimation; in a training, with the current or the next epoch.
    Estimate,
    /// Apply these injections, write a checkpoint, and ask again.
    Inject(Vec<Injection>),
    /// End the work here; the run can be resumed.
    Leave,
}

/// What clients, signals and the recorder asked of a run.
#[derive(Debug)]
pub struct Steering {
    bounds: Bounds,
    /// Whether to wait between batches.
    paused: bool,
    step: Option<(StepUnit, u32)>,
    stop: bool,
    /// Whether to leave at once; the current pair does not count.
    abort: bool,
    pause_at: Option<u32>,
    pause_on_nan: bool,
    injections: Vec<Injection>,
    /// Why the recorder cannot write; the run waits until it can.
    stalled: Option<String>,
    /// Why no individual can be replaced any more, and no generation or epoch lies ahead.
    closed: Option<&'static str>,
    /// Whether the run is done.
    finished: bool,
}

impl Steering {
    pub fn new(bounds: Bounds, paused: bool) -> Self {
        Self {
            bounds,
            paused,
            step: None,
            stop: false,
            abort: false,
            pause_at: None,
            pause_on_nan: false,
            injections: Vec::new(),
            stalled: None,
            closed: None,
            finished: false,
        }
    }

    /// Carries out a command during this generation or epoch, if one has begun; `holding` says whether the run is
    /// waiting already.
    ///
    /// # Errors
    /// If the command is refused; the text gives the reason.
    pub fn command(&mut self, command: &Command, now: Option<u32>, holding: bool) -> Result<(), String> {
        if self.finished {
            return Err("the run is finished".to_owned());
        }
        match command {
            Command::Pause => {
                self.paused = true;
                self.step = None;
            }
            Command::Continue => {
                self.paused = false;
                self.step = None;
            }
            Command::Step { count: 0, .. } => return Err("a step has to be 1 or more".to_owned()),
            Command::Step { unit, count } => {
                self.step = Some((*unit, *count));
                self.paused = false;
            }
            Command::Stop => {
                // A run that waits has nothing to finish, and a second stop means to leave at once.
                self.abort |= self.stop || holding || self.stalled.is_some();
                self.stop = true;
            }
            Command::PauseAt { generation: at } => {
                self.check_pause(*at, now)?;
                self.pause_at = *at;
            }
            Command::PauseOnNan { on } => self.pause_on_nan = *on,
            Command::Inject { individual, position } => {
                let injection = Injection { individual: *individual, position: position.clone() };
                self.check_injection(&injection)?;
                self.injections.push(injection);
            }
        }
        Ok(())
    }

    fn check_pause(&self, at: Option<u32>, now: Option<u32>) -> Result<(), String> {
        let Some(at) = at else { return Ok(()) };
        let unit = if self.bounds.population.is_some() { "generation" } else { "epoch" };
        if let Some(why) = self.closed {
            return Err(format!("{why}; no {unit} lies ahead"));
        }
        let (first, last) = (now.unwrap_or(0) + 1, self.bounds.generations);
        if !(first..=last).contains(&at) {
            return Err(format!("{unit} {at} does not lie ahead; give one from {first} to {last}"));
        }
        Ok(())
    }

    fn check_injection(&self, injection: &Injection) -> Result<(), String> {
        let Some((space, population)) = self.bounds.population else {
            return Err("a training run has no population".to_owned());
        };
        if let Some(why) = self.closed {
            return Err(format!("{why}; no individual can be replaced any more"));
        }
        let individual = injection.individual;
        if individual >= IndividualId(population) {
            return Err(format!("there is no individual {individual}; there are 0 to {}", population - 1));
        }
        space.decode(&injection.position).map(drop).map_err(|error| error.to_string())
    }

    /// Ends the run at once.
    pub fn abort(&mut self) {
        self.abort = true;
    }

    pub fn aborted(&self) -> bool {
        self.abort
    }

    /// Whether the run shall end here: after the current pair, if it was not aborted.
    pub fn leaving(&self) -> bool {
        self.abort || self.stop
    }

    /// From now on refuses to replace individuals and to pause at a later generation; `why` is part of the
    /// message.
    pub fn close(&mut self, why: &'static str) {
        self.closed = Some(why);
    }

    /// Called when the run is done.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Called when the recorder cannot write (with a notice), and when it can again (with `None`).
    pub fn stall(&mut self, notice: Option<String>) {
        self.stalled = notice;
    }

    /// What comes next, or `None` while the run has to wait. Called between estimations.
    pub fn next(&mut self) -> Option<Next> {
        if self.leaving() {
            return Some(Next::Leave);
        }
        if !self.injections.is_empty() {
            return Some(Next::Inject(std::mem::take(&mut self.injections)));
        }
        self.goes_on().then_some(Next::Estimate)
    }

    /// Whether the run has to wait. Called between batches. A stop finishes the current pair even if a pause
    /// was asked for and not yet reached.
    pub fn holds_between_batches(&self) -> bool {
        !self.abort && (self.paused && !self.stop || self.stalled.is_some())
    }

    /// Whether nothing makes the run wait.
    pub fn goes_on(&self) -> bool {
        !self.paused && self.stalled.is_none()
    }

    /// Called when the current work is done. Counts steps, and pauses where this was asked for.
    pub fn done(&mut self, done: Done, not_a_number: bool) {
        if let Some((unit, left)) = self.step {
            let left = left.saturating_sub(done.steps(unit));
            self.step = (left > 0).then_some((unit, left));
            self.paused |= left == 0;
        }
        if let Done::Generation { generation: number, .. } | Done::Epoch(number) = done
            && self.pause_at == Some(number + 1)
        {
            self.pause_at = None;
            self.paused = true;
        }
        self.paused |= not_a_number && self.pause_on_nan;
    }

    /// The mode that clients are told; `holding` says whether the run is waiting.
    pub fn mode(&self, holding: bool) -> Mode {
        match self {
            Self { stop: true, .. } | Self { abort: true, .. } => Mode::Stopping,
            Self { paused: true, .. } if holding => Mode::Paused,
            Self { paused: true, .. } => Mode::Pausing,
            Self { step: Some(_), .. } => Mode::Stepping,
            _ => Mode::Running,
        }
    }

    pub fn notice(&self) -> Option<&str> {
        self.stalled.as_deref()
    }

    pub fn pause_at(&self) -> Option<u32> {
        self.pause_at
    }

    pub fn pause_on_nan(&self) -> bool {
        self.pause_on_nan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steering(paused: bool) -> Steering {
        Steering::new(Bounds { population: Some((Space::Cells, 4)), generations: 5 }, paused)
    }

    /// Passes a command to a run in its first generation that is not waiting.
    fn tell(steering: &mut Steering, command: &Command) {
        steering.command(command, Some(0), false).expect("accepted");
    }

    fn step(unit: StepUnit, count: u32) -> Steering {
        let mut steering = steering(true);
        tell(&mut steering, &Command::Step { unit, count });
        steering
    }

    #[test]
    fn a_step_of_pairs_pauses_after_so_many() {
        let mut steering = step(StepUnit::Pair, 2);
        assert_eq!(steering.next(), Some(Next::Estimate));
        steering.done(Done::Pairs(1), false);
        assert_eq!(steering.next(), Some(Next::Estimate));
        steering.done(Done::Pairs(1), false);
        assert_eq!((steering.next(), steering.mode(false)), (None, Mode::Pausing));
        assert_eq!(steering.mode(true), Mode::Paused);
    }

    #[test]
    fn pairs_at_once_count_as_many_and_a_step_never_cuts_them() {
        let mut steering = step(StepUnit::Pair, 3);
        for mode in [Mode::Stepping, Mode::Pausing] {
            steering.done(Done::Pairs(2), false);
            assert_eq!(steering.mode(false), mode);
        }
    }

    #[test]
    fn a_step_of_a_generation_pauses_at_its_end_or_after_a_round_of_finals() {
        for end in [Done::Generation { generation: 0, pairs: 1 }, Done::Round] {
            let mut steering = step(StepUnit::Generation, 1);
            for done in [Done::Estimation, Done::Pairs(1), Done::Trainings] {
                steering.done(done, false);
                assert_eq!(steering.mode(false), Mode::Stepping);
            }
            steering.done(end, false);
            assert_eq!(steering.mode(false), Mode::Pausing);
        }
    }

    #[test]
    fn stop_finishes_the_pair_in_hand_unless_the_run_holds_or_is_asked_twice() {
        let mut going = steering(false);
        tell(&mut going, &Command::Stop);
        assert!(!going.holds_between_batches() && !going.aborted());
        assert_eq!(going.next(), Some(Next::Leave));
        tell(&mut going, &Command::Stop);
        assert!(going.aborted());

        let mut held = steering(true);
        held.command(&Command::Stop, Some(0), true).expect("accepted");
        assert!(held.aborted());
    }

    #[test]
    fn stop_does_not_wait_for_a_pause_that_was_not_reached() {
        for commands in [[Command::Pause, Command::Stop], [Command::Stop, Command::Pause]] {
            let mut steering = steering(false);
            for command in &commands {
                tell(&mut steering, command);
            }
            assert!(!steering.holds_between_batches() && !steering.aborted(), "{commands:?}");
            assert_eq!(steering.next(), Some(Next::Leave));
        }
    }

    #[test]
    fn it_pauses_at_a_generation_and_on_what_is_not_a_number_if_asked() {
        let mut steering = steering(false);
        tell(&mut steering, &Command::PauseAt { generation: Some(2) });
        steering.done(Done::Generation { generation: 0, pairs: 1 }, true);
        assert_eq!(steering.mode(false), Mode::Running);
        steering.done(Done::Generation { generation: 1, pairs: 1 }, false);
        assert_eq!((steering.mode(false), steering.pause_at()), (Mode::Pausing, None));
        tell(&mut steering, &Command::Continue);
        tell(&mut steering, &Command::PauseOnNan { on: true });
        steering.done(Done::Pairs(1), true);
        assert_eq!(steering.mode(false), Mode::Pausing);
    }

    #[test]
    fn what_does_not_lie_ahead_cannot_be_paused_at() {
        let refused = |bounds, at| {
            let pause = Command::PauseAt { generation: Some(at) };
            Steering::new(bounds, false).command(&pause, Some(2), false).expect_err("refused")
        };
        let search = Bounds { population: Some((Space::Cells, 4)), generations: 5 };
        for at in [0, 2, 6] {
            let expected = format!("generation {at} does not lie ahead; give one from 3 to 5");
            assert_eq!(refused(search, at), expected);
        }
        let training = Bounds { population: None, generations: 5 };
        assert_eq!(refused(training, 1), "epoch 1 does not lie ahead; give one from 3 to 5");
    }

    #[test]
    fn injections_are_checked_at_once_and_applied_between_pairs() {
        let mut steering = steering(false);
        let mut inject = |individual, position| {
            steering.command(&Command::Inject { individual, position }, Some(0), false)
        };
        assert_eq!(
            inject(IndividualId(4), vec![0.5; 32]),
            Err("there is no individual 4; there are 0 to 3".to_owned())
        );
        assert_eq!(
            inject(IndividualId(0), vec![0.5]),
            Err("an architecture vector of this space has 32 numbers, not 1".to_owned())
        );
        inject(IndividualId(1), vec![0.5; 32]).expect("accepted");
        let expected = Injection { individual: IndividualId(1), position: vec![0.5; 32] };
        assert_eq!(steering.next(), Some(Next::Inject(vec![expected])));
        assert_eq!(steering.next(), Some(Next::Estimate));
    }

    #[test]
    fn once_the_search_is_over_nobody_is_replaced_and_no_generation_lies_ahead() {
        let mut steering = steering(false);
        tell(&mut steering, &Command::PauseAt { generation: Some(2) });
        steering.close("the finals are under way");
        let mut refused = |command| steering.command(&command, None, false).expect_err("too late");
        assert_eq!(
            refused(Command::Inject { individual: IndividualId(0), position: vec![0.5; 32] }),
            "the finals are under way; no individual can be replaced any more"
        );
        assert_eq!(
            refused(Command::PauseAt { generation: Some(5) }),
            "the finals are under way; no generation lies ahead"
        );
        tell(&mut steering, &Command::PauseAt { generation: None });
        steering.finish();
        assert_eq!(steering.command(&Command::Pause, None, false), Err("the run is finished".to_owned()));
    }

    #[test]
    fn a_run_that_cannot_be_written_holds_until_it_can_or_is_aborted() {
        let mut steering = steering(false);
        steering.stall(Some("cannot write".to_owned()));
        assert!(steering.holds_between_batches() && steering.next().is_none());
        assert_eq!(steering.notice(), Some("cannot write"));
        tell(&mut steering, &Command::Stop);
        assert!(steering.aborted() && !steering.holds_between_batches());
    }
}
