//! The rule of a searcher, and the verdict on a pair that slow-fast and most controls share.

use crate::{
    loss::Fitness,
    population::{Individual, IndividualId},
    randomness::{Purpose, Streams},
    search::{
        estimation::{Estimate, Estimation, Slot, Verdict},
        settings::SearchSettings,
        state::SearchState,
    },
};

/// The rule of a searcher. Default methods are those of slow-fast, which most controls share.
pub(crate) trait Searcher: Sync {
    /// The individuals that are compared with each other in a generation, in the order of the comparisons.
    fn pairs(&self, settings: &SearchSettings, streams: &Streams, generation: u32) -> Vec<Vec<IndividualId>> {
        let order = streams.stream(Purpose::Pairing, u64::from(generation), 0).order(settings.population);
        order.chunks(2).map(|pair| pair.iter().copied().map(IndividualId).collect()).collect()
    }

    /// The position at which an individual is estimated.
    fn position(
        &self,
        _: &SearchSettings,
        _: &Streams,
        state: &SearchState,
        individual: IndividualId,
    ) -> Vec<f64> {
        state.population[individual].position.clone()
    }

    /// Decides which candidate is fast and which is slow; `violations` tells by how much each exceeds the limits.
    fn judge(
        &self,
        streams: &Streams,
        estimation: &Estimation,
        estimates: &[Estimate],
        violations: &[f64],
    ) -> Verdict;

    /// The individuals that are different in the next generation, with their numbers.
    fn advance(
        &self,
        settings: &SearchSettings,
        streams: &Streams,
        state: &SearchState,
    ) -> Vec<(IndividualId, Individual)>;
}

/// The verdict on a pair: the candidate with the smaller violation is fast, then the one with the lower loss, and of
/// equal ones the first.
///
/// A candidate whose loss is not finite is slow and gives no weights. If this is true of both, the verdict is empty.
pub(crate) fn compare(estimates: &[Estimate], violations: &[f64]) -> Verdict {
    if estimates.iter().all(|e| !e.loss.is_finite()) {
        return Verdict::default();
    }
    let fitness = |slot: Slot| Fitness { loss: estimates[slot].loss, violation: violations[slot] };
    let (first, second) = (Slot(0), Slot(1));
    let second_wins = fitness(second).order(fitness(first)).is_lt();
    let (fast, slow) = if second_wins { (second, first) } else { (first, second) };
    verdict(fast, slow, estimates)
}

/// The verdict that `fast` is fast and `slow` is slow. Both give their weights, `fast` first, except if their loss is
/// not finite.
pub(super) fn verdict(fast: Slot, slow: Slot, estimates: &[Estimate]) -> Verdict {
    let gives = [fast, slow].into_iter().filter(|&slot| estimates[slot].loss.is_finite()).collect();
    Verdict { fast: Some(fast), slow: Some(slow), gives }
}
