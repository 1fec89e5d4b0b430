//! The choice of the architectures that take part in finals.

use serde::{Deserialize, Serialize};

use super::entrant::{Entrant, EntrantSource};
use crate::{
    event::{Event, RankedIndividual},
    genotype::Genotype,
    search::Search,
    space::Space,
};

/// The best distinct architectures of a search's second half, as many as finals may need. Losses of the first half
/// are not comparable with these, because the weights were hardly trained then.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EntrantHistory {
    best: Vec<Entrant>,
}

impl EntrantHistory {
    pub fn is_empty(&self) -> bool {
        self.best.is_empty()
    }

    /// Adds the architectures of an event of a search with this number of generations, whose finals will have up to
    /// `architectures` entrants.
    pub fn note(&mut self, event: &Event, architectures: usize, generations: u32) {
        let Event::PairCompared { generation, learners, .. } = event else {
            return;
        };
        if *generation < generations / 2 {
            return;
        }
        for learner in learners.iter().filter(|l| l.violation == 0.0 && l.estimate.loss.is_finite()) {
            self.insert(Entrant {
                source: EntrantSource::Search,
                individual: learner.individual,
                generation: *generation,
                position: learner.position.clone(),
                loss: learner.estimate.loss,
            });
        }
        // Up to `architectures` of these may also be in the ranking, so twice as many are kept.
        self.best.truncate(2 * architectures);
    }

    fn insert(&mut self, entrant: Entrant) {
        let better = |other: &Entrant| other.loss.order(entrant.loss).is_le();
        match self.best.iter().position(|other| same(other, &entrant)) {
            Some(place) if better(&self.best[place]) => return,
            Some(place) => drop(self.best.remove(place)),
            None => {}
        }
        let place = self.best.partition_point(better);
        self.best.insert(place, entrant);
    }
}

/// Whether two vectors decode to the same architecture.
fn same(a: &Entrant, b: &Entrant) -> bool {
    match (Genotype::decode(&a.position), Genotype::decode(&b.position)) {
        (Ok(a), Ok(b)) => a == b,
        _ => a.position == b.position,
    }
}

/// Up to `count` distinct architectures: half of them (rounded up) from the top of the ranking, then the best
/// of the search's later generations, then the rest of the ranking. Architectures that exceed the limits take
/// part only if all do.
pub(super) fn choose(
    count: usize,
    search: &Search,
    ranking: &[RankedIndividual],
    history: &EntrantHistory,
) -> Vec<Entrant> {
    let settings = search.settings();
    if settings.space != Space::Cells {
        return Vec::new(); // This space has no network that could be trained.
    }
    let ranked = ranking.iter().filter(|ranked| ranked.loss.is_finite()).map(|ranked| Entrant {
        source: EntrantSource::Ranking,
        individual: ranked.individual,
        generation: settings.generations,
        position: search.state().population[ranked.individual].position.clone(),
        loss: ranked.loss,
    });
    let within = |e: &Entrant| settings.limits.violation(settings.space, &e.position) == 0.0;
    let mut ranked: Vec<_> = ranked.collect();
    if ranked.iter().any(within) || !history.best.is_empty() {
        ranked.retain(within);
    }
    let mut chosen: Vec<Entrant> = Vec::new();
    let mut add = |from: &[Entrant], most: usize| {
        for entrant in from {
            if chosen.len() < most && !chosen.iter().any(|other| same(other, entrant)) {
                chosen.push(entrant.clone());
            }
        }
    };
    add(&ranked, count.div_ceil(2));
    add(&history.best, count);
    add(&ranked, count);
    chosen
}
