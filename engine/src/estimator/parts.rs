//! What somebody needs of an estimator who shares its work with others.

use relativenas_core::{
    genotype::Genotype, population::IndividualId, search::Candidate, weight_set::WeightKey,
};

use super::{EstimateError, Held, NetworkEstimator};

impl NetworkEstimator {
    /// Takes what learners hold into the weight set, in the order of [`relativenas_core::search::Verdict::gives`].
    pub fn take(&mut self, generation: u32, givers: &[(IndividualId, Held)]) {
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
