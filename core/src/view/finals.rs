//! The finals as their events tell them, and the winner of a search.

use serde::Serialize;

use crate::{
    event::Event,
    finals::{Entrant, Figures, FinalsSettings, TrainingWork, rounds_of},
    genotype::Genotype,
    loss::Loss,
    population::IndividualId,
    searcher::SearcherKind,
};

use super::{
    SearchView,
    log::{Tone, counted},
};

/// The state of the finals as the events of a search tell it.
#[derive(Clone, Debug, PartialEq)]
pub struct FinalsView {
    pub settings: FinalsSettings,
    pub entrants: Vec<Entrant>,
    /// Finished trainings from scratch, in order.
    pub trained: Vec<Finalist>,
    /// The entrants that survived each finished round, as indices, the best first.
    pub rounds: Vec<Vec<usize>>,
    /// The entrant that won, as an index; `None` before the end, and if no figure was a number.
    pub winner: Option<usize>,
    pub ended: bool,
}

/// A training from scratch.
#[derive(Clone, Debug, PartialEq)]
pub struct Finalist {
    pub round: u32,
    /// The entrant, as an index.
    pub entrant: usize,
    /// The number of the seed among those of the round, counted from 0.
    pub seed: u32,
    pub epochs: u32,
    pub figures: Figures,
}

/// The part of a search that decided its winner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WinnerSource {
    /// The finals, in which entrants are trained from scratch.
    Finals,
    /// The search's own ranking after the last generation.
    Ranking,
    /// The searcher's own rule, such as the size of the largest network.
    Search,
}

impl WinnerSource {
    /// What decides the winner of a search without finals.
    pub(super) fn of_ranking(searcher: SearcherKind) -> Self {
        if searcher.ranks_by_loss() { Self::Ranking } else { Self::Search }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Finals => "finals",
            Self::Ranking => "ranking",
            Self::Search => "search",
        }
    }
}

/// The winner of a finished search.
#[derive(Clone, Debug, PartialEq)]
pub struct Winner {
    pub source: WinnerSource,
    pub individual: IndividualId,
    /// The generation in which the individual was this architecture; for the last population, the number of
    /// generations.
    pub generation: u32,
    pub position: Vec<f64>,
    /// The loss on the validation half: for a winner of finals that of the last round (the mean over its
    /// seeds), else that of the search.
    pub loss: Loss,
    /// The accuracy in the same estimate, in per cent.
    pub accuracy: f64,
}

impl FinalsView {
    /// The entrants that are trained in a round (counted from 0), as indices in order; empty if it has not
    /// begun.
    pub fn going(&self, round: u32) -> Vec<usize> {
        match round.checked_sub(1) {
            None => (0..self.entrants.len()).collect(),
            Some(before) => self.rounds.get(before as usize).cloned().unwrap_or_default(),
        }
    }

    /// The figures of an entrant's finished trainings in a round, in the order of their seeds.
    pub fn seeds(&self, round: u32, entrant: usize) -> impl Iterator<Item = &Figures> {
        let its = move |t: &&Finalist| (t.round, t.entrant) == (round, entrant);
        self.trained.iter().filter(its).map(|t| &t.figures)
    }

    /// The mean figures of an entrant's finished trainings in a round.
    pub fn figures(&self, round: u32, entrant: usize) -> Option<Figures> {
        Figures::mean(self.seeds(round, entrant))
    }

    /// The number of trainings of a round (counted from 0), if it has begun.
    pub fn trainings(&self, round: u32) -> usize {
        self.settings.trainings_of(self.going(round).len())
    }

    /// The number of the seed in progress, counted from 1; after the end, that of the last seed.
    pub fn seed(&self) -> u32 {
        let round = self.round();
        let trained = self.trained.iter().filter(|trained| trained.round == round).count();
        let done = trained.checked_div(self.going(round).len()).unwrap_or(0);
        (done as u32).saturating_add(1).min(self.settings.seeds)
    }

    /// The round in progress, counted from 0; after the end, the last.
    pub fn round(&self) -> u32 {
        (self.rounds.len() as u32).saturating_sub(u32::from(self.ended))
    }

    /// The number of rounds if every figure is a number.
    pub fn rounds_in_all(&self) -> u32 {
        rounds_of(self.entrants.len())
    }

