//! The warm-up in a view: the networks that trained the weight set before any comparison.

use super::{SearchView, Tone, log::counted, summary::warmed_hits};
use crate::{
    event::{Event, Trainee},
    genotype::Genotype,
    population::IndividualId,
    weight_set::WeightKey,
};

impl SearchView {
    /// Whether the current generation only trains the weight set.
    pub fn is_warming_up(&self) -> bool {
        self.generation < self.settings.warm_up
    }

    /// The number of pairs of the current generation that are done: compared or, in a warm-up, trained.
    pub fn pairs_done(&self) -> usize {
        if self.is_warming_up() { self.warmed.len() } else { self.compared.len() }
    }

    pub(super) fn warm(&mut self, generation: u32, trained: &[Trainee], gives: &[usize]) {
        self.evaluations = self.evaluations.saturating_add(trained.len() as u64);
        self.hits += warmed_hits(trained);
        if let Some(shape) = self.network {
            let held: Vec<_> = gives
                .iter()
                .filter_map(|&network| {
                    let trainee = trained.iter().find(|trainee| trainee.network == network)?;
                    let mut keys = WeightKey::of_genotype(&Genotype::decode(&trainee.position).ok()?, &shape);
                    keys.sort_unstable();
                    Some((IndividualId(network), keys))
                })
                .collect();
            self.weights.adopt_keys(generation, &held);
        }
        self.warmed.push(trained.to_vec());
    }

    /// The text for an event of a warm-up.
    pub(super) fn warm_up_in_words(&self, event: &Event) -> Option<(Tone, String)> {
        let warm_up = self.settings.warm_up;
        match event {
            Event::GenerationStarted { generation, learning_rate, .. } if *generation < warm_up => Some((
                Tone::Plain,
                format!(
                    "warm-up, generation {generation} of {warm_up} begins: weights are trained, no pair is compared; \
                     learning rate {learning_rate:.4}"
                ),
            )),
            Event::GenerationFinished { generation, .. } if generation.saturating_add(1) < warm_up => {
                Some((Tone::Milestone, format!("warm-up, generation {generation} done")))
            }
            Event::GenerationFinished { generation, .. } if *generation < warm_up => Some((
                Tone::Milestone,
                format!(
                    "the warm-up is over after {}: from here on verdicts move the population",
                    counted(warm_up as usize, "generation")
                ),
            )),
            Event::WeightsWarmed { pair, trained, .. } => Some(in_words(*pair, trained)),
            _ => None,
        }
    }
}

fn in_words(pair: usize, trained: &[Trainee]) -> (Tone, String) {
    if let Some(lost) = trained.iter().find(|trainee| !trainee.train_loss.is_finite()) {
        let text = format!(
            "warm-up, pair {pair}: the training loss of network {:02} is not a number; its weights are not kept",
            lost.network
        );
        return (Tone::Warning, text);
    }
    let losses: Vec<_> = trained.iter().map(|trainee| format!("{:.3}", trainee.train_loss)).collect();
    (Tone::Plain, format!("warm-up, pair {pair} trained: training loss {}", losses.join(" and ")))
}

#[cfg(test)]
mod tests {
    use crate::event::Line;
    use crate::{
        network::{NetworkKind, NetworkShape},
        search::SearchSettings,
        space::Space,
        view::{Phase, RunView, fixture},
    };

    /// A search whose first two of four generations are the warm-up, after this many pairs.
    fn view(pairs: usize) -> RunView {
        let settings =
            SearchSettings { warm_up: 2, ..fixture::settings(Space::Cells, Default::default(), 4, 4) };
        let network = NetworkShape { kind: NetworkKind::Cifar, channels: 4, cells: 3, classes: 10 };
        let mut view = RunView::default();
        fixture::play(settings, Some(network), pairs, |events| {
            for event in events {
                view.apply(&Line { seq: view.events, time: 0, event }).expect("in order");
            }
        });
        view
    }

    #[test]
    fn losses_of_a_warm_up_are_nobodys_and_its_weights_everybodys() {
        let view = view(4);
        let search = view.search.as_ref().expect("a search");
        assert!(search.best.is_none() && search.leader().is_none() && search.compared.is_empty());
        assert!(search.population.iter().all(|place| place.learner.is_none() && place.moved_from.is_none()));
        for generation in &search.generations {
            let judgements = [generation.fast, generation.slow, generation.mean, generation.best];
            assert!(judgements.iter().all(|value| value.is_nan()), "{generation:?}");
            assert!(generation.accuracy.is_nan() && generation.train == 0.5, "{generation:?}");
            assert_eq!((generation.hits.hits, generation.not_numbers), (12, 0));
        }
        assert_eq!(search.evaluations, 8);
        assert!(!search.weights.is_empty());
    }

    #[test]
    fn a_warm_up_says_that_it_is_one_until_it_is_over() {
        assert_eq!(view(3).phase(), Phase::WarmUp);
        assert_eq!(view(3).search.map(|search| (search.pairs_done(), search.warmed.len())), Some((1, 1)));
        assert_eq!(view(4).phase(), Phase::Searching);
        let said: Vec<_> = view(4).log.iter().map(|line| line.text.clone()).collect();
        let expected = [
            "slow-fast search on images: 4 individuals, 4 generations, of them 2 of warm-up, seed 3",
            "4 positions drawn",
            "warm-up, generation 0 of 2 begins: weights are trained, no pair is compared; learning rate 0.0000",
            "warm-up, pair 0 trained: training loss 0.500 and 0.500",
            "warm-up, pair 1 trained: training loss 0.500 and 0.500",
            "warm-up, generation 0 done",
            "warm-up, generation 1 of 2 begins: weights are trained, no pair is compared; learning rate 0.0000",
            "warm-up, pair 0 trained: training loss 0.500 and 0.500",
            "warm-up, pair 1 trained: training loss 0.500 and 0.500",
            "the warm-up is over after 2 generations: from here on verdicts move the population",
            "generation 2 begins, learning rate 0.0000",
        ];
        assert_eq!(said, expected);
    }
}
