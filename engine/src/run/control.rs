//! What people asked of a running engine, between those who ask and the thread that searches.

use std::{
    ops::Range,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use relativenas_core::{
    protocol::{Activity, Command, MemberProgress, Mode, Progress, StepUnit},
    search::{BatchDone, Candidate, Flow},
    space::Space,
};
use tokio::sync::watch;

/// Progress is published at most so often.
const PUBLISH_EVERY: Duration = Duration::from_millis(100);

/// Shared by the server, the signal listener, the recorder and the thread that searches.
pub struct Control {
    state: Mutex<State>,
    changed: Condvar,
    progress: watch::Sender<Progress>,
    #[cfg(test)]
    observer: std::sync::OnceLock<Observer>,
}

/// Is told of progress after every batch by the thread that computed it, which waits meanwhile.
#[cfg(test)]
pub type Observer = Box<dyn Fn(Progress) + Send + Sync>;

struct State {
    /// Hold between batches.
    paused: bool,
    /// The thread that searches is holding.
    holding: bool,
    step: Option<(StepUnit, u32)>,
    stop: bool,
    /// Leave at once; the pair in hand does not count.
    abort: bool,
    pause_at: Option<u32>,
    pause_on_nan: bool,
    injections: Vec<Injection>,
    /// The recorder cannot write; nobody goes on until it can.
    stalled: Option<String>,
    /// Why nobody can be replaced any more, and no generation lies ahead.
    closed: Option<&'static str>,
    now: Now,
    bounds: Bounds,
}

/// A genotype's vector that somebody wants in an individual's place.
#[derive(Clone, Debug, PartialEq)]
pub struct Injection {
    pub individual: usize,
    pub position: Vec<f64>,
}

/// What a command's values are checked against.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds {
    /// `None` in a training run, which has nobody to replace.
    pub population: Option<(Space, usize)>,
    pub generations: u32,
}

/// What is happening, as progress tells it.
struct Now {
    activity: Activity,
    generation: u32,
    /// In hand; an epoch of a training counts as one.
    pairs: Range<usize>,
    members: Vec<MemberProgress>,
    /// Images of every member so far in this estimation.
    images: Vec<usize>,
    since: Instant,
    /// Spent holding since then.
    held: Duration,
    published: Option<Instant>,
    work: Work,
    /// Seconds that a unit of work took lately.
    seconds_each: Option<f64>,
    rate: f64,
}

/// Work in hand and work after it, in units that take about as long as each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    pub now: f64,
    pub after: f64,
}

/// What was done when an estimation, or a training of finals, is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    Pair,
    /// An estimation of a pair that is to be estimated again. It is no step.
    Estimation,
    Generation(u32),
    /// Of a training. Clients of older programs step it by "pairs".
    Epoch(u32),
    /// Of the finals. To whoever goes step by step it is what a generation is to a search.
    Round,
}

/// What the thread that searches does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    Estimate,
    /// Apply these, write a checkpoint, and ask again.
    Inject(Vec<Injection>),
    Leave,
}

impl Control {
    pub fn new(bounds: Bounds, paused: bool) -> Self {
        let now = Now {
            activity: Activity::Starting,
            generation: 0,
            pairs: 0..1,
            members: Vec::new(),
            images: Vec::new(),
            since: Instant::now(),
            held: Duration::ZERO,
            published: None,
            work: Work { now: 1.0, after: 0.0 },
            seconds_each: None,
            rate: 0.0,
        };
        Self {
            state: Mutex::new(State {
                paused,
                holding: false,
                step: None,
                stop: false,
                abort: false,
                pause_at: None,
                pause_on_nan: false,
                injections: Vec::new(),
                stalled: None,
                closed: None,
                now,
                bounds,
            }),
            changed: Condvar::new(),
            progress: watch::Sender::new(Progress::default()),
            #[cfg(test)]
            observer: std::sync::OnceLock::new(),
        }
    }

    /// Lets a test see every batch, whereas [`Control::progress`] may skip what is soon over.
    #[cfg(test)]
    pub fn observe(&self, observer: Observer) {
        assert!(self.observer.set(observer).is_ok(), "one observer is enough");
    }

