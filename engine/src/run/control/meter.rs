//! The progress of a run, its speed, and the time that it will still take.

use std::time::{Duration, Instant};

use relativenas_core::{
    protocol::{Activity, BatchProgress},
    search::{BatchDone, Slot},
};

/// The amount of the current work and of all work after it, in units that take about the same time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Workload {
    pub now: f64,
    pub after: f64,
}

/// Measures the current estimation or training. The caller passes the time.
#[derive(Debug)]
pub struct Meter {
    activity: Activity,
    /// The number of images of all networks so far in this activity.
    images: usize,
    began: Instant,
    /// The time spent paused since then.
    held: Duration,
    work: Workload,
    /// The seconds that a unit of work took recently.
    seconds_each: Option<f64>,
    images_per_second: f64,
}

impl Meter {
    pub fn new(now: Instant) -> Self {
        Self {
            activity: Activity::Starting,
            images: 0,
            began: now,
            held: Duration::ZERO,
            work: Workload { now: 1.0, after: 0.0 },
            seconds_each: None,
            images_per_second: 0.0,
        }
    }

    /// Called when an estimation, a training of finals, or an epoch begins.
    pub fn begin(&mut self, activity: Activity, work: Workload, now: Instant) {
        self.activity = activity;
        self.images = 0;
        self.began = now;
        self.held = Duration::ZERO;
        self.work = work;
    }

    /// Called when a member of an estimation or of finals has done a batch.
    pub fn member_batch(&mut self, slot: Slot, done: BatchDone) {
        if let Activity::Estimating { members, .. } | Activity::Finals { members, .. } = &mut self.activity
            && let Some(member) = members.get_mut(slot.0)
        {
            note(&mut member.progress, done);
            self.images += done.images;
        }
    }

    /// Called when the network of a training has done a batch.
    pub fn training_batch(&mut self, done: BatchDone) {
        if let Activity::Training { progress, .. } | Activity::Testing { progress } = &mut self.activity {
            note(progress, done);
            self.images += done.images;
        }
    }

    /// Counts time during which the run was paused, which is not work.
    pub fn held(&mut self, time: Duration) {
        self.held += time;
    }

    /// Called when the current work is done.
    pub fn end(&mut self, now: Instant) {
        let seconds = self.worked(now) / self.work.now;
        // Later estimations weigh more, because other programs may use the machine at times.
        self.seconds_each = Some(self.seconds_each.map_or(seconds, |s| 0.7 * s + 0.3 * seconds));
    }

    /// Called when the run is done.
    pub fn finish(&mut self) {
        self.activity = Activity::Finished;
        self.seconds_each = None;
    }

    /// The seconds spent on the current work, without pauses.
    fn worked(&self, now: Instant) -> f64 {
        now.duration_since(self.began).saturating_sub(self.held).as_secs_f64()
    }

    /// Measures the rate anew, in images per second. It must not be called while the run is paused.
    pub fn measure_rate(&mut self, now: Instant) -> f64 {
        let worked = self.worked(now);
        if worked > 0.0 && self.images > 0 {
            self.images_per_second = self.images as f64 / worked;
        }
        self.images_per_second
    }

    /// The seconds until everything is done; `None` before the first unit of work is.
    pub fn seconds_left(&self, now: Instant) -> Option<f64> {
        let Workload { now: in_hand, after } = self.work;
        self.seconds_each.map(|each| (each * in_hand - self.worked(now)).max(0.0) + each * after)
    }

    pub fn activity(&self) -> &Activity {
        &self.activity
    }
}

/// Writes down a batch. A loss stays until another batch has one, or the batches begin anew.
fn note(progress: &mut BatchProgress, done: BatchDone) {
    let before = progress.loss.filter(|_| done.batch > 1);
    *progress = BatchProgress {
        validating: done.validating,
        batch: done.batch,
        batches: done.batches,
        loss: done.loss.or(before),
    };
}

#[cfg(test)]
mod tests {
    use relativenas_core::{loss::Loss, population::IndividualId, protocol::MemberProgress, search::Stage};

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// An estimation of this many candidates.
    fn estimating(count: usize) -> Activity {
        let member =
            |number| MemberProgress { individual: IndividualId(number), progress: BatchProgress::default() };
        Activity::Estimating {
            stage: Stage::Search,
            generation: 0,
            pair: 0,
            members: (0..count).map(member).collect(),
        }
    }

    /// A meter of this activity, which begins now.
    fn begun(activity: Activity, now: Instant) -> Meter {
        let mut meter = Meter::new(now);
        meter.begin(activity, Workload { now: 1.0, after: 0.0 }, now);
        meter
    }

    fn batch(validating: bool) -> BatchDone {
        BatchDone { validating, batch: 1, batches: 2, images: 8, loss: Some(Loss(2.0)) }
    }

    #[test]
    fn the_time_that_is_left_counts_work_and_not_estimations_and_no_pauses() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        meter.begin(estimating(0), Workload { now: 2.0, after: 30.0 }, start);
        assert_eq!(meter.seconds_left(start), None);
        meter.held(seconds(5));
        meter.end(start + seconds(25));
        meter.begin(estimating(0), Workload { now: 2.0, after: 28.0 }, start + seconds(25));
        assert_eq!(meter.seconds_left(start + seconds(25)), Some(300.0), "30 units of ten seconds");
        assert_eq!(meter.seconds_left(start + seconds(31)), Some(294.0));
        assert_eq!(meter.seconds_left(start + seconds(99)), Some(280.0), "what is late ends now");
    }

    #[test]
    fn the_rate_is_of_all_members_together_and_pauses_do_not_count() {
        let start = Instant::now();
        let mut meter = begun(estimating(2), start);
        meter.member_batch(Slot(0), batch(false));
        meter.member_batch(Slot(1), batch(false));
        meter.held(seconds(6));
        assert_eq!(meter.measure_rate(start + seconds(10)), 4.0);
    }

    #[test]
    fn a_pair_validates_once_both_do() {
        let mut meter = begun(estimating(2), Instant::now());
        meter.member_batch(Slot(0), batch(true));
        assert!(!meter.activity().is_validating());
        meter.member_batch(Slot(1), batch(true));
        assert!(meter.activity().is_validating());
        meter.finish();
        assert_eq!((meter.activity(), meter.activity().is_validating()), (&Activity::Finished, false));
    }

    #[test]
    fn a_training_has_one_network_and_no_members() {
        let start = Instant::now();
        let training = Activity::Training { epoch: 3, progress: BatchProgress::default() };
        let mut meter = begun(training, start);
        meter.training_batch(batch(false));
        meter.member_batch(Slot(0), batch(true)); // No such member.
        let Activity::Training { epoch, progress } = meter.activity() else {
            panic!("{:?}", meter.activity());
        };
        assert_eq!((*epoch, progress.batch, progress.validating), (3, 1, false));
        assert_eq!(meter.measure_rate(start + seconds(2)), 4.0);
    }

    #[test]
    fn a_loss_stays_until_another_batch_has_one_or_the_batches_begin_anew() {
        let mut meter = begun(estimating(1), Instant::now());
        for (done, loss) in [
            (batch(false), Some(2.0)),
            (BatchDone { batch: 2, loss: None, ..batch(false) }, Some(2.0)),
            (BatchDone { loss: None, ..batch(true) }, None),
        ] {
            meter.member_batch(Slot(0), done);
            assert_eq!(meter.activity().members()[0].progress.loss, loss.map(Loss));
        }
    }
}