    /// The work of the finished trainings.
    pub fn work(&self) -> TrainingWork {
        let epochs =
            self.trained.iter().map(|trained| u64::from(trained.epochs)).fold(0, u64::saturating_add);
        TrainingWork { trainings: self.trained.len() as u64, epochs }
    }

    /// The winner of the finals with its mean figures in the last round; `None` before the end, and if no
    /// figure was a number.
    pub(super) fn won(&self) -> Option<(&Entrant, Figures)> {
        let place = self.winner?;
        let last = self.trained.iter().rev().find(|trained| trained.entrant == place)?;
        Some((self.entrants.get(place)?, self.figures(last.round, place)?))
    }
}

impl SearchView {
    /// The winner: of the finals, or, without finals, of the ranking. `None` before the end, and if no loss
    /// is a number.
    pub fn winner(&self) -> Option<Winner> {
        let first = self.ranking.first()?;
        let of_finals = self.finals.as_ref().and_then(FinalsView::won);
        if of_finals.is_none() && !first.loss.is_finite() {
            return None; // Without a loss that is a number there is no winner.
        }
        let leader = self.leader()?;
        Some(Winner {
            source: leader.source?,
            individual: leader.individual,
            generation: leader.generation.unwrap_or(self.settings.generations),
            position: leader.position.to_vec(),
            loss: leader.loss,
            accuracy: leader.accuracy,
        })
    }

    /// The vectors of a search from best to worst, each with its individual: the winner, then all others by
    /// [`SearchView::order`].
    pub fn placed(&self) -> Vec<(IndividualId, &[f64])> {
        let others = self.order().into_iter().map(|i| (i, self.population[i].position.as_slice()));
        let finals = self.finals.as_ref().filter(|_| !self.ranking.is_empty());
        let Some((winner, _)) = finals.and_then(FinalsView::won) else {
            return others.collect();
        };
        let is_winner =
            |other: &[f64]| winner.position == other || same_architecture(&winner.position, other);
        // Several individuals may have the same architecture; only one of them won.
        let mut passed_over = false;
        let others = others.filter(|(_, position)| {
            let skip = !passed_over && is_winner(position);
            passed_over |= skip;
            !skip
        });
        std::iter::once((winner.individual, winner.position.as_slice())).chain(others).collect()
    }

    /// An event of the finals in words, with the names of entrants.
    pub(super) fn finals_in_words(&self, event: &Event) -> Option<(Tone, String)> {
        let finals = self.finals.as_ref()?;
        let name = |place: &usize| finals.entrants.get(*place).map_or_else(String::new, Entrant::name);
        Some(match event {
            Event::FinalistTrained { entrant, seed, epochs, figures, .. } => {
                let tone = if figures.loss.is_finite() { Tone::Plain } else { Tone::Warning };
                let seed = match finals.settings.seeds {
                    0..=1 => String::new(),
                    seeds => format!(", seed {} of {seeds}", seed.saturating_add(1)),
                };
                let text = format!(
                    "{} trained from scratch, {}{seed}: validation loss {:.3}, {:.1} %",
                    name(entrant),
                    counted(*epochs as usize, "epoch"),
                    figures.loss,
                    figures.accuracy
                );
                (tone, text)
            }
            Event::FinalsRoundEnded { round, survivors } => {
                let names: Vec<_> = survivors.iter().map(name).collect();
                let left = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                let text = format!("round {} of the finals is over; left: {left}", round.saturating_add(1));
                (Tone::Milestone, text)
            }
            Event::FinalsEnded { winner: Some(winner) } => {
                (Tone::Milestone, format!("{} wins the finals", name(winner)))
            }
            Event::FinalsEnded { winner: None } => {
                let text = "no figure of the finals is a number; the search's own ranking stands";
                (Tone::Warning, text.to_owned())
            }
            Event::SearchFinished { evaluations, .. } => {
                let winner = name(finals.winner.as_ref()?);
                (
                    Tone::Milestone,
                    format!("search done after {evaluations} estimations and finals: {winner} wins"),
                )
            }
            _ => return None,
        })
    }

