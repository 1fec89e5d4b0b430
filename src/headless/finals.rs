//! The finals of a search, for whoever has no screen.

use relativenas_core::view::{FinalsView, SearchView, Winner, WinnerSource};

/// Every round with its trainings, the best first; who goes on stands before who does not.
pub fn bracket(search: &SearchView, finals: &FinalsView) -> String {
    let mut text = format!("finals, by {}:\n", finals.settings.judge.words());
    for (round, survivors) in (0..).zip(&finals.rounds) {
        let going = finals.going(round);
        let out = going.iter().filter(|place| !survivors.contains(place));
        let line = |place: &usize| {
            finals.figures(round, *place).map(|figures| {
                let figure = figures.judged(finals.settings.judge).0;
                format!("{} {figure:.4}", name(search, finals, *place))
            })
        };
        let listed = |places: Vec<&usize>| places.into_iter().filter_map(line).collect::<Vec<_>>().join(", ");
        text += &format!(
            "  {:>3} epochs  {}",
            finals.settings.epochs_of(round),
            listed(survivors.iter().collect())
        );
        let out = listed(out.collect());
        text += &if out.is_empty() { "\n".to_owned() } else { format!("  out: {out}\n") };
    }
    text
}

/// Who won by what, in a sentence.
pub fn winner(winner: &Winner) -> String {
    let Winner { individual, generation, loss, accuracy, .. } = winner;
    let by = match winner.source {
        WinnerSource::Finals => "the finals",
        WinnerSource::Ranking => "the ranking",
        WinnerSource::Search => "the searcher's own rule",
    };
    format!(
        "{individual:02}, as it was in generation {generation}, wins by {by}: validation loss {loss:.4}, \
         {accuracy:.2} %\n"
    )
}

/// An entrant in three or more letters: the individual, and its generation where the population has left it.
fn name(search: &SearchView, finals: &FinalsView, place: usize) -> String {
    match finals.entrants.get(place) {
        Some(entrant) if entrant.generation < search.settings.generations => {
            format!("{:02}@{}", entrant.individual, entrant.generation)
        }
        Some(entrant) => format!("{:02}", entrant.individual),
        None => String::new(),
    }
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
        insta::assert_snapshot!(bracket(&search, finals) + &winner(&search.winner().expect("finished")), @"");
    }
}
