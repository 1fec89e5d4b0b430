//! The steps of an estimation that ranks need separately when they share its work.

use relativenas_core::{
    genotype::Genotype, population::IndividualId, search::Candidate, weight_set::WeightKey,
};

use super::{EstimateError, Held, NetworkEstimator};

impl NetworkEstimator {
    /// Puts the weights of learners into the weight set, in the order of
    /// [`relativenas_core::search::Verdict::gives`].
    pub fn take(&mut self, generation: u32, givers: &[(IndividualId, Held)]) {
        self.weights.adopt(generation, givers.iter().map(|(individual, held)| (*individual, held)));
    }

    /// The modules of a candidate's network.
    ///
    /// # Errors
    /// If its architecture vector cannot be decoded.
    pub fn keys(&self, candidate: &Candidate) -> Result<Vec<WeightKey>, EstimateError> {
        let individual = candidate.individual;
        let genotype = Genotype::decode(&candidate.position)
            .map_err(|error| EstimateError::Vector { individual, error })?;
        Ok(WeightKey::of_genotype(&genotype, &self.settings.shape))
    }
}
