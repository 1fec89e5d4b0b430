//! Finds actions by what a person calls them: words and prefixes of their names, and synonyms.

use crate::actions::{Action, Definition, Place, TABLE};
use crate::view::View;

/// Other words by which people may look for an action.
fn synonyms(action: Action) -> &'static [&'static str] {
    match action {
        Action::Pause => &["continue", "hold", "halt", "wait", "play", "unpause"],
        Action::StepPair => &["next", "epoch", "advance"],
        Action::StepGeneration => &["next", "advance"],
        Action::StepMany => &["next", "advance", "run", "for"],
        Action::PauseAt => &["breakpoint", "until", "guard"],
        Action::PauseOnNan => &["breakpoint", "guard", "not-a-number"],
        Action::Stop => &["end", "kill", "halt", "terminate", "abort"],
        Action::Detach => &["quit", "exit", "leave", "close", "bye", "disconnect"],
        Action::ResumeRun | Action::ResumeShown => &["resume", "restart", "continue", "start"],
        Action::NewSearch => &["start", "search", "begin", "create", "launch"],
        Action::OpenRun => &["attach", "view", "load", "show"],
        Action::CompareRun | Action::CompareAll => &["compare", "overlay", "versus", "diff", "seeds"],
        Action::CompareArchitecture => &["compare", "beside", "versus", "diff", "difference"],
        Action::Export => &["save", "write", "download", "genotype", "svg", "csv", "pytorch", "copy"],
        Action::Inject => &["insert", "replace", "seed", "genotype", "import", "put"],
        Action::Branch => &["fork", "from", "rewind"],
        Action::Probe => &["check", "trust", "verdicts", "flips", "tau", "kendall"],
        Action::Train => &["retrain", "fit", "full", "scratch"],
        Action::Evaluate => &["test", "judge", "accuracy"],
        Action::RemoveRuns => &["delete", "erase", "rm", "discard"],
        Action::RenameRun => &["name", "move", "label"],
        Action::AnnotateRun => &["annotate", "comment", "describe", "remark"],
        Action::FilterRuns => &["find", "search", "grep", "narrow"],
        Action::SortRuns => &["order", "rank", "column"],
        Action::MarkRun => &["select", "several"],
        Action::ResumePaused => &["paused", "wait", "hold"],
        Action::NextTheme => &["colors", "colours", "dark", "light", "contrast"],
        Action::Inspect => &["details", "individual", "show"],
        Action::SortPopulation => &["order", "rank"],
        Action::ShowGhosts => &["ghosts", "before", "changes"],
        Action::EarlierPairs => &["previous", "last", "generation"],
        Action::LogarithmicAxis => &["log-scale", "scale", "axis"],
        Action::NextCurves => &["charts", "losses"],
        Action::OneByOne => &["mean", "band", "searchers", "separate"],
        Action::Search => &["find", "grep", "filter"],
        Action::Palette => &["command", "find", "actions"],
        Action::Help => &["keys", "shortcuts", "bindings", "manual"],
        Action::Redraw => &["refresh", "clear", "repaint"],
        Action::Suspend => &["shell", "background"],
        Action::Back => &["cancel", "escape", "close", "deselect"],
        Action::Show(View::Overview) => &["home", "summary", "status", "dashboard"],
        Action::Show(View::Population) => &["individuals", "vectors", "table", "heat"],
        Action::Show(View::Pairs) => &["lessons", "slow", "fast", "comparisons"],
        Action::Show(View::Weights) => &["weight-set", "sharing", "supernet", "hits"],
        Action::Show(View::Architecture) => &["cells", "graph", "network", "genotype"],
        Action::Show(View::Curves) => &["charts", "loss", "accuracy", "plots", "diversity"],
        Action::Show(View::Log) => &["events", "history", "messages"],
        Action::Show(View::Runs) => &["list", "all", "experiments"],
        _ => &[],
    }
}

/// A task that the screen cannot do, with the command that does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    pub id: &'static str,
    synonyms: &'static [&'static str],
    /// A sentence with the command.
    pub way: &'static str,
}

/// Tasks that people look for in the palette although the screen cannot do them.
pub const ELSEWHERE: [Elsewhere; 2] = [
    Elsewhere {
        id: "report",
        synonyms: &["html", "markdown"],
        way: "`relativenas report` and a run's name, in a shell, writes a page about it",
    },
    Elsewhere {
        id: "settings",
        synonyms: &["config", "glyphs", "mouse", "bell", "depth"],
        way: "`screen.glyphs` and the other settings of [screen] stand in config.toml; `relativenas doctor` says where",
    },
];

