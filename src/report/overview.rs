//! The summary at the beginning of a report.

use relativenas_core::{config::Config, manifest::BUILD, view::Phase};

use super::{
    Run,
    digest::Digest,
    document::{Block, Column, Figure, Section, Table, number, words},
    figures::{UNKNOWN, counted, fixed, listed, loss, millions, moment, or_unknown, percent, ranges},
    hands::interference,
    statistics::{Spread, rank_sum},
    study::{Group, Study},
};
use crate::{
    compare::protocol_differences,
    written::{duration, thousands},
};

/// The level of significance, below which a difference is called more than chance. It is divided by the number of
/// comparisons (Bonferroni), because one in twenty comes out below it by chance alone.
const SIGNIFICANT: f64 = 0.05;

pub fn title(study: &Study) -> String {
    match study.runs {
        [run] => run.name.clone(),
        runs if study.groups.len() > 1 => {
            format!("{} searchers in {}", study.groups.len(), counted(runs.len(), "run"))
        }
        runs => counted(runs.len(), "run"),
    }
}

pub fn subtitle(study: &Study) -> String {
    let begun = study.runs.iter().map(|r| r.manifest.created).min();
    let begun = or_unknown(begun, moment);
    let mut data: Vec<_> = study.runs.iter().filter_map(|r| Digest::of(r).data).collect();
    data.sort();
    data.dedup();
    let data = if data.is_empty() { UNKNOWN.to_owned() } else { listed(&data) };
    format!("RelativeNAS on {data} · begun {begun} · relativenas {BUILD}")
}

pub fn section(study: &Study) -> Section {
    let searches: Vec<_> = study.searches().collect();
    let mut blocks: Vec<_> = touched(&searches).into_iter().map(Block::Note).collect();
    blocks.extend(match &searches[..] {
        [] => vec![Block::Text("There is no search among these runs.".to_owned())],
        [only] => alone(only),
        _ => together(study),
    });
    blocks.extend(cautions(study).into_iter().map(Block::Note));
    Section::new("In short", blocks)
}

/// Interventions in the runs, which are reported before any figure.
fn touched(searches: &[&Run]) -> Vec<String> {
    let done: Vec<_> =
        searches.iter().filter_map(|run| Some(format!("{} was {}", run.name, interference(run)?))).collect();
    if done.is_empty() {
        return Vec::new();
    }
    let meaning = if searches.len() > 1 {
        "Means, ranges and tests on this page leave such runs out: they are no repetitions."
    } else {
        "Its settings and its seed alone do not repeat it, and it is no repetition of other runs."
    };
    vec![format!("{}. {meaning}", listed(&done))]
}

fn alone(run: &Run) -> Vec<Block> {
    let d = Digest::of(run);
    let figure =
        |label: &str, value: String, detail: String| Figure { label: label.to_owned(), value, detail };
    let images = run.view.search.as_ref().map(|s| &s.images);
    let figures = vec![
        figure(
            "Winner's loss",
            or_unknown(d.winner_loss, loss),
            format!("validation, after {}", judged_in(&d)),
        ),
        figure("Winner's accuracy", or_unknown(d.winner_accuracy, percent), "validation".to_owned()),
        figure("Best loss on the way", or_unknown(d.best_loss, loss), "of any learner".to_owned()),
        figure(
            "Parameters",
            or_unknown(d.parameters, millions),
            format!("{} multiply-adds, search network", or_unknown(d.multiply_adds, millions)),
        ),
        figure(
            "Evaluations",
            thousands(d.evaluations),
            format!("{} of {} generations", d.generations_done, d.generations),
        ),
        figure("Hit rate", or_unknown(d.hit_rate, percent), "operations inherited trained".to_owned()),
        figure(
            "Images",
            or_unknown(images, |i| thousands(i.train as u64)),
            or_unknown(images, |i| format!("to train on, {} to validate", thousands(i.valid as u64))),
        ),
        figure("Time", duration(d.seconds), "first event to last, with pauses".to_owned()),
    ];
    let how = format!(
        "A {} search with {}, {} and seed {}; it is {}.",
        run.manifest.config.search.searcher,
        counted(d.population, "individual"),
        counted(d.generations as usize, "generation"),
        d.seed,
        d.phase
    );
    let departures = departures(&run.manifest.config);
    [Block::Figures(figures), Block::Text(how)].into_iter().chain(departures).collect()
}

