//! The connection between what steers a running engine and the thread that does the work.
//!
//! `Steering` holds what was asked and decides what follows from it; `Meter` measures the progress. This
//! module adds the lock around both, the waiting, and how often clients are told.

mod meter;
mod steering;

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use relativenas_core::{
    protocol::{Activity, Command, Progress},
    search::{BatchDone, Flow, Slot},
};
use tokio::sync::watch;

use meter::Meter;
pub use meter::Workload;
use steering::Steering;
pub use steering::{Bounds, Done, Injection, Next};

/// The least time between two publications of progress.
const PUBLISH_EVERY: Duration = Duration::from_millis(100);

/// Shared by the server, the signal listener, the recorder and the thread that does the work.
pub struct Control {
    state: Mutex<ControlState>,
    changed: Condvar,
    progress: watch::Sender<Progress>,
    #[cfg(test)]
    observer: std::sync::OnceLock<Observer>,
}

/// Receives the progress after every batch, in the thread that computed the batch.
#[cfg(test)]
pub type Observer = Box<dyn Fn(Progress) + Send + Sync>;

struct ControlState {
    steering: Steering,
    meter: Meter,
    /// Whether the thread that does the work is waiting.
    holding: bool,
    published: Option<Instant>,
}

impl Control {
    pub fn new(bounds: Bounds, paused: bool) -> Self {
        Self {
            state: Mutex::new(ControlState {
                steering: Steering::new(bounds, paused),
                meter: Meter::new(Instant::now()),
                holding: false,
                published: None,
            }),
            changed: Condvar::new(),
            progress: watch::Sender::new(Progress::default()),
            #[cfg(test)]
            observer: std::sync::OnceLock::new(),
        }
    }

    /// Sets an observer that sees every batch in a test; [`Control::progress`] may skip some.
    #[cfg(test)]
    pub fn observe(&self, observer: Observer) {
        assert!(self.observer.set(observer).is_ok(), "one observer is enough");
    }

    #[cfg(test)]
    fn show<'a>(&'a self, mut state: MutexGuard<'a, ControlState>) -> MutexGuard<'a, ControlState> {
        let Some(observer) = self.observer.get() else {
            return state;
        };
        self.publish(&mut state);
        drop(state);
        let now = self.progress.borrow().clone(); // Nothing stays borrowed while the observer steers.
        observer(now);
        self.lock()
    }

    /// The published progress, of which only the latest value is kept.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Carries out a command from a client.
    ///
    /// # Errors
    /// If the command is refused; the text gives the reason.
    pub fn steer(&self, command: &Command) -> Result<(), String> {
        self.change(|ControlState { steering, meter, holding, .. }| {
            steering.command(command, meter.activity().generation_or_epoch(), *holding)
        })
    }

    /// Ends the run at once; the current pair does not count.
    pub fn abort(&self) {
        self.lock().steering.abort();
        self.changed.notify_all();
    }

    pub fn aborted(&self) -> bool {
        self.lock().steering.aborted()
    }

    /// Whether the run shall end here. A search that was not aborted finishes the current pair first; a
    /// training can be resumed at any batch, so it need not finish an epoch.
    pub fn leaving(&self) -> bool {
        self.lock().steering.leaving()
    }

    /// What to do next. Called between estimations; waits while the run is paused.
    pub fn next(&self) -> Next {
        let mut state = self.lock();
        loop {
            if let Some(next) = state.steering.next() {
                return next;
            }
            state = self.hold(state);
        }
    }

    /// From now on refuses to replace individuals and to pause at a later generation; `why` is part of the
    /// message.
    pub fn close(&self, why: &'static str) {
        self.lock().steering.close(why);
    }

    /// Called when an estimation, a training of finals, or an epoch begins.
    pub fn begin(&self, activity: Activity, work: Workload) {
        let mut state = self.lock();
        state.meter.begin(activity, work, Instant::now());
        self.publish(&mut state);
    }

    /// Called after each batch of a member of an estimation or of finals, from any thread. Waits while the run
    /// is paused.
    pub fn member_batch_done(&self, slot: Slot, done: BatchDone) -> Flow {
        self.batch_done(|meter| meter.member_batch(slot, done))
    }

    /// Called after each batch of a training. Waits while the run is paused.
    pub fn training_batch_done(&self, done: BatchDone) -> Flow {
        self.batch_done(|meter| meter.training_batch(done))
    }

