//! The architectures of a whole search, for a probe that ranks some of them.
//!
//! The last population of a search covers a narrow range: where all architectures are about equally good, no
//! estimate can rank them well. Architectures of all generations cover a wider range, so both together
//! distinguish a poor estimate from a narrow range.

use std::collections::BTreeSet;

use super::DRAWN;
use crate::{
    event::Event,
    randomness::{Purpose, Streams},
    space::{Space, VectorError},
};

/// All distinct architectures that the individuals of a search had, in the order of its events.
#[derive(Clone, Debug)]
pub struct Searched {
    space: Space,
    /// The architectures as decoded choices, because several vectors have the same architecture.
    known: BTreeSet<Vec<usize>>,
    positions: Vec<Vec<f64>>,
}

impl Searched {
    pub fn new(space: Space) -> Self {
        Self { space, known: BTreeSet::new(), positions: Vec::new() }
    }

    /// Adds the architectures of an event. Networks of a warm-up are not individuals, and do not count.
    ///
    /// # Errors
    /// If the event has a vector outside of the space.
    pub fn note(&mut self, event: &Event) -> Result<(), VectorError> {
        match event {
            Event::PopulationSampled { positions } => self.take(positions),
            Event::PairCompared { learners, .. } => self.take(learners.iter().map(|l| &l.position)),
            Event::GenerationFinished { moves, .. } => self.take(moves.iter().map(|m| &m.position)),
            Event::IndividualInjected { position, .. } => self.take([position]),
            _ => Ok(()),
        }
    }

    fn take<'a>(&mut self, positions: impl IntoIterator<Item = &'a Vec<f64>>) -> Result<(), VectorError> {
        for position in positions {
            if self.known.insert(self.space.decode(position)?) {
                self.positions.push(position.clone());
            }
        }
        Ok(())
    }

    /// The number of distinct architectures.
    pub fn distinct(&self) -> usize {
        self.positions.len()
    }

    /// Draws `count` of them, each with the same probability; all if there are no more.
    pub fn draw(&self, streams: &Streams, generation: u32, count: usize) -> Vec<Vec<f64>> {
        let mut stream = streams.stream(Purpose::Probe, u64::from(generation), DRAWN);
        let order = stream.order(self.positions.len());
        order.into_iter().take(count).map(|place| self.positions[place].clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Move;
    use crate::population::IndividualId;

    const SPACE: Space = Space::NasBench201;

    /// A vector whose first two genes lie somewhere in the intervals of these choices.
    fn cell(first: usize, second: usize, within: f64) -> Vec<f64> {
        let mut position = vec![0.5; 6];
        (position[0], position[1]) = (first as f64 + within, second as f64 + within);
        position
    }

    fn searched() -> Searched {
        let mut searched = Searched::new(SPACE);
        let moved = |position| Move { individual: IndividualId(0), position, velocity: vec![0.0; 6] };
        let moves = vec![moved(cell(0, 0, 0.3)), moved(cell(0, 2, 0.5))];
        for event in [
            Event::PopulationSampled { positions: vec![cell(0, 0, 0.5), cell(0, 1, 0.5)] },
            Event::GenerationFinished { generation: 0, diversity: 1.0, moves },
            Event::IndividualInjected { individual: IndividualId(1), position: cell(1, 1, 0.9) },
            Event::IndividualInjected { individual: IndividualId(0), position: cell(0, 1, 0.9) },
        ] {
            searched.note(&event).expect("in the space");
        }
        searched
    }

    #[test]
    fn vectors_that_mean_the_same_architecture_count_once() {
        let searched = searched();
        assert_eq!(searched.distinct(), 4);
        let expected = [cell(0, 0, 0.5), cell(0, 1, 0.5), cell(0, 2, 0.5), cell(1, 1, 0.9)];
        let mut all = searched.draw(&Streams::new(1), 2, 99);
        all.sort_by(|a, b| a.partial_cmp(b).expect("numbers"));
        assert_eq!(all, expected);
    }

    #[test]
    fn any_architecture_is_as_likely_to_be_drawn_and_a_seed_draws_the_same() {
        let searched = searched();
        let draw = |seed| searched.draw(&Streams::new(seed), 2, 2);
        assert_eq!(draw(3), draw(3));
        let mut drawn = [0; 4];
        for seed in 0..400 {
            let both = draw(seed);
            assert_ne!(both[0], both[1]);
            for position in both {
                drawn[searched.positions.iter().position(|p| *p == position).expect("of these")] += 1;
            }
        }
        // Each is expected 200 times, with a standard deviation of 10.
        assert!(drawn.iter().all(|&times| times > 160), "{drawn:?}");
    }

    #[test]
    fn a_vector_from_outside_the_space_is_refused() {
        let event = Event::IndividualInjected { individual: IndividualId(0), position: vec![0.5; 32] };
        assert!(Searched::new(SPACE).note(&event).is_err());
    }
}
