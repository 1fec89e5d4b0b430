//! Everything a person can do, in one table, from which keys, footer, help and palette are made.

use crate::view::View;

/// Something a person can do; what each action does is said in [`TABLE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Show(View),
    NextView,
    PreviousView,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    First,
    Last,
    Inspect,
    Pause,
    StepPair,
    StepGeneration,
    StepMany,
    PauseAt,
    PauseOnNan,
    Inject,
    Branch,
    Export,
    SortPopulation,
    PopulationNumbers,
    Mark,
    CompareMarked,
    EarlierPairs,
    ShowGhosts,
    NextCell,
    PreviousCell,
    CompareArchitecture,
    LogarithmicAxis,
    NextCurves,
    OneByOne,
    Search,
    SearchNext,
    SearchPrevious,
    OpenRun,
    ResumeRun,
    ResumePaused,
    FilterRuns,
    SortRuns,
    MarkRun,
    RenameRun,
    AnnotateRun,
    RemoveRuns,
    ResumeShown,
    NewSearch,
    CompareRun,
    CompareAll,
    Probe,
    Train,
    Evaluate,
    EarlierGeneration,
    LaterGeneration,
    EarlierPair,
    LaterPair,
    Now,
    Replay,
    Palette,
    Help,
    NextTheme,
    Redraw,
    Suspend,
    Back,
    Detach,
    Stop,
}

/// The views in which an action is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Everywhere,
    /// In every view but the list of runs.
    Run,
    In(&'static [View]),
}

impl Place {
    pub fn has(self, view: View) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Run => view != View::Runs,
            Self::In(views) => views.contains(&view),
        }
    }

    /// Whether there is a view in which actions of both places are offered.
    pub fn meets(self, other: Self) -> bool {
        View::ALL.into_iter().any(|view| self.has(view) && other.has(view))
    }
}

/// What must hold for an action besides the view, so that it can be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Nothing,
    /// A run is selected in the list of runs.
    Listed,
    /// A run is selected in the list of runs, and some run is shown.
    ListedAndRun,
    /// A run is shown.
    Run,
    /// A search is shown.
    Search,
    /// An engine listens.
    Engine,
    /// An engine listens, and it searches.
    SearchEngine,
    /// The run that is shown has no engine, and is not finished.
    Rest,
    /// An engine works on a search, and an individual is selected, in whose place a genotype can be put.
    Place,
    /// The screen shows an earlier moment of the run.
    Past,
    /// A search with a network is shown, and no engine is at work on it.
    Probe,
    /// There is an architecture that can be trained in full.
    Architecture,
    /// A finished training of a classifier is shown.
    Evaluation,
}

/// A line of the table: the name of an action, the views in which it is offered, and its keys.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    pub action: Action,
    /// Its name in the configuration (`keys.ID`), in help and in the palette.
    pub id: &'static str,
    /// The keys that it has by default, separated by spaces.
    pub keys: &'static str,
    pub place: Place,
    pub need: Need,
    /// One or two words for the footer; an action without them is not named there.
    pub short: &'static str,
    /// A line for help and palette.
    pub help: &'static str,
}

impl Action {
    /// The line of [`TABLE`] with this action.
    pub fn definition(self) -> &'static Definition {
        TABLE.iter().find(|definition| definition.action == self).expect("every action is in the table")
    }
}

const fn define(
    action: Action,
    (id, keys): (&'static str, &'static str),
    place: Place,
    need: Need,
    short: &'static str,
    help: &'static str,
) -> Definition {
    Definition { action, id, keys, place, need, short, help }
}

const POPULATION: Place = Place::In(&[View::Population]);
const PAIRS: Place = Place::In(&[View::Pairs]);
const WEIGHTS: Place = Place::In(&[View::Weights]);
const ARCHITECTURE: Place = Place::In(&[View::Architecture]);
const PAST: Place = Place::In(&[
    View::Overview,
    View::Population,
    View::Pairs,
    View::Weights,
    View::Architecture,
    View::Curves,
    View::Map,
]);
const CURVES: Place = Place::In(&[View::Curves]);
const CURVES_AND_MAP: Place = Place::In(&[View::Curves, View::Map]);
const LOG: Place = Place::In(&[View::Log]);
const RUNS: Place = Place::In(&[View::Runs]);
const INDIVIDUALS: Place = Place::In(&[View::Overview, View::Population, View::Pairs, View::Map]);