    fn batch_done(&self, note: impl FnOnce(&mut Meter)) -> Flow {
        let mut state = self.lock();
        note(&mut state.meter);
        if state.published.is_none_or(|at| at.elapsed() >= PUBLISH_EVERY) {
            self.publish(&mut state);
        }
        #[cfg(test)]
        let mut state = self.show(state);
        while state.steering.holds_between_batches() {
            state = self.hold(state);
        }
        if state.steering.aborted() { Flow::Abort } else { Flow::Go }
    }

    /// Called when the current work is done and recorded. Counts steps, and pauses where this was asked for.
    pub fn end(&self, done: Done, not_a_number: bool) {
        let mut state = self.lock();
        state.meter.end(Instant::now());
        state.steering.done(done, not_a_number);
        self.publish(&mut state);
    }

    /// Called when the run is done.
    pub fn finish(&self) {
        let mut state = self.lock();
        state.steering.finish();
        state.meter.finish();
        self.publish(&mut state);
    }

    /// Called when the recorder cannot write (with a notice), and when it can again (with `None`).
    pub fn stall(&self, notice: Option<String>) {
        self.change(|state| state.steering.stall(notice));
    }

    /// Changes what was asked, tells clients, and wakes the thread that waits.
    fn change<T>(&self, change: impl FnOnce(&mut ControlState) -> T) -> T {
        let mut state = self.lock();
        let changed = change(&mut state);
        self.publish(&mut state);
        drop(state);
        self.changed.notify_all();
        changed
    }

    fn hold<'a>(&self, mut state: MutexGuard<'a, ControlState>) -> MutexGuard<'a, ControlState> {
        let (began, outermost) = (Instant::now(), !state.holding);
        state.holding = true;
        self.publish(&mut state);
        let mut state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        if outermost {
            state.holding = false;
            state.meter.held(began.elapsed());
        }
        if state.steering.goes_on() {
            self.publish(&mut state);
        }
        state
    }

    fn publish(&self, state: &mut ControlState) {
        let now = Instant::now();
        state.published = Some(now);
        let ControlState { steering, meter, holding, .. } = state;
        self.progress.send_replace(Progress {
            mode: steering.mode(*holding),
            activity: meter.activity().clone(),
            images_per_second: if *holding { 0.0 } else { meter.measure_rate(now) },
            seconds_left: meter.seconds_left(now),
            notice: steering.notice().map(str::to_owned),
            pause_at: steering.pause_at(),
            pause_on_nan: steering.pause_on_nan(),
        });
    }

    fn lock(&self) -> MutexGuard<'_, ControlState> {
        // A poisoned lock means that a thread panicked between batches; the guarded values are plain ones,
        // each valid on its own.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use relativenas_core::protocol::Mode;

    use super::*;

    fn control(paused: bool) -> Arc<Control> {
        Arc::new(Control::new(Bounds { population: None, generations: 5 }, paused))
    }

    /// A thread that has done a batch, and returns whether to go on.
    fn batch(control: &Arc<Control>) -> thread::JoinHandle<Flow> {
        let control = Arc::clone(control);
        let done = BatchDone { validating: false, batch: 1, batches: 2, images: 8, loss: None };
        thread::spawn(move || control.member_batch_done(Slot(0), done))
    }

    /// Waits until the run is paused.
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
        let worker = batch(&control);
        wait_until_paused(&control);
        control.steer(&Command::Continue).expect("accepted");
        assert_eq!(worker.join().expect("no panic"), Flow::Go);
    }

    #[test]
    fn stop_ends_a_batch_that_is_held() {
        let control = control(true);
        let worker = batch(&control);
        wait_until_paused(&control);
        control.steer(&Command::Stop).expect("accepted");
        assert_eq!(worker.join().expect("no panic"), Flow::Abort);
    }

    #[test]
    fn a_disk_that_is_full_holds_the_run_and_says_so() {
        let control = control(false);
        control.stall(Some("cannot write".to_owned()));
        let worker = batch(&control);
        assert_eq!(control.progress().borrow().notice.as_deref(), Some("cannot write"));
        control.stall(None);
        assert_eq!(worker.join().expect("no panic"), Flow::Go);
        assert_eq!(control.progress().borrow().notice, None);
    }
}
