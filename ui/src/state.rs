//! What the screen knows of runs, no matter which part of it is drawn.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Instant,
};

use relativenas_core::{
    genotype::Genotype,
    population::IndividualId,
    space::Space,
    view::{RunView, SearchView},
};

use crate::{
    messages::{Architecture, Detached, Exit, RunName, RunSummary, run_name},
    past::Past,
    shown::Shown,
    words,
};

/// What the screen knows of runs, and which individual a person selected.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The run that is shown, if one is.
    pub shown: Option<Shown>,
    /// The same run at an earlier moment, if one is shown.
    pub past: Option<Past>,
    /// All runs, and when the list of them was received; `None` until the first one is.
    pub runs: Option<(Vec<RunSummary>, Instant)>,
    /// Runs whose curves are laid over those of the run that is shown.
    pub compared: Vec<ComparedRun>,
    /// The selected individual, the same in every view.
    pub selected: Option<IndividualId>,
    /// Individuals that were marked, to export or compare several.
    pub marked: BTreeSet<IndividualId>,
    /// Folders of the runs that were marked in the list, to remove several.
    pub marked_runs: BTreeSet<PathBuf>,
}

/// A run whose curves are laid over those of the run that is shown.
#[derive(Clone, Debug)]
pub struct ComparedRun {
    pub folder: PathBuf,
    pub view: Box<RunView>,
}

impl ComparedRun {
    pub fn name(&self) -> RunName {
        run_name(&self.folder)
    }
}

impl State {
    /// The name of the run that is shown.
    pub fn run_name(&self) -> Option<&RunName> {
        self.shown.as_ref().map(|shown| &shown.run)
    }

    /// The folder of the run that is shown.
    pub fn folder(&self) -> Option<&Path> {
        self.shown.as_ref().map(|shown| shown.folder.as_path())
    }

    /// The run at the moment that is shown: an earlier one if one is chosen, else now.
    pub fn seen(&self) -> Option<&Shown> {
        self.past.as_ref().map(|past| &past.shown).or(self.shown.as_ref())
    }

    /// The search at the moment that is shown; `None` if no run or a training is shown.
    pub fn search(&self) -> Option<&SearchView> {
        self.seen()?.search()
    }

    /// The search as it is now.
    pub fn search_now(&self) -> Option<&SearchView> {
        self.shown.as_ref()?.search()
    }

    /// Whether a training is shown.
    pub fn is_training(&self) -> bool {
        self.shown.as_ref().is_some_and(Shown::is_training)
    }

    /// Whether the search that is shown reads its losses from NAS-Bench-201's table, whose architectures have no
    /// genotypes.
    pub fn is_in_table(&self) -> bool {
        self.search().is_some_and(|search| search.settings.space == Space::NasBench201)
    }

    /// The selected individual, or the best where none is selected.
    pub fn individual(&self) -> Option<IndividualId> {
        let search = self.search()?;
        let best = || {
            let winner = search.winner().map(|w| w.individual);
            winner.or_else(|| Some(search.best.as_ref()?.learner.individual))
        };
        self.selected.filter(|i| search.individual(*i).is_some()).or_else(best)
    }

    /// The architecture that would be trained from scratch: that of the selected individual at the moment that is
    /// shown, else that of the winner or the best so far as it was estimated; in a training, its own. `None` if there
    /// is none.
    pub fn architecture(&self) -> Option<Architecture> {
        let run = self.run_name()?;
        let Some(search) = self.search() else {
            let genotype = self.shown.as_ref()?.view.training.as_ref()?.genotype.clone();
            return Some(Architecture {
                genotype,
                name: "again".to_owned(),
                origin: format!("the network of {run}"),
            });
        };
        search.network?;
        let selected = self.selected.and_then(|number| Some((number, search.individual(number)?)));
        if let Some((number, place)) = selected {
            let name = words::individual(search, number);
            let (generation, standing) = (search.generation, words::standing(search, number, place));
            return Some(Architecture {
                genotype: search.genotype(number)?,
                name: format!("i{name}"),
                origin: format!("individual {name} of {run} in generation {generation}: {standing}"),
            });
        }
        let leader = search.leader()?;
        Some(Architecture {
            genotype: Genotype::decode(leader.position).ok()?,
            name: if leader.source.is_none() { "best" } else { "winner" }.to_owned(),
            origin: format!(
                "individual {} of {run} as it was in {}: loss {}",
                words::individual(search, leader.individual),
                words::estimated_in(leader.generation),
                words::loss(leader.loss).trim_start()
            ),
        })
    }

    /// The exit of a screen that is left now, with the run that it shows.
    pub fn left(&self) -> Exit {
        if let Some(shown) = self.shown.as_ref().filter(|shown| shown.is_stopping()) {
            return Exit::Stopped { folder: shown.folder.clone() };
        }
        Exit::Detached(
            self.shown
                .as_ref()
                .map(|shown| Detached { folder: shown.folder.clone(), afterwards: shown.afterwards() }),
        )
    }
}