    #[cfg(test)]
    fn show<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let Some(observer) = self.observer.get() else {
            return state;
        };
        self.publish(&mut state);
        drop(state);
        let now = self.progress.borrow().clone(); // Nothing stays borrowed while the observer steers.
        observer(now);
        self.lock()
    }

    /// Progress as it is published; the latest wins.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Takes a command from a client.
    ///
    /// # Errors
    /// Why it is refused, in words for a person.
    pub fn steer(&self, command: &Command) -> Result<(), String> {
        let mut state = self.lock();
        if state.now.activity == Activity::Finished {
            return Err("the run is finished".to_owned());
        }
        match command {
            Command::Pause => {
                state.paused = true;
                state.step = None;
            }
            Command::Continue => {
                state.paused = false;
                state.step = None;
            }
            Command::Step { count: 0, .. } => return Err("a step of 0 goes nowhere".to_owned()),
            Command::Step { unit, count } => {
                state.step = Some((*unit, *count));
                state.paused = false;
            }
            Command::Stop => {
                // Whoever holds has nothing to finish, and whoever asks twice is in a hurry.
                state.abort |= state.stop || state.holding || state.stalled.is_some();
                state.stop = true;
            }
            Command::PauseAt { generation } => {
                let last = state.bounds.generations;
                if let (Some(_), Some(why)) = (generation, state.closed) {
                    return Err(format!("{why}; no generation lies ahead"));
                }
                if let Some(at) = generation
                    && (*at <= state.now.generation || *at > last)
                {
                    let first = state.now.generation + 1;
                    let unit = if state.bounds.population.is_some() { "generation" } else { "epoch" };
                    return Err(format!("{unit} {at} does not lie ahead; give one from {first} to {last}"));
                }
                state.pause_at = *generation;
            }
            Command::PauseOnNan { on } => state.pause_on_nan = *on,
            Command::Inject { individual, position } => {
                let Some((space, population)) = state.bounds.population else {
                    return Err("a training run has no population".to_owned());
                };
                if let Some(why) = state.closed {
                    return Err(format!("{why}; nobody can be replaced any more"));
                }
                if *individual >= population {
                    return Err(format!(
                        "there is no individual {individual}; there are 0 to {}",
                        population - 1
                    ));
                }
                space.decode(position).map_err(|e| e.to_string())?;
                state.injections.push(Injection { individual: *individual, position: position.clone() });
            }
        }
        self.publish(&mut state);
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// Ends the run at once; what is in hand does not count.
    pub fn abort(&self) {
        self.lock().abort = true;
        self.changed.notify_all();
    }

    pub fn aborted(&self) -> bool {
        self.lock().abort
    }

    /// Whether the run shall end here. A search finishes the pair in hand if it was not aborted; a
    /// training can be resumed at any batch, so it need not finish an epoch.
    pub fn leaving(&self) -> bool {
        let state = self.lock();
        state.abort || state.stop
    }

    /// Called between estimations. Holds while paused.
    pub fn next(&self) -> Next {
        let mut state = self.lock();
        loop {
            if state.abort || state.stop {
                return Next::Leave;
            }
            if !state.injections.is_empty() {
                return Next::Inject(std::mem::take(&mut state.injections));
            }
            if !state.paused && state.stalled.is_none() {
                return Next::Estimate;
            }
            state = self.hold(state);
        }
    }

    /// From now on nobody can be replaced, and no generation lies ahead; says why.
    pub fn close(&self, why: &'static str) {
        self.lock().closed = Some(why);
    }

    /// An estimation, or a training of finals, begins.
    pub fn begin(
        &self,
        activity: Activity,
        generation: u32,
        pairs: Range<usize>,
        candidates: &[Candidate],
        work: Work,
    ) {
        let mut state = self.lock();
        let now = &mut state.now;
        now.activity = activity;
        now.generation = generation;
        now.pairs = pairs;
        now.members = candidates
            .iter()
            .map(|c| MemberProgress {
                individual: c.individual,
                validating: false,
                batch: 0,
                batches: 0,
                loss: None,
            })
            .collect();
        now.images = vec![0; candidates.len()];
        now.since = Instant::now();
        now.held = Duration::ZERO;
        now.work = work;
        self.publish(&mut state);
    }

    /// Called between batches, from any thread. Holds while paused.
    pub fn batch_done(&self, done: BatchDone) -> Flow {
        let mut state = self.lock();
        if let Some(member) = state.now.members.get_mut(done.candidate) {
            member.validating = done.validating;
            (member.batch, member.batches) = (done.batch, done.batches);
            member.loss = done.loss.or(member.loss.filter(|_| done.batch > 1));
        }
        if let Some(images) = state.now.images.get_mut(done.candidate) {
            *images += done.images;
        }
        if state.now.published.is_none_or(|at| at.elapsed() >= PUBLISH_EVERY) {
            self.publish(&mut state);
        }
        #[cfg(test)]
        let mut state = self.show(state);
        // Whoever stops wants the pair in hand finished, also where a pause was asked for and not reached.
        while (state.paused && !state.stop || state.stalled.is_some()) && !state.abort {
            state = self.hold(state);
        }
        if state.abort { Flow::Abort } else { Flow::Go }
    }

    /// What was in hand is done and recorded. Counts steps, and pauses where somebody asked for it.
    pub fn end(&self, done: Done, not_a_number: bool) {
        let mut state = self.lock();
        let seconds =
            state.now.since.elapsed().saturating_sub(state.now.held).as_secs_f64() / state.now.work.now;
        // Later estimations weigh more: learners share a machine with other people.
        state.now.seconds_each = Some(state.now.seconds_each.map_or(seconds, |s| 0.7 * s + 0.3 * seconds));
        if let Some((unit, left)) = state.step
            && done != Done::Estimation
            && (unit == StepUnit::Pair || done != Done::Pair)
        {
            // Pairs that are estimated at once are one step, and count as many.
            let pairs = u32::try_from(state.now.pairs.len()).unwrap_or(u32::MAX);
            let left = left.saturating_sub(if unit == StepUnit::Pair { pairs.max(1) } else { 1 });
            state.step = (left > 0).then_some((unit, left));
            state.paused |= left == 0;
        }
        if let Done::Generation(number) | Done::Epoch(number) = done
            && state.pause_at == Some(number + 1)
        {
            state.pause_at = None;
            state.paused = true;
        }
        if not_a_number && state.pause_on_nan {
            state.paused = true;
        }
        self.publish(&mut state);
    }

    /// Nothing more will happen.
    pub fn finish(&self) {
        let mut state = self.lock();
        state.now.activity = Activity::Finished;
        state.now.members.clear();
        state.now.seconds_each = None;
        self.publish(&mut state);
    }

    /// The recorder cannot write (`Some`, in words), or can again (`None`).
    pub fn stall(&self, notice: Option<String>) {
        let mut state = self.lock();
        state.stalled = notice;
        self.publish(&mut state);
        drop(state);
        self.changed.notify_all();
    }

    fn hold<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let (began, outermost) = (Instant::now(), !state.holding);
        state.holding = true;
        self.publish(&mut state);
        let mut state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        if outermost {
            state.holding = false;
            state.now.held += began.elapsed();
        }
        if !state.paused && state.stalled.is_none() {
            self.publish(&mut state);
        }
        state
    }

    fn publish(&self, state: &mut State) {
        state.now.published = Some(Instant::now());
        let mode = match state {
            State { stop: true, .. } | State { abort: true, .. } => Mode::Stopping,
            State { paused: true, holding: true, .. } => Mode::Paused,
            State { paused: true, .. } => Mode::Pausing,
            State { step: Some(_), .. } => Mode::Stepping,
            _ => Mode::Running,
        };
        let now = &mut state.now;
        let worked = now.since.elapsed().saturating_sub(now.held).as_secs_f64();
        if !state.holding && worked > 0.0 && now.images.iter().any(|&n| n > 0) {
            now.rate = now.images.iter().sum::<usize>() as f64 / worked;
        }
        let validating = now.members.iter().all(|m| m.validating) && !now.members.is_empty();
        let activity = match now.activity {
            Activity::Training if validating => Activity::Validating,
            activity => activity,
        };
        self.progress.send_replace(Progress {
            mode,
            activity,
            generation: now.generation,
            pair: now.pairs.start,
            members: now.members.clone(),
            images_per_second: if state.holding { 0.0 } else { now.rate },
            seconds_left: now
                .seconds_each
                .map(|each| (each * now.work.now - worked).max(0.0) + each * now.work.after),
            notice: state.stalled.clone(),
            pause_at: state.pause_at,
            pause_on_nan: state.pause_on_nan,
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A poisoned lock means that a thread panicked between batches; what it guards is plain
        // values, each valid on its own.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;

    fn control(paused: bool) -> Arc<Control> {
        Arc::new(Control::new(Bounds { population: Some((Space::Cells, 4)), generations: 5 }, paused))
    }

    fn batch() -> BatchDone {
        BatchDone { candidate: 0, validating: false, batch: 1, batches: 2, images: 8, loss: None }
    }

    /// Waits until the thread that searches holds.
    fn wait_until_paused(control: &Control) {
        let mut progress = control.progress();
        tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime")
            .block_on(progress.wait_for(|p| p.mode == Mode::Paused))
            .expect("the control lives");
    }

    #[test]
    fn a_pause_holds_between_batches_until_somebody_goes_on() {
        let control = control(false);
        control.steer(&Command::Pause).expect("accepted");
        assert_eq!(control.progress().borrow().mode, Mode::Pausing);
        let worker = thread::spawn({
            let control = Arc::clone(&control);
            move || control.batch_done(batch())
        });
        wait_until_paused(&control);
        control.steer(&Command::Continue).expect("accepted");
        assert_eq!(worker.join().expect("no panic"), Flow::Go);
    }

    #[test]
    fn a_step_of_pairs_pauses_after_so_many() {
        let control = control(true);
        control.steer(&Command::Step { unit: StepUnit::Pair, count: 2 }).expect("accepted");
        assert_eq!(control.next(), Next::Estimate);
        control.end(Done::Pair, false);
        assert_eq!(control.next(), Next::Estimate);
        control.end(Done::Pair, false);
        assert_eq!(control.progress().borrow().mode, Mode::Pausing);
    }

    #[test]
    fn pairs_at_once_count_as_many_and_a_step_never_cuts_them() {
        let control = control(true);
        control.steer(&Command::Step { unit: StepUnit::Pair, count: 3 }).expect("accepted");
        for (pairs, mode) in [(0..2, Mode::Stepping), (2..4, Mode::Pausing)] {
            control.begin(Activity::Training, 0, pairs, &[], Work { now: 1.0, after: 1.0 });
            control.end(Done::Pair, false);
            assert_eq!(control.progress().borrow().mode, mode);
        }
    }

    #[test]
    fn a_step_of_a_generation_pauses_at_its_end() {
        let control = control(true);
        control.steer(&Command::Step { unit: StepUnit::Generation, count: 1 }).expect("accepted");
        control.end(Done::Pair, false);
        assert_eq!(control.progress().borrow().mode, Mode::Stepping);
        control.end(Done::Generation(0), false);
        assert_eq!(control.progress().borrow().mode, Mode::Pausing);
    }

    #[test]
    fn stop_finishes_the_pair_in_hand_but_not_while_paused() {
        let going = control(false);
        going.steer(&Command::Stop).expect("accepted");
        assert_eq!(going.batch_done(batch()), Flow::Go);
        assert_eq!(going.next(), Next::Leave);

        let paused = control(true);
        let worker = thread::spawn({
            let control = Arc::clone(&paused);
            move || control.batch_done(batch())
        });
        wait_until_paused(&paused);
        paused.steer(&Command::Stop).expect("accepted");
        assert_eq!(worker.join().expect("no panic"), Flow::Abort);
    }

    #[test]
    fn stop_does_not_wait_for_a_pause_that_was_not_reached() {
        for commands in [[Command::Pause, Command::Stop], [Command::Stop, Command::Pause]] {
            let control = control(false);
            for command in &commands {
                control.steer(command).expect("accepted");
            }
            assert_eq!(control.batch_done(batch()), Flow::Go, "{commands:?}");
            assert_eq!(control.next(), Next::Leave);
        }
    }

    #[test]
    fn it_pauses_at_a_generation_and_on_what_is_not_a_number_if_asked() {
        let control = control(false);
        control.steer(&Command::PauseAt { generation: Some(2) }).expect("accepted");
        control.end(Done::Generation(0), true);
        assert_eq!(control.progress().borrow().mode, Mode::Running);
        control.end(Done::Generation(1), false);
        assert_eq!(control.progress().borrow().mode, Mode::Pausing);
        control.steer(&Command::Continue).expect("accepted");
        control.steer(&Command::PauseOnNan { on: true }).expect("accepted");
        control.end(Done::Pair, true);
        assert_eq!(control.progress().borrow().mode, Mode::Pausing);
    }

    #[test]
    fn injections_are_checked_at_once_and_applied_between_pairs() {
        let control = control(false);
        let inject = |individual, position| control.steer(&Command::Inject { individual, position });
        assert_eq!(inject(4, vec![0.5; 32]), Err("there is no individual 4; there are 0 to 3".to_owned()));
        assert_eq!(
            inject(0, vec![0.5]),
            Err("an architecture vector of this space has 32 numbers, not 1".to_owned())
        );
        inject(1, vec![0.5; 32]).expect("accepted");
        let expected = Injection { individual: 1, position: vec![0.5; 32] };
        assert_eq!(control.next(), Next::Inject(vec![expected]));
        assert_eq!(control.next(), Next::Estimate);
    }

    #[test]
    fn once_the_search_is_over_nobody_is_replaced_and_no_generation_lies_ahead() {
        let control = control(false);
        control.steer(&Command::PauseAt { generation: Some(2) }).expect("accepted");
        control.close("the finals are under way");
        let inject = Command::Inject { individual: 0, position: vec![0.5; 32] };
        let refused = control.steer(&inject).expect_err("too late");
        assert_eq!(refused, "the finals are under way; nobody can be replaced any more");
        let refused = control.steer(&Command::PauseAt { generation: Some(5) }).expect_err("too late");
        assert_eq!(refused, "the finals are under way; no generation lies ahead");
        control.steer(&Command::PauseAt { generation: None }).expect("there is nothing to refuse");
    }

    #[test]
    fn a_step_of_a_generation_is_a_round_in_finals() {
        let control = control(true);
        control.steer(&Command::Step { unit: StepUnit::Generation, count: 1 }).expect("accepted");
        control.end(Done::Pair, false);
        assert_eq!(control.progress().borrow().mode, Mode::Stepping);
        control.end(Done::Round, false);
        assert_eq!(control.progress().borrow().mode, Mode::Pausing);
    }

    #[test]
    fn the_time_that_is_left_counts_work_and_not_estimations() {
        let control = control(false);
        let begin = |now, after| control.begin(Activity::Training, 0, 0..1, &[], Work { now, after });
        begin(2.0, 30.0);
        thread::sleep(Duration::from_millis(20));
        control.end(Done::Pair, false);
        begin(2.0, 28.0);
        let left = control.progress().borrow().seconds_left.expect("known");
        assert!(left >= 0.010 * 29.0, "30 units of at least 10 ms each: {left}");
    }

    #[test]
    fn a_disk_that_is_full_holds_the_run_and_says_so() {
        let control = control(false);
        control.stall(Some("cannot write".to_owned()));
        let worker = thread::spawn({
            let control = Arc::clone(&control);
            move || control.batch_done(batch())
        });
        assert_eq!(control.progress().borrow().notice.as_deref(), Some("cannot write"));
        control.stall(None);
        assert_eq!(worker.join().expect("no panic"), Flow::Go);
        assert_eq!(control.progress().borrow().notice, None);
    }
}
