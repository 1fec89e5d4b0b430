//! Which runs belong to a study, as `study.toml` says.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use relativenas_core::{manifest::BUILD, searcher::SearcherKind};
use relativenas_run::clock;
use serde::{Deserialize, Serialize};

use crate::atomic;

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
    /// The searchers to compare; all others are controls for the first.
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
        let searchers = distinct(searchers);
        let build = BUILD.to_owned();
        let created = clock::now();
        Self { format: FORMAT, build, created, searchers, seeds, judge_seeds, judge_images: None }
    }

    /// Reads a `study.toml`.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or was made by a later program.
    pub(super) fn read(file: &Path) -> Result<Self> {
        let shown = file.display();
        let text = fs::read_to_string(file).with_context(|| format!("{shown}: cannot be read"))?;
        let plan: Self = toml::from_str(&text).with_context(|| format!("{shown}: damaged"))?;
        if plan.format != FORMAT {
            let Self { format, build, .. } = plan;
            anyhow::bail!(
                "{shown}: has format {format}, this program reads {FORMAT}; use the program that made it ({build})"
            );
        }
        Ok(plan)
    }

    pub(super) fn write(&self, file: &Path) -> Result<()> {
        let text = toml::to_string(self).context("the study cannot be written as TOML")?;
        atomic::write(file, text.as_bytes())
    }

    /// The same plan with another value of `judge_images`.
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

/// Each searcher once, where it first occurs.
pub(super) fn distinct(searchers: impl IntoIterator<Item = SearcherKind>) -> Vec<SearcherKind> {
    let mut distinct = Vec::new();
    for searcher in searchers {
        if !distinct.contains(&searcher) {
            distinct.push(searcher);
        }
    }
    distinct
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A study of two searchers, one of which is named twice.
    pub fn plan() -> Plan {
        let searchers = vec![SearcherKind::SlowFast, SearcherKind::Random, SearcherKind::SlowFast];
        Plan::new(searchers, 2, 1)
    }

    #[test]
    fn every_searcher_has_a_seed_before_the_next_seed_begins() {
        let names: Vec<_> = plan().searches().into_iter().map(PlannedSearch::name).collect();
        assert_eq!(names, ["slow-fast-1", "random-1", "slow-fast-2", "random-2"]);
        assert_eq!(plan().runs(), 8, "each search has a training");
    }
}
