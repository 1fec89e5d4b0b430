//! The finals of a search, printed without a screen.

use std::cmp::Ordering;

use relativenas_core::view::{FinalsView, Winner, WinnerSource};

/// Every round with its trainings, the best first; those that go on stand before those that do not.
pub fn bracket(finals: &FinalsView) -> String {
    let mut text = format!("finals, by {}{}:\n", finals.settings.judge.words(), finals.settings.means());
    for (round, survivors) in (0..).zip(&finals.rounds) {
        let mut out = finals.going(round);
        out.retain(|place| !survivors.contains(place));
        let judged = |place: usize| Some(finals.figures(round, place)?.judged(finals.settings.judge));
        out.sort_by(|a, b| judged(*a).zip(judged(*b)).map_or(Ordering::Equal, |(a, b)| a.order(b)));
        let listed = |places: &[usize]| {
            let line = |&place: &usize| {
                Some(format!("{} {:.4}", finals.entrants.get(place)?.name(), judged(place)?.0))
            };
            places.iter().filter_map(line).collect::<Vec<_>>().join(", ")
        };
        text += &format!("  {:>3} epochs", finals.settings.epochs_of(round));
        for (begin, places) in [("  ", survivors), ("  out: ", &out)] {
            if !places.is_empty() {
                text += &format!("{begin}{}", listed(places));
            }
        }
        text.push('\n');
    }
    text
}

/// The winner and what decided that it won, in a sentence.
pub fn winner(winner: &Winner) -> String {
    let Winner { individual, generation, loss, accuracy, .. } = winner;
    let by = match winner.source {
        WinnerSource::Finals => "the finals",
        WinnerSource::Ranking => "the ranking",
        WinnerSource::Search => "the searcher's own rule",
    };
    format!(
        "{individual:02}, as it was in generation {generation}, wins by {by}: loss {loss:.4}, \
         {accuracy:.2} %\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn every_round_is_told_and_who_won() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        fixture::write_log(&folder, &fixture::log_with_finals());
        let search = folder.view().expect("readable").search.expect("a search");
        let finals = search.finals.as_ref().expect("finals");
        insta::assert_snapshot!(bracket(finals) + &winner(&search.winner().expect("finished")), @r"
        finals, by training loss summed over epochs:
            3 epochs  01 of g1 2.0100, 02 of g1 2.3100  out: 01 2.6100, 03 2.9100
            9 epochs  01 of g1 5.4900  out: 02 of g1 6.3900
        01, as it was in generation 1, wins by the finals: loss 0.6600, 60.00 %
        ");
    }

    #[test]
    fn of_several_seeds_the_means_are_told() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        fixture::write_log(&folder, &fixture::log_with_finals_of(3));
        let search = folder.view().expect("readable").search.expect("a search");
        let finals = search.finals.as_ref().expect("finals");
        insta::assert_snapshot!(bracket(finals) + &winner(&search.winner().expect("finished")), @r"
        finals, by training loss summed over epochs, means over 3 seeds:
            3 epochs  01 of g1 2.0700, 02 of g1 2.3700  out: 01 2.6700, 03 2.9700
            9 epochs  01 of g1 5.6700  out: 02 of g1 6.5700
        01, as it was in generation 1, wins by the finals: loss 0.6800, 60.00 %
        ");
    }
}
