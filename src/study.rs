//! Studies: searches of several searchers under one protocol and budget, whose winners are trained
//! from scratch and judged on the test images.
//!
//! A study is a folder among the runs: `study.toml` says which runs belong to it, `settings.toml` holds all
//! settings of its runs, `runs/` the runs, `winners/` the genotypes that are trained, and `logs/` the output
//! of the commands. The progress of a study is stored only in its runs, so a study that was interrupted at
//! any point goes on with what is missing. `claims/` records which worker has which run, so that any number
//! of workers on any number of machines that share the folder can work together.

pub mod extend;
mod plan;
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
use relativenas_core::config::Config;
use relativenas_run::{claim::Claims, disk::Disk, folder::RunFolder, token::token};

pub use plan::{Plan, PlannedRun, PlannedSearch};
pub use signals::Urgency;

use crate::{atomic, failure::misuse, places::absolute, runs};

/// The file that says which runs belong to a study.
const PLAN: &str = "study.toml";

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
                "{shown}: there is a study of this name already; `relativenas study work {name}` goes on with it, and \
                 `relativenas study extend {name}` gives it more seeds, searchers or trainings of its \
                 winners"
            )));
        }
        if path.exists() {
            return Err(misuse(format!("{shown}: the name is taken by something that is no study")));
        }
        let cannot =
            || format!("{}: no study can be made here; choose another folder with --run-dir", runs.display());
        let parts = ["runs", "winners", "logs"];
        let temporary = runs.join(format!(".new-study-{}", token()));
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        for part in parts {
            builder.create(temporary.join(part)).with_context(cannot)?;
        }
        let settings = toml::to_string(config).context("the settings cannot be written as TOML")?;
        atomic::write(&temporary.join("settings.toml"), settings.as_bytes())?;
        plan.write(&temporary.join(PLAN))?;
        if let Err(error) = fs::rename(&temporary, &path) {
            let _ = fs::remove_dir_all(&temporary); // The first error is the one to report.
            return Err(error).with_context(cannot);
        }
        // The study is made already. If the machine crashes now, at worst there is no study.
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
        let plan = Plan::read(&path.join(PLAN))?;
        Ok(Self { path, plan })
    }

    /// The plan as it is in the file now: another command may have extended the study meanwhile.
    ///
    /// # Errors
    /// As [`Study::find`].
    pub fn plan_now(&self) -> Result<Plan> {
        Plan::read(&self.path.join(PLAN))
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

    /// The study of this name or folder.
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
    use super::{plan::tests::plan, *};
    use crate::fixture;

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
