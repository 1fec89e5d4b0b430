//! What a run found, as text in the formats that other programs read.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use relativenas_core::{
    config::{Config, RetrainConfig},
    genotype::{Genotype, GenotypeFormat},
    network::NetworkShape,
    picture,
    population::IndividualId,
    pytorch,
    space::Space,
    tabular,
    view::{RunView, SearchView},
};

use crate::{arguments::Format, failure::misuse};

/// The architecture vector of a rank, counted from 1. Rank 1 is the winner; where the finals chose it, it may no
/// longer be in the last population.
///
/// # Errors
/// If there is no such rank, or ranks mean nothing because no loss is a number.
pub fn of_rank(search: &SearchView, rank: usize) -> Result<&[f64]> {
    has_winner(search, "one")?;
    let placed = search.placed();
    rank.checked_sub(1)
        .and_then(|i| placed.get(i))
        .map(|&(_, position)| position)
        .ok_or_else(|| misuse(format!("--rank {rank}: ranks go from 1 to {}", placed.len())))
}

/// Checks that a search has a winner; `what` names in the error what can be written even without one.
///
/// # Errors
/// If no loss of the search is a number.
pub fn has_winner(search: &SearchView, what: &str) -> Result<()> {
    ensure!(
        !search.has_no_winner(),
        "the search has no winner: no loss is a number, so no rank means anything; --individual N writes {what} all \
         the same"
    );
    Ok(())
}

/// The architecture vector of an individual, counted from 0.
pub fn of_individual(search: &SearchView, individual: IndividualId) -> Result<&[f64]> {
    let found = search.individual(individual).map(|individual| individual.position.as_slice());
    found.ok_or_else(|| {
        let last = search.population.len().saturating_sub(1);
        misuse(format!("--individual {individual}: individuals go from 0 to {last}"))
    })
}

/// An architecture vector of a search in one of the formats that hold an architecture.
///
/// # Errors
/// If it is no vector of the search's space, or the format cannot hold an architecture of it.
pub fn vector_as(
    search: &SearchView,
    position: &[f64],
    format: Format,
    network: &FullNetwork,
) -> Result<String> {
    let edges = match search.settings.space {
        Space::Cells => None,
        Space::NasBench201 => tabular::decode(position).ok(),
    };
    match (edges, format) {
        (None, _) => Ok(written_as(&Genotype::decode(position)?, format, network)),
        (Some(edges), Format::Darts) => Ok(tabular::architecture(&edges) + "\n"),
        (Some(edges), Format::Json) => Ok(edges_json(&edges) + "\n"),
        (Some(_), _) => Err(misuse(
            "an architecture of NAS-Bench-201 is written as darts (its published string) or json; the curves as csv",
        )),
    }
}

/// An architecture of NAS-Bench-201 as a JSON object.
pub fn edges_json(edges: &[usize; tabular::EDGES]) -> String {
    let json = serde_json::json!({
        "space": Space::NasBench201,
        "architecture": tabular::architecture(edges),
        "operations": edges.map(|index| tabular::OPERATIONS[index]),
    });
    json.to_string()
}

/// The network that a genotype of a run is trained as.
pub struct FullNetwork {
    shape: NetworkShape,
    auxiliary: bool,
    /// Whether a Python file has the backbone too.
    pub features: bool,
}

impl FullNetwork {
    /// The network of a training; for a search, the network in its settings for retraining.
    pub fn of(config: &Config, view: &RunView) -> Self {
        let RetrainConfig { kind, channels, cells, auxiliary, .. } = config.retrain;
        let classes = view.search.as_ref().map_or(10, |search| search.images.classes);
        let planned = NetworkShape { kind, channels, cells, classes };
        Self {
            shape: view.training.as_ref().map_or(planned, |training| training.network),
            auxiliary,
            features: false,
        }
    }
}

/// A genotype in one of the formats that hold one.
pub fn written_as(genotype: &Genotype, format: Format, network: &FullNetwork) -> String {
    match format {
        Format::Darts => genotype.format(GenotypeFormat::Darts),
        Format::Json => genotype.format(GenotypeFormat::Json),
        Format::Toml => genotype.format(GenotypeFormat::Toml),
        Format::Dot => picture::dot(genotype),
        Format::Svg => picture::svg(genotype),
        Format::Pytorch if network.features => pytorch::features(genotype, &network.shape, network.auxiliary),
        Format::Pytorch => pytorch::module(genotype, &network.shape, network.auxiliary),
        // A genotype has neither curves nor weights.
        Format::Csv | Format::Onnx => String::new(),
    }
}

