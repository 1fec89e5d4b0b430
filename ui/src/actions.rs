//! Everything a person can do, in one table: keys, footer, help and palette are drawn from it.

use crate::views::View;

/// Something a person can do.
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
    NewSearch,
    CompareRun,
    CompareAll,
    Probe,
    Palette,
    Help,
    Redraw,
    Suspend,
    Back,
    Detach,
    Stop,
}

/// Where an action can be had.
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

    /// Whether some view has both.
    pub fn meets(self, other: Self) -> bool {
        View::ALL.into_iter().any(|view| self.has(view) && other.has(view))
    }
}

/// What an action needs, beside its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Nothing,
    /// A run is selected in the list of runs.
    Listed,
    /// The same, and another run is shown.
    ListedAndRun,
    /// A run is shown.
    Run,
    /// A search is shown.
    Search,
    /// An engine listens.
    Engine,
    /// An engine listens, and it searches.
    SearchEngine,
    /// A search with a network is shown, and no engine is at work on it.
    Probe,
}

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub action: Action,
    /// In the configuration: `keys.ID`.
    pub id: &'static str,
    /// Default keys, apart by spaces.
    pub keys: &'static str,
    pub place: Place,
    pub need: Need,
    /// One or two words for the footer; empty keeps it out.
    pub short: &'static str,
    /// A line for help and palette.
    pub help: &'static str,
}

impl Action {
    pub fn entry(self) -> &'static Entry {
        TABLE.iter().find(|entry| entry.action == self).expect("every action is in the table")
    }
}

const fn entry(
    action: Action,
    (id, keys): (&'static str, &'static str),
    place: Place,
    need: Need,
    short: &'static str,
    help: &'static str,
) -> Entry {
    Entry { action, id, keys, place, need, short, help }
}

const POPULATION: Place = Place::In(&[View::Population]);
const PAIRS: Place = Place::In(&[View::Pairs]);
const WEIGHTS: Place = Place::In(&[View::Weights]);
const ARCHITECTURE: Place = Place::In(&[View::Architecture]);
const CURVES: Place = Place::In(&[View::Curves]);
const LOG: Place = Place::In(&[View::Log]);
const RUNS: Place = Place::In(&[View::Runs]);
const INDIVIDUALS: Place = Place::In(&[View::Overview, View::Population, View::Pairs]);

