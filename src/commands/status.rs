//! `status`: the state and progress of a run.

use std::{io::Write, process::ExitCode};

use anyhow::Result;
use relativenas_core::{
    genotype::{Genotype, GenotypeFormat},
    manifest::Job,
    population::IndividualId,
    space::Space,
    tabular,
    view::{RunState, SearchView, Winner, WinnerSource},
};
use serde::Serialize;

use crate::{
    arguments::StatusArguments,
    context::Context,
    engine::liveness::{Liveness, address, liveness},
    folder::RunFolder,
    runs, written,
};

/// The state and progress of a run. Its fields are the keys of `status --json`, on which scripts rely.
#[derive(Debug, PartialEq, Serialize)]
pub struct RunReport {
    pub run: String,
    #[serde(skip)]
    pub job: Job,
    pub phase: RunState,
    /// Generations of a search, epochs of a training.
    pub generation: u32,
    pub generations: u32,
    /// The number of warm-up generations. They come first, and train the weight set without comparing pairs.
    pub warm_up: u32,
    /// Pairs of this generation that were compared, or trained in the warm-up; a training has none.
    pub pair: usize,
    pub pairs: usize,
    pub best_loss: Option<f64>,
    pub diversity: Option<f64>,
    /// The share of inherited operations that had been trained before, in per cent, since the beginning.
    pub hit_rate: Option<f64>,
    /// Seconds since the run last changed.
    pub age_seconds: u64,
    pub alive: bool,
    pub pid: Option<u32>,
    /// What hinders a run, such as a full disk; or why its engine failed.
    pub problem: Option<String>,
    /// The winner of a finished search; `None` before.
    pub winner: Option<WinnerStatus>,
    /// What the best epoch reached; `None` for a search.
    pub metric: Option<MetricStatus>,
}

/// What a training's best epoch reached on validation images.
#[derive(Debug, PartialEq, Serialize)]
pub struct MetricStatus {
    /// The name of the metric: accuracy, map, miou or ap.
    pub name: &'static str,
    /// The metric in per cent; `None` before there is a best epoch, or without validation images.
    pub value: Option<f64>,
}

/// The winner of a search.
#[derive(Debug, PartialEq, Serialize)]
pub struct WinnerStatus {
    /// What decided that it won: finals, ranking (the search's own) or search (a rule of the searcher's own).
    pub source: WinnerSource,
    pub individual: IndividualId,
    pub generation: u32,
    pub loss: f64,
    /// The genotype as DARTS text; in NAS-Bench-201, the architecture string.
    pub genotype: String,
}

impl WinnerStatus {
    fn of(search: &SearchView) -> Option<Self> {
        let Winner { source, individual, generation, position, loss, .. } = search.winner()?;
        let genotype = match search.settings.space {
            Space::Cells => Genotype::decode(&position).ok()?.format(GenotypeFormat::Darts),
            Space::NasBench201 => tabular::architecture(&tabular::decode(&position).ok()?),
        };
        let genotype = genotype.trim_end().to_owned();
        Some(Self { source, individual, generation, loss: loss.0, genotype })
    }
}

