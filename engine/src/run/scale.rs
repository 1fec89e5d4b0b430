//! Estimates of the current and the remaining work, from which the remaining time is computed.

use relativenas_core::{
    finals::TrainingWork,
    search::{Search, SearchSettings, SearchState, Stage},
};

/// How long the parts of the work take, in units of an epoch of training.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scale {
    /// A validation on the validation half.
    validation: f64,
    /// Estimating batch norm's statistics before the validation, where weights are shared.
    statistics: f64,
    /// Whether learners are not trained after the warm-up.
    one_shot: bool,
}

impl Scale {
    /// The scale for halves of these sizes. An image takes about a quarter as long in validation as in
    /// training.
    pub fn of((train, valid): (usize, usize)) -> Self {
        Self { validation: 0.25 * valid as f64 / train.max(1) as f64, statistics: 0.0, one_shot: false }
    }

    /// Adds the estimation of batch norm's statistics on this many images, whose forward pass in training
    /// mode takes about a third of a training step.
    pub fn with_statistics(self, images: usize, train: usize) -> Self {
        Self { statistics: 0.35 * images.min(train) as f64 / train.max(1) as f64, ..self }
    }

    /// Sets whether learners are validated without training after the warm-up.
    pub fn one_shot(self, one_shot: bool) -> Self {
        Self { one_shot, ..self }
    }

    /// The estimations of `count` learners: an epoch for each, unless the search is one-shot, and, except in
    /// the warm-up, a validation.
    pub fn learners(&self, stage: Stage, count: usize) -> f64 {
        let judged = self.statistics + self.validation;
        let each = match (stage, self.one_shot) {
            (Stage::WarmUp, _) => 1.0,
            (_, true) => judged,
            (_, false) => 1.0 + judged,
        };
        count as f64 * each
    }

    /// The remaining work of a search, its ranking included.
    pub fn left(&self, search: &Search) -> f64 {
        let (warming, judged) = learners_left(search);
        self.learners(Stage::WarmUp, warming) + self.learners(Stage::Search, judged)
    }

    /// The work of trainings of the finals: their epochs, and a validation for each.
    pub fn finals(&self, work: TrainingWork) -> f64 {
        work.epochs as f64 + work.trainings as f64 * self.validation
    }
}

/// The number of networks that are still to be trained in the warm-up, and the number of learners that are
/// still to be estimated after it, the ranking included.
fn learners_left(search: &Search) -> (usize, usize) {
    let SearchSettings { population, generations, warm_up, .. } = *search.settings();
    let SearchState { generation, done, ref pairs, ref ranking, .. } = *search.state();
    if generation >= generations {
        return (0, population.saturating_sub(ranking.len()));
    }
    let now: usize = pairs.iter().skip(done).map(Vec::len).sum();
    // The learners of generations `from` up to `to`, which is excluded.
    let between = |from: u32, to: u32| to.saturating_sub(from) as usize * population;
    let ranked = population;
    if search.is_warming_up() {
        return (now + between(generation + 1, warm_up), between(warm_up, generations) + ranked);
    }
    (0, now + between(generation + 1, generations) + ranked)
}

#[cfg(test)]
mod tests {
    use relativenas_core::{
        loss::Loss,
        search::{Ask, Estimate},
        searcher::SearcherKind,
    };

    use super::*;

    #[test]
    fn what_is_left_falls_with_every_estimation_by_what_it_took() {
        for searcher in SearcherKind::ALL {
            let settings = SearchSettings {
                space: Default::default(),
                searcher,
                population: 6,
                pairs_at_once: 1,
                generations: 5,
                seed: 1,
                mutation: 0.0,
                warm_up: 2,
                one_shot: false,
                inherit: true,
                repeat: Default::default(),
                schedule: Default::default(),
                limits: Default::default(),
            };
            let scale = Scale::of((100, 200)).with_statistics(0, 100);
            let (mut search, _) = Search::new(settings).expect("valid");
            // Two generations of an epoch each, then three and the ranking with a validation of half an
            // epoch.
            assert_eq!(scale.left(&search), 6.0 * (2.0 + 4.0 * 1.5));
            while let Ask::Estimate(estimation) = search.ask() {
                let took = scale.learners(estimation.stage, estimation.candidates.len());
                let before = scale.left(&search);
                let estimate =
                    Estimate { loss: Loss(1.0), accuracy: 1.0, train_loss: Loss(1.0), hits: 0, misses: 0 };
                search.tell(&vec![estimate; estimation.candidates.len()]);
                assert_eq!(before - took, scale.left(&search), "{searcher}");
            }
            assert_eq!(scale.left(&search), 0.0);
        }
    }
}
