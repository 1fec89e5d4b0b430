//! What somebody needs of an estimator who shares its work with others.

use relativenas_core::{
    genotype::Genotype,
    search::{Candidate, Estimation},
    weight_set::WeightKey,
};

use super::{EstimateError, Held, NetworkEstimator};

impl NetworkEstimator {
    /// What a candidate of the last estimation of the search holds, by its place among those that were trained here.
    ///
    /// # Errors
    /// If that was another estimation, or it has no such candidate.
    pub fn held(&self, estimation: &Estimation, place: usize) -> Result<&Held, EstimateError> {
        let (generation, pair) = (estimation.generation, estimation.pair);
        let trained = self.trained.as_ref().filter(|(g, p, _)| (*g, *p) == (generation, pair));
        let found = trained.and_then(|(.., trained)| trained.get(place));
        found.ok_or(EstimateError::NothingToAdopt { generation, pair })
    }

    /// Takes what learners hold into the weight set, in the order of [`relativenas_core::search::Verdict::gives`].
    pub fn take(&mut self, generation: u32, givers: &[(usize, Held)]) {
        self.weights.adopt(generation, givers.iter().map(|(individual, held)| (*individual, held)));
    }

    /// The modules of a candidate's network.
    ///
    /// # Errors
    /// If its vector is none.
    pub fn keys(&self, candidate: &Candidate) -> Result<Vec<WeightKey>, EstimateError> {
        let individual = candidate.individual;
        let genotype = Genotype::decode(&candidate.position)
            .map_err(|error| EstimateError::Vector { individual, error })?;
        Ok(WeightKey::of_genotype(&genotype, &self.settings.shape))
    }
}