/// The curves as comma-separated values, with a line for each generation or epoch.
pub fn curves(view: &RunView) -> String {
    let mut text = String::new();
    if let Some(training) = &view.training {
        let metric = training.task.metric();
        text +=
            &format!("epoch,learning_rate,drop_path,train_loss,train_{metric},valid_loss,valid_{metric}\n");
        for e in &training.history {
            let row = [
                e.learning_rate,
                e.drop_path,
                e.train_loss.0,
                e.train_accuracy,
                e.valid_loss.0,
                e.valid_accuracy,
            ];
            let _ = writeln!(text, "{},{}", e.epoch, joined(&row));
        }
        return text;
    }
    text += "generation,fast_loss,slow_loss,mean_loss,best_loss,accuracy,best_accuracy,train_loss,diversity,\
             hit_rate,learning_rate,not_numbers\n";
    for g in view.search.iter().flat_map(|s| &s.generations) {
        let hit_rate = g.hits.rate().unwrap_or(f64::NAN);
        let row = [
            g.fast,
            g.slow,
            g.mean,
            g.best,
            g.accuracy,
            g.best_accuracy,
            g.train,
            g.diversity,
            hit_rate,
            g.learning_rate,
        ];
        let _ = writeln!(text, "{},{},{}", g.generation, joined(&row), g.not_numbers);
    }
    text
}

/// What is not a number is an empty field, as spreadsheets expect.
fn joined(row: &[f64]) -> String {
    let fields: Vec<_> =
        row.iter().map(|x| if x.is_finite() { x.to_string() } else { String::new() }).collect();
    fields.join(",")
}

#[cfg(test)]
mod tests {
    use relativenas_core::loss::Loss;

    use super::*;
    use crate::fixture;

    fn finished() -> (tempfile::TempDir, RunView) {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        fixture::write_log(&folder, &fixture::log(3));
        let view = folder.view().expect("readable");
        (runs, view)
    }

    #[test]
    fn ranks_follow_the_result_and_are_checked() {
        let (_runs, view) = finished();
        let search = view.search.expect("a search");
        let winner = of_individual(&search, search.ranking[0].individual).expect("there");
        assert_eq!(of_rank(&search, 1).expect("the winner"), winner);
        let error = |r: Result<&[f64]>| r.expect_err("out of range").to_string();
        assert_eq!(error(of_rank(&search, 0)), "--rank 0: ranks go from 1 to 4");
        assert_eq!(error(of_rank(&search, 5)), "--rank 5: ranks go from 1 to 4");
        assert_eq!(
            error(of_individual(&search, IndividualId(4))),
            "--individual 4: individuals go from 0 to 3"
        );
    }

    #[test]
    fn a_search_without_a_winner_has_no_ranks_but_individuals() {
        let (_runs, mut view) = finished();
        let search = view.search.as_mut().expect("a search");
        search.ranking.iter_mut().for_each(|place| place.loss = Loss::NAN);
        let error = of_rank(search, 1).expect_err("no winner").to_string();
        assert!(error.starts_with("the search has no winner: no loss is a number"), "{error}");
        of_individual(search, IndividualId(0)).expect("an individual all the same");
    }

    #[test]
    fn the_first_rank_is_the_winner_of_finals_and_the_ranking_follows() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        fixture::write_log(&folder, &fixture::log_with_finals());
        let view = folder.view().expect("readable");
        let search = view.search.as_ref().expect("a search");
        let winner = search.winner().expect("finished");
        assert_eq!(of_rank(search, 1).expect("the winner"), winner.position);
        assert_eq!(search.leader().expect("the winner").position, winner.position);
        let last = search.ranking.last().expect("ranked").individual;
        let rank = search.placed().len();
        assert_eq!(of_rank(search, rank).expect("the last"), search.population[last].position);
        let network = FullNetwork::of(&fixture::config(), &view);
        let text = vector_as(search, &winner.position, Format::Darts, &network).expect("a cell");
        assert_eq!(Genotype::parse(&text).ok(), Genotype::decode(&winner.position).ok());
    }

    #[test]
    fn what_is_exported_is_read_back() {
        let (_runs, view) = finished();
        let genotype = view.search.as_ref().expect("a search").genotype(IndividualId(0)).expect("there");
        let network = FullNetwork::of(&fixture::config(), &view);
        for format in [Format::Darts, Format::Json, Format::Toml] {
            assert_eq!(Genotype::parse(&written_as(&genotype, format, &network)).as_ref(), Ok(&genotype));
        }
    }

    #[test]
    fn curves_have_a_line_a_generation_and_gaps_where_there_is_no_number() {
        let (_runs, mut view) = finished();
        view.search.as_mut().expect("a search").generations[1].slow = f64::NAN;
        let text = curves(&view);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        let columns = lines[0].split(',').count();
        assert!(lines.iter().all(|l| l.split(',').count() == columns), "{text}");
        assert_eq!(lines[2].split(',').nth(2), Some(""));
    }
}