    pub(super) fn apply_finals(&mut self, event: &Event) {
        if let Event::FinalsBegan { settings, entrants } = event {
            self.finals = Some(FinalsView {
                settings: *settings,
                entrants: entrants.clone(),
                trained: Vec::new(),
                rounds: Vec::new(),
                winner: None,
                ended: false,
            });
        }
        let Some(finals) = &mut self.finals else {
            return;
        };
        match event {
            Event::FinalistTrained { round, entrant, seed, epochs, figures } => {
                finals.trained.push(Finalist {
                    round: *round,
                    entrant: *entrant,
                    seed: *seed,
                    epochs: *epochs,
                    figures: figures.clone(),
                })
            }
            Event::FinalsRoundEnded { survivors, .. } => finals.rounds.push(survivors.clone()),
            Event::FinalsEnded { winner } => {
                finals.winner = *winner;
                finals.ended = true;
            }
            _ => {}
        }
    }

    /// Why an event of the finals cannot have happened; `None` if it can.
    pub(super) fn problem_of_finals(&self, event: &Event) -> Option<String> {
        let count = self.finals.as_ref().map(|finals| finals.entrants.len());
        let unknown = |place: usize| match count {
            None => Some("no finals have begun".to_owned()),
            Some(count) => (place >= count).then(|| format!("it names entrant {place} of {count}")),
        };
        match event {
            Event::FinalistTrained { entrant, .. } => unknown(*entrant),
            Event::FinalsRoundEnded { survivors, .. } => survivors.iter().find_map(|&place| unknown(place)),
            Event::FinalsEnded { winner } => winner.and_then(unknown),
            _ => None,
        }
    }
}

