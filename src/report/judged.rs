//! How good the winners of a study are, trained from scratch and judged on the test images.

use super::{
    Run,
    document::{Block, Section, Table, number, words},
    figures::{UNKNOWN, fixed, or_unknown, ranges},
    statistics::{Paired, Spread, paired},
    study::{Group, Study},
};

/// Test accuracies of winners by searcher; `None` where no training of a winner is finished.
pub fn section(study: &Study) -> Option<Section> {
    let groups: Vec<_> = study.groups.iter().map(|group| (group, judged(study, group))).collect();
    if groups.iter().all(|(_, winners)| winners.is_empty()) {
        return None;
    }
    let columns = [
        words("Searcher"),
        number("Winners"),
        words("Seeds"),
        number("Test accuracy, %"),
        number("lowest – highest"),
        number("Parameters, thousands"),
    ];
    let rows = groups.iter().map(|(group, winners)| row(study, group, winners)).collect();
    let text = "Every winner was trained from scratch with the same settings, and judged once on the test images, \
                which neither the search nor the choice of an epoch looked at. Where a winner was trained under \
                several seeds, it counts once, with its mean. Mean and sample standard deviation over winners.";
    let mut blocks = vec![Block::Text(text.to_owned()), Table::block(&columns, rows)];
    let comparisons = comparisons(study, &groups);
    if !comparisons.is_empty() {
        let text = "Pairs of the same seed, so of the same data split. The test is exact: it counts under how many of \
                    all choices of signs the mean difference is as large (two-sided). The effect size is the mean \
                    difference divided by the standard deviation of the differences.";
        blocks.push(Block::Heading("Paired by seed".to_owned()));
        blocks.push(Block::Text(text.to_owned()));
        let columns = [
            words("Comparison"),
            number("Pairs"),
            number("Better in"),
            number("Difference, points"),
            number("Effect size"),
            number("p"),
            number("smallest p possible"),
        ];
        blocks.push(Table::block(&columns, comparisons));
    }
    Some(Section::new("The winners, trained from scratch", blocks))
}

/// The winner of a search, with the mean test accuracy of its trainings, in per cent.
pub struct Winner {
    pub seed: u64,
    pub test_accuracy: f64,
    pub parameters: Option<u64>,
}

/// The judged winners of a group, in the order of its runs.
fn judged(study: &Study, group: &Group) -> Vec<Winner> {
    group.repetitions().into_iter().filter_map(|search| winner(study, search)).collect()
}

fn winner(study: &Study, search: &Run) -> Option<Winner> {
    let judges = || study.trainings().filter(|training| training.judges.as_ref() == Some(&search.name));
    let reached = judges().filter_map(|training| training.view.training.as_ref()?.test);
    let test_accuracy = Spread::of(reached.map(|test| test.top1))?.mean;
    let parameters = judges().find_map(|training| super::Digest::of(training).parameters);
    Some(Winner { seed: super::digest::seed(search), test_accuracy, parameters })
}

fn row(study: &Study, group: &Group, winners: &[Winner]) -> Vec<String> {
    let accuracy = Spread::of(winners.iter().map(|w| w.test_accuracy));
    let parameters = Spread::of(winners.iter().filter_map(|w| w.parameters).map(|p| p as f64 / 1e3));
    let seeds = if winners.is_empty() { UNKNOWN.to_owned() } else { ranges(winners.iter().map(|w| w.seed)) };
    vec![
        study.label(group),
        winners.len().to_string(),
        seeds,
        or_unknown(accuracy, |s| s.written(2)),
        or_unknown(accuracy, |s| s.range(2)),
        or_unknown(parameters, |s| s.written(0)),
    ]
}

/// The first searcher of every protocol against each other one, as rows of a table.
fn comparisons(study: &Study, groups: &[(&Group, Vec<Winner>)]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (control, theirs) in groups {
        let first = groups.iter().find(|(group, _)| group.protocol == control.protocol);
        let Some((group, ours)) = first.filter(|(group, _)| group.searcher != control.searcher) else {
            continue;
        };
        let of_seed = |seed| theirs.iter().find(|winner: &&Winner| winner.seed == seed);
        let differences: Vec<_> = ours
            .iter()
            .filter_map(|winner| Some(winner.test_accuracy - of_seed(winner.seed)?.test_accuracy))
            .collect();
        let Some(Paired { better, mean, effect, p, smallest_p }) = paired(&differences) else {
            continue;
        };
        rows.push(vec![
            format!("{} against {}", study.label(group), study.label(control)),
            differences.len().to_string(),
            fixed(better, if better.fract() == 0.0 { 0 } else { 1 }),
            format!("{mean:+.2}"),
            or_unknown(effect, |effect| format!("{effect:+.2}")),
            format!("{p:.3}"),
            format!("{smallest_p:.3}"),
        ]);
    }
    rows
}

/// The figures of every search as comma-separated values, a line each, with the test accuracy of its winner.
pub fn csv(study: &Study) -> String {
    let mut text =
        "run,searcher,seed,phase,evaluations,winner_loss,winner_accuracy,judged_test_accuracy,parameters\n"
            .to_owned();
    for search in study.searches() {
        let digest = super::Digest::of(search);
        let judged = winner(study, search);
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let fields = [
            search.name.clone(),
            digest.searcher.unwrap_or_default(),
            digest.seed.to_string(),
            digest.phase,
            digest.evaluations.to_string(),
            number(digest.winner_loss),
            number(digest.winner_accuracy),
            number(judged.as_ref().map(|winner| winner.test_accuracy)),
            judged.and_then(|winner| winner.parameters).map_or_else(String::new, |count| count.to_string()),
        ];
        text += &fields.join(",");
        text.push('\n');
    }
    text
}