/// All actions; the footer names those of the view first, in this order.
#[rustfmt::skip]
pub const TABLE: &[Entry] = &[
    entry(Action::OpenRun, ("open", "enter"), RUNS, Need::Listed, "open", "Show the run: attach if an engine lives, else its files"),
    entry(Action::NewSearch, ("new", "n"), RUNS, Need::Nothing, "new search", "Start a search, with a form that checks as you type"),
    entry(Action::ResumeRun, ("resume", "r"), RUNS, Need::Listed, "resume", "Start an engine on the run; go on where it stopped"),
    entry(Action::CompareRun, ("compare", "c"), RUNS, Need::ListedAndRun, "compare", "Lay the run's curves over those of the one shown"),
    entry(Action::SortPopulation, ("sort", "o"), POPULATION, Need::Search, "order", "Sort by loss or by number"),
    entry(Action::EarlierPairs, ("earlier-pairs", "o"), PAIRS, Need::Search, "last generation", "This generation's pairs, or the last one's"),
    entry(Action::ShowGhosts, ("moved", "m"), POPULATION, Need::Search, "what moved", "Where everybody who just moved was before"),
    entry(Action::NextCell, ("next-cell", "]"), WEIGHTS, Need::Search, "next cell", "The next cell of the network"),
    entry(Action::PreviousCell, ("previous-cell", "["), WEIGHTS, Need::Search, "cell before", "The cell of the network before"),
    entry(Action::CompareArchitecture, ("compare-with", "c"), ARCHITECTURE, Need::Run, "compare with", "Put an individual, a published cell or a file beside it"),
    entry(Action::CompareAll, ("compare-all", "c"), CURVES, Need::Run, "compare", "Lay all runs of the same protocol over the curves, or none"),
    entry(Action::LogarithmicAxis, ("logarithmic", "o"), CURVES, Need::Run, "log axis", "A logarithmic axis for losses"),
    entry(Action::NextCurves, ("next-curves", "v"), CURVES, Need::Run, "which curves", "Losses large, or all quantities at once"),
    entry(Action::OneByOne, ("one-by-one", "m"), CURVES, Need::Run, "", "Compared runs by searcher, with mean and range, or one by one"),
    entry(Action::Search, ("search", "/"), LOG, Need::Run, "search", "Search the log"),
    entry(Action::SearchNext, ("search-next", "n"), LOG, Need::Run, "next", "The next line that was searched for"),
    entry(Action::SearchPrevious, ("search-previous", "N"), LOG, Need::Run, "", "The line before that was searched for"),
    entry(Action::Pause, ("pause", "space"), Place::Run, Need::Engine, "pause", "Pause within a batch, or go on"),
    entry(Action::StepPair, ("step-pair", "s"), Place::Run, Need::Engine, "pair", "Go on for a pair (in a training: an epoch), then pause"),
    entry(Action::StepGeneration, ("step-generation", "g"), Place::Run, Need::SearchEngine, "generation", "Go on for one generation, then pause"),
    entry(Action::StepMany, ("step-many", "S"), Place::Run, Need::Engine, "", "Go on for so many pairs, generations or epochs, then pause"),
    entry(Action::PauseAt, ("pause-at", "p"), Place::Run, Need::SearchEngine, "", "Pause when a generation begins"),
    entry(Action::PauseOnNan, ("pause-on-nan", "P"), Place::Run, Need::Engine, "", "Pause after a loss that is not a number, or no longer"),
    entry(Action::Inspect, ("inspect", "enter"), INDIVIDUALS, Need::Search, "inspect", "The selected individual: cells, cost, lessons"),
    entry(Action::Inject, ("inject", "i"), Place::Run, Need::SearchEngine, "", "Put a genotype in the selected individual's place"),
    entry(Action::Branch, ("branch", "b"), Place::Run, Need::Search, "", "Start a new run from where an earlier generation began"),
    entry(Action::Probe, ("probe", "t"), Place::Run, Need::Probe, "", "Probe whether the comparison of pairs is any good, or end that"),
    entry(Action::Export, ("export", "e"), Place::Run, Need::Run, "export", "Export the selected individual, the best, or all"),
    entry(Action::Show(View::Overview), ("overview", "1"), Place::Everywhere, Need::Nothing, "", "Where the run is"),
    entry(Action::Show(View::Population), ("population", "2"), Place::Everywhere, Need::Nothing, "", "All architecture vectors, and what moved"),
    entry(Action::Show(View::Pairs), ("pairs", "3"), Place::Everywhere, Need::Nothing, "", "Who is slow, who is fast, and what is learned"),
    entry(Action::Show(View::Weights), ("weights", "4"), Place::Everywhere, Need::Nothing, "", "Which operations were trained, how often and when"),
    entry(Action::Show(View::Architecture), ("architecture", "5"), Place::Everywhere, Need::Nothing, "", "Both cells drawn, their cost and their past"),
    entry(Action::Show(View::Curves), ("curves", "6"), Place::Everywhere, Need::Nothing, "", "Losses, accuracy, diversity, hit rate, learning rate"),
    entry(Action::Show(View::Log), ("log", "7"), Place::Everywhere, Need::Nothing, "", "What happened, line by line"),
    entry(Action::Show(View::Runs), ("runs", "8"), Place::Everywhere, Need::Nothing, "", "All runs: open, resume, compare, start"),
    entry(Action::NextView, ("next-view", "tab"), Place::Everywhere, Need::Nothing, "", "The next view"),
    entry(Action::PreviousView, ("previous-view", "backtab"), Place::Everywhere, Need::Nothing, "", "The view before"),
    entry(Action::Up, ("up", "up k"), Place::Everywhere, Need::Nothing, "", "Up"),
    entry(Action::Down, ("down", "down j"), Place::Everywhere, Need::Nothing, "", "Down"),
    entry(Action::Left, ("left", "left h"), Place::Everywhere, Need::Nothing, "", "Left"),
    entry(Action::Right, ("right", "right l"), Place::Everywhere, Need::Nothing, "", "Right"),
    entry(Action::PageUp, ("page-up", "pageup"), Place::Everywhere, Need::Nothing, "", "A page up"),
    entry(Action::PageDown, ("page-down", "pagedown"), Place::Everywhere, Need::Nothing, "", "A page down"),
    entry(Action::First, ("first", "home"), Place::Everywhere, Need::Nothing, "", "The first"),
    entry(Action::Last, ("last", "end"), Place::Everywhere, Need::Nothing, "", "The last"),
    entry(Action::Palette, ("palette", ":"), Place::Everywhere, Need::Nothing, "palette", "Find an action by its name"),
    entry(Action::Help, ("help", "?"), Place::Everywhere, Need::Nothing, "help", "All keys"),
    entry(Action::Back, ("back", "esc"), Place::Everywhere, Need::Nothing, "", "Close what is open, forget the selection"),
    entry(Action::Redraw, ("redraw", "ctrl-l"), Place::Everywhere, Need::Nothing, "", "Draw everything again"),
    entry(Action::Suspend, ("suspend", "ctrl-z"), Place::Everywhere, Need::Nothing, "", "Back to the shell; `fg` comes back here"),
    entry(Action::Detach, ("detach", "q ctrl-c"), Place::Everywhere, Need::Nothing, "leave it running", "Leave; the engine goes on"),
    entry(Action::Stop, ("stop", "Q"), Place::Run, Need::Engine, "stop", "Stop the engine after a checkpoint; the run can be resumed"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_every_action_says_what_it_does() {
        for (index, entry) in TABLE.iter().enumerate() {
            assert!(!entry.help.is_empty(), "{}", entry.id);
            assert!(TABLE[..index].iter().all(|other| other.id != entry.id), "{}", entry.id);
            assert_eq!(entry.action.entry().id, entry.id, "an action is there twice");
        }
    }
}
