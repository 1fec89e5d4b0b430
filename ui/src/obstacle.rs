//! Why an action cannot be done now, as a sentence that says what to do instead.

use relativenas_core::{protocol::PROTOCOL, view::Phase};

use crate::{
    actions::{Action, Need},
    messages::Link,
    state::State,
};

/// Why an action cannot be done now; `None` if it can.
pub fn obstacle(state: &State, action: Action) -> Option<&'static str> {
    let need = action.definition().need;
    if need == Need::Nothing {
        return None;
    }
    if need == Need::Listed {
        let listed = state.runs.as_ref().is_some_and(|(runs, _)| !runs.is_empty());
        return (!listed).then_some("there is no run in the list");
    }
    if need == Need::ListedAndRun && state.shown.is_none() {
        return Some("open a run first; then others can be laid over its curves");
    }
    if state.past.is_some()
        && matches!(action, Action::Export | Action::Inject | Action::Probe | Action::Evaluate)
    {
        return Some("this is the past; return to now first");
    }
    let Some(shown) = &state.shown else {
        return Some("no run is shown; choose one from the list of runs");
    };
    let finished = shown.view.phase() == Phase::Finished;
    let engine = match shown.link {
        // A finished run has nothing left to do, even if its engine still lives.
        _ if finished => Some("the run is finished"),
        Link::Live(_) if shown.is_stopping() && action != Action::Stop => {
            Some("the run stops after a checkpoint; resume it then to go on")
        }
        Link::Live(_) => None,
        Link::Connecting => Some("the screen is still looking for the run's engine"),
        Link::WatchOnly { ref hello, .. } if hello.protocol != PROTOCOL => {
            Some("this engine can be watched, not steered: it is of another version")
        }
        Link::WatchOnly { .. } => Some("this screen only looks; `relativenas attach NAME` steers the run"),
        Link::NoEngine => Some("no engine runs; resume the run to go on"),
        Link::Dead { .. } => Some("the engine is gone; resume the run to go on"),
    };
    let rest = match shown.link {
        _ if finished => Some("the run is finished"),
        Link::NoEngine | Link::Dead { .. } => None,
        Link::Live(_) | Link::WatchOnly { .. } => Some("its engine is at work"),
        Link::Connecting => Some("the screen is still looking for the run's engine"),
    };
    let search = shown.search().is_none().then_some("this is no search");
    let probe = match (shown.search(), &shown.link) {
        (None, _) => search,
        (Some(search), _) if search.network.is_none() => {
            Some("a table says the same each time: there is nothing to probe")
        }
        _ if shown.working.is_some() => None,
        (_, Link::Live(_) | Link::WatchOnly { .. } | Link::Connecting) if !finished => {
            Some("the engine is at work; a search is probed once it is finished or stopped")
        }
        _ => None,
    };
    let evaluation = match &shown.view.training {
        None => Some("a search has no weights to judge; a finished training has"),
        Some(_) if shown.working.is_some() => None,
        Some(training) if !training.task.is_classification() => {
            Some("`relativenas evaluate --task`, in a shell, judges the network of a task")
        }
        Some(training) if training.test.is_none() => {
            Some("its best weights can be evaluated once it is finished")
        }
        Some(_) => None,
    };
    match need {
        Need::Nothing | Need::Listed | Need::ListedAndRun | Need::Run => None,
        Need::Past => state.past.is_none().then_some("this is now"),
        Need::Search => search,
        Need::Engine => engine,
        Need::SearchEngine => engine.or(search),
        Need::Rest => rest,
        Need::Place => {
            let unselected = state.selected.is_none();
            engine
                .or(search)
                .or(unselected.then_some("select an individual first: the genotype takes its place"))
        }
        Need::Probe => probe,
        Need::Architecture if state.is_in_table() => {
            Some("the table has the figures of full trainings already: there is nothing to train")
        }
        Need::Architecture => {
            state.architecture().is_none().then_some("no individual was estimated yet; select one")
        }
        Need::Evaluation => evaluation,
    }
}
