//! Two runs beside each other, for a terminal and for scripts.

use relativenas_core::{
    describe::{differences, gene_changes},
    genotype::Genotype,
    manifest::Job,
    space::Space,
};
use serde_json::{Value, json};

use super::{Difference, protocol_differences};
use crate::{
    report::{Digest, Run, UNKNOWN, interference, loss, percent, trained},
    written::{self, thousands},
};

/// The facts of both runs side by side, then the differences of their protocols and of their winners.
pub fn text(left: &Run, right: &Run) -> String {
    let mut rows = vec![["", &left.name, &right.name].map(str::to_owned)];
    rows.extend(facts(&Digest::of(left), &Digest::of(right)));
    let mut out = columns(&rows);
    for warning in warnings(left, right) {
        out += &format!("\nBeware: {warning}\n");
    }
    let mut differences = protocol_differences(&left.manifest, &right.manifest);
    differences.retain(|d| d.key != "branched_from"); // There is a warning about it above.
    let (grave, harmless): (Vec<_>, Vec<_>) = differences.into_iter().partition(|d| d.grave);
    let mut list = |title: &str, differences: &[Difference]| {
        if differences.is_empty() {
            return;
        }
        out += &format!("\n{title}\n");
        let row = |d: &Difference| [format!("  {}", d.key), short(&d.left), short(&d.right)];
        out += &columns(&differences.iter().map(row).collect::<Vec<_>>());
    };
    list("Their protocols differ; their losses cannot be compared:", &grave);
    list("Different, too, but no reason not to compare:", &harmless);
    let changes = winners(left, right).map(|changes| ("winner", changes));
    if let Some((what, changes)) = changes.or_else(|| Some(("genotype", trainings(left, right)?))) {
        out += &format!("\nFrom the left {what} to the right one\n");
        for change in changes {
            out += &format!("  {change}\n");
        }
    }
    out
}

/// The same as JSON: `left`, `right`, `comparable`, `differences`, `warnings`.
pub fn json(left: &Run, right: &Run) -> Value {
    let differences = protocol_differences(&left.manifest, &right.manifest);
    json!({
        "left": Digest::of(left),
        "right": Digest::of(right),
        "comparable": differences.iter().all(|d| !d.grave),
        "differences": differences,
        "warnings": warnings(left, right),
    })
}

/// Reasons why the two are not independent runs of their settings and seeds.
fn warnings(left: &Run, right: &Run) -> Vec<String> {
    let touched = |run: &Run| {
        let done = interference(run)?;
        Some(format!("{} was {done}; its settings and its seed alone do not repeat it.", run.name))
    };
    let mut warnings: Vec<_> = [left, right].into_iter().filter_map(touched).collect();
    let (a, b) = (&left.manifest, &right.manifest);
    let searches = a.job == Job::Search && b.job == Job::Search;
    let (search, other) = (&a.config.search, &b.config.search);
    if searches && (search.seed, search.searcher) == (other.seed, other.searcher) {
        warnings.push("both have the same searcher and seed; they are not two repetitions.".to_owned());
    }
    warnings
}

/// The differences of the two winners; `None` until both are known.
fn winners(left: &Run, right: &Run) -> Option<Vec<String>> {
    let winner = |run: &Run| {
        let search = run.view.search.as_ref()?;
        Some((search.settings.space, search.winner()?.position))
    };
    let ((space, from), (other, to)) = (winner(left)?, winner(right)?);
    let changes = match (space, other) {
        (Space::Cells, Space::Cells) => {
            differences(&Genotype::decode(&from).ok()?, &Genotype::decode(&to).ok()?)
        }
        (Space::NasBench201, Space::NasBench201) => {
            gene_changes(space, &from, &to).iter().map(ToString::to_string).collect()
        }
        _ => return None,
    };
    Some(or_nothing(changes))
}

/// The differences of the genotypes of two trainings.
fn trainings(left: &Run, right: &Run) -> Option<Vec<String>> {
    Some(or_nothing(differences(trained(left)?, trained(right)?)))
}

fn or_nothing(changes: Vec<String>) -> Vec<String> {
    if changes.is_empty() { vec!["nothing: they are the same".to_owned()] } else { changes }
}

