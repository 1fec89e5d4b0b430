//! Studies: searches of several searchers under one protocol and budget, whose winners are trained
//! from scratch and judged on the test images.
//!
//! A study is a folder among the runs: `study.toml` says which runs belong to it, `settings.toml` holds all
//! settings of its runs, `runs/` the runs, `winners/` the genotypes that are trained, and `logs/` the output
//! of the commands. The progress of a study is stored only in its runs, so a study that was interrupted at
//! any point goes on with what is missing. `claims/` records which worker has which run, so that any number
//! of workers on any number of machines that share the folder can work together.

mod process;
mod signals;
pub mod status;
pub mod work;

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use relativenas_core::{config::Config, manifest::BUILD, searcher::SearcherKind};
use serde::{Deserialize, Serialize};

use relativenas_run::{claim::Claims, disk::Disk, folder::RunFolder, token::token};

pub use signals::Urgency;

use crate::{atomic, failure::misuse, places::absolute, runs, written};

/// The file that says which runs belong to a study.
const PLAN: &str = "study.toml";
/// Raised when a former program could no longer read the file.
const FORMAT: u32 = 1;

/// The content of `study.toml`: which runs belong to a study.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub format: u32,
    /// The program that made it.
    pub build: String,
    /// When the study was made, in milliseconds since 1970 UTC.
    pub created: i64,
    /// The first is the one that the others are controls of.
    pub searchers: Vec<SearcherKind>,
    /// The number of searches of each searcher; their seeds count from 1.
    pub seeds: u32,
    /// The number of trainings of each winner; their seeds count from 1. With 0 winners are not trained.
    pub judge_seeds: u32,
    /// Images that each winner is trained on, 0 for all; `None` for as many as the searches train on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge_images: Option<u32>,
}

impl Plan {
    pub fn new(searchers: Vec<SearcherKind>, seeds: u32, judge_seeds: u32) -> Self {
        let mut distinct: Vec<SearcherKind> = Vec::new();
        for searcher in searchers {
            if !distinct.contains(&searcher) {
                distinct.push(searcher);
            }
        }
        let build = BUILD.to_owned();
        let created = written::now();
        Self { format: FORMAT, build, created, searchers: distinct, seeds, judge_seeds, judge_images: None }
    }

    /// The same plan, whose winners are trained on so many images.
    pub fn judged_on(self, images: Option<u32>) -> Self {
        Self { judge_images: images, ..self }
    }

    /// Every search with the trainings of its winner. Seeds come before searchers, so that a study that
    /// is stopped early has compared all searchers under the same seeds.
    pub fn searches(&self) -> Vec<PlannedSearch> {
        let of_seed = |seed| self.searchers.iter().map(move |&searcher| PlannedSearch { searcher, seed });
        (1..=u64::from(self.seeds)).flat_map(of_seed).collect()
    }

    /// Every run in the order in which they are begun: each search is followed by the trainings of its
    /// winner.
    pub fn in_order(&self) -> Vec<PlannedRun> {
        let with_trainings = |search| {
            let of_seed = move |judged| PlannedRun { search, judged };
            std::iter::once(None).chain((1..=self.judge_seeds).map(Some)).map(of_seed)
        };
        self.searches().into_iter().flat_map(with_trainings).collect()
    }

    /// The number of all runs.
    pub fn runs(&self) -> usize {
        self.searchers.len() * self.seeds as usize * (1 + self.judge_seeds as usize)
    }
}

/// One search of a study.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedSearch {
    pub searcher: SearcherKind,
    pub seed: u64,
}

impl PlannedSearch {
    /// The name of the run, such as `slow-fast-3`.
    pub fn name(self) -> String {
        format!("{}-{}", self.searcher, self.seed)
    }

    /// The name of a training of its winner, such as `slow-fast-3-judged-1`.
    pub fn judged(self, seed: u32) -> String {
        format!("{}-judged-{seed}", self.name())
    }
}

/// One run of a study: a search, or a training of its winner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedRun {
    pub search: PlannedSearch,
    /// The seed of the training; `None` of the search itself.
    pub judged: Option<u32>,
}

impl PlannedRun {
    pub fn name(self) -> String {
        self.judged.map_or_else(|| self.search.name(), |seed| self.search.judged(seed))
    }
}

