//! All runs of a user: their names, finding one, listing them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Result;
use relativenas_core::{
    config::Config,
    loss::Loss,
    manifest::{Job, Manifest, files},
    nearest,
    protocol::Mode,
    searcher::SearcherKind,
    space::Space,
    tasks::Task,
    view::{Phase, RunState, RunView},
};
pub use relativenas_run::folder::all;
use relativenas_run::sessions::was_left_in_order;
use relativenas_ui::messages::RunSummary;

use crate::{
    engine::{
        connection::Connection,
        liveness::{Liveness, liveness},
    },
    failure::misuse,
    folder::RunFolder,
    written,
};

/// The word that stands for the newest run.
pub const LATEST: &str = "latest";

/// Finds a run by its name, its folder, or as `latest`.
///
/// # Errors
/// If there is none; the message names the nearest one.
pub fn find(runs: &Path, run: &str) -> Result<RunFolder> {
    if run == LATEST {
        let none =
            || misuse(format!("{}: there is no run yet; `relativenas search` makes one", runs.display()));
        return all(runs)?.into_iter().next().ok_or_else(none);
    }
    if !run.contains('/')
        && let Some(folder) = RunFolder::at(runs.join(run))
    {
        return Ok(folder);
    }
    if let Some(folder) = RunFolder::at(std::path::absolute(run).unwrap_or_else(|_| PathBuf::from(run))) {
        return Ok(as_listed(runs, folder));
    }
    if Path::new(run).is_dir() {
        // A run of another user is one, even if it may not be looked into.
        return Err(match fs::metadata(Path::new(run).join(files::MANIFEST)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => misuse(format!("{run}: cannot be read: {e}")),
            _ => misuse(format!("{run}: no run; a run's folder holds {}", files::MANIFEST)),
        });
    }
    let names: Vec<_> = all(runs)?.iter().map(RunFolder::name).collect();
    let hint = nearest(run, names.iter().map(String::as_str))
        .map_or_else(|| "`relativenas runs` lists them".to_owned(), |near| format!("did you mean `{near}`?"));
    Err(misuse(format!("there is no run `{run}` in {}; {hint}", runs.display())))
}

/// The run with the path that the list of runs gives it, if it is there, however its path was typed.
fn as_listed(runs: &Path, folder: RunFolder) -> RunFolder {
    let listed = runs.join(folder.name());
    let real = |path: &Path| fs::canonicalize(path).ok();
    let is_listed = real(&listed).is_some_and(|listed| real(folder.path()) == Some(listed));
    RunFolder::at(listed).filter(|_| is_listed).unwrap_or(folder)
}

/// A name for a new search, such as `fashion-quick-0412`: data, preset, searcher, month and day. With a preset, the
/// searcher is left out if it is slow-fast.
pub fn suggested_name(config: &Config, preset: Option<&str>, now: i64) -> String {
    let mut parts = vec![what_is_searched(config)];
    if let Some(preset) = preset {
        parts.push(slug(preset));
    }
    if preset.is_none() || config.search.searcher != SearcherKind::SlowFast {
        parts.push(config.search.searcher.name().to_owned());
    }
    parts.push(written::month_and_day(now));
    parts.join("-")
}

/// A name for a new training, such as `cifar10-train-relativenas-0412`, or `vocdevkit-detection-relativenas-0412`.
pub fn suggested_training_name(config: &Config, architecture: &str, now: i64) -> String {
    let data = data_name(&config.data.path);
    [data, what_is_trained(config).to_owned(), slug(architecture), written::month_and_day(now)].join("-")
}

/// A word for what a training is.
fn what_is_trained(config: &Config) -> &'static str {
    match config.retrain.task {
        Task::Classification => "train",
        task => task.name(),
    }
}

/// A short word for what architectures are judged on.
fn what_is_searched(config: &Config) -> String {
    match config.search.space {
        Space::Cells => data_name(&config.data.path),
        Space::NasBench201 => config.table.dataset.name().to_owned(),
    }
}