/// The ways in which this search departs from the published one, so that its estimates are better.
fn departures(config: &Config) -> Option<Block> {
    let search = &config.search;
    let mut said = Vec::new();
    if search.warm_up > 0 {
        said.push(format!(
            "The first {} were a warm-up: architectures of no individual were trained, so that every operation of a \
             node was trained equally often. No individual was judged or moved, and curves of losses begin after it.",
            counted(search.warm_up as usize, "generation")
        ));
    }
    if search.one_shot {
        said.push(
            "After it no network was trained: learners were judged by the weights that they inherited."
                .into(),
        );
    }
    if !search.inherit {
        said.push(
            "No weights were shared: every learner was trained for an epoch from fresh weights, with the rates of the \
             first generation."
                .into(),
        );
    }
    if search.noise > 0.0 {
        said.push(format!(
            "A pair whose losses were nearer than {} was estimated again, up to {} times in all, and mean losses decided.",
            search.noise, search.estimates
        ));
    }
    if !config.network.affine {
        said.push("Batch norms in cells of shared weights had no factor and no offset.".into());
    }
    if config.training.statistics > 0 {
        let batches = format!("{} batches of training images", config.training.statistics);
        said.push(format!(
            "The statistics of batch norm were estimated anew on {batches} before validation."
        ));
    }
    (!said.is_empty()).then(|| Block::Text(said.join(" ")))
}

/// What the winner's loss comes from, in words.
fn judged_in(digest: &Digest) -> &'static str {
    if digest.winner_source == Some("finals") { "the finals" } else { "the final ranking" }
}

fn together(study: &Study) -> Vec<Block> {
    let columns = [
        words("Searcher"),
        number("Runs"),
        words("Seeds"),
        number("Winner's loss"),
        number("lowest – highest"),
        number("Winner's accuracy, %"),
        number("Best on the way"),
        number("Evaluations each"),
    ];
    let rows = study.groups.iter().map(|group| group_row(study, group)).collect();
    let mut blocks = vec![
        Block::Text(
            "Mean and sample standard deviation over runs, one a seed. The winner is that of the finals, which train \
             from scratch; without finals the first of the final ranking, which trains every member of the last \
             population once more with the final weights."
                .to_owned(),
        ),
        Table::block(&columns, rows),
    ];
    let verdicts = verdicts(study);
    if !verdicts.is_empty() {
        blocks.push(Block::Heading("Better than chance?".to_owned()));
        blocks.push(Block::List(verdicts));
    }
    blocks.push(Block::Heading("The runs".to_owned()));
    blocks.push(runs_table(study));
    blocks
}

fn group_row(study: &Study, group: &Group) -> Vec<String> {
    let digests: Vec<_> = group.repetitions().into_iter().map(Digest::of).collect();
    let spread = |value: fn(&Digest) -> Option<f64>| Spread::of(digests.iter().filter_map(value));
    let winner = spread(|d| d.winner_loss);
    vec![
        study.label(group),
        digests.len().to_string(),
        or_unknown((!digests.is_empty()).then_some(()), |()| ranges(digests.iter().map(|d| d.seed))),
        or_unknown(winner, |s| s.written(4)),
        or_unknown(winner, |s| s.range(4)),
        or_unknown(spread(|d| d.winner_accuracy), |s| s.written(2)),
        or_unknown(spread(|d| d.best_loss), |s| s.written(4)),
        or_unknown(Spread::of(digests.iter().map(|d| d.evaluations as f64)), |s| {
            if s.low == s.high { thousands(s.low as u64) } else { s.range(0) }
        }),
    ]
}

/// The first searcher of every protocol against each of the others.
fn verdicts(study: &Study) -> Vec<String> {
    let pairs = study.groups.iter().filter_map(|control| {
        let first = study.groups.iter().find(|g| g.protocol == control.protocol)?;
        (first.searcher != control.searcher).then_some((first, control))
    });
    let pairs: Vec<_> = pairs.collect();
    let significant = SIGNIFICANT / pairs.len() as f64;
    pairs.into_iter().filter_map(|(group, control)| verdict(study, group, control, significant)).collect()
}