/// A study that exists.
#[derive(Clone, Debug)]
pub struct Study {
    path: PathBuf,
    pub plan: Plan,
}

impl Study {
    /// Makes the folder of a new study. `plan` and `config` are on the disk before the study has its name.
    ///
    /// # Errors
    /// If the name is wrong or taken, or the folder cannot be made.
    pub fn create(runs: &Path, name: &str, plan: Plan, config: &Config) -> Result<Self> {
        runs::check_name("--name", name)?;
        let path = runs.join(name);
        let shown = path.display();
        if path.join(PLAN).exists() {
            return Err(misuse(format!(
                "{shown}: there is a study of this name already; `relativenas study work {name}` goes on with it"
            )));
        }
        if path.exists() {
            return Err(misuse(format!("{shown}: the name is taken by something that is no study")));
        }
        let cannot =
            || format!("{}: no study can be made here; --run-dir names another folder", runs.display());
        let parts = ["runs", "winners", "logs"];
        let temporary = runs.join(format!(".new-study-{}", token()));
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        for part in parts {
            builder.create(temporary.join(part)).with_context(cannot)?;
        }
        let settings = toml::to_string(config).context("the settings cannot be written as TOML")?;
        atomic::write(&temporary.join("settings.toml"), settings.as_bytes())?;
        let text = toml::to_string(&plan).context("the study cannot be written as TOML")?;
        atomic::write(&temporary.join(PLAN), text.as_bytes())?;
        if let Err(error) = fs::rename(&temporary, &path) {
            let _ = fs::remove_dir_all(&temporary); // The first error is the one to report.
            return Err(error).with_context(cannot);
        }
        // The study is made already; at worst, the machine crashes now and it never was.
        let _ = Disk::default().sync_folder(&path);
        Ok(Self { path, plan })
    }

    /// The study of this name or folder, if there is one.
    ///
    /// # Errors
    /// If its `study.toml` cannot be read, is damaged, or was made by a later program.
    pub fn find(runs: &Path, name: &str) -> Result<Option<Self>> {
        let by_name = Some(runs.join(name)).filter(|_| !name.contains('/'));
        let candidates = by_name.into_iter().chain([absolute(name)?]);
        let Some(path) = candidates.into_iter().find(|path| path.join(PLAN).is_file()) else {
            return Ok(None);
        };
        Self::at(path).map(Some)
    }

    /// The study in this folder.
    ///
    /// # Errors
    /// If there is none, or its `study.toml` is damaged or was made by a later program.
    pub fn at(path: PathBuf) -> Result<Self> {
        let file = path.join(PLAN);
        let shown = file.display();
        let text = fs::read_to_string(&file).with_context(|| format!("{shown}: cannot be read"))?;
        let plan: Plan = toml::from_str(&text).with_context(|| format!("{shown}: damaged"))?;
        if plan.format != FORMAT {
            let Plan { format, build, .. } = plan;
            anyhow::bail!(
                "{shown}: has format {format}, this program reads {FORMAT}; use the program that made it ({build})"
            );
        }
        Ok(Self { path, plan })
    }

    /// Every study among the runs that can be read, by name.
    ///
    /// # Errors
    /// If the folder cannot be listed.
    pub fn all(runs: &Path) -> io::Result<Vec<Self>> {
        let entries = match fs::read_dir(runs) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names: Vec<_> =
            entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        Ok(names.iter().filter_map(|name| Self::find(runs, name).ok()?).collect())
    }

