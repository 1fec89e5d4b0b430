//! An architecture that takes part in finals.

use serde::{Deserialize, Serialize};

use crate::{loss::Loss, population::IndividualId};

/// An architecture that takes part in the finals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entrant {
    pub source: EntrantSource,
    pub individual: IndividualId,
    /// The generation in which the individual was estimated with this position; for the last population, the
    /// number of generations.
    pub generation: u32,
    pub position: Vec<f64>,
    /// Its loss in that estimate of the search.
    pub loss: Loss,
}

impl Entrant {
    /// The name of the entrant in texts: the individual's number, and the generation if it is not from the ranking,
    /// such as `07` or `07 of g3`.
    pub fn name(&self) -> String {
        match self.source {
            EntrantSource::Ranking => format!("{:02}", self.individual),
            EntrantSource::Search => format!("{:02} of g{}", self.individual, self.generation),
        }
    }
}

/// Where an entrant comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntrantSource {
    /// The ranking of the last population.
    Ranking,
    /// The best estimates of the second half of the search; an individual had this architecture then.
    Search,
}
