//! Interventions: commands that changed the course of a run, so that its seed alone does not repeat it.

use super::{Run, figures::listed};

/// How many architectures were injected into the population.
pub fn injections(run: &Run) -> usize {
    run.view.search.as_ref().map_or(0, |search| search.injections.len())
}

/// The interventions in a run, as words that follow "was"; `None` if there were none.
///
/// That a run is a branch counts as one, because it shares its seed and its beginning with another run.
pub fn interference(run: &Run) -> Option<String> {
    let branch = run.manifest.branched_from.as_ref();
    let branch = branch.map(|from| format!("branched from {} at generation {}", from.run, from.generation));
    let injected = match injections(run) {
        0 => None,
        count => Some(format!("injected into {}", times(count))),
    };
    let done: Vec<_> = branch.into_iter().chain(injected).collect();
    (!done.is_empty()).then(|| listed(&done))
}

/// Each injection, such as `individual 3 in generation 5`.
pub fn placed(run: &Run) -> Vec<String> {
    let search = run.view.search.iter();
    search
        .flat_map(|s| &s.injections)
        .map(|(generation, individual)| format!("individual {individual} in generation {generation}"))
        .collect()
}

fn times(count: usize) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        many => format!("{many} times"),
    }
}