    /// The same, where there has to be one.
    ///
    /// # Errors
    /// As [`Study::find`], and if there is none.
    pub fn open(runs: &Path, name: &str) -> Result<Self> {
        Self::find(runs, name)?.ok_or_else(|| {
            misuse(format!(
                "there is no study `{name}` in {}; `relativenas study run {name} --searchers A,B` makes one",
                runs.display()
            ))
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }

    /// The folder of its runs.
    pub fn runs(&self) -> PathBuf {
        self.path.join("runs")
    }

    /// The folder that records which worker has which run.
    pub fn claims_folder(&self) -> PathBuf {
        self.path.join("claims")
    }

    /// The claims on a run, given by its name.
    pub fn claims(&self, run: &str) -> Claims {
        Claims::at(self.claims_folder().join(run))
    }

    /// One of its runs, if it was begun.
    pub fn run(&self, name: &str) -> Option<RunFolder> {
        RunFolder::at(self.runs().join(name))
    }

    /// Every run that was begun, searches first; in the order of the plan.
    pub fn begun(&self) -> Vec<RunFolder> {
        let searches = self.plan.searches();
        let trainings = searches
            .iter()
            .flat_map(|search| (1..=self.plan.judge_seeds).map(move |seed| search.judged(seed)));
        let names = searches.iter().map(|search| search.name()).chain(trainings);
        names.filter_map(|name| self.run(&name)).collect()
    }

    /// The search whose winner a training judges; `None` if the name is that of a search.
    pub fn judged_by(&self, training: &str) -> Option<String> {
        let searches = self.plan.searches();
        let judges =
            |search: &&PlannedSearch| (1..=self.plan.judge_seeds).any(|seed| search.judged(seed) == training);
        searches.iter().find(judges).map(|search| search.name())
    }

    fn settings(&self) -> PathBuf {
        self.path.join("settings.toml")
    }

    fn winner(&self, search: PlannedSearch) -> PathBuf {
        self.path.join("winners").join(format!("{}.txt", search.name()))
    }

    fn log(&self, run: &str) -> io::Result<fs::File> {
        let path = self.path.join("logs").join(format!("{run}.log"));
        fs::OpenOptions::new().append(true).create(true).open(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn plan() -> Plan {
        let searchers = vec![SearcherKind::SlowFast, SearcherKind::Random, SearcherKind::SlowFast];
        Plan::new(searchers, 2, 1)
    }

    #[test]
    fn every_searcher_has_a_seed_before_the_next_seed_begins() {
        let names: Vec<_> = plan().searches().into_iter().map(PlannedSearch::name).collect();
        assert_eq!(names, ["slow-fast-1", "random-1", "slow-fast-2", "random-2"]);
        assert_eq!(plan().runs(), 8, "each search has a training");
    }

    #[test]
    fn a_study_is_found_again_with_every_setting() {
        let runs = tempfile::tempdir().expect("a folder");
        let config = fixture::config();
        let made = Study::create(runs.path(), "chance", plan(), &config).expect("made");
        let found = Study::open(runs.path(), "chance").expect("found");
        assert_eq!(found.plan, made.plan);
        let text = fs::read_to_string(found.settings()).expect("settings");
        let mut layers = relativenas_core::config::Layers::built_in();
        layers.add_file("settings.toml", &text).expect("a file of settings");
        assert_eq!(layers.config().expect("valid"), config);
        let again = Study::create(runs.path(), "chance", plan(), &config).expect_err("taken").to_string();
        assert!(again.contains("`relativenas study work chance` goes on with it"), "{again}");
        let missing = Study::open(runs.path(), "luck").expect_err("none").to_string();
        assert!(missing.starts_with("there is no study `luck` in "), "{missing}");
    }

    #[test]
    fn a_study_of_another_format_is_refused_by_name() {
        let runs = tempfile::tempdir().expect("a folder");
        let made = Study::create(runs.path(), "chance", plan(), &fixture::config()).expect("made");
        let file = made.path().join(PLAN);
        let text = fs::read_to_string(&file).expect("there").replace("format = 1", "format = 9");
        fs::write(&file, text).expect("written");
        let error = Study::open(runs.path(), "chance").expect_err("another format").to_string();
        assert!(error.contains("study.toml: has format 9, this program reads 1"), "{error}");
    }

    #[test]
    fn runs_are_listed_in_the_order_of_the_plan_as_far_as_they_were_begun() {
        let runs = tempfile::tempdir().expect("a folder");
        let study = Study::create(runs.path(), "chance", plan(), &fixture::config()).expect("made");
        for name in ["random-1-judged-1", "random-1", "slow-fast-2"] {
            fixture::run(&study.runs(), name);
        }
        let names: Vec<_> = study.begun().iter().map(RunFolder::name).collect();
        assert_eq!(names, ["random-1", "slow-fast-2", "random-1-judged-1"]);
    }
}