fn verdict(study: &Study, group: &Group, control: &Group, significant: f64) -> Option<String> {
    let losses = |g: &Group| -> Vec<f64> {
        g.repetitions().into_iter().filter_map(|r| Digest::of(r).winner_loss).collect()
    };
    let (ours, theirs) = (losses(group), losses(control));
    let test = rank_sum(&ours, &theirs)?;
    let difference = Spread::of(ours)?.mean - Spread::of(theirs)?.mean;
    let conclusion = if test.smallest_p > significant {
        format!("With so few runs p cannot fall below {:.3}: nothing can be concluded.", test.smallest_p)
    } else if test.p > significant {
        format!("That is within chance (above {significant:.3}).")
    } else {
        let better = if difference < 0.0 { group } else { control };
        format!("That is more than chance (below {significant:.3}); {} is ahead.", study.label(better))
    };
    Some(format!(
        "{} against {}: the winner's mean loss differs by {}; {} of {} pairings have the lower loss \
         with {}; exact two-sided rank-sum test p = {:.3}. {conclusion}",
        study.label(group),
        study.label(control),
        format!("{difference:+.4}").replace('-', "−"),
        fixed(test.lower, if test.lower.fract() == 0.0 { 0 } else { 1 }),
        test.pairs,
        study.label(group),
        test.p,
    ))
}

fn runs_table(study: &Study) -> Block {
    let columns: [Column; 10] = [
        words("Run"),
        words("Searcher"),
        number("Seed"),
        words("Phase"),
        number("Winner's loss"),
        number("Accuracy"),
        number("Parameters"),
        number("Multiply-adds"),
        number("Hit rate"),
        number("Time"),
    ];
    let row = |group: &Group, run: &Run| {
        let d = Digest::of(run);
        vec![
            d.run,
            study.label(group),
            d.seed.to_string(),
            interference(run).map_or(d.phase.clone(), |done| format!("{}; {done}", d.phase)),
            or_unknown(d.winner_loss, loss),
            or_unknown(d.winner_accuracy, percent),
            or_unknown(d.parameters, millions),
            or_unknown(d.multiply_adds, millions),
            or_unknown(d.hit_rate, percent),
            duration(d.seconds),
        ]
    };
    let rows = study.groups.iter().flat_map(|g| g.runs.iter().map(move |r| row(g, r))).collect();
    Table::block(&columns, rows)
}

/// Sentences about what forbids or weakens the comparison.
fn cautions(study: &Study) -> Vec<String> {
    let mut cautions = Vec::new();
    let searches: Vec<_> = study.searches().collect();
    if study.protocols > 1 {
        let keys = searches.iter().skip(1).flat_map(|run| {
            let differences = protocol_differences(&searches[0].manifest, &run.manifest);
            differences.into_iter().filter(|d| d.grave).map(|d| d.key)
        });
        let keys: std::collections::BTreeSet<_> = keys.collect();
        cautions.push(format!(
            "These runs follow {} protocols; they differ in {}. Losses of different protocols cannot be compared.",
            study.protocols,
            listed(&keys.into_iter().collect::<Vec<_>>())
        ));
    }
    let doubles: Vec<_> = study.groups.iter().flat_map(Group::doubles).map(|r| r.name.clone()).collect();
    if !doubles.is_empty() {
        cautions.push(format!(
            "Of the same searcher and seed as another run, and left out of means, ranges and tests: {}. A seed counts \
             once.",
            listed(&doubles)
        ));
    }
    let budgets: std::collections::BTreeSet<_> =
        searches.iter().map(|r| Digest::of(r)).map(|d| (d.population, d.generations)).collect();
    let done = searches.iter().filter(|r| r.view.phase() == Phase::Finished);
    let finals: std::collections::BTreeSet<_> =
        done.map(|r| Digest::of(r).finals_epochs.unwrap_or(0)).collect();
    if finals.len() > 1 {
        cautions.push(format!(
            "The finals differ: they trained from scratch for {} epochs.",
            listed(&finals.iter().map(ToString::to_string).collect::<Vec<_>>())
        ));
    }
    if budgets.len() > 1 {
        cautions
            .push("The budgets differ: not every run has as many individuals and generations.".to_owned());
    }
    let unfinished: Vec<_> = searches
        .iter()
        .filter(|r| r.view.search.as_ref().is_none_or(|s| s.ranking.is_empty()))
        .map(|r| r.name.clone())
        .collect();
    if !unfinished.is_empty() {
        cautions.push(format!("Not finished, and without a winner: {}.", listed(&unfinished)));
    }
    let broken = |r: &&&Run| {
        let search = r.view.search.as_ref();
        search.is_some_and(|s| s.generations.iter().any(|g| g.not_numbers > 0))
    };
    let broken: Vec<_> = searches.iter().filter(broken).map(|r| r.name.clone()).collect();
    if !broken.is_empty() {
        cautions.push(format!("Some losses were no numbers in {}; curves leave them out.", listed(&broken)));
    }
    cautions
}
