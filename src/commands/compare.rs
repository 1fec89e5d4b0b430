//! `compare`: two runs side by side.

use std::{io::Write, process::ExitCode};

use anyhow::{Result, bail};
use relativenas_core::{
    cost::cost,
    manifest::Manifest,
    view::{RunView, SearchView},
};

use crate::{arguments::CompareArguments, context::Context, folder::RunFolder, written::thousands};

/// Prints two runs side by side; refused where their losses mean different things.
pub fn compare(context: &Context, arguments: &CompareArguments, out: &mut dyn Write) -> Result<ExitCode> {
    let folders = [context.find(&arguments.first)?, context.find(&arguments.second)?];
    let [first, second] = &folders;
    check_comparable(first, second)?;
    let views = [first.view()?, second.view()?];
    let manifests = [first.manifest()?, second.manifest()?];
    let sides = [0, 1].map(|i| rows(&folders[i], &manifests[i], &views[i]));
    let rows: Vec<_> = sides[0].iter().zip(&sides[1]).map(|((key, a), (_, b))| [*key, a, b]).collect();
    let width = |column: usize| rows.iter().map(|r| r[column].chars().count()).max().unwrap_or(0);
    let (key, a, b) = (width(0), width(1), width(2));
    for row in &rows {
        writeln!(out, "{:key$}  {:>a$}  {:>b$}", row[0], row[1], row[2])?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether losses of two runs may be compared: the engine wrote down under which protocol they
/// came to be, which is data, split, network and training.
///
/// # Errors
/// If they may not, with what differs.
pub fn check_comparable(first: &RunFolder, second: &RunFolder) -> Result<()> {
    let (a, b) = (first.manifest()?, second.manifest()?);
    for (folder, manifest) in [(first, &a), (second, &b)] {
        if manifest.engine.is_none() {
            bail!("{}: no engine has begun this run, so there is nothing to compare", folder.name());
        }
    }
    let hash = |m: &Manifest| m.engine.as_ref().map(|e| e.protocol_hash.clone());
    if a.job == b.job && hash(&a) == hash(&b) {
        return Ok(());
    }
    let different = differences(&a, &b);
    bail!(
        "{} and {} were estimated under different protocols, so their losses cannot be compared: {}",
        first.name(),
        second.name(),
        if different.is_empty() { "the data or its split differ".to_owned() } else { different.join(", ") }
    )
}

/// Settings of the protocol that differ, with both values.
fn differences(a: &Manifest, b: &Manifest) -> Vec<String> {
    let mut found = Vec::new();
    if a.job != b.job {
        found.push("one is a search, the other a training".to_owned());
    }
    let data = |m: &Manifest| m.engine.as_ref().map(|e| e.data.clone()).unwrap_or_default();
    if data(a) != data(b) {
        found.push(format!("data {} against {}", data(a), data(b)));
    }
    let settings = |m: &Manifest| serde_json::to_value(&m.config).unwrap_or_default();
    let (left, right) = (settings(a), settings(b));
    for section in ["data", "network", "training"] {
        let keys = left[section].as_object().into_iter().flat_map(|o| o.keys());
        for key in keys.filter(|k| k.as_str() != "path") {
            let (x, y) = (&left[section][key], &right[section][key]);
            if x != y {
                found.push(format!("{section}.{key} {x} against {y}"));
            }
        }
    }
    found
}

type Row = (&'static str, String);

fn rows(folder: &RunFolder, manifest: &Manifest, view: &RunView) -> Vec<Row> {
    let mut rows = vec![
        ("", folder.name()),
        ("phase", view.phase().name().to_owned()),
        ("seed", manifest.config.search.seed.to_string()),
    ];
    if let Some(engine) = &manifest.engine {
        rows.push(("device", engine.device.clone()));
    }
    if let Some(search) = &view.search {
        rows.extend(search_rows(search));
    }
    if let Some(training) = &view.training {
        let known = |x: Option<f64>| x.map_or_else(|| "–".to_owned(), |x| format!("{x:.2} %"));
        rows.push(("epochs", format!("{} of {}", training.history.len(), training.epochs)));
        let best =
            training.history.iter().map(|e| e.valid_accuracy).filter(|a| a.is_finite()).reduce(f64::max);
        rows.push(("best validation", known(best)));
        rows.push(("test top-1", known(training.test.map(|t| t.top1))));
    }
    rows
}

fn search_rows(search: &SearchView) -> Vec<Row> {
    let dash = || "–".to_owned();
    let best = search.best.as_ref().map(|b| b.learner.estimate);
    let winner = search.order().first().and_then(|&i| search.genotype(i));
    let cost = winner.as_ref().zip(search.network).map(|(genotype, shape)| cost(genotype, &shape));
    let ranked = search.ranking.first();
    let mean = search.ranking.iter().map(|r| r.loss).filter(|l| l.is_finite());
    let (sum, count) = mean.fold((0.0, 0), |(sum, count), loss| (sum + loss, count + 1));
    vec![
        ("searcher", search.settings.searcher.to_string()),
        ("generations", format!("{} of {}", search.generation, search.settings.generations)),
        ("estimations", thousands(search.evaluations)),
        ("lowest loss on the way", best.map_or_else(dash, |e| format!("{:.4}", e.loss))),
        ("winner's loss", ranked.map_or_else(dash, |r| format!("{:.4}", r.loss))),
        ("winner's accuracy", ranked.map_or_else(dash, |r| format!("{:.2} %", r.accuracy))),
        (
            "mean loss of the ranking",
            if count > 0 { format!("{:.4}", sum / f64::from(count)) } else { dash() },
        ),
        ("diversity", format!("{:.2}", search.diversity())),
        ("hit rate", search.hits.rate().map_or_else(dash, |r| format!("{r:.1} %"))),
        ("winner's parameters", cost.as_ref().map_or_else(dash, |c| thousands(c.parameters))),
        ("winner's multiply-adds", cost.as_ref().map_or_else(dash, |c| thousands(c.multiply_adds))),
    ]
}

#[cfg(test)]
mod tests {
    use std::fs;

    use relativenas_core::manifest::{EngineFacts, files};

    use super::*;
    use crate::fixture;

    fn run(runs: &std::path::Path, name: &str, change: impl Fn(&mut Manifest)) -> RunFolder {
        let folder = fixture::run(runs, name);
        fixture::write_log(&folder, &fixture::log(3));
        let mut manifest = fixture::manifest();
        let text = |t: &str| t.to_owned();
        manifest.engine = Some(EngineFacts {
            build: text("b"),
            libtorch: text("2.13.0"),
            device: text("cpu"),
            threads: 2,
            validation_batch: 64,
            data: text("Fashion-MNIST"),
            data_fingerprint: text("d"),
            split_fingerprint: text("s"),
            protocol_hash: text("p"),
        });
        change(&mut manifest);
        fs::write(folder.file(files::MANIFEST), manifest.format()).expect("written");
        folder
    }

    #[test]
    fn runs_of_one_protocol_have_the_same_rows() {
        let runs = tempfile::tempdir().expect("a folder");
        let folders = ["a", "b"].map(|name| run(runs.path(), name, |_| {}));
        check_comparable(&folders[0], &folders[1]).expect("comparable");
        let view = folders[0].view().expect("readable");
        let rows = rows(&folders[0], &folders[0].manifest().expect("readable"), &view);
        let loss = view.search.expect("a search").ranking[0].loss;
        assert!(rows.contains(&("winner's loss", format!("{loss:.4}"))), "{rows:?}");
    }

    #[test]
    fn runs_of_different_protocols_are_refused_with_what_differs() {
        let runs = tempfile::tempdir().expect("a folder");
        let first = run(runs.path(), "a", |_| {});
        let second = run(runs.path(), "b", |manifest| {
            manifest.config.training.batch = 32;
            manifest.engine.as_mut().expect("facts").protocol_hash = "q".to_owned();
        });
        assert_eq!(
            check_comparable(&first, &second).expect_err("another batch").to_string(),
            "a and b were estimated under different protocols, so their losses cannot be compared: \
             training.batch 256 against 32"
        );
    }
}
