//! The finals as a table: which entrants were trained from scratch, for how long, and which went on.

use relativenas_core::{
    finals::{EntrantSource, TrainingWork},
    search::SearchSettings,
    view::{FinalsView, SearchView},
};

use super::{
    document::{Block, Table, number, words},
    figures::{UNKNOWN, counted, fixed, loss, or_unknown, percent},
    statistics::Spread,
};
use crate::written::thousands;

/// The part of a report about the finals of a search; empty if it has none.
pub fn blocks(search: &SearchView) -> Vec<Block> {
    let Some(finals) = &search.finals else {
        return Vec::new();
    };
    let mut blocks = vec![Block::Text(rules(search, finals))];
    if !finals.ended {
        blocks.push(Block::Note("The finals are not over.".to_owned()));
    } else if finals.winner.is_none() {
        let text = "No figure of the finals is a number; the search's own ranking stands.";
        blocks.push(Block::Note(text.to_owned()));
    }
    let several = finals.settings.several_seeds().is_some();
    let mut columns = vec![
        number("Round"),
        number("Epochs"),
        number("Individual"),
        words("Chosen by"),
        number("Of generation"),
        number("Loss in the search"),
        number("Summed training loss"),
        number("Validation loss"),
        number("Accuracy"),
        words("Then"),
    ];
    if several {
        columns.insert(columns.len() - 1, number("± of what decides"));
    }
    blocks.push(Table::block(&columns, rows(finals)));
    blocks
}

fn rules(search: &SearchView, finals: &FinalsView) -> String {
    let settings = finals.settings;
    let (train, valid) = (search.images.train, search.images.valid);
    let work = finals.work();
    let (trained, validated) = work.images(train, valid);
    let SearchSettings { population, generations, warm_up, one_shot, .. } = search.settings;
    let budget = TrainingWork::of_search(population, generations, warm_up, one_shot);
    format!(
        "{} of the search were trained from scratch on its training half, in its network: {} at first, and after every \
         round the better half began anew with three times as many. Judged by {}; no test image was looked at. That \
         took {} training images and {} validation images, {} of the search's own.{}",
        counted(finals.entrants.len(), "architecture"),
        counted(settings.epochs as usize, "epoch"),
        settings.judge.words(),
        thousands(trained),
        thousands(validated),
        percent(100.0 * work.share_of(budget, train, valid)),
        match settings.several_seeds() {
            None => String::new(),
            Some(seeds) => format!(
                " Each was trained with {seeds} seeds in a round; the table shows means over them, which decide, and the \
                 sample standard deviation of the figure that decides."
            ),
        }
    )
}

/// A row for each entrant that was trained; in each round, entrants that go on come first.
fn rows(finals: &FinalsView) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for round in 0..=finals.round() {
        let survivors = finals.rounds.get(round as usize);
        let mut going = finals.going(round);
        if let Some(survivors) = survivors {
            let place = |entrant: &usize| survivors.iter().position(|s| s == entrant);
            going.sort_by_key(|entrant| place(entrant).unwrap_or(usize::MAX));
        }
        rows.extend(going.into_iter().filter_map(|entrant| row(finals, round, entrant)));
    }
    rows
}

fn row(finals: &FinalsView, round: u32, place: usize) -> Option<Vec<String>> {
    let entrant = finals.entrants.get(place)?;
    let mean = finals.figures(round, place);
    let figures = mean.as_ref();
    let then = match finals.rounds.get(round as usize) {
        None => UNKNOWN,
        Some(survivors) if !survivors.contains(&place) => "out",
        Some(_) if finals.winner == Some(place) && round == finals.round() => "wins",
        Some(_) => "goes on",
    };
    let chosen = match entrant.source {
        EntrantSource::Ranking => "the ranking",
        EntrantSource::Search => "a loss on the way",
    };
    let mut row = vec![
        (round + 1).to_string(),
        finals.settings.epochs_of(round).to_string(),
        entrant.individual.to_string(),
        chosen.to_owned(),
        entrant.generation.to_string(),
        loss(entrant.loss.0),
        or_unknown(figures, |f| fixed(f.train_losses.iter().map(|loss| loss.0).sum(), 4)),
        or_unknown(figures, |f| loss(f.loss.0)),
        or_unknown(figures, |f| percent(f.accuracy)),
    ];
    if finals.settings.several_seeds().is_some() {
        let judged = finals.seeds(round, place).map(|f| f.judged(finals.settings.judge).0);
        row.push(or_unknown(Spread::of(judged).and_then(|s| s.deviation), |d| fixed(d, 4)));
    }
    row.push(then.to_owned());
    Some(row)
}