/// A short word for a data set's folder; the empty path is the embedded Fashion-MNIST.
fn data_name(path: &str) -> String {
    if path.is_empty() {
        return "fashion".to_owned();
    }
    let folder = Path::new(path).file_name().unwrap_or_default().to_string_lossy();
    let name = slug(&folder);
    let plain = name.replace('-', "");
    for known in ["cifar100", "cifar10"] {
        if plain.starts_with(known) {
            return known.to_owned();
        }
    }
    if name.is_empty() { "images".to_owned() } else { name }
}

/// Lower-case letters, digits and single hyphens; at most 24.
fn slug(text: &str) -> String {
    let mapped: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let joined = mapped.split('-').filter(|w| !w.is_empty()).collect::<Vec<_>>().join("-");
    joined.chars().take(24).collect::<String>().trim_end_matches('-').to_owned()
}

/// Whether this name may be given to a run; `what` is the argument or the field in which it was typed.
///
/// # Errors
/// If it would be hard to type, or means something else.
pub fn check_name(what: &str, name: &str) -> Result<()> {
    let fits = (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        && name != LATEST;
    if fits {
        return Ok(());
    }
    Err(misuse(format!(
        "{what} {}: a run's name has 1 to 64 letters, digits, `.`, `_` and `-`, begins with a letter or digit, \
         and is not `{LATEST}`",
        written::printable(name)
    )))
}

/// A line of the list of runs.
pub fn summary(folder: &RunFolder) -> RunSummary {
    summary_and_view(folder).0
}

/// A line of the list of runs, and the view that it sums up, if the run can be read.
pub fn summary_and_view(folder: &RunFolder) -> (RunSummary, Option<RunView>) {
    let alive = liveness(folder);
    let mut line = RunSummary {
        run: folder.name(),
        folder: folder.path().to_owned(),
        what: String::new(),
        state: RunState::Unreadable,
        generation: 0,
        generations: 0,
        best_loss: None,
        age_seconds: 0,
        alive: matches!(alive, Liveness::Alive),
        problem: None,
        note: folder.note(),
        study: None,
    };
    match folder.manifest().and_then(|manifest| Ok((manifest, folder.view()?))) {
        Ok((manifest, view)) => {
            describe(&mut line, &manifest, &view, folder);
            (line, Some(view))
        }
        Err(error) => {
            line.problem = Some(format!("{:#}", anyhow::Error::from(error)));
            (line, None)
        }
    }
}

fn describe(line: &mut RunSummary, manifest: &Manifest, view: &RunView, folder: &RunFolder) {
    let config = &manifest.config;
    let data = match (&view.search, &view.training) {
        (Some(search), _) => search.images.name.clone(),
        (_, Some(training)) => training.images.name.clone(),
        _ => what_is_searched(config),
    };
    line.what = match manifest.job {
        Job::Search => format!("search, {}, {data}", config.search_settings(1).rule()),
        Job::Train => format!("{}, {data}", what_is_trained(config)),
    };
    (line.generation, line.generations) = match (&view.search, &view.training) {
        (_, Some(training)) => (training.history.len() as u32, training.epochs),
        (Some(search), _) => (search.generation, search.settings.generations),
        _ if manifest.job == Job::Train => (0, config.retrain.epochs),
        _ => (0, config.search.generations),
    };
    line.best_loss = best_loss(view);
    let changed = if view.events == 0 { manifest.created } else { view.changed_at };
    line.age_seconds = written::seconds_since(changed);
    line.state = state(view, line.alive, folder);
}

/// The winner's loss; before there is one, the lowest validation loss so far.
pub fn best_loss(view: &RunView) -> Option<Loss> {
    if let Some(search) = &view.search {
        return search.leader().map(|leader| leader.loss);
    }
    let losses = view.training.iter().flat_map(|t| &t.history).map(|e| e.valid_loss);
    losses.filter(|l| l.is_finite()).min_by(|a, b| a.order(*b))
}

/// The state of a run by its events and its engine.
pub fn state(view: &RunView, alive: bool, folder: &RunFolder) -> RunState {
    state_and_problem(view, alive, folder).0
}

/// The state of a run, and its problem: what hinders it, such as a full disk, or why its engine failed.
pub fn state_and_problem(view: &RunView, alive: bool, folder: &RunFolder) -> (RunState, Option<String>) {
    let by_events = view.phase();
    let progress = || Connection::open(folder).ok()?.progress(view.events);
    if alive {
        let progress = progress().unwrap_or_default();
        let state = match progress.mode {
            Mode::Paused => RunState::Paused,
            Mode::Stopping => RunState::Stopping,
            _ => RunState::In(by_events),
        };
        (state, progress.notice)
    } else if by_events == Phase::Finished {
        (RunState::In(by_events), None)
    } else if was_left_in_order(folder) {
        (RunState::Stopped, None)
    } else {
        (RunState::Dead, folder.complaint(0))
    }
}

#[cfg(test)]
mod tests {
    use relativenas_core::config::Layers;

    use super::*;
    use crate::fixture;

    #[test]
    fn names_say_what_a_run_is_about() {
        let noon = 1_776_000_000_000; // 12 April 2026, in every time zone but the outermost.
        let check = |path: &str, preset: Option<&str>, searcher, expected: &str| {
            let mut config = Layers::built_in().config().expect("valid");
            config.data.path = path.to_owned();
            config.search.searcher = searcher;
            let name = suggested_name(&config, preset, noon);
            assert_eq!(name.rsplit_once('-').expect("a date").0, expected);
        };
        check("", Some("quick"), SearcherKind::SlowFast, "fashion-quick");
        check("", Some("quick"), SearcherKind::Random, "fashion-quick-random");
        check("/d/cifar-10-batches-bin", Some("paper"), SearcherKind::SlowFast, "cifar10-paper");
        check("/d/CIFAR-100_binary", None, SearcherKind::SlowFast, "cifar100-slow-fast");
        check("/d/My  Leaves (2024)", None, SearcherKind::CoinFlip, "my-leaves-2024-coin-flip");
        let mut layers = Layers::built_in();
        layers.add_preset("nas-bench-201").expect("a preset");
        let name = suggested_name(&layers.config().expect("valid"), Some("nas-bench-201"), noon);
        assert!(name.starts_with("cifar10-nas-bench-201-04"), "{name}");
    }

    #[test]
    fn a_run_is_found_by_name_by_path_and_as_the_latest() {
        let runs = tempfile::tempdir().expect("a folder");
        let first = fixture::run(runs.path(), "fashion-quick-0412");
        assert_eq!(find(runs.path(), "fashion-quick-0412").expect("by name"), first);
        assert_eq!(
            find(Path::new("/nowhere"), first.path().to_str().expect("UTF-8")).expect("by path"),
            first
        );
        assert_eq!(find(runs.path(), LATEST).expect("the latest"), first);
        let roundabout = first.path().join("../fashion-quick-0412");
        assert_eq!(find(runs.path(), roundabout.to_str().expect("UTF-8")).expect("by path"), first);
    }

    #[test]
    fn a_run_that_cannot_be_looked_into_is_not_said_to_be_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().to_str().expect("UTF-8");
        let error = || find(Path::new("/nowhere"), path).expect_err("no run").to_string();
        assert_eq!(error(), format!("{path}: no run; a run's folder holds run.toml"));
        // As without permission, which cannot be tested by root.
        std::os::unix::fs::symlink("run.toml", folder.path().join("run.toml")).expect("linked");
        assert!(error().starts_with(&format!("{path}: cannot be read: ")), "{}", error());
    }

    #[test]
    fn a_run_that_is_not_there_is_refused_with_a_hint() {
        let runs = tempfile::tempdir().expect("a folder");
        let directory = runs.path().display();
        let check = |run: &str, message: String| {
            assert_eq!(find(runs.path(), run).expect_err(run).to_string(), message);
        };
        check(LATEST, format!("{directory}: there is no run yet; `relativenas search` makes one"));
        fixture::run(runs.path(), "fashion-quick-0412");
        let hint = "did you mean `fashion-quick-0412`?";
        check("fashion-quik-0412", format!("there is no run `fashion-quik-0412` in {directory}; {hint}"));
        check("x", format!("there is no run `x` in {directory}; `relativenas runs` lists them"));
    }

    #[test]
    fn names_that_are_hard_to_type_are_refused() {
        for good in ["a", "fashion-quick-0412", "Mine_2.1"] {
            check_name("--name", good).expect(good);
        }
        for bad in ["", ".hidden", "-rf", "a/b", "latest", "ä", &"x".repeat(65)] {
            check_name("--name", bad).expect_err(bad);
        }
    }
}