/// The name of a row, and the function that computes its value for a run.
type Fact = (&'static str, fn(&Digest) -> String);

fn of_search(digest: &Digest) -> Option<&Digest> {
    Some(digest).filter(|d| d.job == Job::Search)
}

fn of_training(digest: &Digest) -> Option<&Digest> {
    Some(digest).filter(|d| d.job == Job::Train)
}

fn facts(left: &Digest, right: &Digest) -> Vec<[String; 3]> {
    fn shown<T>(value: Option<T>, written: impl FnOnce(T) -> String) -> String {
        value.map_or_else(|| UNKNOWN.to_owned(), written)
    }
    let facts: [Fact; 26] = [
        ("searcher", |d| shown(d.searcher.clone(), |v| v)),
        ("genotype", |d| match d.epochs {
            Some(_) => d.genotype.clone().unwrap_or_else(|| "not a published one".to_owned()),
            None => UNKNOWN.to_owned(),
        }),
        ("seed", |d| d.seed.to_string()),
        ("data", |d| shown(d.data.clone(), |v| v)),
        ("device", |d| shown(d.device.clone(), |v| v)),
        ("threads", |d| shown(d.threads, |v| v.to_string())),
        ("phase", |d| d.phase.clone()),
        ("generations", |d| shown(of_search(d), |d| format!("{}/{}", d.generations_done, d.generations))),
        ("epochs", |d| shown(d.epochs, |all| format!("{}/{all}", d.epochs_done.unwrap_or(0)))),
        ("evaluations", |d| shown(of_search(d), |d| d.evaluations.to_string())),
        ("best loss on the way", |d| shown(d.best_loss, loss)),
        ("winner's loss", |d| shown(d.winner_loss, loss)),
        ("winner's accuracy", |d| shown(d.winner_accuracy, percent)),
        ("judged by", |d| shown(d.winner_source, str::to_owned)),
        ("epochs in finals", |d| shown(d.finals_epochs, |v| v.to_string())),
        ("mean loss of the ranking", |d| shown(d.ranking_loss, loss)),
        ("best epoch", |d| shown(d.best_epoch, |v| v.to_string())),
        ("its validation loss", |d| shown(d.valid_loss, loss)),
        ("its validation accuracy", |d| shown(d.valid_accuracy, percent)),
        ("test accuracy", |d| shown(d.test_accuracy, percent)),
        ("winner's parameters", |d| shown(of_search(d).and_then(|d| d.parameters), thousands)),
        ("winner's multiply-adds", |d| shown(of_search(d).and_then(|d| d.multiply_adds), thousands)),
        ("parameters", |d| shown(of_training(d).and_then(|d| d.parameters), thousands)),
        ("multiply-adds", |d| shown(of_training(d).and_then(|d| d.multiply_adds), thousands)),
        ("diversity", |d| shown(d.diversity, |v| format!("{v:.3}"))),
        ("hit rate", |d| shown(d.hit_rate, percent)),
    ];
    let row = |(name, fact): Fact| [name.to_owned(), fact(left), fact(right)];
    // What neither has, such as the test accuracy of two searches, is left out.
    facts.into_iter().map(row).filter(|[_, a, b]| a != UNKNOWN || b != UNKNOWN).collect()
}

/// The beginning of a fingerprint, which is enough to tell two apart.
fn short(value: &str) -> String {
    let hexadecimal = value.len() == 64 && value.chars().all(|c| c.is_ascii_hexdigit());
    if hexadecimal { format!("{}…", &value[..16]) } else { value.to_owned() }
}

/// Aligns the columns, two spaces apart.
fn columns(rows: &[[String; 3]]) -> String {
    let width = |column: usize| rows.iter().map(|r| written::width(&r[column])).max().unwrap_or(0);
    let (first, second) = (width(0), width(1));
    let line = |[a, b, c]: &[String; 3]| {
        let line = format!("{}  {}  {c}", written::padded(a, first), written::padded(b, second));
        format!("{}\n", line.trim_end())
    };
    rows.iter().map(line).collect()
}
