//! How much work is in hand and left, so that the time it takes can be told.

use relativenas_core::{
    finals::Work,
    search::{Search, SearchState},
};

/// How long things take: an epoch of training is the unit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scale {
    /// A look at the validation half.
    validation: f64,
}

impl Scale {
    /// Of halves of so many images. Of an image, validation takes about a quarter of training.
    pub fn of((train, valid): (usize, usize)) -> Self {
        Self { validation: 0.25 * valid as f64 / train.max(1) as f64 }
    }

    /// Estimations of a search: an epoch each, and a validation.
    pub fn learners(&self, count: usize) -> f64 {
        count as f64 * (1.0 + self.validation)
    }

    pub fn finals(&self, work: Work) -> f64 {
        work.epochs as f64 + work.trainings as f64 * self.validation
    }
}

/// Learners that are still to be estimated, the ranking included.
pub fn learners_left(search: &Search) -> usize {
    let settings = search.settings();
    let SearchState { generation, done, ref pairs, ref ranking, .. } = *search.state();
    if generation >= settings.generations {
        return settings.population.saturating_sub(ranking.len());
    }
    let now: usize = pairs.iter().skip(done).map(Vec::len).sum();
    let generations_after = (settings.generations - generation - 1) as usize;
    now + (generations_after + 1) * settings.population
}