/// A result of the search.
#[derive(Clone, Copy, Debug)]
pub enum Found {
    Action(&'static Definition),
    Elsewhere(&'static Elsewhere),
}

/// All actions and tasks that match every word of a text. The best matches come first; of equal matches, those that
/// are offered in this view. An empty text matches all actions.
pub fn find(text: &str, view: View) -> Vec<Found> {
    let text = text.to_lowercase();
    let words: Vec<&str> = text.split_whitespace().collect();
    let actions = TABLE.iter().filter_map(|definition| {
        let score = score(&words, definition.id, synonyms(definition.action), definition.help)?;
        Some((score, nearness(definition.place, view), Found::Action(definition)))
    });
    let elsewhere = ELSEWHERE.iter().filter(|_| !words.is_empty()).filter_map(|elsewhere| {
        let score = score(&words, elsewhere.id, elsewhere.synonyms, elsewhere.way)?;
        Some((score, 3, Found::Elsewhere(elsewhere)))
    });
    let mut found: Vec<_> = actions.chain(elsewhere).collect();
    // The sort is stable, so that equal matches stay in the order of the table.
    found.sort_by_key(|(score, nearness, _)| (std::cmp::Reverse(*score), *nearness));
    found.into_iter().map(|(.., found)| found).collect()
}

/// How near an action is to the view that is shown, 0 the nearest.
fn nearness(place: Place, view: View) -> u8 {
    match place {
        Place::In(views) if views.contains(&view) => 0,
        place if place.has(view) => 1,
        _ => 2,
    }
}

/// How well all words fit; `None` if one does not.
fn score(words: &[&str], id: &str, synonyms: &[&str], help: &str) -> Option<u32> {
    words.iter().map(|word| score_of(word, id, synonyms, help)).sum()
}

fn score_of(word: &str, id: &str, synonyms: &[&str], help: &str) -> Option<u32> {
    let parts: Vec<&str> = id.split('-').collect();
    let is_word_of_help = |_: &()| {
        let letters = |c: char| !c.is_alphanumeric();
        help.split(letters).any(|part| part.eq_ignore_ascii_case(word))
    };
    let ways: [(u32, bool); 7] = [
        (100, id == word),
        (90, parts.contains(&word)),
        (80, synonyms.contains(&word)),
        (70, parts.iter().any(|part| part.starts_with(word))),
        (60, prefixes(word, &parts)),
        (50, synonyms.iter().any(|synonym| synonym.starts_with(word))),
        (20, is_word_of_help(&())),
    ];
    ways.into_iter().find(|(_, fits)| *fits).map(|(score, _)| score)
}

/// Whether a word is composed of beginnings of the parts, in their order, as `stepgen` is of `step-generation`.
fn prefixes(word: &str, parts: &[&str]) -> bool {
    let Some((part, rest)) = parts.split_first() else { return word.is_empty() };
    let common = word.bytes().zip(part.bytes()).take_while(|(a, b)| a == b).count();
    word.is_empty() || (1..=common).any(|length| word.get(length..).is_some_and(|left| prefixes(left, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the first that are found in the overview.
    fn first(text: &str) -> Option<&'static str> {
        names(text, View::Overview).first().copied()
    }

    fn names(text: &str, view: View) -> Vec<&'static str> {
        let name = |found: &Found| match found {
            Found::Action(definition) => definition.id,
            Found::Elsewhere(elsewhere) => elsewhere.id,
        };
        find(text, view).iter().map(name).collect()
    }

    #[test]
    fn words_prefixes_and_synonyms_find_what_they_mean() {
        let check = |text, id| assert_eq!(first(text), Some(id), "{text}");
        check("pause", "pause");
        check("stepgen", "step-generation");
        check("step gen", "step-generation");
        check("Generation", "step-generation");
        check("quit", "detach");
        check("exit", "detach");
        check("fork", "branch");
        check("save", "export");
        check("copy", "export");
        check("theme", "theme");
        check("colours", "theme");
        check("mouse", "settings");
        check("retrain", "train");
        check("accuracy", "evaluate");
        check("label", "rename");
        check("delete", "remove");
        check("train", "train");
        check("nan", "pause-on-nan");
        check("pop", "population");
    }

    #[test]
    fn sentences_are_matched_by_whole_words_alone() {
        // `Training` and `trained` stand in some sentences.
        assert_eq!(names("train", View::Overview), ["train"]);
        assert_eq!(names("rai", View::Overview), [""; 0]);
        assert!(names("checkpoint", View::Overview).contains(&"stop"));
    }

    #[test]
    fn everything_is_listed_and_what_can_be_had_here_comes_first() {
        for view in View::ALL {
            assert_eq!(find("", view).len(), TABLE.len());
        }
        assert_eq!(names("", View::Log)[0], "search");
        assert_eq!(names("compare", View::Curves)[0], "compare");
        assert_eq!(names("order", View::Population)[0], "sort");
    }
}