/// Prints the state and progress of a run.
pub fn status(context: &Context, arguments: &StatusArguments, out: &mut dyn Write) -> Result<ExitCode> {
    let folder = context.find(&arguments.run.run)?;
    let status = of(&folder)?;
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&status)?)?;
    } else {
        write!(out, "{}", words(&status))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The state of a run by its files and, if an engine works on it, by its engine.
///
/// # Errors
/// If the run's files cannot be read.
pub fn of(folder: &RunFolder) -> Result<RunReport> {
    let manifest = folder.manifest()?;
    let view = folder.view()?;
    let alive = liveness(folder) == Liveness::Alive;
    let (phase, problem) = runs::state_and_problem(&view, alive, folder);
    let mut status = RunReport {
        run: folder.name(),
        job: manifest.job,
        phase,
        problem,
        generation: 0,
        generations: manifest.config.search.generations,
        warm_up: manifest.config.search.warm_up,
        pair: 0,
        pairs: manifest.config.search.population / 2,
        best_loss: runs::best_loss(&view).map(|loss| loss.0),
        diversity: None,
        hit_rate: None,
        age_seconds: written::seconds_since(if view.events == 0 {
            manifest.created
        } else {
            view.changed_at
        }),
        alive,
        pid: address(folder).filter(|_| alive).map(|a| a.pid),
        winner: view.search.as_ref().and_then(WinnerStatus::of),
        metric: view.training.as_ref().map(|training| MetricStatus {
            name: training.task.metric(),
            value: training.best().map(|best| best.valid_accuracy).filter(|value| value.is_finite()),
        }),
    };
    if let Some(search) = &view.search {
        status.generation = search.generation;
        status.generations = search.settings.generations;
        status.pair = search.pairs_done();
        status.warm_up = search.settings.warm_up;
        status.pairs =
            if search.pairs.is_empty() { search.settings.population / 2 } else { search.pairs.len() };
        status.diversity = Some(search.diversity());
        status.hit_rate = search.hits.rate();
    }
    if let Some(training) = &view.training {
        (status.generation, status.generations) = (training.history.len() as u32, training.epochs);
        (status.pair, status.pairs, status.warm_up) = (0, 0, 0);
    }
    Ok(status)
}

fn words(status: &RunReport) -> String {
    let RunReport { generation, generations, warm_up, pair, pairs, .. } = status;
    let mut text = format!("{}: {}", status.run, status.phase.name());
    text += &match status.job {
        Job::Train => format!(", epoch {generation} of {generations}"),
        Job::Search if generation < generations => {
            let done = if generation < warm_up { "trained in the warm-up" } else { "compared" };
            format!(", generation {generation} of {generations}, {pair} of {pairs} pairs {done}")
        }
        Job::Search => format!(", generation {generation} of {generations}"),
    };
    if let Some(loss) = status.best_loss {
        text += &match loss.is_finite() {
            true => format!("\nbest loss {loss:.4}"),
            false => "\nno loss is a number".to_owned(),
        };
    }
    if let Some(diversity) = status.diversity {
        text += &format!(", diversity {diversity:.2}");
    }
    if let Some(rate) = status.hit_rate {
        text += &format!(", {rate:.1} % of operations inherited");
    }
    if let Some(WinnerStatus { source, individual, generation, loss, .. }) = &status.winner {
        text += &format!(
            "\nindividual {individual:02} as of generation {generation} wins by {}, loss {loss:.4}",
            match source {
                WinnerSource::Finals => "the finals",
                WinnerSource::Ranking => "the ranking",
                WinnerSource::Search => "the searcher's rule",
            }
        );
    }
    if let Some(MetricStatus { name, value: Some(value) }) = &status.metric {
        text += &format!("\nbest epoch: {name} {value:.2} % on validation images");
    }
    let engine = status.pid.map_or_else(String::new, |pid| format!(", engine {pid}"));
    text += &format!("\nlast changed {}{engine}\n", written::age(status.age_seconds));
    if let Some(problem) = &status.problem {
        text += &format!("{}\n", written::printable(problem));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn a_finished_run_is_described_by_its_files_alone() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        fixture::write_log(&folder, &fixture::log(3));
        let status = of(&folder).expect("readable");
        assert_eq!((status.phase.name(), status.generation, status.generations), ("finished", 2, 2));
        assert_eq!((status.alive, status.pid, status.hit_rate), (false, None, Some(75.0)));
        let json = serde_json::to_value(&status).expect("plain data");
        for key in [
            "phase",
            "generation",
            "generations",
            "pair",
            "pairs",
            "best_loss",
            "diversity",
            "hit_rate",
            "age_seconds",
            "alive",
            "pid",
            "problem",
            "winner",
            "metric",
        ] {
            assert!(json.get(key).is_some(), "{key}");
        }
        assert_eq!(json["winner"]["source"], "ranking");
    }

    #[test]
    fn the_winner_of_finals_is_told_with_its_genotype_and_nobody_before() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        fixture::write_log(&folder, &fixture::log(1));
        let json = serde_json::to_value(of(&folder).expect("readable")).expect("plain data");
        assert!(json["winner"].is_null(), "{json}");
        let log = fixture::log_with_finals();
        fixture::write_log(&folder, &log[..log.len() - 1]);
        let status = of(&folder).expect("readable");
        assert_eq!((status.phase, status.winner), (RunState::Stopped, None), "the last event is missing");
        fixture::write_log(&folder, &log);
        let status = of(&folder).expect("readable");
        let winner = status.winner.as_ref().expect("finished");
        let view = folder.view().expect("readable").search.expect("a search");
        let expected = view.winner().expect("finished");
        assert_eq!((winner.source, winner.individual), (WinnerSource::Finals, expected.individual));
        assert_eq!(winner.loss, expected.loss.0);
        assert_eq!(Genotype::parse(&winner.genotype).ok(), Genotype::decode(&expected.position).ok());
        assert!(words(&status).contains("wins by the finals, loss"), "{}", words(&status));
    }

    #[test]
    fn a_run_that_diverged_has_no_best_loss() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        fixture::write_log(&folder, &fixture::log(3));
        let mut status = of(&folder).expect("readable");
        assert!(words(&status).contains("\nbest loss "), "{}", words(&status));
        status.best_loss = Some(f64::NAN);
        assert!(words(&status).contains("\nno loss is a number, diversity"), "{}", words(&status));
    }

    #[test]
    fn a_training_tells_its_metric_by_its_best_epoch() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        let log = fixture::training_log("RelativeNAS", 3);
        fixture::write_log(&folder, &log[..1]);
        let status = of(&folder).expect("readable");
        assert_eq!(status.metric, Some(MetricStatus { name: "accuracy", value: None }));
        fixture::write_log(&folder, &log);
        let status = of(&folder).expect("readable");
        assert_eq!(status.metric, Some(MetricStatus { name: "accuracy", value: Some(82.0) }));
        assert!(words(&status).contains("\nbest epoch: accuracy 82.00 % on validation images"));
    }

    #[test]
    fn a_run_that_was_left_is_stopped_or_dead() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        fixture::write_log(&folder, &fixture::log(1));
        assert_eq!(of(&folder).expect("readable").phase, RunState::Stopped);
        let diary = folder.file(relativenas_core::manifest::files::SESSIONS);
        let steered = r#"{"time":1,"pid":2,"what":"steered: {\"do\":\"pause\"}"}"#;
        let started = r#"{"time":0,"pid":2,"what":"engine started"}"#;
        std::fs::write(
            &diary,
            format!(
                "{started}
{steered}
"
            ),
        )
        .expect("written");
        assert_eq!(of(&folder).expect("readable").phase, RunState::Dead);
        let log = folder.file(relativenas_core::manifest::files::ENGINE_LOG);
        std::fs::write(log, "going on\nrelativenas-engine: cannot write `x`: No space left on device\n")
            .expect("written");
        let dead = of(&folder).expect("readable");
        assert_eq!(dead.problem.as_deref(), Some("cannot write `x`: No space left on device"));
        assert!(words(&dead).ends_with("\ncannot write `x`: No space left on device\n"));
        let stopped = r#"{"time":2,"pid":2,"what":"engine stopped"}"#;
        std::fs::write(&diary, format!("{started}\n{steered}\n{stopped}\n")).expect("written");
        assert_eq!(of(&folder).expect("readable").phase, RunState::Stopped);
    }
}
