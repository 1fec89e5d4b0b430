//! What a searcher decides, and the verdict on a pair that slow-fast and most controls share.

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

/// What a searcher decides. The defaults are what slow-fast and its controls share.
pub(crate) trait Searcher: Sync {
    /// Who is estimated together in a generation, in order.
    fn pairs(&self, settings: &SearchSettings, streams: &Streams, generation: u32) -> Vec<Vec<IndividualId>> {
        let order = streams.stream(Purpose::Pairing, u64::from(generation), 0).order(settings.population);
        order.chunks(2).map(|pair| pair.iter().copied().map(IndividualId).collect()).collect()
    }

    /// Where an individual is estimated.
    fn position(
        &self,
        _: &SearchSettings,
        _: &Streams,
        state: &SearchState,
        individual: IndividualId,
    ) -> Vec<f64> {
        state.population[individual].position.clone()
    }

    /// Who is fast and who is slow; `violations` says by how much each exceeds the limits.
    fn judge(
        &self,
        streams: &Streams,
        estimation: &Estimation,
        estimates: &[Estimate],
        violations: &[f64],
    ) -> Verdict;

    /// Who is where in the next generation, for those who change.
    fn advance(
        &self,
        settings: &SearchSettings,
        streams: &Streams,
        state: &SearchState,
    ) -> Vec<(IndividualId, Individual)>;
}

/// The verdict on a pair by violation first, then loss; a tie goes to the first member.
///
/// A learner whose loss is not a number is slow and gives nothing; if both are, there is no verdict.
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

/// `fast` gives its weights first, then `slow`, unless its loss is not a number.
pub(super) fn verdict(fast: Slot, slow: Slot, estimates: &[Estimate]) -> Verdict {
    let gives = [fast, slow].into_iter().filter(|&slot| estimates[slot].loss.is_finite()).collect();
    Verdict { fast: Some(fast), slow: Some(slow), gives }
}