fn same_architecture(a: &[f64], b: &[f64]) -> bool {
    matches!((Genotype::decode(a), Genotype::decode(b)), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{Images, Line},
        finals::{EntrantSource, Judge},
        loss::Loss,
        search::{Ask, Estimate, Search, SearchSettings},
        space::Space,
        view::{Phase, RunView, ViewError},
    };

    fn tell(view: &mut RunView, event: Event) -> Result<(), ViewError> {
        view.apply(&Line { seq: view.events, time: 0, event })
    }

    /// A search of four individuals up to its end, and the event that ends it.
    fn ranked() -> (RunView, Event) {
        let settings = SearchSettings {
            space: Space::Cells,
            searcher: Default::default(),
            population: 4,
            pairs_at_once: 1,
            generations: 1,
            seed: 1,
            mutation: 0.0,
            warm_up: 0,
            one_shot: false,
            inherit: true,
            repeat: Default::default(),
            schedule: Default::default(),
            limits: Default::default(),
        };
        let images = Images { name: "images".into(), train: 1, valid: 1, classes: 10 };
        let started = Event::SearchStarted { settings: settings.clone(), network: None, images, batch: 1 };
        let (mut search, events) = Search::new(settings).expect("valid");
        let mut view = RunView::default();
        for event in std::iter::once(started).chain(events) {
            tell(&mut view, event).expect("in order");
        }
        loop {
            let Ask::Estimate(estimation) = search.ask() else { panic!("it ends with an event") };
            let estimate = |loss| Estimate { loss, accuracy: 1.0, train_loss: Loss(1.0), hits: 0, misses: 0 };
            let estimates: Vec<_> =
                estimation.candidates.iter().map(|c| estimate(Loss(c.individual.0 as f64))).collect();
            for event in search.tell(&estimates).1 {
                if matches!(event, Event::SearchFinished { .. }) {
                    return (view, event);
                }
                tell(&mut view, event).expect("in order");
            }
        }
    }

    fn began(view: &RunView) -> Event {
        let search = view.search.as_ref().expect("a search");
        let entrant = |individual: IndividualId| Entrant {
            source: EntrantSource::Ranking,
            individual,
            generation: 1,
            position: search.population[individual].position.clone(),
            loss: Loss(individual.0 as f64),
        };
        let settings = FinalsSettings { architectures: 2, epochs: 1, seeds: 1, judge: Judge::ValidationLoss };
        Event::FinalsBegan { settings, entrants: vec![entrant(IndividualId(0)), entrant(IndividualId(2))] }
    }

    #[test]
    fn the_winner_of_finals_comes_first_and_the_ranking_stays() {
        let (mut view, finished) = ranked();
        let event = began(&view);
        tell(&mut view, event).expect("in order");
        assert_eq!(view.phase(), Phase::Finals);
        for (entrant, loss) in [(0, 0.9), (1, 0.4)] {
            let figures = Figures { train_losses: vec![Loss(1.0)], loss: Loss(loss), accuracy: 60.0 };
            tell(&mut view, Event::FinalistTrained { round: 0, entrant, seed: 0, epochs: 1, figures })
                .expect("in order");
        }
        tell(&mut view, Event::FinalsRoundEnded { round: 0, survivors: vec![1] }).expect("in order");
        tell(&mut view, Event::FinalsEnded { winner: Some(1) }).expect("in order");
        assert_eq!(view.search.as_ref().expect("a search").winner(), None, "not finished yet");
        tell(&mut view, finished).expect("in order");
        assert_eq!(view.phase(), Phase::Finished);
        let search = view.search.as_ref().expect("a search");
        let winner = search.winner().expect("finished");
        assert_eq!(
            (winner.source, winner.individual, winner.loss),
            (WinnerSource::Finals, IndividualId(2), Loss(0.4))
        );
        assert_eq!(search.order(), [0, 1, 2, 3].map(IndividualId), "the search's own");
        assert_eq!(search.placed().iter().map(|p| p.0).collect::<Vec<_>>(), [2, 0, 1, 3].map(IndividualId));
        let said: Vec<_> = view.log.iter().rev().take(4).map(|line| line.text.as_str()).collect();
        assert_eq!(
            said,
            [
                "search done after 4 estimations and finals: 02 wins",
                "02 wins the finals",
                "round 1 of the finals is over; left: 02",
                "02 trained from scratch, 1 epoch: validation loss 0.400, 60.0 %",
            ]
        );
    }

    #[test]
    fn the_figures_of_several_seeds_are_means_of_those_that_are_done() {
        let (mut view, _) = ranked();
        let Event::FinalsBegan { mut settings, entrants } = began(&view) else { panic!("a beginning") };
        settings.seeds = 2;
        tell(&mut view, Event::FinalsBegan { settings, entrants }).expect("in order");
        for (entrant, seed, loss) in [(0, 0, 0.9), (1, 0, 0.4), (0, 1, 0.7)] {
            let figures = Figures { train_losses: vec![Loss(loss)], loss: Loss(loss), accuracy: 60.0 };
            let trained = Event::FinalistTrained { round: 0, entrant, seed, epochs: 1, figures };
            tell(&mut view, trained).expect("in order");
        }
        let said = view.log.back().expect("a line").text.clone();
        assert_eq!(said, "00 trained from scratch, 1 epoch, seed 2 of 2: validation loss 0.700, 60.0 %");
        let finals = view.search.and_then(|search| search.finals).expect("finals");
        let loss = |entrant| finals.figures(0, entrant).map(|figures| figures.loss);
        assert_eq!((loss(0), loss(1)), (Some(Loss(0.8)), Some(Loss(0.4))));
        assert_eq!((finals.seed(), finals.trainings(0), finals.seeds(0, 1).count()), (2, 4, 1));
    }

    #[test]
    fn without_a_winner_of_finals_the_ranking_stands() {
        let (mut view, finished) = ranked();
        let event = began(&view);
        tell(&mut view, event).expect("in order");
        tell(&mut view, Event::FinalsEnded { winner: None }).expect("in order");
        tell(&mut view, finished).expect("in order");
        let search = view.search.expect("a search");
        assert_eq!(
            search.winner().map(|w| (w.source, w.individual)),
            Some((WinnerSource::Ranking, IndividualId(0)))
        );
    }

    #[test]
    fn finals_that_name_an_unknown_entrant_are_refused() {
        let (mut view, _) = ranked();
        let ended = |winner| Event::FinalsEnded { winner };
        assert!(matches!(tell(&mut view, ended(Some(0))), Err(ViewError::Misfit { .. })));
        let event = began(&view);
        tell(&mut view, event).expect("in order");
        assert!(matches!(tell(&mut view, ended(Some(2))), Err(ViewError::Misfit { .. })));
        assert!(tell(&mut view, ended(Some(1))).is_ok());
    }
}
