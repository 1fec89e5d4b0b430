//! The progress of a run, its speed, and the time that it will still take.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use relativenas_core::{
    protocol::{Activity, MemberProgress},
    search::{BatchDone, Candidate},
};

/// The current work and the work after it, in units that take about the same time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    pub now: f64,
    pub after: f64,
}

/// Measures the current estimation or training. The caller passes the time.
#[derive(Debug)]
pub struct Meter {
    activity: Activity,
    generation: u32,
    /// The current pairs; an epoch of a training counts as one pair.
    pairs: Range<usize>,
    members: Vec<MemberProgress>,
    /// The number of images of every member so far in this estimation.
    images: Vec<usize>,
    began: Instant,
    /// The time spent paused since then.
    held: Duration,
    work: Work,
    /// The seconds that a unit of work took recently.
    seconds_each: Option<f64>,
    images_per_second: f64,
}

impl Meter {
    pub fn new(now: Instant) -> Self {
        Self {
            activity: Activity::Starting,
            generation: 0,
            pairs: 0..1,
            members: Vec::new(),
            images: Vec::new(),
            began: now,
            held: Duration::ZERO,
            work: Work { now: 1.0, after: 0.0 },
            seconds_each: None,
            images_per_second: 0.0,
        }
    }

    /// Called when an estimation, or a training of finals, begins.
    pub fn begin(
        &mut self,
        activity: Activity,
        generation: u32,
        pairs: Range<usize>,
        candidates: &[Candidate],
        work: Work,
        now: Instant,
    ) {
        let member = |candidate: &Candidate| MemberProgress {
            individual: candidate.individual,
            validating: false,
            batch: 0,
            batches: 0,
            loss: None,
        };
        self.activity = activity;
        self.generation = generation;
        self.pairs = pairs;
        self.members = candidates.iter().map(member).collect();
        self.images = vec![0; candidates.len()];
        self.began = now;
        self.held = Duration::ZERO;
        self.work = work;
    }

    /// Called when a member has done a batch.
    pub fn batch(&mut self, done: BatchDone) {
        if let Some(member) = self.members.get_mut(done.candidate.0) {
            member.validating = done.validating;
            (member.batch, member.batches) = (done.batch, done.batches);
            member.loss = done.loss.or(member.loss.filter(|_| done.batch > 1));
        }
        if let Some(images) = self.images.get_mut(done.candidate.0) {
            *images += done.images;
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
        self.members.clear();
        self.seconds_each = None;
    }

    /// The seconds spent on the current work, without pauses.
    fn worked(&self, now: Instant) -> f64 {
        now.duration_since(self.began).saturating_sub(self.held).as_secs_f64()
    }

    /// Measures the rate anew, in images per second. It must not be called while the run is paused.
    pub fn measure_rate(&mut self, now: Instant) -> f64 {
        let worked = self.worked(now);
        if worked > 0.0 && self.images.iter().any(|&images| images > 0) {
            self.images_per_second = self.images.iter().sum::<usize>() as f64 / worked;
        }
        self.images_per_second
    }

    /// The seconds until everything is done; `None` before the first unit of work is.
    pub fn seconds_left(&self, now: Instant) -> Option<f64> {
        let Work { now: in_hand, after } = self.work;
        self.seconds_each.map(|each| (each * in_hand - self.worked(now)).max(0.0) + each * after)
    }

    /// What the run is doing: training, until all members are being validated.
    pub fn activity(&self) -> Activity {
        let validating = self.members.iter().all(|m| m.validating) && !self.members.is_empty();
        match self.activity {
            Activity::Training if validating => Activity::Validating,
            activity => activity,
        }
    }

    pub fn generation(&self) -> u32 {
        self.generation
    }

    pub fn pairs(&self) -> &Range<usize> {
        &self.pairs
    }

    pub fn members(&self) -> &[MemberProgress] {
        &self.members
    }
}

#[cfg(test)]
mod tests {
    use relativenas_core::{loss::Loss, population::IndividualId, search::Slot};

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn candidates(count: usize) -> Vec<Candidate> {
        (0..count)
            .map(|individual| Candidate { individual: IndividualId(individual), position: Vec::new() })
            .collect()
    }

    /// A meter of an estimation of this many candidates that begins now.
    fn begun(count: usize, now: Instant) -> Meter {
        let mut meter = Meter::new(now);
        meter.begin(Activity::Training, 0, 0..1, &candidates(count), Work { now: 1.0, after: 0.0 }, now);
        meter
    }

    fn batch(candidate: usize, validating: bool) -> BatchDone {
        BatchDone {
            candidate: Slot(candidate),
            validating,
            batch: 1,
            batches: 2,
            images: 8,
            loss: Some(Loss(2.0)),
        }
    }

    #[test]
    fn the_time_that_is_left_counts_work_and_not_estimations_and_no_pauses() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        meter.begin(Activity::Training, 0, 0..1, &[], Work { now: 2.0, after: 30.0 }, start);
        assert_eq!(meter.seconds_left(start), None);
        meter.held(seconds(5));
        meter.end(start + seconds(25));
        meter.begin(Activity::Training, 0, 1..2, &[], Work { now: 2.0, after: 28.0 }, start + seconds(25));
        assert_eq!(meter.seconds_left(start + seconds(25)), Some(300.0), "30 units of ten seconds");
        assert_eq!(meter.seconds_left(start + seconds(31)), Some(294.0));
        assert_eq!(meter.seconds_left(start + seconds(99)), Some(280.0), "what is late ends now");
    }

    #[test]
    fn the_rate_is_of_all_members_together_and_pauses_do_not_count() {
        let start = Instant::now();
        let mut meter = begun(2, start);
        meter.batch(batch(0, false));
        meter.batch(batch(1, false));
        meter.held(seconds(6));
        assert_eq!(meter.measure_rate(start + seconds(10)), 4.0);
    }

    #[test]
    fn a_pair_validates_once_both_do() {
        let start = Instant::now();
        let mut meter = begun(2, start);
        meter.batch(batch(0, true));
        assert_eq!(meter.activity(), Activity::Training);
        meter.batch(batch(1, true));
        assert_eq!(meter.activity(), Activity::Validating);
        meter.finish();
        assert_eq!((meter.activity(), meter.members().len()), (Activity::Finished, 0));
    }

    #[test]
    fn a_loss_stays_until_another_batch_has_one_or_the_batches_begin_anew() {
        let start = Instant::now();
        let mut meter = begun(1, start);
        for (done, loss) in [
            (batch(0, false), Some(2.0)),
            (BatchDone { batch: 2, loss: None, ..batch(0, false) }, Some(2.0)),
            (BatchDone { loss: None, ..batch(0, true) }, None),
        ] {
            meter.batch(done);
            assert_eq!(meter.members()[0].loss, loss.map(Loss));
        }
    }
}