/// All actions; the footer names those of the view first, in this order.
#[rustfmt::skip]
pub const TABLE: &[Definition] = &[
    define(Action::OpenRun, ("open", "enter"), RUNS, Need::Listed, "open", "Show the run: attach if an engine lives, else its files"),
    define(Action::NewSearch, ("new", "n"), RUNS, Need::Nothing, "new search", "Start a search, with a form that checks as you type"),
    define(Action::ResumeRun, ("resume", "r"), RUNS, Need::Listed, "resume", "Start an engine on the run; go on where it stopped, as it was"),
    define(Action::CompareRun, ("compare", "c"), RUNS, Need::ListedAndRun, "compare", "Lay the run's curves over those of the one shown"),
    define(Action::FilterRuns, ("filter", "/"), RUNS, Need::Listed, "filter", "List only the runs whose name, state, searcher, data or note has these words"),
    define(Action::SortRuns, ("sort-runs", "o"), RUNS, Need::Listed, "order", "Sort by the next column: name, phase, done, best, changed, or when begun"),
    define(Action::MarkRun, ("mark-run", "space m"), RUNS, Need::Listed, "mark", "Mark the run, to remove several at once"),
    define(Action::RemoveRuns, ("remove", "d"), RUNS, Need::Listed, "remove", "Remove the marked runs, or the selected run or study, after a question"),
    define(Action::RenameRun, ("rename", "R"), RUNS, Need::Listed, "", "Give the run another name"),
    define(Action::AnnotateRun, ("note", "a"), RUNS, Need::Listed, "", "Write a note about the run, or change it"),
    define(Action::ResumePaused, ("resume-paused", "p"), RUNS, Need::Listed, "", "Start an engine on the run, and let it wait for a command"),
    define(Action::SortPopulation, ("sort", "o"), POPULATION, Need::Search, "order", "Sort by the next column: loss, change, accuracy and so on"),
    define(Action::PopulationNumbers, ("numbers", "v"), POPULATION, Need::Search, "numbers", "Every number of an individual in place of its genes, or its genes"),
    define(Action::Mark, ("mark", "M"), POPULATION, Need::Search, "mark", "Mark the selected individual, to export or compare several"),
    define(Action::CompareMarked, ("compare-marked", "c"), POPULATION, Need::Search, "", "Compare the two that are marked"),
    define(Action::EarlierPairs, ("earlier-pairs", "o"), PAIRS, Need::Search, "last generation", "This generation's pairs, or the last one's"),
    define(Action::ShowGhosts, ("moved", "m"), POPULATION, Need::Search, "what moved", "The former positions of all that just moved"),
    define(Action::NextCell, ("next-cell", "c"), WEIGHTS, Need::Search, "next cell", "The next cell of the network"),
    define(Action::PreviousCell, ("previous-cell", "C"), WEIGHTS, Need::Search, "cell before", "The cell of the network before"),
    define(Action::CompareArchitecture, ("compare-with", "c"), ARCHITECTURE, Need::Run, "compare with", "Put an individual, a published cell or a file beside it"),
    define(Action::CompareAll, ("compare-all", "c"), CURVES_AND_MAP, Need::Run, "compare", "Lay all runs of the same protocol over the curves and beside the map, or none"),
    define(Action::LogarithmicAxis, ("logarithmic", "o"), CURVES, Need::Run, "log axis", "A logarithmic axis for losses"),
    define(Action::NextCurves, ("next-curves", "v"), CURVES, Need::Run, "which curves", "Losses large, or all quantities at once"),
    define(Action::OneByOne, ("one-by-one", "m"), CURVES, Need::Run, "", "Compared runs by searcher, with mean and range, or one by one"),
    define(Action::Search, ("search", "/"), LOG, Need::Run, "search", "Search the log"),
    define(Action::SearchNext, ("search-next", "n"), LOG, Need::Run, "next", "The next line that was searched for"),
    define(Action::SearchPrevious, ("search-previous", "N"), LOG, Need::Run, "", "The line before that was searched for"),
    define(Action::Pause, ("pause", "space"), Place::Run, Need::Engine, "pause", "Pause within a batch, or go on"),
    define(Action::StepPair, ("step-pair", "s"), Place::Run, Need::Engine, "pair", "Go on for a pair (in a training: an epoch), then pause"),
    define(Action::StepGeneration, ("step-generation", "g"), Place::Run, Need::SearchEngine, "generation", "Go on for one generation, then pause"),
    define(Action::StepMany, ("step-many", "S"), Place::Run, Need::Engine, "", "Go on for so many pairs, generations or epochs, then pause"),
    define(Action::PauseAt, ("pause-at", "p"), Place::Run, Need::SearchEngine, "", "Pause when a generation begins"),
    define(Action::PauseOnNan, ("pause-on-nan", "P"), Place::Run, Need::Engine, "", "Pause after a loss that is not a number, or no longer"),
    define(Action::Inspect, ("inspect", "enter"), INDIVIDUALS, Need::Search, "inspect", "The selected individual: cells, cost, lessons"),
    define(Action::ResumeShown, ("go-on", "r"), Place::Run, Need::Rest, "resume", "Start an engine on the run that is shown; go on where it stopped, as it was"),
    define(Action::Inject, ("inject", "i"), Place::Run, Need::Place, "", "Put a genotype in the selected individual's place"),
    define(Action::EarlierGeneration, ("earlier", "["), PAST, Need::Run, "", "The run as it was when this generation began, or the one before"),
    define(Action::LaterGeneration, ("later", "]"), PAST, Need::Run, "", "The run as it was a generation later, or now"),
    define(Action::EarlierPair, ("earlier-pair", "{"), PAST, Need::Run, "", "The run as it was a pair earlier"),
    define(Action::LaterPair, ("later-pair", "}"), PAST, Need::Run, "", "The run as it was a pair later, or now"),
    define(Action::Now, ("now", "."), PAST, Need::Past, "", "Back from the past to now"),
    define(Action::Replay, ("replay", "R"), PAST, Need::Run, "", "Play the run from here (from its beginning, if this is now), or stop playing"),
    define(Action::Branch, ("branch", "b"), Place::Run, Need::Search, "", "Start a new run from where an earlier generation began"),
    define(Action::Probe, ("probe", "t"), Place::Run, Need::Probe, "", "Probe whether the comparison of pairs is any good, or end that"),
    define(Action::Train, ("train", "T"), Place::Run, Need::Architecture, "", "Train the selected individual, the best or the winner in full, from scratch"),
    define(Action::Evaluate, ("evaluate", "E"), Place::Run, Need::Evaluation, "", "Evaluate the best weights of a finished training on the test images, or end that"),
    define(Action::Export, ("export", "e"), Place::Run, Need::Run, "export", "Export the selected individual, the best, or all"),
    define(Action::Show(View::Overview), ("overview", "1"), Place::Everywhere, Need::Nothing, "", "How far the run is, and what it does now"),
    define(Action::Show(View::Population), ("population", "2"), Place::Everywhere, Need::Nothing, "", "All architecture vectors, and what moved"),
    define(Action::Show(View::Pairs), ("pairs", "3"), Place::Everywhere, Need::Nothing, "", "Which learner of each pair is slow, which is fast, and what is learned"),
    define(Action::Show(View::Weights), ("weights", "4"), Place::Everywhere, Need::Nothing, "", "Which operations were trained, how often and when"),
    define(Action::Show(View::Architecture), ("architecture", "5"), Place::Everywhere, Need::Nothing, "", "Both cells drawn, their cost and their past"),
    define(Action::Show(View::Curves), ("curves", "6"), Place::Everywhere, Need::Nothing, "", "Losses, accuracy, diversity, hit rate, learning rate"),
    define(Action::Show(View::Log), ("log", "7"), Place::Everywhere, Need::Nothing, "", "What happened, line by line"),
    define(Action::Show(View::Runs), ("runs", "8"), Place::Everywhere, Need::Nothing, "", "All runs: open, resume, compare, start"),
    define(Action::Show(View::Map), ("map", "9"), Place::Everywhere, Need::Nothing, "", "The population on a plane, and how slow learners move"),
    define(Action::NextView, ("next-view", "tab"), Place::Everywhere, Need::Nothing, "", "The next view"),
    define(Action::PreviousView, ("previous-view", "backtab"), Place::Everywhere, Need::Nothing, "", "The view before"),
    define(Action::Up, ("up", "up k"), Place::Everywhere, Need::Nothing, "", "Up"),
    define(Action::Down, ("down", "down j"), Place::Everywhere, Need::Nothing, "", "Down"),
    define(Action::Left, ("left", "left h"), Place::Everywhere, Need::Nothing, "", "Left"),
    define(Action::Right, ("right", "right l"), Place::Everywhere, Need::Nothing, "", "Right"),
    define(Action::PageUp, ("page-up", "pageup"), Place::Everywhere, Need::Nothing, "", "A page up"),
    define(Action::PageDown, ("page-down", "pagedown"), Place::Everywhere, Need::Nothing, "", "A page down"),
    define(Action::First, ("first", "home"), Place::Everywhere, Need::Nothing, "", "The first"),
    define(Action::Last, ("last", "end"), Place::Everywhere, Need::Nothing, "", "The last"),
    define(Action::Palette, ("palette", ":"), Place::Everywhere, Need::Nothing, "palette", "Find an action by its name"),
    define(Action::Help, ("help", "?"), Place::Everywhere, Need::Nothing, "help", "All keys"),
    define(Action::NextTheme, ("theme", "ctrl-t"), Place::Everywhere, Need::Nothing, "", "The next theme: dark, light, contrast; it is remembered"),
    define(Action::Back, ("back", "esc"), Place::Everywhere, Need::Nothing, "", "Close what is open, forget the selection"),
    define(Action::Redraw, ("redraw", "ctrl-l"), Place::Everywhere, Need::Nothing, "", "Draw everything again"),
    define(Action::Suspend, ("suspend", "ctrl-z"), Place::Everywhere, Need::Nothing, "", "Back to the shell; `fg` comes back here"),
    define(Action::Detach, ("detach", "q ctrl-c"), Place::Everywhere, Need::Nothing, "leave it running", "Leave; the engine goes on"),
    define(Action::Stop, ("stop", "Q"), Place::Run, Need::Engine, "stop", "Stop the engine after a checkpoint; the run can be resumed"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_every_action_says_what_it_does() {
        for (index, definition) in TABLE.iter().enumerate() {
            assert!(!definition.help.is_empty(), "{}", definition.id);
            assert!(TABLE[..index].iter().all(|other| other.id != definition.id), "{}", definition.id);
            assert_eq!(definition.action.definition().id, definition.id, "an action is there twice");
        }
    }
}
